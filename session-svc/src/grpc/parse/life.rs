//! What begins a session and keeps it alive.

use std::{collections::HashMap, time::Duration};

use proto::session::v1 as pb;
use svc_kit::{access::Caller, clock::Timestamp};

use super::{
    super::field,
    Parsed,
    value::{
        DEVICE_NAME_BYTES_MAX, application, attributes, canonical, device, idempotency, ip_address, limit, moment,
        presented_token, session_id, text, texts, token, user,
    },
};
use crate::{
    app::{
        create::CreateSession,
        reauthenticate::ReauthenticateSession,
        refresh::RefreshSession,
        touch::TouchSession,
        update::UpdateSession,
        validate::{Presented, ValidateSession},
    },
    contract::session as names,
    domain::{
        id::{Owner, TenantId, UserId},
        reauthentication::Proof,
        refresh::Origin,
        session::{Kind, RefreshMode},
        times::Times,
    },
    error::SessionError,
};

/// How far a caller's clock may be ahead of ours.
const AHEAD_MAX: Duration = Duration::from_secs(60);

pub(in crate::grpc) fn create(
    caller: &Caller,
    request: &pb::CreateSessionRequest,
    now: Timestamp,
) -> Parsed<CreateSession> {
    let kind =
        names::kind_from(request.kind).ok_or_else(|| field("kind", "must be SSO, APPLICATION or PARTICIPANT"))?;
    let application = application("application_id", &request.application_id)?;
    match (kind, &application) {
        (Kind::Sso, Some(_)) => return Err(field("application_id", "must be empty for SSO")),
        (Kind::Application | Kind::Participant, None) => return Err(field("application_id", "must be given")),
        _ => {}
    }
    let parent = match (kind, request.parent_id.as_str()) {
        (Kind::Sso, "") | (Kind::Application, "") => None,
        (Kind::Sso, _) => return Err(field("parent_id", "must be empty for SSO")),
        (Kind::Participant, "") => return Err(field("parent_id", "must be given for PARTICIPANT")),
        (_, id) => Some(session_id("parent_id", id)?),
    };
    if request.keep_signed_in && kind != Kind::Sso {
        return Err(field("keep_signed_in", "is for SSO only"));
    }
    let authenticated_at = moment("authenticated_at", request.authenticated_at.as_ref())?;
    if authenticated_at.is_some_and(|at| at > now.saturating_add(AHEAD_MAX)) {
        return Err(field("authenticated_at", "must not be in the future"));
    }
    let refresh_mode = match request.refresh_mode {
        0 => RefreshMode::Rotate,
        mode => names::refresh_mode_from(mode).ok_or_else(|| field("refresh_mode", "must be ROTATE or REUSABLE"))?,
    };
    let survives_parent = match pb::OnParentEnd::try_from(request.on_parent_end) {
        Ok(pb::OnParentEnd::Unspecified | pb::OnParentEnd::Revoke) => false,
        Ok(pb::OnParentEnd::Keep) => true,
        Err(_) => return Err(field("on_parent_end", "must be REVOKE or KEEP")),
    };
    let times = request.times.unwrap_or_default();
    let tenant = TenantId::parse(&request.tenant_id).map_err(|error| field("tenant_id", error))?;
    let owner = Owner { tenant, user: user("user_id", &request.user_id)? };
    let rest = pb::CreateSessionRequest { attributes: HashMap::new(), ..request.clone() };
    let content = canonical(&request.attributes, &rest);
    Ok(CreateSession {
        kind,
        application,
        parent,
        survives_parent,
        keep_signed_in: request.keep_signed_in,
        authenticated_at,
        amr: texts("amr", &request.amr, 8, 32)?,
        acr: text("acr", &request.acr, 128)?,
        scopes: texts("scopes", &request.scopes, 64, 128)?,
        device: device(request.device.as_ref())?,
        attributes: attributes(&request.attributes)?,
        refresh_mode,
        times: Times {
            idle_timeout: limit("times.idle_timeout", times.idle_timeout.as_ref())?,
            absolute_lifetime: limit("times.absolute_lifetime", times.absolute_lifetime.as_ref())?,
        },
        idempotency: idempotency(caller, &owner, &request.idempotency_key, &content)?,
        owner,
    })
}

