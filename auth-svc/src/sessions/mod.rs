//! session-svc, over gRPC.

use std::time::Duration;

use proto::session::v1::{
    self as pb, policy_service_client::PolicyServiceClient, session_service_client::SessionServiceClient,
};
use secrecy::SecretString;
use svc_kit::{
    boot::BootError,
    client::{Outgoing, channel},
    error::reason_of,
};
use tonic::{Code, Status, service::interceptor::InterceptedService, transport::Channel};

use crate::{
    contract::session_policy,
    domain::{
        ending::{Cause, EndReason},
        session_policy::{PolicyScope, SessionPolicy},
    },
    ports::{Revocation, SessionRef, Sessions, SessionsError},
};

/// Longest time for one call; below the deadline of ours that waits for it.
const DEADLINE: Duration = Duration::from_millis(1500);

/// Most children of an SSO session that are looked at.
const CHILDREN_MAX: i32 = 500;

/// Most sessions that are shown to their user at once, roughly; the page in which they are fetched; and how many of those.
const OWN_MAX: usize = 200;
const OWN_PAGE: i32 = 100;
const OWN_PAGES_MAX: usize = 10;

/// What sessions of a suspended tenant end with.
const SUSPENDED: &str = "the tenant is suspended";

/// A client of session-svc.
pub struct GrpcSessions {
    client: SessionServiceClient<InterceptedService<Channel, Outgoing>>,
    policies: PolicyServiceClient<InterceptedService<Channel, Outgoing>>,
}

impl GrpcSessions {
    /// Makes a client that connects when needed.
    ///
    /// # Errors
    /// Fails when the URL cannot be used.
    pub fn new(url: &str, credential: &SecretString) -> Result<Self, BootError> {
        let channel = channel(url, DEADLINE).map_err(BootError::because("sessions.url cannot be used"))?;
        let outgoing = Outgoing::new(credential);
        Ok(Self {
            client: SessionServiceClient::with_interceptor(channel.clone(), outgoing.clone()),
            policies: PolicyServiceClient::with_interceptor(channel, outgoing),
        })
    }
}

impl GrpcSessions {
    /// What session-svc says of a session; `None` for a text that cannot be a token or an id.
    async fn checked(
        &self,
        session: SessionRef<'_>,
        activity: pb::Activity,
    ) -> Result<Option<pb::ValidateSessionResponse>, SessionsError> {
        use pb::validate_session_request::Session;
        let session = match session {
            SessionRef::Token(token) => Session::Token(token.to_owned()),
            SessionRef::Id(id) => Session::SessionId(id.to_owned()),
        };
        let (session, activity) = (Some(session), activity.into());
        let request = pb::ValidateSessionRequest { session, activity, ..pb::ValidateSessionRequest::default() };
        match self.client.clone().validate_session(request).await {
            Ok(answer) => Ok(Some(answer.into_inner())),
            Err(status) if status.code() == Code::InvalidArgument => Ok(None),
            Err(status) => Err(failed(status)),
        }
    }
}

fn failed(status: Status) -> SessionsError {
    match (status.code(), reason_of(&status).as_deref()) {
        (_, Some("TOKEN_REFUSED")) => SessionsError::TokenRefused,
        (_, Some("SESSION_NOT_FOUND" | "PARENT_NOT_FOUND")) => SessionsError::NotFound,
        (_, Some("PARENT_ENDED")) => SessionsError::ParentEnded,
        (_, Some("SESSION_LIMIT_REACHED")) => SessionsError::LimitReached,
        (_, Some("SCOPE_CLOSED")) => SessionsError::Closed,
        (Code::InvalidArgument, _) => SessionsError::Invalid(status.message().to_owned()),
        (Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Aborted | Code::ResourceExhausted, _) => {
            SessionsError::Unavailable(Box::new(status))
        }
        // What the transport says of a connection that broke.
        (Code::Unknown, None) => SessionsError::Unavailable(Box::new(status)),
        _ => SessionsError::Failed(Box::new(status)),
    }
}

