//! Requests → commands. Everything that can be wrong with a request is found here.

use proto::webhook::v1 as pb;
use svc_kit::{clock::Timestamp, error::FieldError, page};

use crate::{
    app::endpoints::{EndpointChange, NewEndpoint},
    domain::{
        delivery::{Delivery, DeliveryId, State},
        endpoint::{DrainRate, EVENT_TYPES_MAX, EndpointId, EventPattern},
    },
    error::WebhookError,
    ports::{DeliveryQuery, LogPosition},
};

type Parsed<T> = Result<T, WebhookError>;

const APPLICATIONS_MAX: usize = 64;
const DESCRIPTION_BYTES_MAX: usize = 256;

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

fn patterns_or_all(path: &str, texts: &[String]) -> Parsed<Vec<EventPattern>> {
    if texts.is_empty() { patterns(path, &["*".to_owned()]) } else { patterns(path, texts) }
}

fn applications(path: &str, texts: Vec<String>) -> Parsed<Vec<String>> {
    let is_good = |c: char| c.is_ascii_alphanumeric() || "._:@-".contains(c);
    let is_id = |text: &String| (1..=128).contains(&text.len()) && text.chars().all(is_good);
    if texts.len() > APPLICATIONS_MAX || !texts.iter().all(is_id) {
        return Err(field(path, "must be at most 64 application ids"));
    }
    Ok(texts)
}

fn description(path: &str, text: String) -> Parsed<String> {
    if text.len() > DESCRIPTION_BYTES_MAX || text.chars().any(char::is_control) {
        return Err(field(path, "must be at most 256 bytes without control characters"));
    }
    Ok(text)
}

pub(super) fn new_endpoint(request: pb::CreateEndpointRequest) -> Parsed<NewEndpoint> {
    Ok(NewEndpoint {
        tenant: tenant(&request.tenant_id)?,
        url: request.url,
        description: description("description", request.description)?,
        event_types: patterns_or_all("event_types", &request.event_types)?,
        applications: applications("application_ids", request.application_ids)?,
    })
}

pub(super) fn endpoint_change(request: pb::UpdateEndpointRequest) -> Parsed<(EndpointId, EndpointChange)> {
    let endpoint = request.endpoint.ok_or_else(|| field("endpoint", "must be given"))?;
    let id = endpoint_id("endpoint.id", &endpoint.id)?;
    let paths = request.update_mask.map(|mask| mask.paths).unwrap_or_default();
    if paths.is_empty() {
        return Err(field("update_mask", "must name the fields to change"));
    }
    let mut change = EndpointChange::default();
    for path in paths {
        match path.as_str() {
            "url" => change.url = Some(endpoint.url.clone()),
            "description" => {
                change.description = Some(description("endpoint.description", endpoint.description.clone())?);
            }
            "event_types" => {
                change.event_types = Some(patterns_or_all("endpoint.event_types", &endpoint.event_types)?);
            }
            "application_ids" => {
                let ids = applications("endpoint.application_ids", endpoint.application_ids.clone())?;
                change.applications = Some(ids);
            }
            "state" => change.is_enabled = Some(is_enabled(endpoint.state)?),
            _ => return Err(field("update_mask", "may name url, description, event_types, application_ids and state")),
        }
    }
    Ok((id, change))
}

fn is_enabled(state: i32) -> Parsed<bool> {
    match pb::EndpointState::try_from(state) {
        Ok(pb::EndpointState::Enabled) => Ok(true),
        Ok(pb::EndpointState::Disabled) => Ok(false),
        _ => Err(field("endpoint.state", "must be ENABLED or DISABLED")),
    }
}

pub(super) fn drain_rate(per_second: i32) -> Parsed<DrainRate> {
    if per_second == 0 {
        return Ok(DrainRate::DEFAULT);
    }
    let rate = u32::try_from(per_second).ok().and_then(DrainRate::parse);
    rate.ok_or_else(|| field("drain_per_second", "must be 1 to 10000"))
}

pub(super) fn endpoint_cursor(identity: &[u8], token: &str) -> Parsed<Option<EndpointId>> {
    if token.is_empty() {
        return Ok(None);
    }
    let cursor = page::decode(identity, token)?;
    let id = std::str::from_utf8(&cursor).ok().and_then(|text| EndpointId::parse(text).ok());
    Ok(Some(id.ok_or(page::PageTokenError)?))
}

/// What must be the same on every page.
pub(super) fn deliveries_identity(request: &pb::ListDeliveriesRequest) -> Vec<u8> {
    format!("deliveries {} {} {}", request.tenant_id, request.endpoint_id, request.state).into_bytes()
}

pub(super) fn delivery_query(request: &pb::ListDeliveriesRequest, identity: &[u8]) -> Parsed<DeliveryQuery> {
    let state = match pb::DeliveryState::try_from(request.state) {
        Ok(pb::DeliveryState::Unspecified) => None,
        Ok(pb::DeliveryState::Pending) => Some(State::Pending),
        Ok(pb::DeliveryState::Succeeded) => Some(State::Succeeded),
        Ok(pb::DeliveryState::Exhausted) => Some(State::Exhausted),
        Ok(pb::DeliveryState::Cancelled) => Some(State::Cancelled),
        Err(_) => return Err(field("state", "is not a known state")),
    };
    let endpoint = (!request.endpoint_id.is_empty()).then(|| endpoint_id("endpoint_id", &request.endpoint_id));
    let after = if request.page_token.is_empty() {
        None
    } else {
        let cursor = page::decode(identity, &request.page_token)?;
        let (at, id) = cursor.split_at_checked(8).ok_or(page::PageTokenError)?;
        let at = i64::from_be_bytes(at.try_into().map_err(|_| page::PageTokenError)?);
        let id = std::str::from_utf8(id).ok().and_then(|text| DeliveryId::parse(text).ok());
        Some((Timestamp::from_ms(at), id.ok_or(page::PageTokenError)?))
    };
    Ok(DeliveryQuery { tenant: tenant(&request.tenant_id)?, endpoint: endpoint.transpose()?, state, after, limit: 0 })
}

pub(super) fn delivery_token(identity: &[u8], last: &Delivery) -> String {
    page::encode(identity, &[&last.created_at.as_ms().to_be_bytes()[..], last.id.as_str().as_bytes()].concat())
}

pub(super) fn log_cursor(identity: &[u8], token: &str) -> Parsed<LogPosition> {
    if token.is_empty() {
        return Ok(LogPosition::default());
    }
    let cursor: [u8; 8] = page::decode(identity, token)?.try_into().map_err(|_| page::PageTokenError)?;
    Ok(LogPosition(i64::from_be_bytes(cursor)))
}

pub(super) fn log_token(identity: &[u8], place: LogPosition) -> String {
    page::encode(identity, &place.0.to_be_bytes())
}
