//! How an endpoint is shown to people.

use proto::webhook::v1::{CreateEndpointResponse, Endpoint};
use svc_kit::clock::Timestamp;

use crate::output::{
    Column,
    text::{moment, relative, word},
};

/// An endpoint as a line of a table.
pub(super) const COLUMNS: &[Column<Endpoint>] = &[
    ("ENDPOINT", |endpoint, _| endpoint.id.clone()),
    ("KIND", |endpoint, _| kind(endpoint)),
    ("STATE", |endpoint, _| state(endpoint)),
    ("URL", |endpoint, _| endpoint.url.clone()),
    ("EVENTS", |endpoint, _| endpoint.event_types.join(" ")),
    ("CREATED", |endpoint, now| relative(endpoint.created_at.as_ref(), now)),
    ("DESCRIPTION", |endpoint, _| endpoint.description.clone()),
];

/// An endpoint in full.
pub(super) const FIELDS: &[Column<Endpoint>] = &[
    ("endpoint", |endpoint, _| endpoint.id.clone()),
    ("tenant", |endpoint, _| endpoint.tenant_id.clone()),
    ("kind", |endpoint, _| kind(endpoint)),
    ("url", |endpoint, _| endpoint.url.clone()),
    ("description", |endpoint, _| endpoint.description.clone()),
    ("events", |endpoint, _| endpoint.event_types.join(" ")),
    ("applications", |endpoint, _| endpoint.application_ids.join(" ")),
    ("state", |endpoint, _| state(endpoint)),
    ("disabled because", |endpoint, _| endpoint.disabled_reason.clone()),
    ("paused", |endpoint, now| moment(endpoint.paused_at.as_ref(), now)),
    ("created", |endpoint, now| moment(endpoint.created_at.as_ref(), now)),
    ("updated", |endpoint, now| moment(endpoint.updated_at.as_ref(), now)),
];

/// A new endpoint with its secret.
pub(super) const CREATED: &[Column<CreateEndpointResponse>] = &[
    ("endpoint", |answer, _| of(answer, |endpoint| endpoint.id.clone())),
    ("url", |answer, _| of(answer, |endpoint| endpoint.url.clone())),
    ("events", |answer, _| of(answer, |endpoint| endpoint.event_types.join(" "))),
    ("secret", |answer, _: Timestamp| answer.secret.clone()),
];

fn of(answer: &CreateEndpointResponse, text: impl FnOnce(&Endpoint) -> String) -> String {
    answer.endpoint.as_ref().map(text).unwrap_or_default()
}

fn kind(endpoint: &Endpoint) -> String {
    word(endpoint.kind().as_str_name(), "ENDPOINT_KIND_")
}

fn state(endpoint: &Endpoint) -> String {
    word(endpoint.state().as_str_name(), "ENDPOINT_STATE_")
}
