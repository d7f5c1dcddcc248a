//! The issuer's public keys (RFC 7517): fetched when an unknown one is asked for, and again when the copy is old.
//!
//! A key that leaked leaves the published set at once; here it is believed for as long as the copy is kept. Where the issuer
//! does not answer, we go on with what we have: it would be worse if nobody could call while it is away.

use std::{
    collections::HashMap,
    future::Future,
    pin::Pin,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use jsonwebtoken::{
    DecodingKey,
    jwk::{Jwk, JwkSet},
};
use tokio::sync::Mutex;

use super::AccessError;
use crate::{
    clock::{Clock, Timestamp},
    error::chain,
};

/// How old the copy may be.
const KEPT_FOR: Duration = Duration::from_secs(30);
/// A flood of unknown key ids makes no more requests to the issuer than one in this time, and neither do old keys while the
/// issuer is away.
const REFETCH_INTERVAL: Duration = Duration::from_secs(10);
const FETCH_TIMEOUT: Duration = Duration::from_secs(2);
const JWKS_BYTES_MAX: usize = 64 * 1024;

/// A future of a [`KeySource`].
pub type KeyFuture<'a> = Pin<Box<dyn Future<Output = Result<Option<Arc<DecodingKey>>, AccessError>> + Send + 'a>>;

/// Knows the issuer's public keys.
pub trait KeySource: Send + Sync + 'static {
    /// Returns the key with this `kid`, if the issuer has one.
    fn key<'a>(&'a self, kid: &'a str) -> KeyFuture<'a>;
}

/// Keys that the issuer publishes at a URL.
pub struct JwksSource {
    url: String,
    client: reqwest::Client,
    clock: Arc<dyn Clock>,
    copy: RwLock<Kept>,
    /// Who holds it fetches.
    turn: Mutex<Turn>,
}

#[derive(Default)]
struct Kept {
    keys: HashMap<String, Arc<DecodingKey>>,
    fetched_at: Option<Timestamp>,
}

#[derive(Default)]
struct Turn {
    fetched_at: Option<Timestamp>,
    failed_at: Option<Timestamp>,
}

impl JwksSource {
    /// Makes a source that has fetched nothing yet.
    ///
    /// # Errors
    /// Fails when no HTTP client can be built.
    pub fn new(url: String, clock: Arc<dyn Clock>) -> Result<Self, reqwest::Error> {
        let redirects = reqwest::redirect::Policy::none();
        let client = reqwest::Client::builder().timeout(FETCH_TIMEOUT).redirect(redirects).build()?;
        Ok(Self { url, client, clock, copy: RwLock::default(), turn: Mutex::default() })
    }

    /// The key of the copy, and whether that is fresh.
    fn known(&self, kid: &str, now: Timestamp) -> Option<(Arc<DecodingKey>, bool)> {
        let copy = self.copy.read().unwrap_or_else(PoisonError::into_inner);
        let is_fresh = !is_over(copy.fetched_at, KEPT_FOR, now);
        copy.keys.get(kid).map(|key| (key.clone(), is_fresh))
    }

    /// Looks for a key that the copy does not have. One fetches at a time; whoever waited finds what the first one brought.
    async fn unknown(&self, kid: &str, now: Timestamp) -> Result<Option<Arc<DecodingKey>>, AccessError> {
        let mut turn = self.turn.lock().await;
        if let Some((key, _)) = self.known(kid, now) {
            return Ok(Some(key));
        }
        if !is_over(turn.fetched_at, REFETCH_INTERVAL, now) {
            return Ok(None);
        }
        self.fetch(&mut turn, now).await?;
        Ok(self.known(kid, now).map(|(key, _)| key))
    }

    /// Looks whether the issuer has a key still. Whoever comes while another one asks goes on with the old copy.
    async fn confirmed(&self, kid: &str, old: Arc<DecodingKey>, now: Timestamp) -> Option<Arc<DecodingKey>> {
        let Ok(mut turn) = self.turn.try_lock() else { return Some(old) };
        if !is_over(turn.failed_at, REFETCH_INTERVAL, now) || self.fetch(&mut turn, now).await.is_err() {
            return Some(old);
        }
        self.known(kid, now).map(|(key, _)| key)
    }

    async fn fetch(&self, turn: &mut Turn, now: Timestamp) -> Result<(), AccessError> {
        match self.download().await {
            Ok(keys) => {
                *turn = Turn { fetched_at: Some(now), failed_at: None };
                let copy = Kept { keys, fetched_at: Some(now) };
                *self.copy.write().unwrap_or_else(PoisonError::into_inner) = copy;
                Ok(())
            }
            Err(error) => {
                turn.failed_at = Some(now);
                tracing::warn!(error = chain(&*error), "the issuer's keys cannot be fetched");
                Err(AccessError::IssuerUnavailable)
            }
        }
    }

