//! A session-svc for tests: it remembers what it is asked, and can be away.
//!
//! It speaks gRPC by hand, by the names of the calls, so that calls added to the contract do not concern it.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use axum::{Router, body::Body, extract::Request, response::Response};
use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Uri};
use http_body_util::{BodyExt as _, Full};
use prost::Message;
use proto::session::v1::{self as pb, SessionState};
use svc_kit::{clock::Timestamp, entropy::OsEntropy, prefixed_id};
use tokio::{net::TcpListener, sync::watch};
use tonic::{Code, Status};

prefixed_id!(FakeSessionId, "sess_", "Names a session.");

/// What it was asked to end, and why.
pub type Ended = (pb::SessionFilter, pb::EndReason);

#[derive(Default)]
struct State {
    sessions: Mutex<BTreeMap<String, pb::Session>>,
    ended: Mutex<Vec<Ended>>,
    /// Why single sessions were ended, by their ids.
    revoked: Mutex<BTreeMap<String, pb::EndReason>>,
    is_away: AtomicBool,
    refuses_users: Mutex<Vec<String>>,
    /// Tenants that are closed.
    closed: Mutex<BTreeSet<String>>,
    /// Policies by tenant and application.
    policies: Mutex<BTreeMap<(String, String), pb::Policy>>,
    policy_puts: AtomicUsize,
    refuses_policies: Mutex<Vec<String>>,
    calls_while_away: AtomicUsize,
    holds_creations: watch::Sender<bool>,
}

/// A running session-svc.
#[derive(Clone)]
pub struct FakeSessions {
    state: Arc<State>,
    addr: SocketAddr,
}

