//! Watches a tenant's log as it grows.
//!
//! The log is the truth and is read by place; the announcements of this process only save waiting. What another replica
//! logged is found when the log is looked at anyway.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{sync::watch, time::Instant};

use super::Webhooks;
use crate::{
    domain::endpoint::EventPattern,
    error::WebhookError,
    ports::{LogPosition, LogStore, LoggedEvent},
};

/// Streams that are open at once: of one tenant, and in all.
const PER_TENANT_MAX: usize = 64;
const WATCHERS_MAX: usize = 512;
/// Events read at a time, and so the most that a stream holds in memory.
const READ_MAX: usize = 100;
/// Longest pause between two looks at the log.
const POLL: Duration = Duration::from_secs(1);
/// How long a stream lasts: the credential that opened it does not last for ever either.
const LIFETIME: Duration = Duration::from_secs(3_600);

/// Announces that something arrived, and counts who listens.
#[derive(Clone, Debug, Default)]
pub struct Arrivals {
    open: Arc<Mutex<HashMap<String, Listeners>>>,
}

/// Those who watch the log of one tenant.
#[derive(Debug, Default)]
struct Listeners {
    count: usize,
    news: watch::Sender<()>,
}

impl Arrivals {
    /// Wakes those who watch these tenants' logs.
    pub fn announce<'t>(&self, tenants: impl IntoIterator<Item = &'t str>) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        for listeners in tenants.into_iter().filter_map(|tenant| open.get(tenant)) {
            listeners.news.send_replace(());
        }
    }

    fn enter(&self, tenant: &str) -> Option<Place> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.values().map(|listeners| listeners.count).sum::<usize>() >= WATCHERS_MAX
            || open.get(tenant).is_some_and(|listeners| listeners.count >= PER_TENANT_MAX)
        {
            return None;
        }
        let listeners = open.entry(tenant.to_owned()).or_default();
        listeners.count += 1;
        Some(Place { open: self.open.clone(), tenant: tenant.to_owned(), news: listeners.news.subscribe() })
    }
}

/// One of the places for streams; free again when it is dropped.
#[derive(Debug)]
struct Place {
    open: Arc<Mutex<HashMap<String, Listeners>>>,
    tenant: String,
    news: watch::Receiver<()>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(listeners) = open.get_mut(&self.tenant) {
            listeners.count -= 1;
            if listeners.count == 0 {
                open.remove(&self.tenant);
            }
        }
    }
}

/// Where a stream begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With the next event.
    Next,
    /// After this place.
    After(LogPosition),
}

/// What to watch.
#[derive(Clone, Debug)]
pub struct WatchOptions {
    /// Tenant.
    pub tenant: String,
    /// Only types that match one of these; none means all.
    pub types: Vec<EventPattern>,
    /// Where to begin.
    pub start: Start,
    /// After how long without an event there is a sign of life.
    pub heartbeat: Duration,
}

/// An event and its place, or a sign of life.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The event; none in a sign of life.
    pub event: Option<LoggedEvent>,
    /// Where to go on.
    pub place: LogPosition,
}

/// A stream of events.
pub struct Watch<S> {
    webhooks: Arc<Webhooks<S>>,
    options: WatchOptions,
    place: LogPosition,
    read: VecDeque<(LogPosition, LoggedEvent)>,
    /// None before the first sign of life.
    heartbeat_at: Option<Instant>,
    ends_at: Instant,
    held: Place,
}

impl<S: LogStore> Webhooks<S> {
    /// Begins to watch. The first thing seen is a sign of life.
    ///
    /// # Errors
    /// [`WebhookError::TooManyWatchers`], or a failure of the store.
    pub async fn watch(self: Arc<Self>, options: WatchOptions) -> Result<Watch<S>, WebhookError> {
        let held = self.arrivals.enter(&options.tenant).ok_or(WebhookError::TooManyWatchers)?;
        let place = match options.start {
            Start::After(place) => place,
            Start::Next => self.store.log_end(&options.tenant).await?,
        };
        Ok(Watch {
            webhooks: self,
            options,
            place,
            read: VecDeque::new(),
            heartbeat_at: None,
            ends_at: Instant::now() + LIFETIME,
            held,
        })
    }
}

