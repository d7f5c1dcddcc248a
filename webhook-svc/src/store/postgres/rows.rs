//! Rows → domain.

use svc_kit::{clock::Timestamp, error::chain};

use super::manner;
use crate::{
    domain::{
        delivery::{Delivery, DeliveryId, State},
        endpoint::{Endpoint, EndpointId, EventPattern, Kind},
        limits::{Concurrency, Limits, RateLimit},
    },
    ports::StoreError,
};

/// A row of `endpoint`.
pub(super) struct EndpointRow {
    pub(super) id: String,
    pub(super) tenant_id: String,
    pub(super) url: String,
    pub(super) description: String,
    pub(super) event_types: Vec<String>,
    pub(super) application_ids: Vec<String>,
    pub(super) is_enabled: bool,
    pub(super) disabled_reason: String,
    pub(super) secret: Vec<u8>,
    pub(super) previous_secret: Option<Vec<u8>>,
    pub(super) previous_until_ms: i64,
    pub(super) created_at_ms: i64,
    pub(super) updated_at_ms: i64,
    pub(super) paused_at_ms: Option<i64>,
    pub(super) kind: i16,
    pub(super) max_concurrency: i32,
    pub(super) rate_limit_per_second: Option<i32>,
    pub(super) is_ordered: bool,
    pub(super) matches_after: i64,
    pub(super) key_public: Option<Vec<u8>>,
    pub(super) key_seed: Option<Vec<u8>>,
    pub(super) previous_key_public: Option<Vec<u8>>,
    pub(super) previous_key_seed: Option<Vec<u8>>,
    pub(super) previous_key_until_ms: Option<i64>,
    pub(super) headers: serde_json::Value,
    pub(super) profile: i16,
    pub(super) retry_pauses_ms: Option<Vec<i64>>,
}

/// A row of `delivery`, with the type of its event.
pub(super) struct DeliveryRow {
    pub(super) id: String,
    pub(super) tenant_id: String,
    pub(super) endpoint_id: String,
    pub(super) event_id: String,
    pub(super) event_type: String,
    pub(super) state: i16,
    pub(super) created_at_ms: i64,
    pub(super) next_attempt_at_ms: Option<i64>,
    pub(super) attempt_count: i32,
    pub(super) is_replay: bool,
}

pub(super) fn unreadable<E: Into<Box<dyn std::error::Error + Send + Sync>>>(error: E) -> StoreError {
    StoreError::Failed(error.into())
}

impl TryFrom<EndpointRow> for Endpoint {
    type Error = StoreError;

    fn try_from(row: EndpointRow) -> Result<Self, StoreError> {
        let patterns: Option<Vec<EventPattern>> =
            row.event_types.iter().map(|text| EventPattern::parse(text)).collect();
        let (signing, manner) = (manner::signing(&row)?, manner::manner(&row)?);
        Ok(Self {
            id: EndpointId::parse(&row.id).map_err(unreadable)?,
            tenant: row.tenant_id,
            kind: kind_from(row.kind).ok_or_else(|| unreadable("a stored kind of endpoint is unknown"))?,
            url: row.url,
            description: row.description,
            event_types: patterns.ok_or_else(|| unreadable("a stored pattern of event types is malformed"))?,
            applications: row.application_ids,
            disabled: (!row.is_enabled).then_some(row.disabled_reason),
            paused_at: row.paused_at_ms.map(Timestamp::from_ms),
            limits: limits(row.max_concurrency, row.rate_limit_per_second),
            is_ordered: row.is_ordered,
            signing,
            manner,
            created_at: Timestamp::from_ms(row.created_at_ms),
            updated_at: Timestamp::from_ms(row.updated_at_ms),
        })
    }
}

/// Reads one endpoint of many; one that cannot be read is reported and left out, so that it holds up no other.
pub(super) fn readable(row: EndpointRow) -> Option<Endpoint> {
    let id = row.id.clone();
    Endpoint::try_from(row)
        .inspect_err(|error| {
            tracing::error!(error = chain(error), endpoint.id = id, "an endpoint cannot be read; it gets nothing now");
        })
        .ok()
}

impl TryFrom<DeliveryRow> for Delivery {
    type Error = StoreError;

    fn try_from(row: DeliveryRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: DeliveryId::parse(&row.id).map_err(unreadable)?,
            tenant: row.tenant_id,
            endpoint: EndpointId::parse(&row.endpoint_id).map_err(unreadable)?,
            event: row.event_id,
            event_type: row.event_type,
            state: state_from(row.state).ok_or_else(|| unreadable("a stored state is unknown"))?,
            created_at: Timestamp::from_ms(row.created_at_ms),
            next_attempt_at: row.next_attempt_at_ms.map(Timestamp::from_ms),
            attempt_count: row.attempt_count.unsigned_abs(),
            is_replay: row.is_replay,
        })
    }
}

/// Reads stored limits; what is out of bounds becomes what is usual.
fn limits(concurrency: i32, rate: Option<i32>) -> Limits {
    Limits {
        concurrency: Concurrency::parse(concurrency.unsigned_abs()).unwrap_or_default(),
        rate: rate.and_then(|rate| RateLimit::parse(rate.unsigned_abs())),
    }
}

/// The stored form of the concurrency.
pub(super) fn concurrency(limits: Limits) -> i32 {
    i32::try_from(limits.concurrency.count()).unwrap_or(i32::MAX)
}

/// The stored form of the rate.
pub(super) fn rate(limits: Limits) -> Option<i32> {
    limits.rate.map(|rate| i32::try_from(rate.per_second()).unwrap_or(i32::MAX))
}

/// The stored form of a kind.
pub(super) fn kind(kind: Kind) -> i16 {
    match kind {
        Kind::Webhook => 1,
        Kind::BackchannelLogout => 2,
    }
}

fn kind_from(stored: i16) -> Option<Kind> {
    [Kind::Webhook, Kind::BackchannelLogout].into_iter().find(|found| kind(*found) == stored)
}

/// The stored form of a state.
pub(super) fn state(state: State) -> i16 {
    match state {
        State::Pending => 1,
        State::Succeeded => 2,
        State::Exhausted => 3,
        State::Cancelled => 4,
    }
}

fn state_from(stored: i16) -> Option<State> {
    [State::Pending, State::Succeeded, State::Exhausted, State::Cancelled].into_iter().find(|s| state(*s) == stored)
}
