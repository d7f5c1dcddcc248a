//! Domain → contract messages.

use std::time::Duration;

use proto::webhook::v1 as pb;
use svc_kit::clock::Timestamp;

use crate::{
    app::{catalogue::Entry, health::EndpointHealth},
    domain::{
        delivery::{Attempt, Delivery, Phase, State},
        endpoint::{Endpoint, Kind},
        headers::{CustomHeader, Kept},
        payload::Profile,
        schedule::Schedule,
        signature::Scheme,
    },
    ports::LoggedEvent,
};

pub(super) fn endpoint(endpoint: &Endpoint, now: Timestamp) -> pb::Endpoint {
    let state = match (&endpoint.disabled, endpoint.paused_at) {
        (Some(_), _) => pb::EndpointState::Disabled,
        (None, Some(_)) => pb::EndpointState::Paused,
        (None, None) => pb::EndpointState::Enabled,
    };
    let kind = match endpoint.kind {
        Kind::Webhook => pb::EndpointKind::Webhook,
        Kind::BackchannelLogout => pb::EndpointKind::OidcBackchannelLogout,
    };
    pb::Endpoint {
        id: endpoint.id.to_string(),
        tenant_id: endpoint.tenant.clone(),
        url: endpoint.url.clone(),
        description: endpoint.description.clone(),
        event_types: endpoint.event_types.iter().map(|pattern| pattern.as_str().to_owned()).collect(),
        application_ids: endpoint.applications.clone(),
        state: state.into(),
        disabled_reason: endpoint.disabled.clone().unwrap_or_default(),
        created_at: Some(endpoint.created_at.to_proto()),
        updated_at: Some(endpoint.updated_at.to_proto()),
        paused_at: endpoint.paused_at.map(Timestamp::to_proto),
        kind: kind.into(),
        max_concurrency: number(endpoint.limits.concurrency.count()),
        ordered: endpoint.is_ordered,
        rate_limit_per_second: endpoint.limits.rate.map_or(0, |rate| number(rate.per_second())),
        signature_scheme: scheme(endpoint.signing.scheme()).into(),
        public_key: endpoint.signing.public_keys(now).first().map(ToString::to_string).unwrap_or_default(),
        overlap_ends_at: endpoint.signing.overlap_ends_at(now).map(Timestamp::to_proto),
        headers: endpoint.manner.headers.iter().map(header).collect(),
        payload_profile: match endpoint.manner.profile {
            Profile::Full => pb::PayloadProfile::Full,
            Profile::Ids => pb::PayloadProfile::Ids,
        }
        .into(),
        retry_pauses: endpoint.manner.schedule.iter().flat_map(Schedule::pauses).copied().map(duration).collect(),
    }
}

fn scheme(scheme: Option<Scheme>) -> pb::SignatureScheme {
    match scheme {
        None => pb::SignatureScheme::Unspecified,
        Some(Scheme::Hmac) => pb::SignatureScheme::HmacSha256,
        Some(Scheme::Ed25519) => pb::SignatureScheme::Ed25519,
        Some(Scheme::Both) => pb::SignatureScheme::Both,
    }
}

fn header(header: &CustomHeader) -> pb::EndpointHeader {
    let (value, secret) = match &header.value {
        Kept::Plain(value) => (value.clone(), false),
        Kept::Sealed(_) => (String::new(), true),
    };
    pb::EndpointHeader { name: header.name.as_str().to_owned(), value, secret }
}

fn duration(duration: Duration) -> prost_types::Duration {
    duration.try_into().unwrap_or_default()
}

