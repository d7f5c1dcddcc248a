//! What the use cases need from outside.

mod log;
mod outcome;
mod sending;
mod upkeep;

use std::{
    collections::{HashMap, HashSet},
    future::Future,
};

use svc_kit::{clock::Timestamp, telemetry::TraceContext};

pub use self::{
    log::{ArrivalQuery, LogStore, Pace, Replay, ReplayMode},
    outcome::{Ended, Judge, Judgement, Outcome, Word},
    sending::{Content, LogoutTokens, Means, Receipt, Sender, Shipment, TokenError},
    upkeep::{ReconcileBounds, Reconciled, Repairs, Retained, Retention, UpkeepStore},
};
use crate::domain::{
    delivery::{Attempt, Delivery, DeliveryId, State},
    endpoint::{DrainRate, Endpoint, EndpointId, Subject},
    health::Health,
    logout::LogoutAddress,
};

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It is away, or too slow; trying again is safe.
    #[error("the store is away")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It failed, or holds what cannot be read.
    #[error("the store failed")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// An event, as it is logged and sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedEvent {
    /// Its id.
    pub id: String,
    /// Tenant.
    pub tenant: String,
    /// Type.
    pub event_type: String,
    /// Application that it concerns; may be empty.
    pub application: String,
    /// User that it concerns; may be empty.
    pub user: String,
    /// What it happened to.
    pub aggregate: String,
    /// Number of the event within what it happened to; 0 when it has none.
    pub sequence: u64,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// When it arrived.
    pub received_at: Timestamp,
    /// The webhook body. Written once, so that every attempt sends the same bytes.
    pub payload: String,
    /// The trace that caused it.
    pub trace: TraceContext,
}

impl LoggedEvent {
    /// Returns what it is about.
    pub fn subject(&self) -> Subject<'_> {
        Subject {
            tenant: &self.tenant,
            event_type: &self.event_type,
            application: &self.application,
            aggregate: &self.aggregate,
        }
    }
}

/// A delivery that is ours to try, until its lease ends.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The delivery.
    pub id: DeliveryId,
    /// Its endpoint.
    pub endpoint: Endpoint,
    /// Its event.
    pub event: LoggedEvent,
    /// Which claim this is.
    pub generation: i32,
    /// Attempts made under the current schedule.
    pub step: u32,
    /// Attempts made, ever.
    pub attempt_count: u32,
    /// Whether it is tried to see if the endpoint works again.
    pub is_probe: bool,
    /// Whether it was made again by a replay.
    pub is_replay: bool,
    /// What the event happened to, when deliveries about that are made one after the other.
    pub lane: Option<String>,
}

/// How much may be claimed.
#[derive(Clone, Debug, Default)]
pub struct Room {
    /// Attempts under way in this process, by tenant.
    pub in_flight: HashMap<String, usize>,
    /// Most attempts under way in this process for one tenant.
    pub per_tenant: usize,
    /// Most to claim now.
    pub limit: usize,
    /// So many of these are for tenants that have at most [`few`](Self::few) under way.
    pub reserved: usize,
    /// See there.
    pub few: usize,
    /// Tries that have ended and whose record is on its way: they take no place.
    pub ended: Vec<DeliveryId>,
}

impl Room {
    /// Most attempts that a tenant may have under way now.
    pub fn per_tenant_now(&self) -> usize {
        if self.limit > self.reserved { self.per_tenant } else { self.per_tenant.min(self.few) }
    }
}

/// What is known about how an endpoint is doing.
#[derive(Clone, Debug, Default)]
pub struct EndpointReport {
    /// Its record, while it fails.
    pub health: Option<Health>,
    /// Its attempts, newest first, without responses.
    pub attempts: Vec<Attempt>,
    /// Deliveries that wait, as far as they were counted.
    pub backlog: usize,
    /// Arrival of the oldest of them.
    pub oldest_waiting_at: Option<Timestamp>,
}

/// How much is looked at for an [`EndpointReport`].
#[derive(Clone, Copy, Debug)]
pub struct ReportBounds {
    /// Attempts since then.
    pub since: Timestamp,
    /// At most so many.
    pub attempts: usize,
    /// Waiting deliveries are counted up to this.
    pub backlog: usize,
}

/// Which deliveries to list.
#[derive(Clone, Debug)]
pub struct DeliveryQuery {
    /// Of this tenant.
    pub tenant: String,
    /// Only of this endpoint.
    pub endpoint: Option<EndpointId>,
    /// Only in this state.
    pub state: Option<State>,
    /// Older than this one.
    pub after: Option<(Timestamp, DeliveryId)>,
    /// At most so many.
    pub limit: usize,
}

/// What came of making a delivery due again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redelivered {
    /// It is due.
    Done,
    /// Its endpoint is disabled or deleted, or there is no such delivery.
    EndpointGone,
    /// Its event is so old that it was removed.
    EventGone,
}

/// A place in a tenant's event log; later events have later places.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogPosition(pub i64);

