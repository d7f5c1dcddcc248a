//! Calls about policies → use cases.

use std::sync::Arc;

use prost::Message as _;
use proto::session::v1 as pb;
use svc_kit::{access::caller_of, error::to_status, page};
use tonic::{Request, Response, Status};

use super::{PAGE_DEFAULT, PAGE_MAX, field, message, parse, status};
use crate::{
    app::{Sessions, explain::Explanation, policies::PutPolicy},
    contract::{policy, schedule, session as names},
    domain::{
        id::ApplicationId,
        policy::{ExplainedLimit, PolicyScope, Sourced},
    },
    error::SessionError,
    ports::PolicyStore,
};

/// The gRPC face of the use cases about policies.
pub struct PolicyGrpc<S> {
    sessions: Arc<Sessions<S>>,
}

impl<S> PolicyGrpc<S> {
    /// Makes the face of `sessions`.
    pub fn new(sessions: Arc<Sessions<S>>) -> Self {
        Self { sessions }
    }
}

#[tonic::async_trait]
impl<S: PolicyStore> pb::policy_service_server::PolicyService for PolicyGrpc<S> {
    async fn put_policy(
        &self,
        request: Request<pb::PutPolicyRequest>,
    ) -> Result<Response<pb::PutPolicyResponse>, Status> {
        let caller = caller_of(&request).map_err(|error| to_status(&error))?;
        let command = put(request.get_ref()).map_err(status)?;
        let stored = self.sessions.put_policy(&caller, command).await.map_err(status)?;
        let (policy, unchanged) = (Some(policy::to_proto(&stored.policy)), stored.was_there);
        Ok(Response::new(pb::PutPolicyResponse { policy, unchanged }))
    }

    async fn get_policy(
        &self,
        request: Request<pb::GetPolicyRequest>,
    ) -> Result<Response<pb::GetPolicyResponse>, Status> {
        let request = request.into_inner();
        let scope = policy::scope(&request.tenant_id, &request.application_id).map_err(status)?;
        let stored = self.sessions.policy(&scope).await.map_err(status)?;
        Ok(Response::new(pb::GetPolicyResponse { policy: Some(policy::to_proto(&stored)) }))
    }

    async fn list_policies(
        &self,
        request: Request<pb::ListPoliciesRequest>,
    ) -> Result<Response<pb::ListPoliciesResponse>, Status> {
        let request = request.into_inner();
        let size = page::size(request.page_size, PAGE_DEFAULT, PAGE_MAX).map_err(status)?;
        let (tenant, after) = list(&request).map_err(status)?;
        let (listed, has_more) =
            self.sessions.list_policies(&tenant.tenant, after.as_ref(), size).await.map_err(status)?;
        let next = listed.last().filter(|_| has_more).map(|last| page_token(&request, &last.scope));
        let policies = listed.iter().map(|stored| policy::to_proto(stored)).collect();
        Ok(Response::new(pb::ListPoliciesResponse { policies, next_page_token: next.unwrap_or_default() }))
    }

    async fn explain_session(
        &self,
        request: Request<pb::ExplainSessionRequest>,
    ) -> Result<Response<pb::ExplainSessionResponse>, Status> {
        let caller = caller_of(&request).map_err(|error| to_status(&error))?;
        let id = parse::session_id("session_id", &request.get_ref().session_id).map_err(status)?;
        let explanation = self.sessions.explain(&caller, id).await.map_err(status)?;
        Ok(Response::new(explained(explanation)))
    }
}

fn put(request: &pb::PutPolicyRequest) -> Result<PutPolicy, SessionError> {
    let message = request.policy.as_ref().ok_or_else(|| field("policy", "must be given"))?;
    let stored = policy::parse(message).map_err(|error| field(&format!("policy.{}", error.path), error.problem))?;
    let expected = request.expected_version.map(u64::try_from).transpose();
    let expected = expected.map_err(|_| field("expected_version", "must not be negative"))?;
    Ok(PutPolicy { scope: stored.scope, policy: stored.policy, expected })
}

fn list(request: &pb::ListPoliciesRequest) -> Result<(PolicyScope, Option<PolicyScope>), SessionError> {
    let own = policy::scope(&request.tenant_id, "")?;
    if request.page_token.is_empty() {
        return Ok((own, None));
    }
    let cursor = page::decode(&list_identity(request), &request.page_token)?;
    let application = std::str::from_utf8(&cursor).map_err(|_| page::PageTokenError)?;
    // The tenant's own policy comes first, and is named by nothing.
    let application = (!application.is_empty()).then(|| ApplicationId::parse(application)).transpose();
    let application = application.map_err(|_| page::PageTokenError)?;
    let after = PolicyScope { application, ..own.clone() };
    Ok((own, Some(after)))
}

fn page_token(request: &pb::ListPoliciesRequest, last: &PolicyScope) -> String {
    let application = last.application.as_ref().map_or("", ApplicationId::as_str);
    page::encode(&list_identity(request), application.as_bytes())
}

/// What must be the same on every page.
fn list_identity(request: &pb::ListPoliciesRequest) -> Vec<u8> {
    let identity = pb::ListPoliciesRequest { page_size: 0, page_token: String::new(), ..request.clone() };
    identity.encode_to_vec()
}

fn explained(explanation: Explanation) -> pb::ExplainSessionResponse {
    let [rotation_grace, loss_recovery] = explanation.tolerances.map(|value| Some(duration(&value)));
    let ends_by = explanation.ends.map_or(pb::EndReason::Unspecified, |(_, by)| names::reason(by));
    pb::ExplainSessionResponse {
        session: Some(message(explanation.stored)),
        ends_at: explanation.ends.map(|(at, _)| at.to_proto()),
        ends_by: ends_by.into(),
        idle: Some(limit(&explanation.idle)),
        absolute: Some(limit(&explanation.absolute)),
        rotation_grace,
        loss_recovery,
        idle_schedule: explanation.schedule.map(|explained| pb::ExplainedSchedule {
            schedule: Some(schedule::to_proto(&explained.schedule.value)),
            source: policy::source(explained.schedule.source).into(),
            outside: Some(policy::duration_to(explained.outside)),
            applies_now: Some(policy::duration_to(explained.applies_now)),
        }),
        session_limit: explanation.limit.map(|limit| pb::ExplainedSessionLimit {
            max_sessions: limit.max_sessions.value,
            source: policy::source(limit.max_sessions.source).into(),
            on_limit: policy::on_limit_to(limit.on_limit.value).into(),
            on_limit_source: policy::source(limit.on_limit.source).into(),
        }),
    }
}

fn limit(limit: &ExplainedLimit) -> pb::ExplainedLimit {
    pb::ExplainedLimit {
        ends_at: Some(limit.ends_at.to_proto()),
        in_force: Some(policy::duration_to(limit.in_force.value)),
        source: policy::source(limit.in_force.source).into(),
        at_next_use: Some(policy::duration_to(limit.at_next_use.value)),
        at_next_use_source: policy::source(limit.at_next_use.source).into(),
    }
}

fn duration(sourced: &Sourced<std::time::Duration>) -> pb::ExplainedDuration {
    pb::ExplainedDuration {
        value: Some(policy::duration_to(sourced.value)),
        source: policy::source(sourced.source).into(),
    }
}
