//! The key ring: the signing keys of the process, kept sealed, one of each algorithm signing.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde::Serialize;
use serde_json::{Value, json};
use svc_kit::{
    access::{KeyFuture, KeySource},
    clock::Timestamp,
    entropy::Entropy,
    id::encode_base32,
    seal::{SealError, SealKeys},
    secret,
};

use super::{jws, material, signer::Signer};
use crate::{
    domain::keys::{KeyState, SigningAlgorithm},
    ports::{StoredKey, Tokens, TokensError},
};

/// Why keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A key cannot be made or read.
    #[error("a signing key cannot be made or read")]
    Unusable,
    /// A key cannot be sealed or opened.
    #[error("a signing key cannot be sealed or opened")]
    Seal(#[from] SealError),
    /// No key signs by an algorithm.
    #[error("no key signs by {}", .0.name())]
    NoneActive(SigningAlgorithm),
}

impl From<KeyError> for TokensError {
    fn from(error: KeyError) -> Self {
        Self(error.into())
    }
}

/// A key that is open.
pub(super) struct Key {
    pub(super) algorithm: Algorithm,
    pub(super) signer: Signer,
    pub(super) verifier: Arc<DecodingKey>,
    pub(super) jwk: Value,
}

/// Keys that are open: by id, and which of them sign.
#[derive(Default)]
struct Opened {
    keys: HashMap<String, Key>,
    active: HashMap<SigningAlgorithm, String>,
}

/// The keys of the process.
pub struct KeyRing {
    seal: Arc<SealKeys>,
    entropy: Arc<dyn Entropy>,
    opened: RwLock<Arc<Opened>>,
}

impl KeyRing {
    /// Makes a ring that has no keys yet.
    pub fn new(seal: Arc<SealKeys>, entropy: Arc<dyn Entropy>) -> Self {
        Self { seal, entropy, opened: RwLock::default() }
    }

    fn opened(&self) -> Arc<Opened> {
        self.opened.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn open(&self, stored: &[StoredKey]) -> Result<Opened, KeyError> {
        let mut opened = Opened::default();
        for stored in stored {
            let private = self.seal.open(stored.id.as_bytes(), &stored.sealed)?;
            opened.keys.insert(stored.id.clone(), material::open(stored.algorithm, &stored.id, &private)?);
            if stored.state == KeyState::Active {
                opened.active.insert(stored.algorithm, stored.id.clone());
            }
        }
        let missing = SigningAlgorithm::ALL.into_iter().find(|algorithm| !opened.active.contains_key(algorithm));
        missing.map_or(Ok(opened), |algorithm| Err(KeyError::NoneActive(algorithm)))
    }
}

impl Tokens for Arc<KeyRing> {
    fn sign<C: Serialize>(
        &self,
        typ: &'static str,
        algorithm: SigningAlgorithm,
        claims: &C,
    ) -> Result<String, TokensError> {
        let opened = self.opened();
        let active = opened.active.get(&algorithm).and_then(|id| opened.keys.get_key_value(id));
        let (id, key) = active.ok_or(KeyError::NoneActive(algorithm))?;
        let header = json!({ "typ": typ, "alg": algorithm.name(), "kid": id });
        let claims = serde_json::to_vec(claims).map_err(|error| TokensError(error.into()))?;
        let mut token = format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims));
        let signature = key.signer.sign(token.as_bytes()).map_err(|error| TokensError(error.into()))?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }

    fn verify(&self, typ: &'static str, token: &str) -> Option<Value> {
        let header = jws::header(token)?;
        let opened = self.opened();
        let key = opened.keys.get(header["kid"].as_str()?).filter(|_| header["typ"] == typ)?;
        // Only by its own algorithm. Times and audience are the use cases' business, and their clock is not the machine's.
        let mut validation = Validation::new(key.algorithm);
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.set_required_spec_claims(&["iss"]);
        decode::<Value>(token, &key.verifier, &validation).ok().map(|data| data.claims)
    }

    fn jwks(&self) -> Value {
        let opened = self.opened();
        let mut keys: Vec<(&String, &Value)> = opened.keys.iter().map(|(id, key)| (id, &key.jwk)).collect();
        keys.sort_unstable_by_key(|(id, _)| *id);
        json!({ "keys": keys.into_iter().map(|(_, jwk)| jwk).collect::<Vec<_>>() })
    }

    async fn make(
        &self,
        algorithm: SigningAlgorithm,
        state: KeyState,
        now: Timestamp,
    ) -> Result<StoredKey, TokensError> {
        // RSA takes a while, for which nobody else should wait.
        let made = tokio::task::spawn_blocking(move || material::generate(algorithm)).await;
        let made = made.map_err(|error| TokensError(error.into()))??;
        let id = encode_base32(&secret::sha256(&made.public)[..10]);
        let sealed = self.seal.seal(&*self.entropy, id.as_bytes(), &made.private).map_err(KeyError::from)?;
        Ok(StoredKey { id, algorithm, state, since: now, sealed, created_at: now })
    }

    fn take(&self, stored: &[StoredKey]) -> Result<(), TokensError> {
        let opened = Arc::new(self.open(stored)?);
        *self.opened.write().unwrap_or_else(PoisonError::into_inner) = opened;
        Ok(())
    }
}

