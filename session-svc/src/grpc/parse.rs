//! Requests → commands. Everything that can be wrong with a request is found here.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    time::Duration,
};

use prost::Message as _;
use proto::session::v1 as pb;
use svc_kit::{access::Caller, clock::Timestamp, page};

use super::field;
use crate::{
    app::{
        RequestHash,
        create::CreateSession,
        reauthenticate::ReauthenticateSession,
        refresh::RefreshSession,
        revoke::RevokeSession,
        revoke_many::RevokeSessions,
        scope::{CloseScope, OpenScope},
        touch::TouchSession,
        update::UpdateSession,
        validate::{Presented, ValidateSession},
    },
    contract::session as names,
    domain::{
        cutoff::Scope,
        device::Device,
        end::EndReason,
        filter::{Filter, Span, State},
        id::{ApplicationId, Owner, SessionId, TenantId, UserId},
        reauthentication::Proof,
        refresh::Origin,
        session::{Kind, RefreshMode},
        times::Times,
        token::PresentedToken,
    },
    error::SessionError,
    ports::IdempotencyKey,
};

type Parsed<T> = Result<T, SessionError>;

const TOKEN_BYTES_MAX: usize = 512;
const COMMENT_BYTES_MAX: usize = 256;
const KEY_BYTES_MAX: usize = 128;
const DEVICE_NAME_BYTES_MAX: usize = 128;
const ATTRIBUTES_MAX: usize = 32;
const ATTRIBUTE_KEY_BYTES_MAX: usize = 64;
const ATTRIBUTES_BYTES_MAX: usize = 4096;
const APPLICATIONS_MAX: usize = 64;
/// How far a caller's clock may be ahead of ours.
const AHEAD_MAX: Duration = Duration::from_secs(60);

pub(super) fn session_id(path: &str, text: &str) -> Parsed<SessionId> {
    SessionId::parse(text).map_err(|error| field(path, error))
}

fn text(path: &str, value: &str, bytes_max: usize) -> Parsed<String> {
    if value.len() > bytes_max {
        return Err(field(path, format!("must not be longer than {bytes_max} bytes")));
    }
    if value.chars().any(char::is_control) {
        return Err(field(path, "must not have control characters"));
    }
    Ok(value.to_owned())
}

fn texts(path: &str, values: &[String], count_max: usize, bytes_max: usize) -> Parsed<Vec<String>> {
    if values.len() > count_max {
        return Err(field(path, format!("must not have more than {count_max} values")));
    }
    let one = |value: &String| {
        if value.is_empty() { Err(field(path, "must not have empty values")) } else { text(path, value, bytes_max) }
    };
    values.iter().map(one).collect()
}

fn ip_address(path: &str, value: &str) -> Parsed<String> {
    if value.is_empty() {
        return Ok(String::new());
    }
    let address: IpAddr = value.parse().map_err(|_| field(path, "must be an IP address"))?;
    Ok(address.to_canonical().to_string())
}

fn moment(path: &str, value: Option<&prost_types::Timestamp>) -> Parsed<Option<Timestamp>> {
    value.map(Timestamp::from_proto).transpose().map_err(|error| field(path, error))
}

fn limit(path: &str, value: Option<&prost_types::Duration>) -> Parsed<Duration> {
    let Some(value) = value else { return Ok(Duration::ZERO) };
    let problem = || field(path, "must be a duration of at least a second, or zero");
    // Checked before the conversion, which panics where it cannot negate.
    if value.seconds < 0 || value.nanos < 0 {
        return Err(problem());
    }
    let duration = Duration::try_from(*value).map_err(|_| problem())?;
    if !duration.is_zero() && duration < Duration::from_secs(1) { Err(problem()) } else { Ok(duration) }
}

fn idempotency(
    caller: &Caller,
    scope: &impl std::fmt::Display,
    key: &str,
    request: &[u8],
) -> Parsed<Option<(IdempotencyKey, RequestHash)>> {
    if key.is_empty() {
        return Ok(None);
    }
    let key = text("idempotency_key", key, KEY_BYTES_MAX)?;
    Ok(Some((IdempotencyKey::within(scope, &key), RequestHash::of(caller, request))))
}

fn user(path: &str, value: &str) -> Parsed<UserId> {
    UserId::parse(value).map_err(|error| field(path, error))
}

fn application(path: &str, value: &str) -> Parsed<Option<ApplicationId>> {
    if value.is_empty() {
        return Ok(None);
    }
    ApplicationId::parse(value).map(Some).map_err(|error| field(path, error))
}

fn device(device: Option<&pb::Device>) -> Parsed<Device> {
    let Some(device) = device else { return Ok(Device::default()) };
    let ip_address = ip_address("device.ip_address", &device.ip_address)?;
    if !device.last_ip_address.is_empty() {
        return Err(field("device.last_ip_address", "is set by the service"));
    }
    Ok(Device {
        name: text("device.name", &device.name, DEVICE_NAME_BYTES_MAX)?,
        kind: names::device_type_from(device.r#type).ok_or_else(|| field("device.type", "is not a known type"))?,
        description: text("device.description", &device.description, 256)?,
        user_agent: text("device.user_agent", &device.user_agent, 512)?,
        last_ip_address: ip_address.clone(),
        ip_address,
    })
}

fn attributes<'a>(attributes: impl IntoIterator<Item = (&'a String, &'a String)>) -> Parsed<BTreeMap<String, String>> {
    let attributes: BTreeMap<String, String> =
        attributes.into_iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    let bytes: usize = attributes.iter().map(|(key, value)| key.len() + value.len()).sum();
    let is_key = |key: &String| (1..=ATTRIBUTE_KEY_BYTES_MAX).contains(&key.len());
    if attributes.len() > ATTRIBUTES_MAX || bytes > ATTRIBUTES_BYTES_MAX || !attributes.keys().all(is_key) {
        return Err(field("attributes", "must be at most 32 entries, keys of 1 to 64 bytes, 4096 bytes in all"));
    }
    Ok(attributes)
}