fn reason(reason: EndReason) -> pb::EndReason {
    match reason {
        EndReason::Logout => pb::EndReason::Logout,
        EndReason::User => pb::EndReason::User,
        EndReason::Admin => pb::EndReason::Admin,
        EndReason::Policy => pb::EndReason::Policy,
        EndReason::CredentialChange => pb::EndReason::CredentialChange,
        EndReason::AccountDisabled => pb::EndReason::AccountDisabled,
        EndReason::ApplicationRemoved => pb::EndReason::ApplicationRemoved,
    }
}

fn complete(session: Option<pb::Session>) -> Result<pb::Session, SessionsError> {
    session.ok_or_else(|| SessionsError::Failed(Box::new(Status::internal("the answer has no session"))))
}

impl Sessions for GrpcSessions {
    async fn create(&self, request: pb::CreateSessionRequest) -> Result<(pb::Session, SecretString), SessionsError> {
        let answer = self.client.clone().create_session(request).await.map_err(failed)?.into_inner();
        Ok((complete(answer.session)?, answer.token.into()))
    }

    async fn validate(
        &self,
        session: SessionRef<'_>,
        is_interactive: bool,
    ) -> Result<Option<pb::Session>, SessionsError> {
        let activity = if is_interactive { pb::Activity::Interactive } else { pb::Activity::Background };
        let answer = self.checked(session, activity).await?;
        Ok(answer.filter(|answer| answer.active).and_then(|answer| answer.session))
    }

    async fn look(&self, session: SessionRef<'_>) -> Result<Option<pb::Session>, SessionsError> {
        let id = match session {
            SessionRef::Token(_) => {
                let answer = self.checked(session, pb::Activity::Background).await?;
                return Ok(answer.and_then(|answer| answer.session));
            }
            SessionRef::Id(id) => id.to_owned(),
        };
        match self.client.clone().get_session(pb::GetSessionRequest { session_id: id }).await {
            Ok(answer) => Ok(answer.into_inner().session),
            Err(status) if matches!(status.code(), Code::InvalidArgument | Code::NotFound) => Ok(None),
            Err(status) => Err(failed(status)),
        }
    }

    async fn refresh(&self, token: &str, application: &str) -> Result<(pb::Session, SecretString), SessionsError> {
        let (token, application_id) = (token.to_owned(), application.to_owned());
        let request = pb::RefreshSessionRequest { token, application_id, ..pb::RefreshSessionRequest::default() };
        let answer = match self.client.clone().refresh_session(request).await {
            Ok(answer) => answer.into_inner(),
            // A text that cannot be a token is refused like one that is not good.
            Err(status) if status.code() == Code::InvalidArgument => return Err(SessionsError::TokenRefused),
            Err(status) => return Err(failed(status)),
        };
        Ok((complete(answer.session)?, answer.token.into()))
    }

    async fn reauthenticate(
        &self,
        request: pb::ReauthenticateSessionRequest,
    ) -> Result<(pb::Session, SecretString), SessionsError> {
        let answer = self.client.clone().reauthenticate_session(request).await.map_err(failed)?.into_inner();
        Ok((complete(answer.session)?, answer.token.into()))
    }

    async fn children(&self, sso: &pb::Session) -> Result<Vec<pb::Session>, SessionsError> {
        let filter = pb::SessionFilter {
            tenant_id: sso.tenant_id.clone(),
            user_id: sso.user_id.clone(),
            parent_id: sso.id.clone(),
            ..pb::SessionFilter::default()
        };
        let request = pb::ListSessionsRequest { filter: Some(filter), page_size: CHILDREN_MAX, ..Default::default() };
        Ok(self.client.clone().list_sessions(request).await.map_err(failed)?.into_inner().sessions)
    }

