//! Endpoints, events and outcomes to try things with.

use std::{sync::Arc, time::Duration};

use svc_kit::{bus::Message, clock::Timestamp, entropy::OsEntropy, telemetry::TraceContext};
use webhook_svc::{
    domain::{
        delivery::{Attempt, Phase, State, Timing},
        endpoint::{Endpoint, EndpointId, EventPattern, Kind, Manner},
        health::Health,
        limits::{Concurrency, Limits},
        signing::{Rotating, Signing},
    },
    ports::{Claim, DeliveryStore, Judge, Judgement, LogPosition, LoggedEvent, Outcome, Room, Word},
};

/// When the tests' stories begin.
pub const START: Timestamp = Timestamp::from_ms(1_700_000_000_000);
/// The tenant of most stories.
pub const TENANT: &str = "acme";

/// So many milliseconds into the story.
pub fn at(ms: u64) -> Timestamp {
    START.saturating_add(Duration::from_millis(ms))
}

/// An endpoint of the tenant that wants everything.
pub fn endpoint() -> Endpoint {
    endpoint_for(&["*"])
}

/// An endpoint of the tenant that wants these types.
pub fn endpoint_for(types: &[&str]) -> Endpoint {
    Endpoint {
        id: EndpointId::generate(&OsEntropy),
        tenant: TENANT.to_owned(),
        kind: Kind::Webhook,
        url: "https://receiver.example/hook".to_owned(),
        description: "the receiver".to_owned(),
        event_types: types.iter().map(|text| EventPattern::parse(text).unwrap()).collect(),
        applications: Vec::new(),
        disabled: None,
        paused_at: None,
        // No test of something else is held up.
        limits: Limits { concurrency: Concurrency::MAX, rate: None },
        is_ordered: false,
        signing: Signing { secrets: Some(Rotating::new(vec![1, 2, 3])), keys: None },
        manner: Manner::default(),
        created_at: START,
        updated_at: START,
    }
}

/// An event of the tenant that arrived at [`START`].
pub fn event(id: &str) -> LoggedEvent {
    LoggedEvent {
        id: id.to_owned(),
        tenant: TENANT.to_owned(),
        event_type: "session.revoked".to_owned(),
        application: "app_shop".to_owned(),
        user: "user_ada".to_owned(),
        aggregate: "sess_1".to_owned(),
        sequence: 0,
        occurred_at: START,
        received_at: START,
        payload: format!(r#"{{"id":"{id}"}}"#),
        trace: TraceContext::default(),
    }
}

/// What comes of an attempt that the receiver took.
pub fn taken() -> Outcome {
    Outcome { word: Word::Works, ..outcome("OK", 200, State::Succeeded, None) }
}

/// What comes of an attempt that failed and is made again then.
pub fn failed(next: Timestamp) -> Outcome {
    outcome("STATUS", 503, State::Pending, Some(next))
}

/// What comes of an attempt.
pub fn outcome(verdict: &str, status_code: u16, state: State, next_attempt_at: Option<Timestamp>) -> Outcome {
    let attempt = Attempt {
        at: START,
        verdict: verdict.to_owned(),
        status_code,
        duration_ms: 7,
        timing: Timing { dns_ms: Some(1), connect_ms: Some(0), first_byte_ms: Some(6), ..Timing::default() },
        failed_in: (status_code != 200).then_some(Phase::FirstByte),
        detail: "it is \u{2028} so".to_owned(),
        response: "so\nso".to_owned(),
    };
    let (events, word) = (Vec::new(), Word::Nothing);
    Outcome { attempt, state, next_attempt_at, is_step: true, disable: None, events, word }
}

/// A judge that says this, whatever was before.
pub fn judge(health: &Health) -> Judge {
    let health = health.clone();
    Judge(Arc::new(move |_, _| Judgement { health: health.clone(), disable: None, events: Vec::new() }))
}

/// An event of the engine.
pub fn message(id: &str) -> Message {
    let routing_key = "03.endpoint.disabled.v1".to_owned();
    Message { id: id.to_owned(), routing_key, body: b"event".as_slice().into(), trace: TraceContext::default() }
}

/// Length of the leases that [`claim`] takes.
pub const LEASE: Duration = Duration::from_secs(60);

/// Claims everything that is due.
pub async fn claim<S: DeliveryStore>(store: &S, now: Timestamp) -> Vec<Claim> {
    claim_some(store, now, 1_000).await
}

/// Claims what is due, at most so much.
pub async fn claim_some<S: DeliveryStore>(store: &S, now: Timestamp, limit: usize) -> Vec<Claim> {
    let room = Room { per_tenant: 1_000, limit, ..Room::default() };
    store.claim(now, now.saturating_add(LEASE), &room).await.unwrap()
}

/// When something is due, whatever is under way.
pub async fn next_due<S: DeliveryStore>(store: &S) -> Option<Timestamp> {
    next_due_at(store, START).await
}

/// When something can be claimed, asked at that time.
pub async fn next_due_at<S: DeliveryStore>(store: &S, now: Timestamp) -> Option<Timestamp> {
    store.next_due(now, &Room { per_tenant: 1_000, limit: 1_000, ..Room::default() }).await.unwrap()
}

/// Claims the one delivery that is due.
pub async fn claim_one<S: DeliveryStore>(store: &S, now: Timestamp) -> Claim {
    let mut claims = claim(store, now).await;
    assert_eq!(claims.len(), 1, "{claims:?}");
    claims.remove(0)
}

/// Reads the log of a tenant.
pub async fn log<S: DeliveryStore>(store: &S, tenant: &str) -> Vec<(LogPosition, LoggedEvent)> {
    store.events(tenant, LogPosition::default(), 1_000).await.unwrap()
}
