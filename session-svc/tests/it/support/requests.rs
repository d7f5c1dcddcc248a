//! Requests as most tests want them.

use proto::session::v1::{self as pb, Session, SessionKind};
use tonic::Status;

use super::Client;

pub const TENANT: &str = "acme";
pub const USER: &str = "ada";
pub const APPLICATION: &str = "web";

pub fn sso(user: &str) -> pb::CreateSessionRequest {
    pb::CreateSessionRequest {
        tenant_id: TENANT.to_owned(),
        user_id: user.to_owned(),
        kind: SessionKind::Sso.into(),
        ..Default::default()
    }
}

pub fn in_application(user: &str, application: &str) -> pb::CreateSessionRequest {
    let application_id = application.to_owned();
    pb::CreateSessionRequest { kind: SessionKind::Application.into(), application_id, ..sso(user) }
}

pub fn under(parent: &Session, kind: SessionKind) -> pb::CreateSessionRequest {
    let parent_id = parent.id.clone();
    pb::CreateSessionRequest { parent_id, kind: kind.into(), ..in_application(&parent.user_id, APPLICATION) }
}

/// Creates a session; returns it and its token.
pub async fn created(client: &mut Client, request: pb::CreateSessionRequest) -> (Session, String) {
    let answer = client.create_session(request).await.unwrap().into_inner();
    (answer.session.unwrap(), answer.token)
}

pub fn by_token(token: &str) -> pb::ValidateSessionRequest {
    let session = Some(pb::validate_session_request::Session::Token(token.to_owned()));
    pb::ValidateSessionRequest { session, ..Default::default() }
}

pub fn by_id(id: &str) -> pb::ValidateSessionRequest {
    let session = Some(pb::validate_session_request::Session::SessionId(id.to_owned()));
    pb::ValidateSessionRequest { session, ..Default::default() }
}

pub async fn validate(client: &mut Client, request: pb::ValidateSessionRequest) -> pb::ValidateSessionResponse {
    client.validate_session(request).await.unwrap().into_inner()
}

/// Whether the session is alive.
pub async fn is_active(client: &mut Client, id: &str) -> bool {
    validate(client, by_id(id)).await.active
}

pub async fn refresh(client: &mut Client, token: &str) -> Result<pb::RefreshSessionResponse, Status> {
    let request = pb::RefreshSessionRequest { token: token.to_owned(), ..Default::default() };
    client.refresh_session(request).await.map(tonic::Response::into_inner)
}

pub fn end_of(id: &str) -> pb::RevokeSessionRequest {
    let session = Some(pb::revoke_session_request::Session::SessionId(id.to_owned()));
    pb::RevokeSessionRequest { session, ..Default::default() }
}

pub async fn revoke(client: &mut Client, id: &str) -> Result<pb::RevokeSessionResponse, Status> {
    client.revoke_session(end_of(id)).await.map(tonic::Response::into_inner)
}

pub async fn get(client: &mut Client, id: &str) -> Result<Session, Status> {
    let request = pb::GetSessionRequest { session_id: id.to_owned() };
    client.get_session(request).await.map(|answer| answer.into_inner().session.unwrap())
}

pub fn of_user(user: &str) -> pb::SessionFilter {
    pb::SessionFilter { tenant_id: TENANT.to_owned(), user_id: user.to_owned(), ..Default::default() }
}

/// Every session of the tenant.
pub fn of_tenant() -> pb::SessionFilter {
    pb::SessionFilter { tenant_id: TENANT.to_owned(), ..Default::default() }
}

pub fn of_application(user: &str, application: &str) -> pb::SessionFilter {
    pb::SessionFilter { application_ids: vec![application.to_owned()], ..of_user(user) }
}

/// Every session that the filter chooses, page by page of `page_size`.
pub async fn listed(client: &mut Client, filter: pb::SessionFilter, page_size: i32) -> Vec<Session> {
    let mut request = pb::ListSessionsRequest { filter: Some(filter), page_size, ..Default::default() };
    let mut sessions = Vec::new();
    loop {
        let page = client.list_sessions(request.clone()).await.unwrap().into_inner();
        assert!(page.sessions.len() <= usize::try_from(page_size).unwrap_or(50).max(1), "a page is not too long");
        sessions.extend(page.sessions);
        if page.next_page_token.is_empty() {
            return sessions;
        }
        request.page_token = page.next_page_token;
    }
}

pub async fn revoke_all(client: &mut Client, filter: pb::SessionFilter) -> Result<pb::RevokeSessionsResponse, Status> {
    let all_users = filter.user_id.is_empty();
    let request = pb::RevokeSessionsRequest { filter: Some(filter), all_users, ..Default::default() };
    client.revoke_sessions(request).await.map(tonic::Response::into_inner)
}
