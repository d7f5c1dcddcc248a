//! What is looked after without being asked.

use std::{future::Future, time::Duration};

use svc_kit::clock::Timestamp;

use super::{LogStore, StoreError};

/// How far a step of the reconciler goes, and when the next one is made.
#[derive(Clone, Copy, Debug)]
pub struct ReconcileBounds {
    /// Events looked at, and deliveries repaired of each other kind.
    pub events: usize,
    /// How old events are at most that are looked at: those that are kept for something pending only are not.
    pub age_max: Duration,
    /// How long a claim must be over to be called lapsed.
    pub lapsed_after: Duration,
    /// From one step to the next.
    pub pause: Duration,
    /// From the end of the log to its beginning.
    pub rest: Duration,
}

/// What a step of the reconciler found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// Whether there was a step: it was time, and nobody else was at it.
    pub is_done: bool,
    /// Whether it reached the end of the log.
    pub is_end: bool,
    /// Events that it looked at.
    pub events: usize,
    /// What it repaired.
    pub repairs: Repairs,
}

/// Deliveries that were repaired.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Repairs {
    /// There was none for an endpoint that wanted the event.
    pub missing: usize,
    /// Pending without a time.
    pub timeless: usize,
    /// Claimed by somebody whose claim ended long ago.
    pub lapsed: usize,
    /// Behind in an order in which nobody is in front.
    pub stranded: usize,
    /// Pending for an endpoint that is disabled or deleted.
    pub orphaned: usize,
}

impl Repairs {
    /// Each kind by name.
    pub fn by_kind(self) -> [(&'static str, usize); 5] {
        let Self { missing, timeless, lapsed, stranded, orphaned } = self;
        [
            ("missing", missing),
            ("timeless", timeless),
            ("lapsed", lapsed),
            ("stranded", stranded),
            ("orphaned", orphaned),
        ]
    }

    /// All together.
    pub fn total(self) -> usize {
        self.by_kind().iter().map(|(_, count)| count).sum()
    }
}

/// How long things are kept, and how fast what is older goes.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// Events, unless something pending needs them.
    pub payload: Duration,
    /// Deliveries that ended, and attempts.
    pub attempts: Duration,
    /// Events, and as many deliveries, that a step removes.
    pub batch: usize,
    /// From one step to the next.
    pub pause: Duration,
    /// From the end of a round to the next one.
    pub rest: Duration,
}

/// What a step of the retention removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retained {
    /// Whether there was a step: it was time, and nobody else was at it.
    pub is_done: bool,
    /// Whether it was the last one of its round.
    pub is_end: bool,
    /// Events removed.
    pub events: usize,
    /// Deliveries removed.
    pub deliveries: usize,
    /// Partitions of attempts dropped.
    pub partitions: usize,
}

/// Looks after what is kept.
pub trait UpkeepStore: LogStore {
    /// Does a step of proving that every event of the log has a delivery to each endpoint that wanted it (since the endpoint was
    /// created or enabled, or its filter was changed), and that whatever is pending will be tried; repairs what is not so.
    fn reconcile(
        &self,
        now: Timestamp,
        bounds: ReconcileBounds,
    ) -> impl Future<Output = Result<Reconciled, StoreError>> + Send;
    /// Does a step of removing what is older than the rules say, counted from the arrival of the event. An event that something
    /// pending needs stays until that ends.
    fn retain(&self, now: Timestamp, rules: Retention) -> impl Future<Output = Result<Retained, StoreError>> + Send;
}
