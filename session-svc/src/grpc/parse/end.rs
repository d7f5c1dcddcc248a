//! What ends sessions, one or many.

use prost::Message as _;
use proto::session::v1 as pb;
use svc_kit::access::Caller;

use super::{
    super::field,
    Parsed,
    list::filter,
    value::{application, idempotency, presented_token, session_id, text, user},
};
use crate::{
    app::{
        revoke::RevokeSession,
        revoke_many::RevokeSessions,
        scope::{CloseScope, OpenScope},
        validate::Presented,
    },
    contract::session as names,
    domain::{cutoff::Scope, end::EndReason, id::TenantId},
};

const COMMENT_BYTES_MAX: usize = 256;

pub(in crate::grpc) fn revoke(caller: &Caller, request: &pb::RevokeSessionRequest) -> Parsed<RevokeSession> {
    use pb::revoke_session_request::Session;
    let presented = match &request.session {
        Some(Session::Token(value)) => presented_token(value)?,
        Some(Session::SessionId(id)) => Presented::Id(session_id("session_id", id)?),
        None => return Err(field("session", "session_id or token must be given")),
    };
    let session = match &presented {
        Presented::Id(id) => id.to_string(),
        Presented::Token(token) => token.session.to_string(),
        Presented::Nonsense => String::new(),
    };
    Ok(RevokeSession {
        presented,
        reason: reason(request.reason)?,
        comment: text("comment", &request.comment, COMMENT_BYTES_MAX)?,
        idempotency: idempotency(caller, &session, &request.idempotency_key, &request.encode_to_vec())?,
    })
}

pub(in crate::grpc) fn revoke_many(caller: &Caller, request: &pb::RevokeSessionsRequest) -> Parsed<RevokeSessions> {
    let filter = filter(request.filter.as_ref())?;
    if request.filter.as_ref().is_some_and(|filter| !filter.states.is_empty()) {
        return Err(field("filter.states", "must be empty: only what is alive can end"));
    }
    if filter.user.is_none() && !request.all_users {
        return Err(field("all_users", "must be set to end sessions of every user of the tenant"));
    }
    let idempotency = idempotency(caller, &filter.whose(), &request.idempotency_key, &request.encode_to_vec())?;
    Ok(RevokeSessions {
        filter,
        is_dry_run: request.dry_run,
        reason: reason(request.reason)?,
        comment: text("comment", &request.comment, COMMENT_BYTES_MAX)?,
        idempotency,
    })
}

pub(in crate::grpc) fn close_scope(caller: &Caller, request: &pb::CloseScopeRequest) -> Parsed<CloseScope> {
    let scope = scope(request.scope.as_ref())?;
    Ok(CloseScope {
        reason: reason(request.reason)?,
        comment: text("comment", &request.comment, COMMENT_BYTES_MAX)?,
        idempotency: idempotency(caller, &scope.whose(), &request.idempotency_key, &request.encode_to_vec())?,
        scope,
    })
}

pub(in crate::grpc) fn open_scope(caller: &Caller, request: &pb::OpenScopeRequest) -> Parsed<OpenScope> {
    let scope = scope(request.scope.as_ref())?;
    // Told apart from a request to close the same scope, which has the same form on the wire.
    let content = [b"open", request.encode_to_vec().as_slice()].concat();
    let idempotency = idempotency(caller, &scope.whose(), &request.idempotency_key, &content)?;
    Ok(OpenScope { scope, idempotency })
}

pub(in crate::grpc) fn scope(scope: Option<&pb::SessionScope>) -> Parsed<Scope> {
    let scope = scope.ok_or_else(|| field("scope", "must be given"))?;
    let is_user = !scope.user_id.is_empty();
    Ok(Scope {
        tenant: TenantId::parse(&scope.tenant_id).map_err(|error| field("scope.tenant_id", error))?,
        user: is_user.then(|| user("scope.user_id", &scope.user_id)).transpose()?,
        application: application("scope.application_id", &scope.application_id)?,
        session: None,
    })
}

fn reason(value: i32) -> Parsed<EndReason> {
    match value {
        0 => Ok(EndReason::Admin),
        value => names::reason_from(value)
            .filter(|reason| reason.is_for_callers())
            .ok_or_else(|| field("reason", "is not a reason that callers may give")),
    }
}
