//! Signatures that others made: under keys that we know them by, or under keys that they show with them.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{
    Algorithm, DecodingKey, Validation, decode,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse},
};
use serde_json::Value;
use svc_kit::secret;

use super::jws;
use crate::{
    domain::{dpop::Proof, settings::SECRET_MEMBERS},
    ports::Signatures,
};

/// Most keys of a set that are tried.
const KEYS_MAX: usize = 16;
/// Shortest modulus of an RSA key, in characters of base64url: 2048 bits.
const RSA_MODULUS_CHARS_MIN: usize = 342;

/// `typ` of proofs (RFC 9449 §4.2).
const PROOF_TYPE: &str = "dpop+jwt";

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

    fn proof(&self, token: &str) -> Option<Proof> {
        let header = jws::header(token)?;
        let algorithm = algorithm(&header).filter(|_| header["typ"] == PROOF_TYPE)?;
        let key = header.get("jwk").filter(|key| SECRET_MEMBERS.iter().all(|member| key.get(member).is_none()))?;
        let claims = verified(token, algorithm, &usable(key, algorithm)?)?;
        Some(Proof { thumbprint: thumbprint(key)?, claims })
    }
}

/// The thumbprint of a public key (RFC 7638).
fn thumbprint(key: &Value) -> Option<String> {
    let required: &[&str] = match key.get("kty")?.as_str()? {
        "EC" => &["crv", "kty", "x", "y"],
        "OKP" => &["crv", "kty", "x"],
        "RSA" => &["e", "kty", "n"],
        _ => return None,
    };
    let member = |name: &&'static str| Some((*name, key.get(*name)?.as_str()?));
    let members: BTreeMap<&str, &str> = required.iter().map(member).collect::<Option<_>>()?;
    Some(URL_SAFE_NO_PAD.encode(secret::sha256(serde_json::to_string(&members).ok()?.as_bytes())))
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn thumbprints_are_those_of_the_rfcs() {
        // RFC 7638 §3.1.
        let rsa = json!({
            "kty": "RSA", "e": "AQAB", "alg": "RS256", "kid": "2011-04-29",
            "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
        });
        assert_eq!(thumbprint(&rsa).as_deref(), Some("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"));
        // RFC 9449 §4.1 and §6.1.
        let ec = json!({
            "kty": "EC", "crv": "P-256",
            "x": "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs", "y": "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA"
        });
        assert_eq!(thumbprint(&ec).as_deref(), Some("0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"));
        assert_eq!(thumbprint(&json!({ "kty": "oct", "k": "x" })), None);
    }

    #[test]
    fn weak_keys_and_keys_for_something_else_are_not_used() {
        let rsa = |bytes: usize| json!({ "kty": "RSA", "e": "AQAB", "n": URL_SAFE_NO_PAD.encode(vec![0xbf; bytes]) });
        assert!(usable(&rsa(256), Algorithm::RS256).is_some());
        assert!(usable(&rsa(128), Algorithm::RS256).is_none());
        assert!(usable(&rsa(256), Algorithm::ES256).is_none());
        let mut encrypts = rsa(256);
        encrypts["use"] = "enc".into();
        assert!(usable(&encrypts, Algorithm::RS256).is_none());
    }
}
