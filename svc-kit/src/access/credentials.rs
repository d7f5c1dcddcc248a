//! From a credential to a caller: operator keys, access tokens, and what the service itself knows.

use std::{
    collections::HashMap,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use data_encoding::HEXLOWER_PERMISSIVE;
use secrecy::ExposeSecret as _;

use super::{
    AccessError, Caller, JwksSource, KeySource, Scopes,
    jwt::{self, JwtVerifier, Verified},
};
use crate::{
    clock::{Clock, Timestamp},
    config::{AccessConfig, OperatorKey},
    secret,
};

/// Most verified credentials that are remembered.
const CACHE_MAX: usize = 1024;
/// Longest time that a verified credential is remembered.
const CACHE_TTL: Duration = Duration::from_secs(60);

/// A future of a [`CredentialSource`].
pub type CredentialFuture<'a> = Pin<Box<dyn Future<Output = Result<Option<Caller>, AccessError>> + Send + 'a>>;

/// Credentials that a service knows besides operator keys and access tokens.
pub trait CredentialSource: Send + Sync + 'static {
    /// Returns whose credential this is; `None` when it is not one of this source.
    fn caller<'a>(&'a self, credential: &'a str) -> CredentialFuture<'a>;
}

/// A verified credential: whose it is, until when that is taken for granted, and by which key it is signed.
#[derive(Clone)]
struct Remembered {
    caller: Arc<Caller>,
    until: Timestamp,
    kid: Arc<str>,
}

/// Finds out who presents a credential.
pub struct Authenticator {
    operators: Vec<([u8; 32], Arc<Caller>)>,
    jwt: Option<JwtVerifier>,
    own: Option<Box<dyn CredentialSource>>,
    clock: Arc<dyn Clock>,
    /// By the hash of the credential.
    cache: Mutex<HashMap<[u8; 32], Remembered>>,
}

impl Authenticator {
    /// Makes an authenticator from configuration; access tokens are checked against the configured key URL.
    ///
    /// # Errors
    /// Fails when no HTTP client can be built.
    pub fn new(config: &AccessConfig, clock: Arc<dyn Clock>) -> Result<Self, reqwest::Error> {
        let mut this = Self::with_operators(&config.operator_keys, clock.clone());
        if !config.jwks_url.is_empty() {
            let keys = Arc::new(JwksSource::new(config.jwks_url.clone(), clock)?);
            this = this.with_keys(config.issuer.clone(), config.audience.clone(), keys);
        }
        Ok(this)
    }

    /// Makes an authenticator that knows operator keys only.
    pub fn with_operators(keys: &[OperatorKey], clock: Arc<dyn Clock>) -> Self {
        let operators = keys.iter().filter_map(|key| Some((hash_of(key)?, Arc::new(operator(&key.name))))).collect();
        Self { operators, jwt: None, own: None, clock, cache: Mutex::default() }
    }

    /// Also accepts access tokens of `issuer` for `audience`.
    #[must_use]
    pub fn with_keys(mut self, issuer: String, audience: String, keys: Arc<dyn KeySource>) -> Self {
        self.jwt = Some(JwtVerifier { issuer, audience, keys });
        self
    }

    /// Also asks `source`.
    #[must_use]
    pub fn with_source(mut self, source: impl CredentialSource) -> Self {
        self.own = Some(Box::new(source));
        self
    }

    /// Returns who presents `credential`.
    ///
    /// # Errors
    /// [`AccessError::CredentialInvalid`], or [`AccessError::IssuerUnavailable`] when that cannot be found out now.
    pub async fn authenticate(&self, credential: &str) -> Result<Arc<Caller>, AccessError> {
        if credential.len() > jwt::TOKEN_BYTES_MAX {
            return Err(AccessError::CredentialInvalid);
        }
        let hash = secret::sha256(credential.as_bytes());
        // Every key is compared, so that the time does not tell which one is near.
        let operator =
            self.operators.iter().fold(
                None,
                |found, (known, caller)| {
                    if secret::constant_time_eq(known, &hash) { Some(caller) } else { found }
                },
            );
        if let Some(caller) = operator {
            return Ok(caller.clone());
        }
        if let Some(own) = &self.own
            && let Some(caller) = own.caller(credential).await?
        {
            return Ok(Arc::new(caller));
        }
        let now = self.clock.now();
        let jwt = self.jwt.as_ref().ok_or(AccessError::CredentialInvalid)?;
        if let Some(known) = self.remembered(&hash, now) {
            // Its key may have been revoked since.
            let is_good = jwt.keys.key(&known.kid).await?.is_some();
            return is_good.then_some(known.caller).ok_or(AccessError::CredentialInvalid);
        }
        let Verified { caller, ends, kid } = jwt.verify(credential, now).await?;
        let caller = Arc::new(caller);
        let until = ends.min(now.saturating_add(CACHE_TTL));
        self.remember(hash, Remembered { caller: caller.clone(), until, kid: kid.into() }, now);
        Ok(caller)
    }

    fn remembered(&self, hash: &[u8; 32], now: Timestamp) -> Option<Remembered> {
        let cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.get(hash).filter(|known| now < known.until).cloned()
    }

    fn remember(&self, hash: [u8; 32], verified: Remembered, now: Timestamp) {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.len() >= CACHE_MAX {
            cache.retain(|_, known| now < known.until);
        }
        if cache.len() >= CACHE_MAX {
            cache.clear();
        }
        cache.insert(hash, verified);
    }
}

fn operator(name: &str) -> Caller {
    Caller { subject: format!("operator:{name}"), tenant: None, scopes: Scopes::All }
}

/// The hash of a key; `None` for a malformed one, which the check of the configuration reports.
fn hash_of(key: &OperatorKey) -> Option<[u8; 32]> {
    match (&key.token, &key.token_sha256) {
        (Some(token), _) => Some(secret::sha256(token.expose_secret().as_bytes())),
        (None, Some(hex)) => HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).ok()?.try_into().ok(),
        (None, None) => None,
    }
}
