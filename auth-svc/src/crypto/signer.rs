//! Private keys that were read once and sign many times.
//!
//! Reading an RSA key checks it and prepares what its signatures share; doing so for each of them takes longer than signing.

use aws_lc_rs::{
    error::Unspecified,
    rand::SystemRandom,
    rsa::KeyPair as RsaKeyPair,
    signature::{EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256},
};

/// A private key that is open.
pub(super) enum Signer {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256(RsaKeyPair),
    /// ECDSA with P-256 and SHA-256.
    Es256(EcdsaKeyPair),
    /// Ed25519.
    EdDsa(Ed25519KeyPair),
}

impl Signer {
    /// Signs, in the form that a JWS carries (RFC 7518 §3, RFC 8037 §3.1).
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Unspecified> {
        match self {
            Self::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)?;
                Ok(signature)
            }
            Self::Es256(pair) => Ok(pair.sign(&SystemRandom::new(), message)?.as_ref().to_vec()),
            Self::EdDsa(pair) => Ok(pair.sign(message).as_ref().to_vec()),
        }
    }
}
