//! `latchkey endpoints health`.

use proto::webhook::v1::{EndpointHealth, GetEndpointHealthRequest};

use super::{Client, EndpointArgs};
use crate::{
    Answer,
    connect::{Connection, Service},
    failure::Exit,
    output::{
        Column, Output,
        text::{moment, word},
    },
};

const FIELDS: &[Column<EndpointHealth>] = &[
    ("endpoint", |health, _| health.endpoint_id.clone()),
    ("condition", |health, _| word(health.condition().as_str_name(), "CONDITION_")),
    ("breaker open because", |health, _| health.breaker_reason.clone()),
    ("next probe", |health, now| moment(health.next_probe_at.as_ref(), now)),
    ("failing since", |health, now| moment(health.failing_since.as_ref(), now)),
    ("disabled at", |health, now| moment(health.disabled_at.as_ref(), now)),
    ("last success", |health, now| moment(health.last_success_at.as_ref(), now)),
    ("last failure", |health, now| moment(health.last_failure_at.as_ref(), now)),
    ("last failure was", |health, _| failure(health)),
    ("attempts", |health, _| health.attempt_count.to_string()),
    ("taken", |health, _| taken(health)),
    ("latency", |health, _| latency(health)),
    ("waiting", |health, _| health.backlog_count.to_string()),
    ("oldest waiting", |health, now| moment(health.oldest_waiting_at.as_ref(), now)),
];

fn failure(health: &EndpointHealth) -> String {
    match health.last_failure_status_code {
        0 => health.last_failure_verdict.clone(),
        status => format!("{} {status}", health.last_failure_verdict),
    }
}

fn taken(health: &EndpointHealth) -> String {
    if health.attempt_count == 0 { String::new() } else { format!("{:.1} %", health.success_rate * 100.0) }
}

fn latency(health: &EndpointHealth) -> String {
    if health.success_rate == 0.0 {
        return String::new();
    }
    let EndpointHealth { latency_p50_ms, latency_p95_ms, latency_p99_ms, .. } = health;
    format!("{latency_p50_ms} ms half, {latency_p95_ms} ms 95 %, {latency_p99_ms} ms 99 %")
}

pub(super) async fn run(
    args: EndpointArgs,
    mut client: Client,
    connection: &Connection,
    output: &mut Output,
) -> Answer {
    let answer = client.get_endpoint_health(GetEndpointHealthRequest { endpoint_id: args.endpoint }).await;
    let answer = answer.map_err(connection.failed(Service::Webhook, "read the endpoint's health"))?.into_inner();
    output.one(&answer.health.unwrap_or_default(), FIELDS)?;
    Ok(Exit::Done)
}
