//! Policies as contract messages; also their stored form.

use std::time::Duration;

use proto::session::v1 as pb;
use svc_kit::{clock::Timestamp, error::FieldError};

use super::schedule;
use crate::domain::{
    id::{ApplicationId, TenantId},
    policy::{Limits, OnLimit, Policy, PolicyScope, Source, StoredPolicy},
};

/// Makes the message of a policy.
pub fn to_proto(stored: &StoredPolicy) -> pb::Policy {
    let policy = &stored.policy;
    pb::Policy {
        tenant_id: stored.scope.tenant.to_string(),
        application_id: stored.scope.application.as_ref().map(ToString::to_string).unwrap_or_default(),
        application: limits_to(&policy.application),
        sso: limits_to(&policy.sso),
        sso_kept_signed_in: limits_to(&policy.sso_kept),
        rotation_grace: policy.rotation_grace.map(duration_to),
        loss_recovery: policy.loss_recovery.map(duration_to),
        max_sessions: policy.max_sessions,
        on_limit: policy.on_limit.map_or(pb::OnSessionLimit::Unspecified, on_limit_to).into(),
        version: i64::try_from(stored.version).unwrap_or(i64::MAX),
        updated_at: Some(stored.updated_at.to_proto()),
        updated_by: stored.updated_by.clone(),
    }
}

fn limits_to(limits: &Limits) -> Option<pb::SessionLimits> {
    (*limits != Limits::default()).then(|| pb::SessionLimits {
        idle_timeout: limits.idle_timeout.map(duration_to),
        absolute_lifetime: limits.absolute_lifetime.map(duration_to),
        idle_schedule: limits.idle_schedule.as_ref().map(schedule::to_proto),
    })
}

/// Makes the message of a duration.
pub fn duration_to(duration: Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(duration.subsec_nanos()).unwrap_or(0),
    }
}

/// Reads what a policy is for.
///
/// # Errors
/// [`FieldError`] for an id that cannot be one.
pub fn scope(tenant_id: &str, application_id: &str) -> Result<PolicyScope, FieldError> {
    let tenant = TenantId::parse(tenant_id).map_err(|error| FieldError::new("tenant_id", error.to_string()))?;
    let application = (!application_id.is_empty()).then(|| ApplicationId::parse(application_id)).transpose();
    let application = application.map_err(|error| FieldError::new("application_id", error.to_string()))?;
    Ok(PolicyScope { tenant, application })
}

/// Reads a policy.
///
/// # Errors
/// [`FieldError`] for the first field that cannot be accepted.
pub fn parse(message: &pb::Policy) -> Result<StoredPolicy, FieldError> {
    let scope = scope(&message.tenant_id, &message.application_id)?;
    let policy = Policy {
        application: limits("application", message.application.as_ref())?,
        sso: limits("sso", message.sso.as_ref())?,
        sso_kept: limits("sso_kept_signed_in", message.sso_kept_signed_in.as_ref())?,
        rotation_grace: duration("rotation_grace", message.rotation_grace.as_ref())?,
        loss_recovery: duration("loss_recovery", message.loss_recovery.as_ref())?,
        max_sessions: message.max_sessions,
        on_limit: on_limit(message.on_limit)?,
    };
    policy.check(&scope).map_err(|error| FieldError::new(error.field, error.problem))?;
    Ok(StoredPolicy {
        scope,
        policy,
        version: u64::try_from(message.version).unwrap_or(0),
        updated_at: message.updated_at.as_ref().and_then(|at| Timestamp::from_proto(at).ok()).unwrap_or_default(),
        updated_by: message.updated_by.clone(),
    })
}

fn on_limit(number: i32) -> Result<Option<OnLimit>, FieldError> {
    match pb::OnSessionLimit::try_from(number) {
        Ok(pb::OnSessionLimit::Unspecified) => Ok(None),
        Ok(pb::OnSessionLimit::RejectNew) => Ok(Some(OnLimit::RejectNew)),
        Ok(pb::OnSessionLimit::EndOldest) => Ok(Some(OnLimit::EndOldest)),
        Err(_) => Err(FieldError::new("on_limit", "must be REJECT_NEW or END_OLDEST")),
    }
}

/// Names what happens at the limit.
pub fn on_limit_to(on_limit: OnLimit) -> pb::OnSessionLimit {
    match on_limit {
        OnLimit::RejectNew => pb::OnSessionLimit::RejectNew,
        OnLimit::EndOldest => pb::OnSessionLimit::EndOldest,
    }
}

fn limits(path: &str, message: Option<&pb::SessionLimits>) -> Result<Limits, FieldError> {
    let Some(message) = message else { return Ok(Limits::default()) };
    Ok(Limits {
        idle_timeout: duration(&format!("{path}.idle_timeout"), message.idle_timeout.as_ref())?,
        absolute_lifetime: duration(&format!("{path}.absolute_lifetime"), message.absolute_lifetime.as_ref())?,
        idle_schedule: message
            .idle_schedule
            .as_ref()
            .map(|it| schedule::parse(&format!("{path}.idle_schedule"), it))
            .transpose()?,
    })
}

/// Reads a duration.
///
/// # Errors
/// [`FieldError`] for one that is negative or not of whole milliseconds.
pub(super) fn duration(path: &str, message: Option<&prost_types::Duration>) -> Result<Option<Duration>, FieldError> {
    let Some(message) = message else { return Ok(None) };
    let problem = || FieldError::new(path, "must be a duration of whole milliseconds, and not negative");
    // Checked before the conversion, which panics where it cannot negate.
    if message.seconds < 0 || message.nanos < 0 || message.nanos % 1_000_000 != 0 {
        return Err(problem());
    }
    Duration::try_from(*message).map(Some).map_err(|_| problem())
}

/// Names the source of a value.
pub fn source(source: Source) -> pb::ValueSource {
    match source {
        Source::Deployment => pb::ValueSource::Deployment,
        Source::Tenant => pb::ValueSource::TenantPolicy,
        Source::Application => pb::ValueSource::ApplicationPolicy,
        Source::Session => pb::ValueSource::Session,
        Source::LastUse => pb::ValueSource::LastUse,
    }
}
