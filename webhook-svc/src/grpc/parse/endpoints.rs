//! Requests about endpoints.

use proto::webhook::v1 as pb;
use svc_kit::page;

use super::{Parsed, endpoint_id, field, manner, patterns, tenant};
use crate::{
    app::{
        endpoints::{EndpointChange, NewEndpoint},
        manner::NewManner,
    },
    domain::{
        endpoint::{DrainRate, EndpointId, EventPattern},
        limits::{Concurrency, Limits, RateLimit},
    },
};

const APPLICATIONS_MAX: usize = 64;
const DESCRIPTION_BYTES_MAX: usize = 256;
/// What an update may change.
const CHANGEABLE: &str = "may name url, description, event_types, application_ids, state, signature_scheme, headers, \
                          payload_profile, retry_pauses, max_concurrency, rate_limit_per_second and ordered";

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

fn concurrency(path: &str, count: i32) -> Parsed<Concurrency> {
    if count == 0 {
        return Ok(Concurrency::default());
    }
    let parsed = u32::try_from(count).ok().and_then(Concurrency::parse);
    parsed.ok_or_else(|| field(path, "must be 1 to 1000"))
}

fn rate(path: &str, per_second: i32) -> Parsed<Option<RateLimit>> {
    if per_second == 0 {
        return Ok(None);
    }
    let parsed = u32::try_from(per_second).ok().and_then(RateLimit::parse);
    Ok(Some(parsed.ok_or_else(|| field(path, "must be 1 to 1000, or 0 for any number"))?))
}

pub(in crate::grpc) fn new_endpoint(request: pb::CreateEndpointRequest) -> Parsed<NewEndpoint> {
    Ok(NewEndpoint {
        tenant: tenant(&request.tenant_id)?,
        url: request.url,
        description: description("description", request.description)?,
        event_types: patterns_or_all("event_types", &request.event_types)?,
        applications: applications("application_ids", request.application_ids)?,
        limits: Limits {
            concurrency: concurrency("max_concurrency", request.max_concurrency)?,
            rate: rate("rate_limit_per_second", request.rate_limit_per_second)?,
        },
        is_ordered: request.ordered,
        scheme: manner::scheme("signature_scheme", request.signature_scheme)?,
        manner: NewManner {
            headers: manner::headers("headers", request.headers)?,
            profile: manner::profile("payload_profile", request.payload_profile)?,
            schedule: manner::schedule("retry_pauses", &request.retry_pauses)?,
        },
    })
}

pub(in crate::grpc) fn endpoint_change(request: pb::UpdateEndpointRequest) -> Parsed<(EndpointId, EndpointChange)> {
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
            "max_concurrency" => {
                change.concurrency = Some(concurrency("endpoint.max_concurrency", endpoint.max_concurrency)?);
            }
            "rate_limit_per_second" => {
                change.rate = Some(rate("endpoint.rate_limit_per_second", endpoint.rate_limit_per_second)?);
            }
            "ordered" => change.is_ordered = Some(endpoint.ordered),
            "signature_scheme" => {
                change.scheme = Some(manner::scheme("endpoint.signature_scheme", endpoint.signature_scheme)?);
            }
            "headers" => {
                change.manner.headers = Some(manner::headers("endpoint.headers", endpoint.headers.clone())?);
            }
            "payload_profile" => {
                change.manner.profile = Some(manner::profile("endpoint.payload_profile", endpoint.payload_profile)?);
            }
            "retry_pauses" => {
                change.manner.schedule = Some(manner::schedule("endpoint.retry_pauses", &endpoint.retry_pauses)?);
            }
            _ => return Err(field("update_mask", CHANGEABLE)),
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

pub(in crate::grpc) fn drain_rate(path: &str, per_second: i32) -> Parsed<DrainRate> {
    if per_second == 0 {
        return Ok(DrainRate::DEFAULT);
    }
    let rate = u32::try_from(per_second).ok().and_then(DrainRate::parse);
    rate.ok_or_else(|| field(path, "must be 1 to 10000"))
}

pub(in crate::grpc) fn endpoint_cursor(identity: &[u8], token: &str) -> Parsed<Option<EndpointId>> {
    if token.is_empty() {
        return Ok(None);
    }
    let cursor = page::decode(identity, token)?;
    let id = std::str::from_utf8(&cursor).ok().and_then(|text| EndpointId::parse(text).ok());
    Ok(Some(id.ok_or(page::PageTokenError)?))
}
