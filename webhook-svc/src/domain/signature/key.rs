//! Keys, the asymmetric kind: Ed25519 (RFC 8032). The private half never leaves us; the public half is for everybody.

use std::fmt;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};
use svc_kit::{
    entropy::{self, Entropy},
    secret,
};

/// What the text form of a public key starts with.
const PREFIX: &str = "whpk_";
const BYTES: usize = 32;

/// The public half of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey([u8; BYTES]);

impl PublicKey {
    /// Takes the bytes of a key; `None` when they are not so many.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Reads the text form; `None` when it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        Self::from_bytes(&STANDARD.decode(text.strip_prefix(PREFIX)?).ok()?)
    }

    /// Returns the bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Says whether a signature of `message` is by this key.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.0).verify(message, signature).is_ok()
    }

    /// Returns its JSON Web Key (RFC 8037). Its `kid` is the thumbprint of RFC 7638: the same key has the same everywhere.
    pub fn jwk(&self) -> Value {
        let x = URL_SAFE_NO_PAD.encode(self.0);
        // RFC 7638 §3.2: the required members only, in this order, without blanks.
        let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
        let kid = URL_SAFE_NO_PAD.encode(secret::sha256(members.as_bytes()));
        json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": kid, "alg": "EdDSA", "use": "sig" })
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", STANDARD.encode(self.0))
    }
}

/// A key that signs.
pub struct SigningKey(Ed25519KeyPair);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey")
    }
}

impl SigningKey {
    /// Makes the seed of a new random key.
    pub fn generate_seed(entropy: &dyn Entropy) -> [u8; BYTES] {
        entropy::bytes(entropy)
    }

    /// Makes the key of a seed; `None` when it is not one.
    pub fn from_seed(seed: &[u8]) -> Option<Self> {
        Ed25519KeyPair::from_seed_unchecked(seed).ok().map(Self)
    }

    /// Returns the public half.
    pub fn public(&self) -> PublicKey {
        let mut bytes = [0; BYTES];
        bytes.copy_from_slice(self.0.public_key().as_ref());
        PublicKey(bytes)
    }

    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(message).as_ref().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_rfc_8037_has_its_thumbprint() {
        // RFC 8037, appendices A.1 to A.3.
        let seed = URL_SAFE_NO_PAD.decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap();
        let jwk = SigningKey::from_seed(&seed).unwrap().public().jwk();
        assert_eq!(jwk["x"], "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        assert_eq!(jwk["kid"], "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
        assert_eq!((&jwk["kty"], &jwk["crv"]), (&json!("OKP"), &json!("Ed25519")));
    }

    #[test]
    fn only_keys_of_the_right_form_are_read() {
        for text in ["", "whpk_", "whpk_!", "whpk_AAAA", "whsec_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="] {
            assert!(PublicKey::parse(text).is_none(), "{text:?}");
        }
        assert!(SigningKey::from_seed(&[1; 31]).is_none());
    }
}