pub(in crate::grpc) fn validate(request: pb::ValidateSessionRequest) -> Parsed<ValidateSession> {
    use pb::validate_session_request::Session;
    let presented = match request.session {
        Some(Session::Token(value)) => presented_token(&value)?,
        Some(Session::SessionId(id)) => Presented::Id(session_id("session_id", &id)?),
        None => return Err(field("session", "token or session_id must be given")),
    };
    let is_interactive = match pb::Activity::try_from(request.activity) {
        Ok(pb::Activity::Unspecified | pb::Activity::Background) => false,
        Ok(pb::Activity::Interactive) => true,
        Err(_) => return Err(field("activity", "must be BACKGROUND or INTERACTIVE")),
    };
    Ok(ValidateSession { presented, is_interactive, ip_address: ip_address("ip_address", &request.ip_address)? })
}

pub(in crate::grpc) fn touch(request: pb::TouchSessionRequest) -> Parsed<TouchSession> {
    use pb::touch_session_request::Session;
    let presented = match request.session {
        Some(Session::SessionId(id)) => Presented::Id(session_id("session_id", &id)?),
        Some(Session::Token(value)) => presented_token(&value)?,
        None => return Err(field("session", "session_id or token must be given")),
    };
    Ok(TouchSession { presented, ip_address: ip_address("ip_address", &request.ip_address)? })
}

pub(in crate::grpc) fn update(caller: &Caller, request: &pb::UpdateSessionRequest) -> Parsed<UpdateSession> {
    let id = session_id("session_id", &request.session_id)?;
    let paths = request.update_mask.as_ref().map(|mask| mask.paths.as_slice()).unwrap_or_default();
    if paths.is_empty() {
        return Err(field("update_mask", "must name the fields to change"));
    }
    let (mut device_name, mut own_attributes) = (None, None);
    for path in paths {
        match path.as_str() {
            "device_name" => device_name = Some(text("device_name", &request.device_name, DEVICE_NAME_BYTES_MAX)?),
            "attributes" => own_attributes = Some(attributes(&request.attributes)?),
            _ => return Err(field("update_mask", "may name device_name and attributes")),
        }
    }
    let rest = pb::UpdateSessionRequest { attributes: HashMap::new(), ..request.clone() };
    let content = canonical(&request.attributes, &rest);
    let idempotency = idempotency(caller, &id, &request.idempotency_key, &content)?;
    Ok(UpdateSession { id, device_name, attributes: own_attributes, idempotency })
}

pub(in crate::grpc) fn refresh(caller: &Caller, request: pb::RefreshSessionRequest) -> Parsed<RefreshSession> {
    let origin = Origin {
        ip_address: ip_address("ip_address", &request.ip_address)?,
        user_agent: text("user_agent", &request.user_agent, 512)?,
        actor: caller.subject.clone(),
    };
    let application = application("application_id", &request.application_id)?;
    let token = token("token", &request.token)?.ok_or(SessionError::TokenRefused)?;
    Ok(RefreshSession { token, application, origin })
}

pub(in crate::grpc) fn reauthenticate(
    caller: &Caller,
    request: pb::ReauthenticateSessionRequest,
) -> Parsed<ReauthenticateSession> {
    let origin = Origin {
        ip_address: ip_address("ip_address", &request.ip_address)?,
        user_agent: text("user_agent", &request.user_agent, 512)?,
        actor: caller.subject.clone(),
    };
    let proof = Proof {
        amr: texts("amr", &request.amr, 8, 32)?,
        acr: text("acr", &request.acr, 128)?,
        keep_signed_in: request.keep_signed_in,
        origin,
    };
    let user = UserId::parse(&request.user_id).map_err(|error| field("user_id", error))?;
    let token = token("token", &request.token)?.ok_or(SessionError::TokenRefused)?;
    Ok(ReauthenticateSession { token, user, proof })
}
