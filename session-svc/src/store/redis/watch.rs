//! Looks every second whether the store's servers are those that they were, and whether their clocks agree with ours.

use std::{
    sync::{
        Arc, LazyLock,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    time::Duration,
};

use opentelemetry::metrics::Gauge;
use svc_kit::{
    clock::{Clock, Timestamp},
    telemetry::metrics,
};

use super::RedisStore;
use crate::{domain::id::Shard, ports::StoreError};

static SKEW: LazyLock<Gauge<f64>> = LazyLock::new(|| {
    let meter = metrics::meter("store");
    let gauge = meter.f64_gauge("store_clock_skew_seconds");
    gauge.with_description("By how much the clock of the store is ahead of ours").build()
});

/// Our clock, and how far it is off.
pub(super) struct Watch {
    clock: Arc<dyn Clock>,
    allowed_ms: i64,
    /// By how much the store's clock is ahead; 0 while that is allowed.
    skew_ms: AtomicI64,
}

impl Watch {
    pub(super) fn new(clock: Arc<dyn Clock>, allowed: Duration) -> Self {
        let allowed_ms = i64::try_from(allowed.as_millis()).unwrap_or(i64::MAX);
        Self { clock, allowed_ms, skew_ms: AtomicI64::new(0) }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Refuses to go on while no deadline means anything: what is over would live, or the other way round.
    pub(super) fn gate(&self) -> Result<(), StoreError> {
        match self.skew_ms.load(Relaxed) {
            0 => Ok(()),
            skew => Err(StoreError::Skewed(skew)),
        }
    }

    /// Compares the store's times, which were told between two of ours.
    fn compare(&self, before: Timestamp, after: Timestamp, told: impl Iterator<Item = Timestamp>) {
        let (before, after) = (before.as_ms(), after.as_ms());
        // What is between them is nobody's fault.
        let skew = |told: Timestamp| match told.as_ms() {
            told if told < before => told - before,
            told if told > after => told - after,
            _ => 0,
        };
        let Some(worst) = told.map(skew).max_by_key(|skew| skew.abs()) else { return };
        SKEW.record(worst as f64 / 1_000.0, &[]);
        let is_allowed = worst.abs() <= self.allowed_ms;
        self.skew_ms.store(if is_allowed { 0 } else { worst }, Relaxed);
    }
}

impl RedisStore {
    pub(super) async fn look_after(&self) -> Result<(), StoreError> {
        let before = self.watch.now();
        let told = self.link.examine().await;
        self.watch.compare(before, self.watch.now(), told.into_iter());
        // At once, and not when somebody happens to call: other replicas do not know what this one knows.
        for shard in (0..self.shards).map(Shard) {
            let is_trusted = self
                .link
                .known_history(self.link.shard(shard))
                .is_none_or(|history| self.restoring.is_trusted(shard, history));
            if !is_trusted {
                self.try_restore(shard).await;
            }
        }
        self.watch.gate()
    }
}

#[cfg(test)]
mod tests {
    use svc_kit::clock::ManualClock;

    use super::*;

    #[test]
    fn two_seconds_are_allowed_and_a_millisecond_more_is_not() {
        let at = Timestamp::from_ms;
        let watch = Watch::new(Arc::new(ManualClock::new(at(0))), Duration::from_secs(2));
        for (told, is_allowed) in [(12_000, true), (12_001, false), (8_000, true), (7_999, false), (10_000, true)] {
            watch.compare(at(10_000), at(10_000), [at(told)].into_iter());
            assert_eq!(watch.gate().is_ok(), is_allowed, "{told}");
        }
        // A slow answer proves nothing; the worst of several servers counts.
        watch.compare(at(10_000), at(20_000), [at(8_000), at(22_000)].into_iter());
        assert!(watch.gate().is_ok());
        watch.compare(at(10_000), at(10_000), [at(10_000), at(13_000)].into_iter());
        assert!(matches!(watch.gate(), Err(StoreError::Skewed(3_000))));
        watch.compare(at(10_000), at(10_000), std::iter::empty());
        assert!(watch.gate().is_err(), "silence changes nothing");
    }
}