/// The public keys of a ring, for verifying without a request to ourselves.
pub struct RingKeys(pub Arc<KeyRing>);

impl KeySource for RingKeys {
    fn key<'a>(&'a self, kid: &'a str) -> KeyFuture<'a> {
        Box::pin(async move { Ok(self.0.opened().keys.get(kid).map(|key| key.verifier.clone())) })
    }
}

#[cfg(test)]
mod tests {
    use svc_kit::entropy::SeededEntropy;

    use super::*;

    async fn ring() -> (Arc<KeyRing>, Vec<StoredKey>) {
        let seal = SealKeys::parse(&[format!("1:{}", "a".repeat(64)).into()]).unwrap();
        let ring = Arc::new(KeyRing::new(Arc::new(seal), Arc::new(SeededEntropy::new(1))));
        let mut stored = Vec::new();
        for algorithm in SigningAlgorithm::ALL {
            stored.push(ring.make(algorithm, KeyState::Active, Timestamp::EPOCH).await.unwrap());
        }
        (ring, stored)
    }

    #[tokio::test]
    async fn keys_survive_the_store_and_their_tokens_verify_by_type() {
        let (ring, stored) = ring().await;
        ring.take(&stored).unwrap();
        for algorithm in SigningAlgorithm::ALL {
            let token = ring.sign("at+jwt", algorithm, &json!({ "iss": "me", "sub": "ada" })).unwrap();
            assert_eq!(jws::header(&token).unwrap()["alg"], algorithm.name());
            assert_eq!(ring.verify("at+jwt", &token).unwrap()["sub"], "ada");
            assert_eq!(ring.verify("JWT", &token), None);
            assert_eq!(ring.verify("at+jwt", &format!("{token}x")), None);
        }
        let jwks = ring.jwks();
        assert_eq!(jwks["keys"].as_array().unwrap().len(), 3);
        assert!(jwks["keys"].as_array().unwrap().iter().all(|key| key.get("d").is_none()), "{jwks}");
    }

    #[tokio::test]
    async fn one_key_signs_and_all_verify() {
        let (ring, mut stored) = ring().await;
        ring.take(&stored).unwrap();
        let old = ring.sign("at+jwt", SigningAlgorithm::Es256, &json!({ "iss": "me" })).unwrap();
        let next = ring.make(SigningAlgorithm::Es256, KeyState::Pending, Timestamp::EPOCH).await.unwrap();
        stored.push(next.clone());
        ring.take(&stored).unwrap();
        let still = ring.sign("at+jwt", SigningAlgorithm::Es256, &json!({ "iss": "me" })).unwrap();
        assert_eq!(
            jws::header(&still).unwrap()["kid"],
            jws::header(&old).unwrap()["kid"],
            "a pending key signs nothing"
        );
        for key in stored.iter_mut().filter(|key| key.algorithm == SigningAlgorithm::Es256) {
            key.state = if key.id == next.id { KeyState::Active } else { KeyState::Retiring };
        }
        ring.take(&stored).unwrap();
        let new = ring.sign("at+jwt", SigningAlgorithm::Es256, &json!({ "iss": "me" })).unwrap();
        assert_eq!(jws::header(&new).unwrap()["kid"], next.id);
        assert!(ring.verify("at+jwt", &old).is_some() && ring.verify("at+jwt", &new).is_some());
        // Without one that signs, everything stays as it was.
        assert!(ring.take(&stored[..1]).is_err());
        assert!(ring.verify("at+jwt", &new).is_some());
    }
}