pub(super) fn create(caller: &Caller, request: &pb::CreateSessionRequest, now: Timestamp) -> Parsed<CreateSession> {
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

/// A request in a form that does not depend on the order of its attributes.
fn canonical<M: prost::Message>(attributes: &HashMap<String, String>, rest: &M) -> Vec<u8> {
    let sorted: BTreeMap<_, _> = attributes.iter().collect();
    [rest.encode_to_vec(), format!("{sorted:?}").into_bytes()].concat()
}

pub(super) fn touch(request: pb::TouchSessionRequest) -> Parsed<TouchSession> {
    use pb::touch_session_request::Session;
    let presented = match request.session {
        Some(Session::SessionId(id)) => Presented::Id(session_id("session_id", &id)?),
        Some(Session::Token(value)) => presented_token(&value)?,
        None => return Err(field("session", "session_id or token must be given")),
    };
    Ok(TouchSession { presented, ip_address: ip_address("ip_address", &request.ip_address)? })
}

pub(super) fn update(caller: &Caller, request: &pb::UpdateSessionRequest) -> Parsed<UpdateSession> {
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

fn token(path: &str, value: &str) -> Parsed<Option<PresentedToken>> {
    if value.is_empty() {
        return Err(field(path, "must be given"));
    }
    if value.len() > TOKEN_BYTES_MAX {
        return Err(field(path, format!("must not be longer than {TOKEN_BYTES_MAX} bytes")));
    }
    Ok(PresentedToken::parse(value).ok())
}

fn presented_token(value: &str) -> Parsed<Presented> {
    Ok(token("token", value)?.map_or(Presented::Nonsense, Presented::Token))
}

pub(super) fn validate(request: pb::ValidateSessionRequest) -> Parsed<ValidateSession> {
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

pub(super) fn refresh(caller: &Caller, request: pb::RefreshSessionRequest) -> Parsed<RefreshSession> {
    let origin = Origin {
        ip_address: ip_address("ip_address", &request.ip_address)?,
        user_agent: text("user_agent", &request.user_agent, 512)?,
        actor: caller.subject.clone(),
    };
    let application = application("application_id", &request.application_id)?;
    let token = token("token", &request.token)?.ok_or(SessionError::TokenRefused)?;
    Ok(RefreshSession { token, application, origin })
}

pub(super) fn reauthenticate(
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

fn reason(value: i32) -> Parsed<EndReason> {
    match value {
        0 => Ok(EndReason::Admin),
        value => names::reason_from(value)
            .filter(|reason| reason.is_for_callers())
            .ok_or_else(|| field("reason", "is not a reason that callers may give")),
    }
}

pub(super) fn revoke(caller: &Caller, request: &pb::RevokeSessionRequest) -> Parsed<RevokeSession> {
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

pub(super) fn revoke_many(caller: &Caller, request: &pb::RevokeSessionsRequest) -> Parsed<RevokeSessions> {
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

pub(super) fn scope(scope: Option<&pb::SessionScope>) -> Parsed<Scope> {
    let scope = scope.ok_or_else(|| field("scope", "must be given"))?;
    let is_user = !scope.user_id.is_empty();
    Ok(Scope {
        tenant: TenantId::parse(&scope.tenant_id).map_err(|error| field("scope.tenant_id", error))?,
        user: is_user.then(|| user("scope.user_id", &scope.user_id)).transpose()?,
        application: application("scope.application_id", &scope.application_id)?,
    })
}

pub(super) fn close_scope(caller: &Caller, request: &pb::CloseScopeRequest) -> Parsed<CloseScope> {
    let scope = scope(request.scope.as_ref())?;
    Ok(CloseScope {
        reason: reason(request.reason)?,
        comment: text("comment", &request.comment, COMMENT_BYTES_MAX)?,
        idempotency: idempotency(caller, &scope.whose(), &request.idempotency_key, &request.encode_to_vec())?,
        scope,
    })
}

pub(super) fn open_scope(caller: &Caller, request: &pb::OpenScopeRequest) -> Parsed<OpenScope> {
    let scope = scope(request.scope.as_ref())?;
    // Told apart from a request to close the same scope, which has the same form on the wire.
    let content = [b"open", request.encode_to_vec().as_slice()].concat();
    let idempotency = idempotency(caller, &scope.whose(), &request.idempotency_key, &content)?;
    Ok(OpenScope { scope, idempotency })
}

pub(super) fn filter(filter: Option<&pb::SessionFilter>) -> Parsed<Filter> {
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
pub(super) struct List {
    pub(super) filter: Filter,
    pub(super) newest_first: bool,
    pub(super) after: Option<(Timestamp, SessionId)>,
}

pub(super) fn list(request: &pb::ListSessionsRequest) -> Parsed<List> {
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

pub(super) fn page_token(request: &pb::ListSessionsRequest, (at, id): (Timestamp, SessionId)) -> String {
    let cursor = [&at.as_ms().to_be_bytes()[..], &id.to_bytes()].concat();
    page::encode(&list_identity(request), &cursor)
}

/// What must be the same on every page: filter and order, not the size.
fn list_identity(request: &pb::ListSessionsRequest) -> Vec<u8> {
    let identity = pb::ListSessionsRequest { page_size: 0, page_token: String::new(), ..request.clone() };
    identity.encode_to_vec()
}
