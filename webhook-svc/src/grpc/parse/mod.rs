//! Requests → commands. Everything that can be wrong with a request is found here.

mod deliveries;
mod endpoints;
mod log;
mod manner;

use svc_kit::error::FieldError;

pub(super) use self::{
    deliveries::{
        deliveries_identity, delivery_query, delivery_token, replay_identity, replay_plan, replay_progress,
        replay_token,
    },
    endpoints::{drain_rate, endpoint_change, endpoint_cursor, new_endpoint},
    log::{log_cursor, log_identity, log_token, name_cursor, watch_options},
    manner::overlap,
};
use crate::{
    domain::{
        delivery::DeliveryId,
        endpoint::{EVENT_TYPES_MAX, EndpointId, EventPattern},
    },
    error::WebhookError,
};

type Parsed<T> = Result<T, WebhookError>;

fn field(path: &str, problem: impl Into<String>) -> WebhookError {
    FieldError::new(path, problem).into()
}

pub(super) fn tenant(text: &str) -> Parsed<String> {
    let is_good = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if (1..=63).contains(&text.len()) && text.chars().all(is_good) {
        Ok(text.to_owned())
    } else {
        Err(field("tenant_id", "must be 1 to 63 of A-Z a-z 0-9 _ -"))
    }
}

pub(super) fn endpoint_id(path: &str, text: &str) -> Parsed<EndpointId> {
    EndpointId::parse(text).map_err(|error| field(path, error.to_string()))
}

pub(super) fn delivery_id(text: &str) -> Parsed<DeliveryId> {
    DeliveryId::parse(text).map_err(|error| field("delivery_id", error.to_string()))
}

pub(super) fn patterns(path: &str, texts: &[String]) -> Parsed<Vec<EventPattern>> {
    if texts.len() > EVENT_TYPES_MAX {
        return Err(field(path, format!("must not have more than {EVENT_TYPES_MAX} values")));
    }
    let parse = |text: &String| {
        EventPattern::parse(text).ok_or_else(|| field(path, "must be names such as session.revoked, session.* or *"))
    };
    texts.iter().map(parse).collect()
}