impl FakeSessions {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let state = Arc::new(State::default());
        let answering = state.clone();
        let router = Router::new().fallback(move |request: Request| {
            let state = answering.clone();
            async move { answer(&state, request).await }
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { state, addr }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Answers UNAVAILABLE from now on, or works again.
    pub fn be_away(&self, is_away: bool) {
        self.state.is_away.store(is_away, Ordering::SeqCst);
    }

    /// Refuses to end the sessions of a user.
    pub fn refuse_to_end(&self, user: &str) {
        self.state.refuses_users.lock().unwrap().push(user.to_owned());
    }

    /// The orders that it carried out.
    pub fn ended(&self) -> Vec<Ended> {
        self.state.ended.lock().unwrap().clone()
    }

    /// Says whether a tenant is closed.
    pub fn is_closed(&self, tenant: &str) -> bool {
        self.state.closed.lock().unwrap().contains(tenant)
    }

    /// The policy of an application, or of the tenant.
    pub fn policy(&self, tenant: &str, application: &str) -> Option<pb::Policy> {
        self.state.policies.lock().unwrap().get(&(tenant.to_owned(), application.to_owned())).cloned()
    }

    /// Stores a policy, as somebody who calls it directly.
    pub fn put_policy(&self, policy: pb::Policy) {
        let scope = (policy.tenant_id.clone(), policy.application_id.clone());
        self.state.policies.lock().unwrap().insert(scope, policy);
    }

    /// How many policies it was called to store.
    pub fn policy_puts(&self) -> usize {
        self.state.policy_puts.load(Ordering::SeqCst)
    }

    /// Loses all policies.
    pub fn forget_policies(&self) {
        self.state.policies.lock().unwrap().clear();
    }

    /// Refuses the policy of an application.
    pub fn refuse_policy_of(&self, application: &str) {
        self.state.refuses_policies.lock().unwrap().push(application.to_owned());
    }

    /// How often it was called while it was away.
    pub fn calls_while_away(&self) -> usize {
        self.state.calls_while_away.load(Ordering::SeqCst)
    }

    /// Why a session was ended, if it was by itself.
    pub fn revoked(&self, id: &str) -> Option<pb::EndReason> {
        self.state.revoked.lock().unwrap().get(id).copied()
    }

    /// Answers creations later, when it is told so: what is created is there already.
    pub fn hold_creations(&self, is_held: bool) {
        self.state.holds_creations.send_replace(is_held);
    }

    /// The session of a user, if there is one.
    pub fn of_user(&self, user: &str) -> Option<pb::Session> {
        self.state.sessions.lock().unwrap().values().find(|session| session.user_id == user).cloned()
    }

    /// Says whether a session lives.
    pub fn is_alive(&self, id: &str) -> bool {
        self.state.sessions.lock().unwrap().get(id).is_some_and(is_active)
    }
}

fn is_active(session: &pb::Session) -> bool {
    session.state == i32::from(SessionState::Active)
}

async fn answer(state: &State, request: Request) -> Response {
    let path = request.uri().clone();
    let body = request.into_body().collect().await.unwrap().to_bytes();
    // A frame: a flag, the length, the message.
    let message = body.slice(5.min(body.len())..);
    let result = if state.is_away.load(Ordering::SeqCst) {
        state.calls_while_away.fetch_add(1, Ordering::SeqCst);
        Err(Status::unavailable("away"))
    } else {
        call(state, &path, message)
    };
    if path.path().ends_with("/CreateSession") {
        state.holds_creations.subscribe().wait_for(|is_held| !is_held).await.unwrap();
    }
    match result {
        Ok(message) => {
            let response = Response::builder().header("content-type", "application/grpc");
            let mut frame = BytesMut::new();
            frame.put_u8(0);
            frame.put_u32(u32::try_from(message.len()).unwrap());
            frame.extend_from_slice(&message);
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", HeaderValue::from_static("0"));
            let body = Full::new(frame.freeze()).with_trailers(async move { Some(Ok(trailers)) });
            response.body(Body::new(body)).unwrap()
        }
        Err(status) => status.into_http(),
    }
}

fn read<M: Message + Default>(message: Bytes) -> M {
    M::decode(message).unwrap()
}

fn call(state: &State, path: &Uri, message: Bytes) -> Result<Vec<u8>, Status> {
    match path.path().rsplit('/').next().unwrap_or_default() {
        "CreateSession" => create(state, read(message)).map(|answer| answer.encode_to_vec()),
        "ValidateSession" => Ok(validate(state, read(message)).encode_to_vec()),
        "RefreshSession" => refresh(state, read(message)).map(|answer| answer.encode_to_vec()),
        "RevokeSession" => revoke(state, read(message)).map(|answer| answer.encode_to_vec()),
        "RevokeSessions" => revoke_all(state, read(message)).map(|answer| answer.encode_to_vec()),
        "CloseScope" => Ok(close(state, read(message)).encode_to_vec()),
        "GetPolicy" => get_policy(state, read(message)).map(|answer| answer.encode_to_vec()),
        "PutPolicy" => put_policy(state, read(message)).map(|answer| answer.encode_to_vec()),
        "ListSessions" => Ok(list(state, read(message)).encode_to_vec()),
        "OpenScope" => Ok(open(state, read(message)).encode_to_vec()),
        other => Err(Status::new(Code::Unimplemented, other)),
    }
}

fn token_of(id: &str) -> String {
    format!("lkr_{id}")
}

fn create(state: &State, request: pb::CreateSessionRequest) -> Result<pb::CreateSessionResponse, Status> {
    if state.closed.lock().unwrap().contains(&request.tenant_id) {
        return Err(svc_kit::error::to_status(&Refused("SCOPE_CLOSED")));
    }
    let session = pb::Session {
        id: FakeSessionId::generate(&OsEntropy).to_string(),
        tenant_id: request.tenant_id,
        user_id: request.user_id,
        application_id: request.application_id,
        kind: request.kind,
        parent_id: request.parent_id,
        state: SessionState::Active.into(),
        scopes: request.scopes,
        amr: request.amr,
        authenticated_at: request.authenticated_at,
        expires_at: Some(Timestamp::from_ms(4_000_000_000_000).to_proto()),
        ..pb::Session::default()
    };
    state.sessions.lock().unwrap().insert(session.id.clone(), session.clone());
    let token = token_of(&session.id);
    Ok(pb::CreateSessionResponse { session: Some(session), token })
}

fn get_policy(state: &State, request: pb::GetPolicyRequest) -> Result<pb::GetPolicyResponse, Status> {
    let policies = state.policies.lock().unwrap();
    let policy = policies.get(&(request.tenant_id, request.application_id)).cloned();
    let policy = policy.ok_or_else(|| svc_kit::error::to_status(&Refused("POLICY_NOT_FOUND")))?;
    Ok(pb::GetPolicyResponse { policy: Some(policy) })
}

fn put_policy(state: &State, request: pb::PutPolicyRequest) -> Result<pb::PutPolicyResponse, Status> {
    let policy = request.policy.unwrap_or_default();
    if state.refuses_policies.lock().unwrap().contains(&policy.application_id) {
        return Err(Status::failed_precondition("too many policies"));
    }
    state.policy_puts.fetch_add(1, Ordering::SeqCst);
    let scope = (policy.tenant_id.clone(), policy.application_id.clone());
    state.policies.lock().unwrap().insert(scope, policy.clone());
    Ok(pb::PutPolicyResponse { policy: Some(policy), unchanged: false })
}

fn close(state: &State, request: pb::CloseScopeRequest) -> pb::CloseScopeResponse {
    let tenant = request.scope.unwrap_or_default().tenant_id;
    for session in state.sessions.lock().unwrap().values_mut().filter(|session| session.tenant_id == tenant) {
        session.state = SessionState::Revoked.into();
    }
    let already_closed = !state.closed.lock().unwrap().insert(tenant);
    pb::CloseScopeResponse { already_closed, ..pb::CloseScopeResponse::default() }
}

fn open(state: &State, request: pb::OpenScopeRequest) -> pb::OpenScopeResponse {
    let tenant = request.scope.unwrap_or_default().tenant_id;
    pb::OpenScopeResponse { was_closed: state.closed.lock().unwrap().remove(&tenant) }
}

fn validate(state: &State, request: pb::ValidateSessionRequest) -> pb::ValidateSessionResponse {
    use pb::validate_session_request::Session;
    let id = match request.session {
        Some(Session::Token(token)) => token.trim_start_matches("lkr_").to_owned(),
        Some(Session::SessionId(id)) => id,
        None => String::new(),
    };
    let session = state.sessions.lock().unwrap().get(&id).cloned();
    let active = session.as_ref().is_some_and(is_active);
    pb::ValidateSessionResponse { active, session, ..pb::ValidateSessionResponse::default() }
}

fn list(state: &State, request: pb::ListSessionsRequest) -> pb::ListSessionsResponse {
    let filter = request.filter.unwrap_or_default();
    let is_meant = |session: &&pb::Session| {
        session.tenant_id == filter.tenant_id
            && session.user_id == filter.user_id
            && session.parent_id == filter.parent_id
    };
    let sessions = state.sessions.lock().unwrap().values().filter(is_meant).cloned().collect();
    pb::ListSessionsResponse { sessions, ..pb::ListSessionsResponse::default() }
}

fn refresh(state: &State, request: pb::RefreshSessionRequest) -> Result<pb::RefreshSessionResponse, Status> {
    let sessions = state.sessions.lock().unwrap();
    let session = sessions.get(request.token.trim_start_matches("lkr_")).filter(|session| is_active(session));
    let session = session.filter(|session| session.application_id == request.application_id).cloned();
    let session = session.ok_or_else(|| svc_kit::error::to_status(&Refused("TOKEN_REFUSED")))?;
    let token = request.token;
    Ok(pb::RefreshSessionResponse { session: Some(session), token, ..pb::RefreshSessionResponse::default() })
}

fn revoke(state: &State, request: pb::RevokeSessionRequest) -> Result<pb::RevokeSessionResponse, Status> {
    use pb::revoke_session_request::Session;
    let reason = request.reason();
    let id = match request.session {
        Some(Session::Token(token)) => token.trim_start_matches("lkr_").to_owned(),
        Some(Session::SessionId(id)) => id,
        None => String::new(),
    };
    let mut sessions = state.sessions.lock().unwrap();
    let session = sessions.get_mut(&id).ok_or_else(|| svc_kit::error::to_status(&Refused("SESSION_NOT_FOUND")))?;
    let already_ended = !is_active(session);
    session.state = SessionState::Revoked.into();
    state.revoked.lock().unwrap().insert(id, reason);
    Ok(pb::RevokeSessionResponse { session: Some(session.clone()), already_ended })
}

fn revoke_all(state: &State, request: pb::RevokeSessionsRequest) -> Result<pb::RevokeSessionsResponse, Status> {
    let reason = request.reason();
    let all_users = request.all_users;
    let filter = request.filter.unwrap_or_default();
    // As session-svc does it, so that no order forgets to say that it means everybody.
    if filter.user_id.is_empty() && !all_users {
        return Err(Status::invalid_argument("all_users must be set"));
    }
    if state.refuses_users.lock().unwrap().contains(&filter.user_id) {
        return Err(Status::invalid_argument("refused"));
    }
    let is_meant = |session: &pb::Session| {
        session.tenant_id == filter.tenant_id
            && (filter.user_id.is_empty() || session.user_id == filter.user_id)
            && (filter.application_ids.is_empty() || filter.application_ids.contains(&session.application_id))
    };
    for session in state.sessions.lock().unwrap().values_mut().filter(|session| is_meant(session)) {
        session.state = SessionState::Revoked.into();
    }
    state.ended.lock().unwrap().push((filter, reason));
    Ok(pb::RevokeSessionsResponse::default())
}

#[derive(Debug, thiserror::Error)]
#[error("refused")]
struct Refused(&'static str);

impl svc_kit::error::ServiceError for Refused {
    fn kind(&self) -> svc_kit::error::Kind {
        svc_kit::error::Kind::NotFound
    }

    fn reason(&self) -> &'static str {
        self.0
    }
}
