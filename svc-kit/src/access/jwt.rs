//! JWT access tokens (RFC 9068): verified against the issuer's published keys.

use std::{
    collections::HashMap,
    future::Future,
    pin::Pin,
    sync::{Arc, RwLock},
    time::Duration,
};

use jsonwebtoken::{
    Algorithm, DecodingKey, Validation, decode, decode_header,
    jwk::{Jwk, JwkSet},
};
use serde::Deserialize;

use super::{AccessError, Caller, Scopes};
use crate::{
    clock::{Clock, Timestamp},
    error::chain,
};

/// Longest token that is looked at, in bytes.
pub const TOKEN_BYTES_MAX: usize = 16 * 1024;
/// How long we accept a token after its end, for clocks that differ.
const LEEWAY_SECS: u64 = 10;
/// A flood of unknown key ids makes no more requests to the issuer than one in this time.
const REFETCH_INTERVAL: Duration = Duration::from_secs(10);
const FETCH_TIMEOUT: Duration = Duration::from_secs(2);
const JWKS_BYTES_MAX: usize = 64 * 1024;
const ALGORITHMS: [Algorithm; 3] = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];

/// A future of a [`KeySource`].
pub type KeyFuture<'a> = Pin<Box<dyn Future<Output = Result<Option<Arc<DecodingKey>>, AccessError>> + Send + 'a>>;

/// Knows the issuer's public keys.
pub trait KeySource: Send + Sync + 'static {
    /// Returns the key with this `kid`, if the issuer has one.
    fn key<'a>(&'a self, kid: &'a str) -> KeyFuture<'a>;
}

/// Keys that the issuer publishes at a URL (RFC 7517), fetched when an unknown one is asked for.
pub struct JwksSource {
    url: String,
    client: reqwest::Client,
    clock: Arc<dyn Clock>,
    keys: RwLock<HashMap<String, Arc<DecodingKey>>>,
    fetched_at: tokio::sync::Mutex<Option<Timestamp>>,
}

impl JwksSource {
    /// Makes a source that has fetched nothing yet.
    ///
    /// # Errors
    /// Fails when no HTTP client can be built.
    pub fn new(url: String, clock: Arc<dyn Clock>) -> Result<Self, reqwest::Error> {
        let redirects = reqwest::redirect::Policy::none();
        let client = reqwest::Client::builder().timeout(FETCH_TIMEOUT).redirect(redirects).build()?;
        Ok(Self { url, client, clock, keys: RwLock::default(), fetched_at: tokio::sync::Mutex::new(None) })
    }

    fn known(&self, kid: &str) -> Option<Arc<DecodingKey>> {
        self.keys.read().unwrap_or_else(std::sync::PoisonError::into_inner).get(kid).cloned()
    }

    async fn refetch(&self, kid: &str) -> Result<Option<Arc<DecodingKey>>, AccessError> {
        // One fetch at a time; whoever waited finds what the first one brought.
        let mut fetched_at = self.fetched_at.lock().await;
        if let Some(key) = self.known(kid) {
            return Ok(Some(key));
        }
        let now = self.clock.now();
        if fetched_at.is_some_and(|last| now.duration_since(last) < REFETCH_INTERVAL) {
            return Ok(None);
        }
        match self.fetch().await {
            Ok(keys) => {
                *fetched_at = Some(now);
                *self.keys.write().unwrap_or_else(std::sync::PoisonError::into_inner) = keys;
                Ok(self.known(kid))
            }
            Err(error) => {
                tracing::warn!(error = chain(&*error), "the issuer's keys cannot be fetched");
                Err(AccessError::IssuerUnavailable)
            }
        }
    }

    async fn fetch(&self) -> Result<HashMap<String, Arc<DecodingKey>>, Box<dyn std::error::Error + Send + Sync>> {
        let mut response = self.client.get(&self.url).send().await?.error_for_status()?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            if body.len() + chunk.len() > JWKS_BYTES_MAX {
                return Err("the key set is too large".into());
            }
            body.extend_from_slice(&chunk);
        }
        let set: JwkSet = serde_json::from_slice(&body)?;
        Ok(set.keys.iter().filter_map(decoding_key).collect())
    }
}

fn decoding_key(jwk: &Jwk) -> Option<(String, Arc<DecodingKey>)> {
    let key = DecodingKey::from_jwk(jwk).ok()?;
    Some((jwk.common.key_id.clone()?, Arc::new(key)))
}

impl KeySource for JwksSource {
    fn key<'a>(&'a self, kid: &'a str) -> KeyFuture<'a> {
        Box::pin(async move {
            match self.known(kid) {
                Some(key) => Ok(Some(key)),
                None => self.refetch(kid).await,
            }
        })
    }
}

/// What an access token must say.
pub(super) struct JwtVerifier {
    pub(super) issuer: String,
    pub(super) audience: String,
    pub(super) keys: Arc<dyn KeySource>,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    exp: i64,
    client_id: String,
    #[serde(default)]
    tenant_id: String,
    #[serde(default)]
    scope: String,
    #[serde(default)]
    cnf: Option<serde::de::IgnoredAny>,
}

impl JwtVerifier {
    /// Verifies `token` and returns who it speaks for and when it ends.
    pub(super) async fn verify(&self, token: &str, now: Timestamp) -> Result<(Caller, Timestamp), AccessError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(AccessError::CredentialInvalid);
        }
        let header = decode_header(token).map_err(|_| AccessError::CredentialInvalid)?;
        let is_access_token = header.typ.as_deref().is_some_and(is_at_jwt);
        let kid = header.kid.filter(|kid| is_access_token && kid.len() <= 128);
        let kid = kid.ok_or(AccessError::CredentialInvalid)?;
        if !ALGORITHMS.contains(&header.alg) {
            return Err(AccessError::CredentialInvalid);
        }
        let key = self.keys.key(&kid).await?.ok_or(AccessError::CredentialInvalid)?;
        let claims = decode::<Claims>(token, &key, &self.validation(header.alg))
            .map_err(|_| AccessError::CredentialInvalid)?
            .claims;
        // Checked here, because the library reads the machine's clock and not ours.
        let ends = Timestamp::from_ms(claims.exp.saturating_mul(1000));
        // Bound to a key that a call does not show: whoever presents it may have stolen it (RFC 9449 §7.1).
        let is_bound = claims.cnf.is_some();
        let is_complete = !claims.client_id.is_empty() && !claims.tenant_id.is_empty() && !is_bound;
        if !is_complete || !self.is_issuer(&claims) || now >= ends.saturating_add(Duration::from_secs(LEEWAY_SECS)) {
            return Err(AccessError::CredentialInvalid);
        }
        let scopes = Scopes::parse(&claims.scope);
        Ok((Caller { subject: claims.client_id, tenant: Some(claims.tenant_id), scopes }, ends))
    }

    /// Each tenant has an issuer of its own: the default tenant's is the base of the others', and all share their keys.
    fn is_issuer(&self, claims: &Claims) -> bool {
        let below = claims.iss.strip_prefix(&self.issuer).map(|path| path.strip_prefix("/t/"));
        match below {
            Some(Some(tenant)) => tenant == claims.tenant_id,
            Some(None) => claims.iss == self.issuer,
            None => false,
        }
    }

    fn validation(&self, algorithm: Algorithm) -> Validation {
        let mut validation = Validation::new(algorithm);
        validation.validate_exp = false;
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        validation.set_audience(&[&self.audience]);
        validation
    }
}

fn is_at_jwt(typ: &str) -> bool {
    typ.eq_ignore_ascii_case("at+jwt") || typ.eq_ignore_ascii_case("application/at+jwt")
}
