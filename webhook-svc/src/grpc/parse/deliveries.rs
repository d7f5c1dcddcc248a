//! Requests about deliveries.

use proto::webhook::v1 as pb;
use svc_kit::{clock::Timestamp, page};

use super::{Parsed, drain_rate, endpoint_id, field, patterns, tenant};
use crate::{
    app::replay::{ReplayPlan, ReplayProgress},
    domain::delivery::{Delivery, DeliveryId, State},
    ports::{DeliveryQuery, LogPosition, ReplayMode},
};

const USER_BYTES_MAX: usize = 128;

/// What must be the same on every page.
pub(in crate::grpc) fn deliveries_identity(request: &pb::ListDeliveriesRequest) -> Vec<u8> {
    format!("deliveries {} {} {}", request.tenant_id, request.endpoint_id, request.state).into_bytes()
}

pub(in crate::grpc) fn delivery_query(request: &pb::ListDeliveriesRequest, identity: &[u8]) -> Parsed<DeliveryQuery> {
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

pub(in crate::grpc) fn delivery_token(identity: &[u8], last: &Delivery) -> String {
    page::encode(identity, &[&last.created_at.as_ms().to_be_bytes()[..], last.id.as_str().as_bytes()].concat())
}

/// What must be the same in every call of a replay.
pub(in crate::grpc) fn replay_identity(request: &pb::ReplayEventsRequest) -> Vec<u8> {
    let first = pb::ReplayEventsRequest { page_token: String::new(), ..request.clone() };
    format!("replay {first:?}").into_bytes()
}

pub(in crate::grpc) fn replay_plan(request: pb::ReplayEventsRequest) -> Parsed<ReplayPlan> {
    let from = request.from.as_ref().ok_or_else(|| field("from", "must be given"))?;
    let to = request.to.as_ref().map(|to| moment("to", to)).transpose()?;
    let endpoint = (!request.endpoint_id.is_empty()).then(|| endpoint_id("endpoint_id", &request.endpoint_id));
    Ok(ReplayPlan {
        tenant: tenant(&request.tenant_id)?,
        from: moment("from", from)?,
        to,
        types: patterns("types", &request.types)?,
        user: user(request.user_id)?,
        endpoint: endpoint.transpose()?,
        mode: ReplayMode { only_missing: request.only_missing, is_dry: request.dry_run },
        rate: drain_rate("per_second", request.per_second)?,
    })
}

fn moment(path: &str, at: &prost_types::Timestamp) -> Parsed<Timestamp> {
    Timestamp::from_proto(at).map_err(|_| field(path, "must be a time between the years 1 and 9999"))
}

fn user(text: String) -> Parsed<Option<String>> {
    let is_good = |c: char| c.is_ascii_alphanumeric() || "._:@-".contains(c);
    if text.len() > USER_BYTES_MAX || !text.chars().all(is_good) {
        return Err(field("user_id", "must be at most 128 of A-Z a-z 0-9 . _ : @ -"));
    }
    Ok((!text.is_empty()).then_some(text))
}

pub(in crate::grpc) fn replay_progress(identity: &[u8], token: &str) -> Parsed<Option<ReplayProgress>> {
    if token.is_empty() {
        return Ok(None);
    }
    let cursor = page::decode(identity, token)?;
    let (numbers, rest) = cursor.as_chunks::<8>();
    let [began_at, paced_from, deliveries, received_at, place] = numbers else {
        return Err(page::PageTokenError.into());
    };
    if !rest.is_empty() {
        return Err(page::PageTokenError.into());
    }
    Ok(Some(ReplayProgress {
        began_at: Timestamp::from_ms(i64::from_be_bytes(*began_at)),
        paced_from: Timestamp::from_ms(i64::from_be_bytes(*paced_from)),
        deliveries: u64::from_be_bytes(*deliveries),
        last: (Timestamp::from_ms(i64::from_be_bytes(*received_at)), LogPosition(i64::from_be_bytes(*place))),
    }))
}

pub(in crate::grpc) fn replay_token(identity: &[u8], progress: ReplayProgress) -> String {
    let (received_at, place) = progress.last;
    let numbers = [
        progress.began_at.as_ms().to_be_bytes(),
        progress.paced_from.as_ms().to_be_bytes(),
        progress.deliveries.to_be_bytes(),
        received_at.as_ms().to_be_bytes(),
        place.0.to_be_bytes(),
    ];
    page::encode(identity, &numbers.concat())
}
