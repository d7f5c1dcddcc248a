//! Which sessions are meant, and which page of them.

use prost::Message as _;
use proto::session::v1 as pb;
use svc_kit::{clock::Timestamp, page};

use super::{
    super::field,
    Parsed,
    value::{ip_address, moment, session_id, user},
};
use crate::{
    contract::session as names,
    domain::{
        filter::{Filter, Span, State},
        id::{ApplicationId, SessionId, TenantId},
    },
};

const APPLICATIONS_MAX: usize = 64;

pub(in crate::grpc) fn filter(filter: Option<&pb::SessionFilter>) -> Parsed<Filter> {
    let filter = filter.ok_or_else(|| field("filter", "must be given"))?;
    if filter.application_ids.len() > APPLICATIONS_MAX {
        return Err(field("filter.application_ids", "must not have more than 64 values"));
    }
    let parse_application = |id: &String| ApplicationId::parse(id).map_err(|e| field("filter.application_ids", e));
    let parse_kind = |kind: &i32| names::kind_from(*kind).ok_or_else(|| field("filter.kinds", "has an unknown kind"));
    let parse_state =
        |state: &i32| names::state_from(*state).ok_or_else(|| field("filter.states", "has an unknown state"));
    let optional_id = |path: &str, id: &str| (!id.is_empty()).then(|| session_id(path, id)).transpose();
    let optional_user = |path: &str, id: &str| (!id.is_empty()).then(|| user(path, id)).transpose();
    let states: Vec<State> = filter.states.iter().map(parse_state).collect::<Result<_, _>>()?;
    Ok(Filter {
        tenant: TenantId::parse(&filter.tenant_id).map_err(|error| field("filter.tenant_id", error))?,
        user: optional_user("filter.user_id", &filter.user_id)?,
        applications: filter.application_ids.iter().map(parse_application).collect::<Result<_, _>>()?,
        kinds: filter.kinds.iter().map(parse_kind).collect::<Result<_, _>>()?,
        states: if states.is_empty() { vec![State::Active] } else { states },
        parent: optional_id("filter.parent_id", &filter.parent_id)?,
        device: match filter.device_type {
            0 => None,
            kind => {
                Some(names::device_type_from(kind).ok_or_else(|| field("filter.device_type", "is not a known type"))?)
            }
        },
        ip_address: ip_address("filter.ip_address", &filter.ip_address)?,
        created: Span {
            from: moment("filter.created_after", filter.created_after.as_ref())?,
            until: moment("filter.created_before", filter.created_before.as_ref())?,
        },
        last_active: Span {
            from: moment("filter.last_active_after", filter.last_active_after.as_ref())?,
            until: moment("filter.last_active_before", filter.last_active_before.as_ref())?,
        },
        except: optional_id("filter.except_session_id", &filter.except_session_id)?,
    })
}

/// A list, as asked for.
pub(in crate::grpc) struct List {
    pub(in crate::grpc) filter: Filter,
    pub(in crate::grpc) newest_first: bool,
    pub(in crate::grpc) after: Option<(Timestamp, SessionId)>,
}

pub(in crate::grpc) fn list(request: &pb::ListSessionsRequest) -> Parsed<List> {
    let newest_first = match pb::SessionOrder::try_from(request.order) {
        Ok(pb::SessionOrder::Unspecified | pb::SessionOrder::NewestFirst) => true,
        Ok(pb::SessionOrder::OldestFirst) => false,
        Err(_) => return Err(field("order", "must be NEWEST_FIRST or OLDEST_FIRST")),
    };
    let filter = filter(request.filter.as_ref())?;
    if request.page_token.is_empty() {
        return Ok(List { filter, newest_first, after: None });
    }
    let cursor = page::decode(&list_identity(request), &request.page_token)?;
    let parts = cursor.split_at_checked(8).ok_or(page::PageTokenError)?;
    let at = i64::from_be_bytes(parts.0.try_into().map_err(|_| page::PageTokenError)?);
    let id = SessionId::from_bytes(parts.1).ok_or(page::PageTokenError)?;
    Ok(List { filter, newest_first, after: Some((Timestamp::from_ms(at), id)) })
}

pub(in crate::grpc) fn page_token(request: &pb::ListSessionsRequest, (at, id): (Timestamp, SessionId)) -> String {
    let cursor = [&at.as_ms().to_be_bytes()[..], &id.to_bytes()].concat();
    page::encode(&list_identity(request), &cursor)
}

/// What must be the same on every page: filter and order, not the size.
fn list_identity(request: &pb::ListSessionsRequest) -> Vec<u8> {
    let identity = pb::ListSessionsRequest { page_size: 0, page_token: String::new(), ..request.clone() };
    identity.encode_to_vec()
}
