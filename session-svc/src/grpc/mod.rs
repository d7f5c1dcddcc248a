//! Calls → use cases: parse, run, answer. Nothing is decided here.

mod parse;
mod policies;

use std::sync::Arc;

use proto::session::v1 as pb;
use secrecy::ExposeSecret as _;
use svc_kit::{
    access::caller_of,
    error::{FieldError, to_status},
    page,
};
use tonic::{Request, Response, Status};

use crate::{
    app::{
        Sessions,
        validate::{ValidateSession, Verdict},
    },
    contract::session::to_proto,
    domain::{cutoff::Cutoff, end::EndReason, session::Stored},
    error::SessionError,
    ports::SessionStore,
};

/// Sessions on a page when the request does not say, and at most.
const PAGE_DEFAULT: usize = 50;
const PAGE_MAX: usize = 500;

pub use self::policies::PolicyGrpc;

/// The gRPC face of the use cases.
pub struct SessionGrpc<S> {
    sessions: Arc<Sessions<S>>,
}

impl<S> SessionGrpc<S> {
    /// Makes the face of `sessions`.
    pub fn new(sessions: Arc<Sessions<S>>) -> Self {
        Self { sessions }
    }
}

fn status(error: impl Into<SessionError>) -> Status {
    to_status(&error.into())
}

fn message(stored: Stored) -> pb::Session {
    let version = stored.version();
    to_proto(Arc::unwrap_or_clone(stored.session), version)
}

#[tonic::async_trait]
impl<S: SessionStore> pb::session_service_server::SessionService for SessionGrpc<S> {
    async fn create_session(
        &self,
        request: Request<pb::CreateSessionRequest>,
    ) -> Result<Response<pb::CreateSessionResponse>, Status> {
        let caller = caller_of(&request).map_err(|error| to_status(&error))?;
        let now = self.sessions.clock.now();
        let command = parse::create(&caller, &request.into_inner(), now).map_err(status)?;
        let created = self.sessions.create(&caller, command).await.map_err(status)?;
        let token = created.token.map(|token| token.expose_secret().to_owned()).unwrap_or_default();
        Ok(Response::new(pb::CreateSessionResponse { session: Some(message(created.stored)), token }))
    }

    async fn validate_session(
        &self,
        request: Request<pb::ValidateSessionRequest>,
    ) -> Result<Response<pb::ValidateSessionResponse>, Status> {
        let caller = caller_of(&request).map_err(|error| to_status(&error))?;
        let command: ValidateSession = parse::validate(request.into_inner()).map_err(status)?;
        let verdict = self.sessions.validate(&caller, &command).await.map_err(status)?;
        Ok(Response::new(answer(verdict)))
    }

    async fn refresh_session(
        &self,
        request: Request<pb::RefreshSessionRequest>,
    ) -> Result<Response<pb::RefreshSessionResponse>, Status> {
        let caller = caller_of(&request).map_err(|error| to_status(&error))?;
        let command = parse::refresh(&caller, request.into_inner()).map_err(status)?;
        let refreshed = self.sessions.refresh(&caller, &command).await.map_err(status)?;
        Ok(Response::new(pb::RefreshSessionResponse {
            session: Some(message(refreshed.stored)),
            token: refreshed.token.expose_secret().to_owned(),
            replayed: refreshed.is_replay,
        }))
    }

    async fn reauthenticate_session(
        &self,
        request: Request<pb::ReauthenticateSessionRequest>,
    ) -> Result<Response<pb::ReauthenticateSessionResponse>, Status> {
        let caller = caller_of(&request).map_err(|error| to_status(&error))?;
        let command = parse::reauthenticate(&caller, request.into_inner()).map_err(status)?;
        let (stored, token) = self.sessions.reauthenticate(&caller, &command).await.map_err(status)?;
        let token = token.expose_secret().to_owned();
        Ok(Response::new(pb::ReauthenticateSessionResponse { session: Some(message(stored)), token }))
    }

    async fn get_session(
        &self,
        request: Request<pb::GetSessionRequest>,
    ) -> Result<Response<pb::GetSessionResponse>, Status> {
        let caller = caller_of(&request).map_err(|error| to_status(&error))?;
        let id = parse::session_id("session_id", &request.into_inner().session_id).map_err(status)?;
        let stored = self.sessions.get(&caller, id).await.map_err(status)?;
        Ok(Response::new(pb::GetSessionResponse { session: Some(message(stored)) }))
    }

    async fn list_sessions(
        &self,
        request: Request<pb::ListSessionsRequest>,
    ) -> Result<Response<pb::ListSessionsResponse>, Status> {
        let request = request.into_inner();
        let size = page::size(request.page_size, PAGE_DEFAULT, PAGE_MAX).map_err(status)?;
        let list = parse::list(&request).map_err(status)?;
        let page = self.sessions.list(&list.filter, list.newest_first, list.after, size).await.map_err(status)?;
        let next_page_token = page.next.map(|next| parse::page_token(&request, next)).unwrap_or_default();
        let sessions = page.sessions.into_iter().map(message).collect();
        Ok(Response::new(pb::ListSessionsResponse { sessions, next_page_token }))
    }

    async fn count_sessions(
        &self,
        request: Request<pb::CountSessionsRequest>,
    ) -> Result<Response<pb::CountSessionsResponse>, Status> {
        let filter = parse::filter(request.into_inner().filter.as_ref()).map_err(status)?;
        let count = self.sessions.count(&filter).await.map_err(status)?;
        Ok(Response::new(pb::CountSessionsResponse {
            count: i64::try_from(count.sessions).unwrap_or(i64::MAX),
            truncated: count.is_lower_bound,
        }))
    }

