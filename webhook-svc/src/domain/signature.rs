//! Standard Webhooks signatures: `v1`, HMAC-SHA-256 of `{webhook-id}.{webhook-timestamp}.{body}`.

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
}

/// Signs a message with each secret; returns the value of `webhook-signature`.
pub fn sign(secrets: &[SigningSecret], id: &str, timestamp_s: i64, body: &[u8]) -> String {
    let timestamp = timestamp_s.to_string();
    let one = |secret: &SigningSecret| {
        let mac = secret::hmac_sha256(&secret.0, &[id.as_bytes(), b".", timestamp.as_bytes(), b".", body]);
        format!("v1,{}", STANDARD.encode(mac))
    };
    secrets.iter().map(one).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_vector_holds() {
        let secrets = [SigningSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap()];
        let signature = sign(&secrets, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn only_secrets_of_the_right_form_are_read() {
        for text in ["", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_", "whsec_!", "whsec_MfKQ9r8GKYqrTwjUPD8ILA=="] {
            assert!(SigningSecret::parse(text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn during_an_overlap_both_secrets_sign_the_current_one_first() {
        let secrets = [SigningSecret::from_bytes(vec![1; 32]), SigningSecret::from_bytes(vec![2; 32])];
        let both = sign(&secrets, "a", 1, b"x");
        assert_eq!(both, [sign(&secrets[..1], "a", 1, b"x"), sign(&secrets[1..], "a", 1, b"x")].join(" "));
    }
}