    async fn download(&self) -> Result<HashMap<String, Arc<DecodingKey>>, Box<dyn std::error::Error + Send + Sync>> {
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

/// Says whether a time has passed since something happened; it has when nothing did.
fn is_over(since: Option<Timestamp>, time: Duration, now: Timestamp) -> bool {
    since.is_none_or(|since| now.duration_since(since) >= time)
}

fn decoding_key(jwk: &Jwk) -> Option<(String, Arc<DecodingKey>)> {
    let key = DecodingKey::from_jwk(jwk).ok()?;
    Some((jwk.common.key_id.clone()?, Arc::new(key)))
}

impl KeySource for JwksSource {
    fn key<'a>(&'a self, kid: &'a str) -> KeyFuture<'a> {
        Box::pin(async move {
            let now = self.clock.now();
            match self.known(kid, now) {
                Some((key, true)) => Ok(Some(key)),
                Some((key, false)) => Ok(self.confirmed(kid, key, now).await),
                None => self.unknown(kid, now).await,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Mutex as StdMutex,
        atomic::{AtomicUsize, Ordering},
    };

    use axum::{Router, http::StatusCode, routing::get};

    use super::*;
    use crate::clock::ManualClock;

    const SECOND: Duration = Duration::from_secs(1);

    /// An issuer that publishes keys, or fails.
    #[derive(Default)]
    struct Issuer {
        kids: StdMutex<Option<Vec<&'static str>>>,
        asked: AtomicUsize,
    }

    impl Issuer {
        fn answer(&self) -> Result<String, StatusCode> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            let kids = self.kids.lock().unwrap().clone().ok_or(StatusCode::BAD_GATEWAY)?;
            let key = |kid| serde_json::json!({ "kty": "OKP", "crv": "Ed25519", "kid": kid, "x": "A".repeat(43) });
            Ok(serde_json::json!({ "keys": kids.into_iter().map(key).collect::<Vec<_>>() }).to_string())
        }

        fn asked(&self) -> usize {
            self.asked.swap(0, Ordering::SeqCst)
        }

        fn publish(&self, kids: &[&'static str]) {
            *self.kids.lock().unwrap() = Some(kids.to_vec());
        }
    }

    async fn source() -> (Arc<Issuer>, Arc<ManualClock>, JwksSource) {
        let issuer = Arc::new(Issuer::default());
        let (answering, clock) = (issuer.clone(), Arc::new(ManualClock::new(Timestamp::from_ms(1_700_000_000_000))));
        let router = Router::new().route("/jwks", get(async move || answering.answer()));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/jwks", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (issuer, clock.clone(), JwksSource::new(url, clock).unwrap())
    }

    #[tokio::test]
    async fn what_the_issuer_removed_is_believed_for_half_a_minute_at_most() {
        let (issuer, clock, source) = source().await;
        issuer.publish(&["old"]);
        assert!(source.key("old").await.unwrap().is_some());
        issuer.publish(&["new"]);
        clock.advance(KEPT_FOR - SECOND);
        assert!(source.key("old").await.unwrap().is_some());
        assert_eq!(issuer.asked(), 1);
        clock.advance(SECOND);
        assert!(source.key("old").await.unwrap().is_none());
        assert!(source.key("new").await.unwrap().is_some());
        assert_eq!(issuer.asked(), 1);
    }

    #[tokio::test]
    async fn a_flood_of_unknown_keys_is_one_request_in_ten_seconds() {
        let (issuer, clock, source) = source().await;
        issuer.publish(&["known"]);
        for number in 0..100 {
            assert!(source.key(&format!("unknown {number}")).await.unwrap().is_none());
        }
        assert_eq!(issuer.asked(), 1);
        clock.advance(REFETCH_INTERVAL);
        assert!(source.key("unknown").await.unwrap().is_none());
        assert_eq!(issuer.asked(), 1);
    }

    #[tokio::test]
    async fn while_the_issuer_is_away_known_keys_stay_good_and_unknown_ones_are_no_answer() {
        let (issuer, clock, source) = source().await;
        issuer.publish(&["known"]);
        assert!(source.key("known").await.unwrap().is_some());
        *issuer.kids.lock().unwrap() = None;
        clock.advance(KEPT_FOR);
        issuer.asked();
        for _ in 0..10 {
            assert!(source.key("known").await.unwrap().is_some());
        }
        assert_eq!(issuer.asked(), 1, "it is not asked again at each call");
        assert_eq!(source.key("unknown").await.unwrap_err(), AccessError::IssuerUnavailable);
        issuer.publish(&[]);
        clock.advance(REFETCH_INTERVAL);
        assert!(source.key("known").await.unwrap().is_none());
    }
}