/// Keeps endpoints.
pub trait EndpointStore: Send + Sync + 'static {
    /// Adds an endpoint; `false` when the tenant has `max` webhook endpoints already.
    fn add_endpoint(&self, endpoint: &Endpoint, max: usize) -> impl Future<Output = Result<bool, StoreError>> + Send;
    /// Returns an endpoint.
    fn endpoint(&self, id: &EndpointId) -> impl Future<Output = Result<Option<Endpoint>, StoreError>> + Send;
    /// Lists endpoints of a tenant by id, after one.
    fn endpoints(
        &self,
        tenant: &str,
        after: Option<&EndpointId>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Endpoint>, StoreError>> + Send;
    /// Lists the webhook endpoints of a tenant that are enabled, by id.
    fn webhook_endpoints(
        &self,
        tenant: &str,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Endpoint>, StoreError>> + Send;
    /// Stores a changed endpoint, unless it changed since `seen`; a disabled one's pending deliveries are cancelled.
    /// One that is disabled or has another address has no record of failures any more.
    fn put_endpoint(
        &self,
        endpoint: &Endpoint,
        seen: Timestamp,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;
    /// Stores an endpoint that is resumed, unless it changed since `seen`: what is overdue at `now` becomes due one after
    /// the other, `per_second` in a second.
    fn resume_endpoint(
        &self,
        endpoint: &Endpoint,
        seen: Timestamp,
        now: Timestamp,
        per_second: DrainRate,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;
    /// Makes the endpoint of an application follow its address, unless what is stored is newer. Without an address it is disabled
    /// and what waits for it is cancelled; whether it is paused stays as it is.
    fn put_logout_address(&self, address: &LogoutAddress) -> impl Future<Output = Result<(), StoreError>> + Send;
    /// Returns how an endpoint is doing.
    fn report(
        &self,
        id: &EndpointId,
        bounds: ReportBounds,
    ) -> impl Future<Output = Result<EndpointReport, StoreError>> + Send;
    /// Deletes an endpoint and cancels its pending deliveries; `false` when there was none.
    fn delete_endpoint(&self, id: &EndpointId) -> impl Future<Output = Result<bool, StoreError>> + Send;
}

/// Keeps events and deliveries.
pub trait DeliveryStore: EndpointStore {
    /// Logs events and makes a delivery for each endpoint that wants one, all or nothing; events that are known are
    /// skipped. Returns how many were new.
    fn accept(&self, events: &[LoggedEvent]) -> impl Future<Output = Result<usize, StoreError>> + Send;
    /// Logs an event for one endpoint only; `None`, and nothing is logged, when it is disabled or deleted.
    fn accept_for(
        &self,
        event: &LoggedEvent,
        endpoint: &EndpointId,
    ) -> impl Future<Output = Result<Option<DeliveryId>, StoreError>> + Send;
    /// Claims due deliveries until `lease_until`, as many as there is room for and as the limits of their endpoints leave,
    /// whoever claims. Tenants take turns, and within a tenant its endpoints: first comes who has the fewest attempts under
    /// way.
    fn claim(
        &self,
        now: Timestamp,
        lease_until: Timestamp,
        room: &Room,
    ) -> impl Future<Output = Result<Vec<Claim>, StoreError>> + Send;
    /// When the next delivery can be claimed of those that there is room for; what waits for the end of an attempt at
    /// `now` cannot.
    fn next_due(
        &self,
        now: Timestamp,
        room: &Room,
    ) -> impl Future<Output = Result<Option<Timestamp>, StoreError>> + Send;
    /// Records a finished try; `false` when the claim is no longer ours, and nothing was recorded.
    fn record(&self, claim: &Claim, outcome: Outcome) -> impl Future<Output = Result<bool, StoreError>> + Send;
    /// Records many tries that were [plainly taken](Ended::is_plainly_taken), without waiting for anybody. Returns the
    /// deliveries that this did; nothing was done about the others, each of which wants to be recorded by itself: its claim
    /// may be lost, its endpoint fail, or somebody else be at it.
    fn record_taken(&self, ended: &[Ended]) -> impl Future<Output = Result<HashSet<DeliveryId>, StoreError>> + Send;
    /// Lists deliveries, newest first.
    fn deliveries(&self, query: &DeliveryQuery) -> impl Future<Output = Result<Vec<Delivery>, StoreError>> + Send;
    /// Returns a delivery and its attempts.
    fn delivery(
        &self,
        id: &DeliveryId,
    ) -> impl Future<Output = Result<Option<(Delivery, Vec<Attempt>)>, StoreError>> + Send;
    /// Makes a delivery due now, at the start of its schedule.
    fn redeliver(
        &self,
        id: &DeliveryId,
        now: Timestamp,
    ) -> impl Future<Output = Result<Redelivered, StoreError>> + Send;
    /// Lists events of a tenant in the order of their arrival, after a place.
    fn events(
        &self,
        tenant: &str,
        after: LogPosition,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<(LogPosition, LoggedEvent)>, StoreError>> + Send;
}
