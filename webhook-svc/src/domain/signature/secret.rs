//! Secrets, the symmetric kind: HMAC-SHA-256.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::SecretString;
use svc_kit::{
    entropy::{self, Entropy},
    secret,
};

/// What the text form of a secret starts with.
const PREFIX: &str = "whsec_";
const BYTES: usize = 32;
/// Lengths that Standard Webhooks allows, in bytes.
const LENGTHS: std::ops::RangeInclusive<usize> = 24..=64;

/// A secret that signs.
#[derive(Clone)]
pub struct SigningSecret(Vec<u8>);

impl std::fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningSecret")
    }
}

impl SigningSecret {
    /// Makes a new random secret.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        Self(entropy::bytes::<BYTES>(entropy).to_vec())
    }

    /// Takes the bytes of a secret.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// Reads the text form; `None` when it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text.strip_prefix(PREFIX)?).ok()?;
        LENGTHS.contains(&bytes.len()).then_some(Self(bytes))
    }

    /// Returns the bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the text form, `whsec_…`.
    pub fn reveal(&self) -> SecretString {
        SecretString::from(format!("{PREFIX}{}", STANDARD.encode(&self.0)))
    }

    pub(super) fn sign(&self, parts: &[&[u8]]) -> [u8; 32] {
        secret::hmac_sha256(&self.0, parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_secrets_of_the_right_form_are_read() {
        for text in ["", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_", "whsec_!", "whsec_MfKQ9r8GKYqrTwjUPD8ILA=="] {
            assert!(SigningSecret::parse(text).is_none(), "{text:?}");
        }
    }
}
