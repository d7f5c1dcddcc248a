//! Policies as most tests want them.

use std::time::Duration;

use proto::session::v1 as pb;
use tonic::Status;

use super::{Policies, TENANT};

pub const HOUR: Duration = Duration::from_secs(3600);
pub const MS: Duration = Duration::from_millis(1);

pub fn seconds(seconds: u64) -> Option<prost_types::Duration> {
    Some(prost_types::Duration { seconds: i64::try_from(seconds).unwrap(), nanos: 0 })
}

pub fn hours(hours: u64) -> Option<prost_types::Duration> {
    seconds(hours * 3600)
}

/// An idle limit alone, in hours.
pub fn idle(limit: u64) -> Option<pb::SessionLimits> {
    Some(pb::SessionLimits { idle_timeout: hours(limit), ..Default::default() })
}

/// A lifetime alone, in hours.
pub fn life(limit: u64) -> Option<pb::SessionLimits> {
    Some(pb::SessionLimits { absolute_lifetime: hours(limit), ..Default::default() })
}

/// A policy of the tenant that says nothing.
pub fn tenant_policy() -> pb::Policy {
    pb::Policy { tenant_id: TENANT.to_owned(), ..Default::default() }
}

/// A policy of an application that says nothing.
pub fn application_policy(application: &str) -> pb::Policy {
    pb::Policy { application_id: application.to_owned(), ..tenant_policy() }
}

pub async fn put(client: &mut Policies, policy: pb::Policy) -> Result<pb::PutPolicyResponse, Status> {
    let request = pb::PutPolicyRequest { policy: Some(policy), expected_version: None };
    client.put_policy(request).await.map(tonic::Response::into_inner)
}

pub async fn explain(client: &mut Policies, id: &str) -> Result<pb::ExplainSessionResponse, Status> {
    let request = pb::ExplainSessionRequest { session_id: id.to_owned() };
    client.explain_session(request).await.map(tonic::Response::into_inner)
}
