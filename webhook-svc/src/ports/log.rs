//! The log, read again, and what is delivered again.

use std::future::Future;

use svc_kit::clock::Timestamp;

use super::{DeliveryStore, LogPosition, LoggedEvent, StoreError};
use crate::domain::endpoint::{DrainRate, EndpointId};

/// Which events to read by the time of their arrival.
#[derive(Clone, Debug)]
pub struct ArrivalQuery {
    /// Of this tenant.
    pub tenant: String,
    /// Arrived then or later.
    pub from: Timestamp,
    /// And before then.
    pub to: Timestamp,
    /// After this one.
    pub after: Option<(Timestamp, LogPosition)>,
    /// At most so many.
    pub limit: usize,
}

/// An event that an endpoint shall get again.
#[derive(Clone, Debug)]
pub struct Replay {
    /// The event's id.
    pub event: String,
    /// The endpoint.
    pub endpoint: EndpointId,
}

/// When the deliveries of a replay are due: one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// From when it is counted.
    pub from: Timestamp,
    /// How many in a second.
    pub rate: DrainRate,
    /// How many were made due before.
    pub before: u64,
}

/// How far a replay goes.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReplayMode {
    /// Only what was never taken.
    pub only_missing: bool,
    /// Counts and changes nothing.
    pub is_dry: bool,
}

/// Reads the log again.
pub trait LogStore: DeliveryStore {
    /// The place of the newest event of a tenant.
    fn log_end(&self, tenant: &str) -> impl Future<Output = Result<LogPosition, StoreError>> + Send;
    /// Lists events by the time of their arrival, and those of one millisecond by their place.
    fn arrivals(
        &self,
        query: &ArrivalQuery,
    ) -> impl Future<Output = Result<Vec<(LogPosition, LoggedEvent)>, StoreError>> + Send;
    /// Makes deliveries of `tenant` due again, in order and at a pace, each at the start of its schedule and marked, where the
    /// endpoint is enabled and the delivery is not waiting already. Returns how many.
    fn replay(
        &self,
        tenant: &str,
        replays: &[Replay],
        pace: Pace,
        mode: ReplayMode,
    ) -> impl Future<Output = Result<usize, StoreError>> + Send;
}