impl<S: LogStore> Watch<S> {
    /// Waits for the next event or sign of life; `None` when the stream is over.
    ///
    /// # Errors
    /// Failures of the store; then the stream is over too.
    pub async fn next(&mut self) -> Result<Option<Seen>, WebhookError> {
        let Some(heartbeat_at) = self.heartbeat_at else { return Ok(Some(self.seen(None))) };
        loop {
            let now = Instant::now();
            if now >= self.ends_at {
                return Ok(None);
            }
            if self.read.is_empty() {
                // Before the look: what arrives during it wakes us.
                self.held.news.mark_unchanged();
                self.read = self.webhooks.store.events(&self.options.tenant, self.place, READ_MAX).await?.into();
            }
            let is_at_end = self.read.is_empty();
            while let Some((place, event)) = self.read.pop_front() {
                self.place = place;
                if EventPattern::choose(&self.options.types, &event.event_type) {
                    return Ok(Some(self.seen(Some(event))));
                }
            }
            // After the look: also a stream whose reader is slow, or whose filter rejects a whole backlog, gets on.
            if Instant::now() >= heartbeat_at {
                return Ok(Some(self.seen(None)));
            }
            if is_at_end {
                self.wait(heartbeat_at.min(now + POLL)).await;
            }
        }
    }

    fn seen(&mut self, event: Option<LoggedEvent>) -> Seen {
        self.heartbeat_at = Some(Instant::now() + self.options.heartbeat);
        Seen { event, place: self.place }
    }

    async fn wait(&mut self, until: Instant) {
        tokio::select! {
            // Fails only when the announcer is gone, and we hold a place with it.
            _ = self.held.news.changed() => {}
            () = tokio::time::sleep_until(until.min(self.ends_at)) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use svc_kit::clock::SystemClock;

    use super::*;
    use crate::app::tests::{TENANT, event, webhooks};

    #[test]
    fn places_are_bounded_and_free_again() {
        let arrivals = Arrivals::default();
        let mut held: Vec<Place> = (0..PER_TENANT_MAX).map(|_| arrivals.enter("acme").unwrap()).collect();
        assert!(arrivals.enter("acme").is_none());
        held.pop();
        assert!(arrivals.enter("acme").is_some());
        for n in held.len()..WATCHERS_MAX {
            held.push(arrivals.enter(&format!("tenant{}", n / PER_TENANT_MAX)).unwrap());
        }
        assert!(arrivals.enter("another").is_none());
        held.clear();
        assert!(arrivals.open.lock().unwrap().is_empty());
    }

    #[test]
    fn only_those_are_woken_in_whose_log_something_arrived() {
        let arrivals = Arrivals::default();
        let (acme, other) = (arrivals.enter("acme").unwrap(), arrivals.enter("other").unwrap());
        arrivals.announce(["acme", "nobody"]);
        assert!(acme.news.has_changed().unwrap() && !other.news.has_changed().unwrap());
    }

    #[tokio::test]
    async fn there_are_signs_of_life_while_a_backlog_is_scanned_of_which_nothing_is_chosen() {
        let webhooks = webhooks(Arc::new(SystemClock));
        webhooks.accept(&(0..3 * READ_MAX).map(event).collect::<Vec<_>>()).await.unwrap();
        let start = Start::After(LogPosition::default());
        let types = vec![EventPattern::parse("user.*").unwrap()];
        let (tenant, heartbeat) = (TENANT.to_owned(), Duration::ZERO);
        let mut watch = webhooks.watch(WatchOptions { tenant, types, start, heartbeat }).await.unwrap();
        for place in [0, 100, 200, 300, 300] {
            let seen = watch.next().await.unwrap().unwrap();
            assert_eq!((seen.event, seen.place), (None, LogPosition(place)));
        }
    }
}
