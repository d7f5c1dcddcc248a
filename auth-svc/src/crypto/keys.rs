//! Signing keys: RS256, made here, kept sealed.

use std::{collections::HashMap, sync::Arc};

use aws_lc_rs::{
    encoding::{AsDer as _, Pkcs8V1Der},
    rsa::{KeyPair, KeySize},
    signature::KeyPair as _,
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode};
use serde::Serialize;
use serde_json::{Value, json};
use svc_kit::{
    access::StaticKeys,
    clock::Timestamp,
    entropy::Entropy,
    id::encode_base32,
    seal::{SealError, SealKeys},
    secret,
};

use crate::ports::{StoredKey, Tokens, TokensError};

/// Why keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A key cannot be made or read.
    #[error("a signing key cannot be made or read")]
    Unusable,
    /// A key cannot be sealed or opened.
    #[error("a signing key cannot be sealed or opened")]
    Seal(#[from] SealError),
    /// There is no active key.
    #[error("there is no active signing key")]
    NoneActive,
}

/// Makes a new active key. Takes a while.
///
/// # Errors
/// [`KeyError`].
pub fn generate(seal: &SealKeys, entropy: &dyn Entropy, now: Timestamp) -> Result<StoredKey, KeyError> {
    let pair = KeyPair::generate(KeySize::Rsa2048).map_err(|_| KeyError::Unusable)?;
    let private: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| KeyError::Unusable)?;
    let id = encode_base32(&secret::sha256(pair.public_key().as_ref())[..10]);
    let sealed = seal.seal(entropy, id.as_bytes(), private.as_ref())?;
    Ok(StoredKey { id, sealed, is_active: true, created_at: now })
}

struct Key {
    signer: EncodingKey,
    verifier: Arc<DecodingKey>,
    jwk: Value,
}

/// The keys of the process: one signs, all verify.
pub struct KeyRing {
    active: String,
    keys: HashMap<String, Key>,
}

impl KeyRing {
    /// Opens stored keys.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn open(stored: &[StoredKey], seal: &SealKeys) -> Result<Self, KeyError> {
        let active = stored.iter().find(|key| key.is_active).ok_or(KeyError::NoneActive)?.id.clone();
        let open = |stored: &StoredKey| -> Result<(String, Key), KeyError> {
            let private = seal.open(stored.id.as_bytes(), &stored.sealed)?;
            Ok((stored.id.clone(), key(&stored.id, &private)?))
        };
        Ok(Self { active, keys: stored.iter().map(open).collect::<Result<_, _>>()? })
    }

    /// The public keys, as a JWK set (RFC 7517).
    pub fn jwks(&self) -> Value {
        let keys: Vec<&Value> = self.keys.values().map(|key| &key.jwk).collect();
        json!({ "keys": keys })
    }

    /// The public keys, for verifying without a request to ourselves.
    pub fn verifiers(&self) -> StaticKeys {
        StaticKeys(self.keys.iter().map(|(id, key)| (id.clone(), key.verifier.clone())).collect())
    }
}

fn key(id: &str, private: &[u8]) -> Result<Key, KeyError> {
    let pair = KeyPair::from_pkcs8(private).map_err(|_| KeyError::Unusable)?;
    let public = pair.public_key();
    let base64url = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let modulus = base64url(public.modulus().big_endian_without_leading_zero());
    let exponent = base64url(public.exponent().big_endian_without_leading_zero());
    // The library reads PKCS#8 only in its text form.
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(private));
    let verifier = DecodingKey::from_rsa_components(&modulus, &exponent).map_err(|_| KeyError::Unusable)?;
    Ok(Key {
        signer: EncodingKey::from_rsa_pem(pem.as_bytes()).map_err(|_| KeyError::Unusable)?,
        verifier: Arc::new(verifier),
        jwk: json!({ "kty": "RSA", "use": "sig", "alg": "RS256", "kid": id, "n": modulus, "e": exponent }),
    })
}

impl Tokens for KeyRing {
    fn sign<C: Serialize>(&self, typ: &'static str, claims: &C) -> Result<String, TokensError> {
        let key = self.keys.get(&self.active).ok_or_else(|| TokensError("there is no active key".into()))?;
        let mut header = Header::new(Algorithm::RS256);
        header.typ = Some(typ.to_owned());
        header.kid = Some(self.active.clone());
        encode(&header, claims, &key.signer).map_err(|error| TokensError(error.into()))
    }

    fn verify(&self, typ: &'static str, token: &str) -> Option<Value> {
        let header = decode_header(token).ok()?;
        let is_of_type = header.typ.as_deref() == Some(typ) && header.alg == Algorithm::RS256;
        let key = self.keys.get(header.kid.as_deref()?).filter(|_| is_of_type)?;
        // Times and audience are the use cases' business, and their clock is not the machine's.
        let mut validation = Validation::new(Algorithm::RS256);
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.set_required_spec_claims(&["iss"]);
        decode::<Value>(token, &key.verifier, &validation).ok().map(|data| data.claims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use svc_kit::entropy::SeededEntropy;

    #[test]
    fn a_key_survives_the_store_and_its_tokens_verify_by_type() {
        let seal = SealKeys::parse(&[format!("1:{}", "a".repeat(64)).into()]).unwrap();
        let stored = generate(&seal, &SeededEntropy::new(1), Timestamp::EPOCH).unwrap();
        let ring = KeyRing::open(std::slice::from_ref(&stored), &seal).unwrap();
        let token = ring.sign("at+jwt", &json!({ "iss": "me", "sub": "ada" })).unwrap();
        assert_eq!(ring.verify("at+jwt", &token).unwrap()["sub"], "ada");
        assert_eq!(ring.verify("JWT", &token), None);
        assert_eq!(ring.verify("at+jwt", &format!("{token}x")), None);
        assert_eq!(ring.jwks()["keys"][0]["kid"], stored.id);
        assert!(ring.jwks()["keys"][0].get("d").is_none());
    }
}