pub(super) fn health(health: &EndpointHealth) -> pb::EndpointHealth {
    use pb::endpoint_health::Condition;
    let open = health.failing.as_ref().and_then(|failing| failing.open.as_ref());
    let condition = match (&health.endpoint.disabled, health.endpoint.paused_at, open, &health.failing) {
        (Some(_), _, _, _) => Condition::Disabled,
        (None, Some(_), _, _) => Condition::Paused,
        (None, None, Some(_), _) => Condition::BreakerOpen,
        (None, None, None, Some(_)) => Condition::Failing,
        (None, None, None, None) => Condition::Healthy,
    };
    let (failure, kind) = (health.last_failure.as_ref(), health.endpoint.kind);
    let [p50, p95, p99] = health.latencies_ms.map(number);
    pb::EndpointHealth {
        endpoint_id: health.endpoint.id.to_string(),
        condition: condition.into(),
        breaker_reason: open.map(|open| open.reason.name().to_owned()).unwrap_or_default(),
        next_probe_at: open.map(|open| open.next_probe_at.to_proto()),
        failing_since: health.failing.as_ref().map(|failing| failing.failing_since.to_proto()),
        disabled_at: health.failing.as_ref().and_then(|failing| failing.disabled_at(kind)).map(Timestamp::to_proto),
        last_success_at: health.last_success_at.map(Timestamp::to_proto),
        last_failure_at: failure.map(|failure| failure.at.to_proto()),
        last_failure_verdict: failure.map(|failure| failure.verdict.clone()).unwrap_or_default(),
        last_failure_status_code: failure.map_or(0, |failure| i32::from(failure.status_code)),
        attempt_count: number(health.attempts),
        success_rate: health.success_rate,
        latency_p50_ms: p50,
        latency_p95_ms: p95,
        latency_p99_ms: p99,
        backlog_count: number(health.backlog),
        oldest_waiting_at: health.oldest_waiting_at.map(Timestamp::to_proto),
    }
}

pub(super) fn number(count: impl TryInto<i32>) -> i32 {
    count.try_into().unwrap_or(i32::MAX)
}

pub(super) fn delivery(delivery: &Delivery, attempts: &[Attempt]) -> pb::Delivery {
    let state = match delivery.state {
        State::Pending => pb::DeliveryState::Pending,
        State::Succeeded => pb::DeliveryState::Succeeded,
        State::Exhausted => pb::DeliveryState::Exhausted,
        State::Cancelled => pb::DeliveryState::Cancelled,
    };
    pb::Delivery {
        id: delivery.id.to_string(),
        tenant_id: delivery.tenant.clone(),
        endpoint_id: delivery.endpoint.to_string(),
        event_id: delivery.event.clone(),
        event_type: delivery.event_type.clone(),
        state: state.into(),
        created_at: Some(delivery.created_at.to_proto()),
        next_attempt_at: delivery.next_attempt_at.map(Timestamp::to_proto),
        attempt_count: i32::try_from(delivery.attempt_count).unwrap_or(i32::MAX),
        attempts: attempts.iter().map(attempt).collect(),
        replayed: delivery.is_replay,
    }
}

fn attempt(attempt: &Attempt) -> pb::Attempt {
    pb::Attempt {
        at: Some(attempt.at.to_proto()),
        verdict: attempt.verdict.clone(),
        status_code: i32::from(attempt.status_code),
        duration_ms: number(attempt.duration_ms),
        response: attempt.response.clone(),
        failed_in: attempt.failed_in.map(Phase::name).unwrap_or_default().to_owned(),
        detail: attempt.detail.clone(),
        dns_ms: attempt.timing.dns_ms.map(number),
        connect_ms: attempt.timing.connect_ms.map(number),
        tls_ms: attempt.timing.tls_ms.map(number),
        first_byte_ms: attempt.timing.first_byte_ms.map(number),
        body_ms: attempt.timing.body_ms.map(number),
    }
}

pub(super) fn event(event: &LoggedEvent) -> pb::LoggedEvent {
    pb::LoggedEvent {
        id: event.id.clone(),
        tenant_id: event.tenant.clone(),
        r#type: event.event_type.clone(),
        occurred_at: Some(event.occurred_at.to_proto()),
        received_at: Some(event.received_at.to_proto()),
        payload: event.payload.clone(),
    }
}

pub(super) fn event_type(entry: &Entry) -> pb::EventType {
    pb::EventType {
        name: entry.name.to_owned(),
        description: entry.description.to_owned(),
        schema: entry.schema.to_string(),
        only_by_name: entry.is_only_by_name,
    }
}
