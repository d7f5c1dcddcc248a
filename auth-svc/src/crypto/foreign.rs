//! Signatures that others made, under keys that we know them by.

use jsonwebtoken::{
    Algorithm, DecodingKey, Validation, decode,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse},
};
use serde_json::Value;

use super::jws;
use crate::ports::Signatures;

/// Most keys of a set that are tried.
const KEYS_MAX: usize = 16;
/// Shortest modulus of an RSA key, in characters of base64url: 2048 bits.
const RSA_MODULUS_CHARS_MIN: usize = 342;

/// Checks signatures by the keys of JWK sets.
pub struct JwkSignatures;

impl Signatures for JwkSignatures {
    fn signed_by(&self, jwks: &str, token: &str) -> Option<Value> {
        let header = jws::header(token)?;
        let algorithm = algorithm(&header)?;
        let set: Value = serde_json::from_str(jwks).ok()?;
        let keys = set.get("keys")?.as_array()?.iter().take(KEYS_MAX);
        let is_meant = |key: &&Value| match (header.get("kid"), key.get("kid")) {
            (Some(wanted), Some(known)) => wanted == known,
            _ => true,
        };
        keys.filter(is_meant).find_map(|key| verified(token, algorithm, &usable(key, algorithm)?))
    }
}

/// The algorithm of a header, if it is one that we accept from others.
fn algorithm(header: &Value) -> Option<Algorithm> {
    match header.get("alg")?.as_str()? {
        "ES256" => Some(Algorithm::ES256),
        "EdDSA" => Some(Algorithm::EdDSA),
        "PS256" => Some(Algorithm::PS256),
        "RS256" => Some(Algorithm::RS256),
        _ => None,
    }
}

/// The key, if it may sign by `algorithm`.
fn usable(key: &Value, algorithm: Algorithm) -> Option<DecodingKey> {
    let jwk: Jwk = serde_json::from_value(key.clone()).ok()?;
    let is_for_signing = matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature));
    let fits = match (&jwk.algorithm, algorithm) {
        (AlgorithmParameters::EllipticCurve(key), Algorithm::ES256) => key.curve == EllipticCurve::P256,
        (AlgorithmParameters::OctetKeyPair(key), Algorithm::EdDSA) => key.curve == EllipticCurve::Ed25519,
        (AlgorithmParameters::RSA(key), Algorithm::PS256 | Algorithm::RS256) => key.n.len() >= RSA_MODULUS_CHARS_MIN,
        _ => false,
    };
    (is_for_signing && fits).then(|| DecodingKey::from_jwk(&jwk).ok()).flatten()
}

/// The claims, if the signature is good. Times and audience are the use cases' business.
fn verified(token: &str, algorithm: Algorithm, key: &DecodingKey) -> Option<Value> {
    let mut validation = Validation::new(algorithm);
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    decode::<Value>(token, key, &validation).ok().map(|data| data.claims)
}