    async fn of_user(&self, tenant: &str, user: &str) -> Result<(Vec<pb::Session>, bool), SessionsError> {
        let (tenant_id, user_id) = (tenant.to_owned(), user.to_owned());
        let filter = Some(pb::SessionFilter { tenant_id, user_id, ..pb::SessionFilter::default() });
        let mut request = pb::ListSessionsRequest { filter, page_size: OWN_PAGE, ..Default::default() };
        let mut found = Vec::new();
        // A page may be short, or empty, because what it looked at has ended.
        for _ in 0..OWN_PAGES_MAX {
            let page = self.client.clone().list_sessions(request.clone()).await.map_err(failed)?.into_inner();
            found.extend(page.sessions);
            request.page_token = page.next_page_token;
            if request.page_token.is_empty() || found.len() >= OWN_MAX {
                break;
            }
        }
        Ok((found, !request.page_token.is_empty()))
    }

    async fn revoke(&self, session: SessionRef<'_>, why: EndReason) -> Result<(pb::Session, bool), SessionsError> {
        use pb::revoke_session_request::Session;
        let session = Some(match session {
            SessionRef::Token(token) => Session::Token(token.to_owned()),
            SessionRef::Id(id) => Session::SessionId(id.to_owned()),
        });
        let request =
            pb::RevokeSessionRequest { session, reason: reason(why).into(), ..pb::RevokeSessionRequest::default() };
        let answer = self.client.clone().revoke_session(request).await.map_err(failed)?.into_inner();
        Ok((complete(answer.session)?, answer.already_ended))
    }

    async fn carry_out(&self, order: &Revocation) -> Result<(), SessionsError> {
        let rule = order.reason.cause().map(Cause::rule);
        let scope = rule.and_then(|rule| Some((rule.scope(&order.user, &order.application)?, rule.reason)));
        let Some((scope, why)) = scope else {
            return Err(SessionsError::Invalid("the order does not say whose sessions it ends".to_owned()));
        };
        let application = (!scope.application.is_empty()).then(|| scope.application.to_owned());
        let filter = pb::SessionFilter {
            tenant_id: order.tenant.clone(),
            user_id: scope.user.to_owned(),
            application_ids: application.into_iter().collect(),
            ..pb::SessionFilter::default()
        };
        let request = pb::RevokeSessionsRequest {
            filter: Some(filter),
            all_users: scope.user.is_empty(),
            reason: reason(why).into(),
            ..pb::RevokeSessionsRequest::default()
        };
        self.client.clone().revoke_sessions(request).await.map_err(failed)?;
        Ok(())
    }

    async fn set_tenant(&self, tenant: &str, is_open: bool) -> Result<(), SessionsError> {
        let mut client = self.client.clone();
        let scope = Some(pb::SessionScope { tenant_id: tenant.to_owned(), ..pb::SessionScope::default() });
        if is_open {
            let request = pb::OpenScopeRequest { scope, ..pb::OpenScopeRequest::default() };
            return client.open_scope(request).await.map(drop).map_err(failed);
        }
        let (reason, comment) = (reason(Cause::TenantSuspended.rule().reason).into(), SUSPENDED.to_owned());
        let request = pb::CloseScopeRequest { scope, reason, comment, ..pb::CloseScopeRequest::default() };
        client.close_scope(request).await.map(drop).map_err(failed)
    }

    async fn has_policy(&self, scope: &PolicyScope, policy: &SessionPolicy) -> Result<bool, SessionsError> {
        let request =
            pb::GetPolicyRequest { tenant_id: scope.tenant.clone(), application_id: scope.application.clone() };
        let found = match self.policies.clone().get_policy(request).await {
            Ok(answer) => answer.into_inner().policy,
            Err(status) if reason_of(&status).as_deref() == Some("POLICY_NOT_FOUND") => None,
            Err(status) => return Err(failed(status)),
        };
        // One that we cannot read is another one.
        Ok(session_policy::parse("policy", found.as_ref(), false).is_ok_and(|found| found == *policy))
    }

    async fn put_policy(&self, scope: &PolicyScope, policy: &SessionPolicy) -> Result<(), SessionsError> {
        let policy = pb::Policy {
            tenant_id: scope.tenant.clone(),
            application_id: scope.application.clone(),
            ..session_policy::to_proto(policy)
        };
        let request = pb::PutPolicyRequest { policy: Some(policy), ..pb::PutPolicyRequest::default() };
        self.policies.clone().put_policy(request).await.map(drop).map_err(failed)
    }
}
