//! Requests about the log and the catalogue.

use std::time::Duration;

use proto::webhook::v1 as pb;
use svc_kit::page;

use super::{Parsed, field, patterns, tenant};
use crate::{
    app::watch::{Start, WatchOptions},
    ports::LogPosition,
};

/// After how long there is a sign of life, when the request does not say.
const HEARTBEAT_DEFAULT_S: u64 = 15;
const HEARTBEAT_MAX_S: u64 = 300;

/// What the tokens of a tenant's log belong to: lists and streams take one another's.
pub(in crate::grpc) fn log_identity(tenant: &str) -> Vec<u8> {
    format!("events {tenant}").into_bytes()
}

pub(in crate::grpc) fn log_cursor(identity: &[u8], token: &str) -> Parsed<LogPosition> {
    if token.is_empty() {
        return Ok(LogPosition::default());
    }
    let cursor: [u8; 8] = page::decode(identity, token)?.try_into().map_err(|_| page::PageTokenError)?;
    Ok(LogPosition(i64::from_be_bytes(cursor)))
}

pub(in crate::grpc) fn log_token(identity: &[u8], place: LogPosition) -> String {
    page::encode(identity, &place.0.to_be_bytes())
}

/// The name after which a list goes on.
pub(in crate::grpc) fn name_cursor(identity: &[u8], token: &str) -> Parsed<String> {
    if token.is_empty() {
        return Ok(String::new());
    }
    Ok(String::from_utf8(page::decode(identity, token)?).map_err(|_| page::PageTokenError)?)
}

pub(in crate::grpc) fn watch_options(identity: &[u8], request: pb::WatchEventsRequest) -> Parsed<WatchOptions> {
    let start = match (request.page_token.as_str(), pb::watch_events_request::Start::try_from(request.start)) {
        (_, Err(_)) => return Err(field("start", "is not a known start")),
        ("", Ok(pb::watch_events_request::Start::Oldest)) => Start::After(LogPosition::default()),
        ("", Ok(_)) => Start::Next,
        (token, Ok(_)) => Start::After(log_cursor(identity, token)?),
    };
    let heartbeat_s = match u64::try_from(request.heartbeat_seconds) {
        Ok(0) => HEARTBEAT_DEFAULT_S,
        Ok(seconds) if seconds <= HEARTBEAT_MAX_S => seconds,
        _ => return Err(field("heartbeat_seconds", "must be 0 to 300")),
    };
    Ok(WatchOptions {
        tenant: tenant(&request.tenant_id)?,
        types: patterns("types", &request.types)?,
        start,
        heartbeat: Duration::from_secs(heartbeat_s),
    })
}
