//! Private keys: made, and read back, one way for each algorithm.

use std::sync::Arc;

use aws_lc_rs::{
    encoding::{AsDer as _, Pkcs8V1Der},
    rand::SystemRandom,
    rsa::{KeyPair as RsaKeyPair, KeySize},
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{
    keys::{Key, KeyError},
    signer::Signer,
};
use crate::domain::keys::SigningAlgorithm;

/// A key pair that was just made.
pub(super) struct Made {
    /// PKCS#8.
    pub(super) private: Zeroizing<Vec<u8>>,
    /// What the key is named after.
    pub(super) public: Vec<u8>,
}

/// Makes a key pair.
pub(super) fn generate(algorithm: SigningAlgorithm) -> Result<Made, KeyError> {
    let random = SystemRandom::new();
    match algorithm {
        SigningAlgorithm::Rs256 => {
            let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(unusable)?;
            let private: Pkcs8V1Der<'_> = pair.as_der().map_err(unusable)?;
            Ok(made(private.as_ref(), pair.public_key().as_ref()))
        }
        SigningAlgorithm::Es256 => {
            let private = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).map_err(unusable)?;
            let pair = p256(private.as_ref())?;
            Ok(made(private.as_ref(), pair.public_key().as_ref()))
        }
        SigningAlgorithm::EdDsa => {
            let private = Ed25519KeyPair::generate_pkcs8(&random).map_err(unusable)?;
            let pair = Ed25519KeyPair::from_pkcs8(private.as_ref()).map_err(unusable)?;
            Ok(made(private.as_ref(), pair.public_key().as_ref()))
        }
    }
}

fn made(private: &[u8], public: &[u8]) -> Made {
    Made { private: Zeroizing::new(private.to_vec()), public: public.to_vec() }
}

fn unusable<E>(_cause: E) -> KeyError {
    KeyError::Unusable
}

fn p256(private: &[u8]) -> Result<EcdsaKeyPair, KeyError> {
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, private).map_err(unusable)
}

/// Reads a private key back.
pub(super) fn open(algorithm: SigningAlgorithm, id: &str, private: &[u8]) -> Result<Key, KeyError> {
    match algorithm {
        SigningAlgorithm::Rs256 => rsa(id, private),
        SigningAlgorithm::Es256 => {
            let pair = p256(private)?;
            // 4 ‖ x ‖ y (SEC 1 §2.3.3).
            let (x, y) = pair.public_key().as_ref().get(1..).ok_or(KeyError::Unusable)?.split_at(32);
            let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
            let verifier = DecodingKey::from_ec_components(&x, &y).map_err(unusable)?;
            let jwk = json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y });
            Ok(key(Algorithm::ES256, id, Signer::Es256(pair), verifier, jwk))
        }
        SigningAlgorithm::EdDsa => {
            let pair = Ed25519KeyPair::from_pkcs8(private).map_err(unusable)?;
            let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
            let verifier = DecodingKey::from_ed_components(&x).map_err(unusable)?;
            let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": x });
            Ok(key(Algorithm::EdDSA, id, Signer::EdDsa(pair), verifier, jwk))
        }
    }
}

fn rsa(id: &str, private: &[u8]) -> Result<Key, KeyError> {
    let pair = RsaKeyPair::from_pkcs8(private).map_err(unusable)?;
    let public = pair.public_key();
    let modulus = URL_SAFE_NO_PAD.encode(public.modulus().big_endian_without_leading_zero());
    let exponent = URL_SAFE_NO_PAD.encode(public.exponent().big_endian_without_leading_zero());
    let verifier = DecodingKey::from_rsa_components(&modulus, &exponent).map_err(unusable)?;
    let jwk = json!({ "kty": "RSA", "n": modulus, "e": exponent });
    Ok(key(Algorithm::RS256, id, Signer::Rs256(pair), verifier, jwk))
}

fn key(algorithm: Algorithm, id: &str, signer: Signer, verifier: DecodingKey, mut jwk: Value) -> Key {
    jwk["use"] = "sig".into();
    jwk["alg"] = format!("{algorithm:?}").into();
    jwk["kid"] = id.into();
    Key { algorithm, signer, verifier: Arc::new(verifier), jwk }
}
