//! How an endpoint is shown to people.

use proto::webhook::v1::{CreateEndpointResponse, Endpoint, RotateSecretResponse};
use svc_kit::{clock::Timestamp, config::HumanDuration};

use crate::output::{
    Column, Output,
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
    ("attempts at once", |endpoint, _| endpoint.max_concurrency.to_string()),
    ("attempts a second", |endpoint, _| rate(endpoint)),
    ("ordered", |endpoint, _| if endpoint.ordered { "yes".to_owned() } else { String::new() }),
    ("state", |endpoint, _| state(endpoint)),
    ("disabled because", |endpoint, _| endpoint.disabled_reason.clone()),
    ("paused", |endpoint, now| moment(endpoint.paused_at.as_ref(), now)),
    ("signature", |endpoint, _| scheme(endpoint)),
    ("public key", |endpoint, _| endpoint.public_key.clone()),
    ("old ones sign until", |endpoint, now| moment(endpoint.overlap_ends_at.as_ref(), now)),
    ("headers", |endpoint, _| headers(endpoint)),
    ("payload", |endpoint, _| word(endpoint.payload_profile().as_str_name(), "PAYLOAD_PROFILE_")),
    ("retries", |endpoint, _| retries(endpoint)),
    ("created", |endpoint, now| moment(endpoint.created_at.as_ref(), now)),
    ("updated", |endpoint, now| moment(endpoint.updated_at.as_ref(), now)),
];

/// A new endpoint with its secret.
pub(super) const CREATED: &[Column<CreateEndpointResponse>] = &[
    ("endpoint", |answer, _| of(answer, |endpoint| endpoint.id.clone())),
    ("url", |answer, _| of(answer, |endpoint| endpoint.url.clone())),
    ("events", |answer, _| of(answer, |endpoint| endpoint.event_types.join(" "))),
    ("signature", |answer, _| of(answer, scheme)),
    ("public key", |answer, _| of(answer, |endpoint| endpoint.public_key.clone())),
    ("secret", |answer, _: Timestamp| answer.secret.clone()),
];

/// What a rotation made.
pub(super) const ROTATED: &[Column<RotateSecretResponse>] = &[
    ("secret", |answer, _| answer.secret.clone()),
    ("public key", |answer, _| answer.endpoint.as_ref().map(|it| it.public_key.clone()).unwrap_or_default()),
    ("old ones sign until", |answer, now| {
        moment(answer.endpoint.as_ref().and_then(|endpoint| endpoint.overlap_ends_at.as_ref()), now)
    }),
];

/// Says what to do with a secret, if there is one.
pub(super) fn tell_secret(secret: &str, what: &str, output: &mut Output) {
    if !secret.is_empty() {
        output.note(&format!("the secret is shown this once; {what}"));
    }
}

fn of(answer: &CreateEndpointResponse, text: impl FnOnce(&Endpoint) -> String) -> String {
    answer.endpoint.as_ref().map(text).unwrap_or_default()
}

/// Nothing without a limit.
fn rate(endpoint: &Endpoint) -> String {
    if endpoint.rate_limit_per_second == 0 { String::new() } else { endpoint.rate_limit_per_second.to_string() }
}

fn kind(endpoint: &Endpoint) -> String {
    word(endpoint.kind().as_str_name(), "ENDPOINT_KIND_")
}

fn state(endpoint: &Endpoint) -> String {
    word(endpoint.state().as_str_name(), "ENDPOINT_STATE_")
}

fn scheme(endpoint: &Endpoint) -> String {
    word(endpoint.signature_scheme().as_str_name(), "SIGNATURE_SCHEME_")
}

fn headers(endpoint: &Endpoint) -> String {
    let headers = endpoint.headers.iter();
    let shown = headers.map(|header| {
        let value = if header.secret { "(secret)" } else { &header.value };
        format!("{}: {value}", header.name)
    });
    shown.collect::<Vec<_>>().join(", ")
}

fn retries(endpoint: &Endpoint) -> String {
    let pauses = endpoint.retry_pauses.iter().filter_map(|pause| (*pause).try_into().ok());
    pauses.map(|pause| HumanDuration(pause).to_string()).collect::<Vec<_>>().join(", ")
}