    async fn touch_session(
        &self,
        request: Request<pb::TouchSessionRequest>,
    ) -> Result<Response<pb::TouchSessionResponse>, Status> {
        let caller = caller_of(&request).map_err(|error| to_status(&error))?;
        let command = parse::touch(request.into_inner()).map_err(status)?;
        let stored = self.sessions.touch(&caller, &command).await.map_err(status)?;
        Ok(Response::new(pb::TouchSessionResponse { session: Some(message(stored)) }))
    }

    async fn update_session(
        &self,
        request: Request<pb::UpdateSessionRequest>,
    ) -> Result<Response<pb::UpdateSessionResponse>, Status> {
        let caller = caller_of(&request).map_err(|error| to_status(&error))?;
        let command = parse::update(&caller, &request.into_inner()).map_err(status)?;
        let stored = self.sessions.update(&caller, &command).await.map_err(status)?;
        Ok(Response::new(pb::UpdateSessionResponse { session: Some(message(stored)) }))
    }

    async fn close_scope(
        &self,
        request: Request<pb::CloseScopeRequest>,
    ) -> Result<Response<pb::CloseScopeResponse>, Status> {
        let caller = caller_of(&request).map_err(|error| to_status(&error))?;
        let command = parse::close_scope(&caller, &request.into_inner()).map_err(status)?;
        let closed = self.sessions.close_scope(&caller, &command).await.map_err(status)?;
        let (cutoff_revision, already_closed) = (closed.position, closed.was_closed);
        Ok(Response::new(pb::CloseScopeResponse { cutoff_revision, already_closed }))
    }

    async fn open_scope(
        &self,
        request: Request<pb::OpenScopeRequest>,
    ) -> Result<Response<pb::OpenScopeResponse>, Status> {
        let caller = caller_of(&request).map_err(|error| to_status(&error))?;
        let command = parse::open_scope(&caller, &request.into_inner()).map_err(status)?;
        let was_closed = self.sessions.open_scope(&command).await.map_err(status)?;
        Ok(Response::new(pb::OpenScopeResponse { was_closed }))
    }

    async fn get_scope(&self, request: Request<pb::GetScopeRequest>) -> Result<Response<pb::GetScopeResponse>, Status> {
        let scope = parse::scope(request.into_inner().scope.as_ref()).map_err(status)?;
        let closing = self.sessions.scope(&scope).await.map_err(status)?;
        Ok(Response::new(closing.map(closed).unwrap_or_default()))
    }

    async fn revoke_session(
        &self,
        request: Request<pb::RevokeSessionRequest>,
    ) -> Result<Response<pb::RevokeSessionResponse>, Status> {
        let caller = caller_of(&request).map_err(|error| to_status(&error))?;
        let command = parse::revoke(&caller, &request.into_inner()).map_err(status)?;
        let revoked = self.sessions.revoke(&caller, &command).await.map_err(status)?;
        Ok(Response::new(pb::RevokeSessionResponse {
            session: Some(message(revoked.stored)),
            already_ended: revoked.already_ended,
        }))
    }

    async fn revoke_sessions(
        &self,
        request: Request<pb::RevokeSessionsRequest>,
    ) -> Result<Response<pb::RevokeSessionsResponse>, Status> {
        let caller = caller_of(&request).map_err(|error| to_status(&error))?;
        let command = parse::revoke_many(&caller, &request.into_inner()).map_err(status)?;
        let revoked = self.sessions.revoke_many(&caller, &command).await.map_err(status)?;
        Ok(Response::new(pb::RevokeSessionsResponse {
            revoked_count: i32::try_from(revoked.count).unwrap_or(i32::MAX),
            session_ids: revoked.ids,
            cutoff_revision: revoked.cutoff,
            truncated: revoked.is_truncated,
            incomplete: revoked.is_incomplete,
        }))
    }
}

fn closed(closing: Cutoff) -> pb::GetScopeResponse {
    pb::GetScopeResponse {
        closed: true,
        closed_at: Some(closing.end.at.to_proto()),
        reason: crate::contract::session::reason(closing.end.reason).into(),
        comment: closing.end.comment,
        closed_by: closing.end.by,
    }
}

fn answer(verdict: Verdict) -> pb::ValidateSessionResponse {
    use pb::InactiveReason;
    let inactive = |session, reason: InactiveReason| pb::ValidateSessionResponse {
        active: false,
        session,
        inactive_reason: reason.into(),
    };
    match verdict {
        Verdict::Active(session, version) => pb::ValidateSessionResponse {
            active: true,
            session: Some(to_proto(Arc::unwrap_or_clone(session), version)),
            inactive_reason: InactiveReason::Unspecified.into(),
        },
        Verdict::NotFound => inactive(None, InactiveReason::NotFound),
        Verdict::TokenSpent(session, version) => {
            inactive(Some(to_proto(Arc::unwrap_or_clone(session), version)), InactiveReason::TokenSpent)
        }
        Verdict::Ended(session, version, reason) => {
            let reason = match reason {
                EndReason::Idle => InactiveReason::Idle,
                EndReason::Absolute => InactiveReason::Absolute,
                _ => InactiveReason::Revoked,
            };
            inactive(Some(to_proto(Arc::unwrap_or_clone(session), version)), reason)
        }
    }
}

impl From<crate::domain::token::Malformed> for SessionError {
    fn from(_: crate::domain::token::Malformed) -> Self {
        Self::TokenRefused
    }
}

/// Says what is wrong with a field.
fn field(path: &str, problem: impl std::fmt::Display) -> SessionError {
    FieldError::new(path, problem.to_string()).into()
}
