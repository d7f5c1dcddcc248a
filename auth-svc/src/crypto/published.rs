//! Keys that applications publish: read over HTTP where the egress rules allow, and kept for a while.
//!
//! Whoever names an application can make us read its keys, and applications that register themselves choose the address. So
//! an address is asked by one at a time and not again for a while, whether it answered or not; few addresses are asked at
//! once; and an answer is cut off at a size and a time. Whether an address answers is told to nobody but the log.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use svc_kit::{
    boot::BootError,
    clock::{Clock, Timestamp},
    egress::{EgressClient, EgressPolicy, Failure, Network, Stopwatch},
};
use tokio::sync::Semaphore;

use crate::{domain::settings::jwks_problem, ports::KeySets};

/// How old a copy may be, and how old while the address does not answer: then nobody could sign in.
const FRESH_FOR: Duration = Duration::from_secs(5 * 60);
const KEPT_FOR: Duration = Duration::from_secs(60 * 60);
/// How long an address is not asked again.
const ASKED_EVERY: Duration = Duration::from_secs(30);
/// For the whole exchange, the body included.
const FETCH_TIMEOUT: Duration = Duration::from_secs(3);
/// Largest answer, in bytes; what is in it must be smaller still.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Most addresses asked at once; for more there is no answer.
const FETCHES_MAX: usize = 16;
/// Most addresses that are remembered.
const ADDRESSES_MAX: usize = 1024;
const USER_AGENT: &str = concat!("latchkey-auth/", env!("CARGO_PKG_VERSION"));

/// Why there is no key set.
#[derive(Debug, thiserror::Error)]
enum NoKeys {
    #[error("too many key sets are being read")]
    Busy,
    #[error("not within {} s", FETCH_TIMEOUT.as_secs())]
    TooSlow,
    #[error("no answer")]
    NoAnswer(#[from] Failure),
    #[error("the answer has status {0}")]
    Status(StatusCode),
    #[error("the answer broke off, or is larger than {ANSWER_BYTES_MAX} bytes")]
    Cut,
    #[error("the answer {0}")]
    Unusable(&'static str),
}

/// What is known of an address.
#[derive(Default)]
struct Known {
    set: Option<Arc<str>>,
    read_at: Option<Timestamp>,
    asked_at: Option<Timestamp>,
}

/// Who holds it asks.
type Entry = Arc<tokio::sync::Mutex<Known>>;

/// Reads and keeps key sets.
pub struct PublishedKeys {
    client: EgressClient,
    clock: Arc<dyn Clock>,
    places: Semaphore,
    known: Mutex<HashMap<String, Entry>>,
}

impl PublishedKeys {
    /// Makes a reader that has read nothing yet.
    ///
    /// # Errors
    /// Fails when there are no certificates to trust.
    pub fn new(egress: EgressPolicy, network: Network, clock: Arc<dyn Clock>) -> Result<Self, BootError> {
        let client = EgressClient::new(egress, network)?;
        Ok(Self { client, clock, places: Semaphore::new(FETCHES_MAX), known: Mutex::default() })
    }

    fn entry(&self, uri: &str) -> Entry {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= ADDRESSES_MAX && !known.contains_key(uri) {
            // Those that nobody waits for; they are read again when they are asked for.
            known.retain(|_, entry| Arc::strong_count(entry) > 1);
        }
        known.entry(uri.to_owned()).or_default().clone()
    }

    /// The set, read again when the copy is older than `age` and the address may be asked.
    async fn at_most(&self, age: Duration, uri: &str) -> Option<Arc<str>> {
        let entry = self.entry(uri);
        let mut known = entry.lock().await;
        let now = self.clock.now();
        if is_over(known.read_at, age, now) && is_over(known.asked_at, ASKED_EVERY, now) {
            known.asked_at = Some(now);
            match self.read(uri).await {
                Ok(set) => (known.set, known.read_at) = (Some(set), Some(now)),
                Err(error) => {
                    tracing::info!(uri, error = svc_kit::error::chain(&error), "an application's keys cannot be read");
                }
            }
        }
        known.set.clone().filter(|_| !is_over(known.read_at, KEPT_FOR, now))
    }

    async fn read(&self, uri: &str) -> Result<Arc<str>, NoKeys> {
        let _place = self.places.try_acquire().map_err(|_| NoKeys::Busy)?;
        let read = tokio::time::timeout(FETCH_TIMEOUT, self.download(uri)).await;
        let answer = read.unwrap_or(Err(NoKeys::TooSlow))?;
        let text = std::str::from_utf8(&answer).map_err(|_| NoKeys::Unusable("is not text"))?;
        match jwks_problem(text) {
            Some(problem) => Err(NoKeys::Unusable(problem)),
            None => Ok(text.into()),
        }
    }

    async fn download(&self, uri: &str) -> Result<Bytes, NoKeys> {
        let request = |uri| {
            let request = Request::builder().method(Method::GET).uri(uri).header(header::USER_AGENT, USER_AGENT);
            request.header(header::ACCEPT, "application/jwk-set+json, application/json").body(Full::default())
        };
        let answer = self.client.send(uri, &Stopwatch::default(), request).await?;
        if answer.status() != StatusCode::OK {
            return Err(NoKeys::Status(answer.status()));
        }
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
        body.map(|body| body.to_bytes()).map_err(|_| NoKeys::Cut)
    }
}

/// Says whether a time has passed since something happened; it has when nothing did.
fn is_over(since: Option<Timestamp>, time: Duration, now: Timestamp) -> bool {
    since.is_none_or(|since| now.duration_since(since) >= time)
}

impl KeySets for PublishedKeys {
    async fn key_set(&self, uri: &str) -> Option<Arc<str>> {
        self.at_most(FRESH_FOR, uri).await
    }

    async fn newer_key_set(&self, uri: &str) -> Option<Arc<str>> {
        let entry = self.entry(uri);
        let before = entry.lock().await.read_at;
        let set = self.at_most(ASKED_EVERY, uri).await?;
        // The same as before is nothing new.
        (entry.lock().await.read_at != before).then_some(set)
    }
}
