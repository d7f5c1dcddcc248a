//! How a policy is shown to people.

use std::time::Duration;

use proto::session::v1::{Policy, SessionLimits};
use svc_kit::config::HumanDuration;

use super::window::written;
use crate::output::{
    Column,
    text::{moment, relative, word},
};

/// A policy as a line of a table.
pub const COLUMNS: &[Column<Policy>] = &[
    ("APPLICATION", |policy, _| policy.application_id.clone()),
    ("IDLE", |policy, _| idle(policy.application.as_ref())),
    ("LIFETIME", |policy, _| lifetime(policy.application.as_ref())),
    ("SSO IDLE", |policy, _| idle(policy.sso.as_ref())),
    ("SSO LIFETIME", |policy, _| lifetime(policy.sso.as_ref())),
    ("SESSIONS", |policy, _| max_sessions(policy)),
    ("VERSION", |policy, _| policy.version.to_string()),
    ("CHANGED", |policy, now| relative(policy.updated_at.as_ref(), now)),
];

/// A policy in full.
pub const FIELDS: &[Column<Policy>] = &[
    ("tenant", |policy, _| policy.tenant_id.clone()),
    ("application", |policy, _| policy.application_id.clone()),
    ("idle", |policy, _| idle(policy.application.as_ref())),
    ("lifetime", |policy, _| lifetime(policy.application.as_ref())),
    ("sso idle", |policy, _| idle(policy.sso.as_ref())),
    ("sso lifetime", |policy, _| lifetime(policy.sso.as_ref())),
    ("kept signed in, idle", |policy, _| idle(policy.sso_kept_signed_in.as_ref())),
    ("kept signed in, lifetime", |policy, _| lifetime(policy.sso_kept_signed_in.as_ref())),
    ("rotation grace", |policy, _| human(policy.rotation_grace.as_ref())),
    ("loss recovery", |policy, _| human(policy.loss_recovery.as_ref())),
    ("sessions", |policy, _| max_sessions(policy)),
    ("at the limit", |policy, _| word(policy.on_limit().as_str_name(), "ON_SESSION_LIMIT_").replace('_', "-")),
    ("version", |policy, _| policy.version.to_string()),
    ("changed", |policy, now| moment(policy.updated_at.as_ref(), now)),
    ("changed by", |policy, _| policy.updated_by.clone()),
];

fn idle(limits: Option<&SessionLimits>) -> String {
    let Some(limits) = limits else { return String::new() };
    let mut parts = vec![human(limits.idle_timeout.as_ref())];
    if let Some(schedule) = &limits.idle_schedule {
        parts.extend(schedule.windows.iter().map(written));
        parts.push(schedule.time_zone.clone());
    }
    parts.retain(|part| !part.is_empty());
    parts.join(" ")
}

fn lifetime(limits: Option<&SessionLimits>) -> String {
    limits.map(|limits| human(limits.absolute_lifetime.as_ref())).unwrap_or_default()
}

fn max_sessions(policy: &Policy) -> String {
    policy.max_sessions.map(|count| count.to_string()).unwrap_or_default()
}

/// Writes a duration, e.g. `8h`; nothing when it is absent.
pub fn human(duration: Option<&prost_types::Duration>) -> String {
    let duration = duration.and_then(|duration| Duration::try_from(*duration).ok());
    duration.map(|duration| HumanDuration(duration).to_string()).unwrap_or_default()
}
