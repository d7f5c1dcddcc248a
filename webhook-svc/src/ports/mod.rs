//! What the use cases need from outside.

mod sending;

use std::{future::Future, sync::Arc};

use svc_kit::{bus::Message, clock::Timestamp, telemetry::TraceContext};

pub use self::sending::{Content, LogoutTokens, Means, Receipt, Sender, Shipment, TokenError};
use crate::domain::{
    delivery::{Attempt, Delivery, DeliveryId, State},
    endpoint::{DrainRate, Endpoint, EndpointId, Subject},
    health::{Health, Recent},
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
}

/// How much may be claimed.
#[derive(Clone, Debug, Default)]
pub struct Room {
    /// Attempts under way, by endpoint.
    pub in_flight: Vec<(EndpointId, usize)>,
    /// Most attempts under way for one endpoint.
    pub per_endpoint: usize,
    /// Most attempts under way for one tenant.
    pub per_tenant: usize,
    /// Most to claim now.
    pub limit: usize,
}

/// What a finished try changes.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The try.
    pub attempt: Attempt,
    /// How the delivery stands now.
    pub state: State,
    /// When it is tried next, if it is pending.
    pub next_attempt_at: Option<Timestamp>,
    /// Whether the try counts as a step of the schedule.
    pub is_step: bool,
    /// Why the endpoint gets nothing more, if so.
    pub disable: Option<&'static str>,
    /// Events to send, in the same transaction.
    pub events: Vec<Message>,
    /// What the try says about the endpoint.
    pub word: Word,
}

/// What a try says about its endpoint.
#[derive(Clone, Debug)]
pub enum Word {
    /// Nothing.
    Nothing,
    /// It works.
    Works,
    /// It failed; the judge says what follows.
    Failed(Judge),
}

type Judging = dyn Fn(Option<Health>, Recent) -> Judgement + Send + Sync;

/// Decides how an endpoint stands, from how it stood. Called while nobody else can change that.
#[derive(Clone)]
pub struct Judge(pub Arc<Judging>);

impl std::fmt::Debug for Judge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Judge")
    }
}

/// How an endpoint stands after a failure.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// Its record.
    pub health: Health,
    /// Why it gets nothing more, if so.
    pub disable: Option<&'static str>,
    /// Events to send.
    pub events: Vec<Message>,
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

/// A place in a tenant's event log; later events have later places.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogPosition(pub i64);

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
    /// Logs an event for one endpoint only.
    fn accept_for(
        &self,
        event: &LoggedEvent,
        endpoint: &EndpointId,
    ) -> impl Future<Output = Result<DeliveryId, StoreError>> + Send;
    /// Claims due deliveries until `lease_until`, as many as there is room for. Tenants take turns, and within a tenant its
    /// endpoints: first comes who has the fewest attempts under way.
    fn claim(
        &self,
        now: Timestamp,
        lease_until: Timestamp,
        room: &Room,
    ) -> impl Future<Output = Result<Vec<Claim>, StoreError>> + Send;
    /// When the next delivery is due of those that there is room for.
    fn next_due(&self, room: &Room) -> impl Future<Output = Result<Option<Timestamp>, StoreError>> + Send;
    /// Records a finished try; `false` when the claim is no longer ours, and nothing was recorded.
    fn record(&self, claim: &Claim, outcome: Outcome) -> impl Future<Output = Result<bool, StoreError>> + Send;
    /// Lists deliveries, newest first.
    fn deliveries(&self, query: &DeliveryQuery) -> impl Future<Output = Result<Vec<Delivery>, StoreError>> + Send;
    /// Returns a delivery and its attempts.
    fn delivery(
        &self,
        id: &DeliveryId,
    ) -> impl Future<Output = Result<Option<(Delivery, Vec<Attempt>)>, StoreError>> + Send;
    /// Makes a delivery due now, at the start of its schedule.
    fn redeliver(&self, id: &DeliveryId, now: Timestamp) -> impl Future<Output = Result<(), StoreError>> + Send;
    /// Lists events of a tenant in the order of their arrival, after a place.
    fn events(
        &self,
        tenant: &str,
        after: LogPosition,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<(LogPosition, LoggedEvent)>, StoreError>> + Send;
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
