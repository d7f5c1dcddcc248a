//! What a policy may say.

use std::time::Duration;

use super::{Limits, Policy, PolicyScope, schedule::Schedule};

/// Most policies of a deployment: every replica keeps all of them in memory.
pub const POLICIES_MAX: usize = 10_000;
/// Limits: 400 days is also the longest that browsers keep a cookie.
const LIMIT_MIN: Duration = Duration::from_secs(1);
pub(super) const LIMIT_MAX: Duration = Duration::from_secs(400 * 24 * 3600);
/// Windows of a schedule, and their limits: a week is looked ahead for a deadline, not a year.
const WINDOWS_MAX: usize = 16;
const WINDOW_LIMIT_MAX: Duration = Duration::from_secs(7 * 24 * 3600);
/// Sessions of a user in an application: as many are read when one more is created.
const SESSIONS_MAX: u32 = 1_000;
const ROTATION_GRACE_MAX: Duration = Duration::from_secs(60);
const LOSS_RECOVERY_MAX: Duration = Duration::from_secs(300);

/// A field of a policy that cannot be accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct PolicyError {
    /// The field, as in the contract.
    pub field: String,
    /// What is wrong with it.
    pub problem: &'static str,
}

fn check(is_good: bool, field: impl Into<String>, problem: &'static str) -> Result<(), PolicyError> {
    if is_good { Ok(()) } else { Err(PolicyError { field: field.into(), problem }) }
}

impl Policy {
    /// Checks that every value is within its bounds, and that the policy is about what its scope has.
    ///
    /// # Errors
    /// [`PolicyError`] for the first field that cannot be accepted.
    pub fn check(&self, scope: &PolicyScope) -> Result<(), PolicyError> {
        let kinds = [("application", &self.application), ("sso", &self.sso), ("sso_kept_signed_in", &self.sso_kept)];
        for (kind, limits) in kinds {
            let is_about_sso = kind != "application" && *limits != Limits::default();
            let problem = "must not be set for an application: SSO sessions are the tenant's";
            check(!(is_about_sso && scope.application.is_some()), kind, problem)?;
            limits.check(kind)?;
        }
        let is_within = |value: Option<Duration>, max| value.is_none_or(|value| value <= max);
        check(is_within(self.rotation_grace, ROTATION_GRACE_MAX), "rotation_grace", "must be 0 to 60 s")?;
        check(is_within(self.loss_recovery, LOSS_RECOVERY_MAX), "loss_recovery", "must be 0 to 300 s")?;
        let is_count = self.max_sessions.is_none_or(|count| (1..=SESSIONS_MAX).contains(&count));
        check(is_count, "max_sessions", "must be 1 to 1,000")
    }
}

impl Limits {
    fn check(&self, kind: &str) -> Result<(), PolicyError> {
        let is_limit = |value: Option<Duration>| value.is_none_or(|value| (LIMIT_MIN..=LIMIT_MAX).contains(&value));
        let problem = "must be 1 s to 400 days";
        check(is_limit(self.idle_timeout), format!("{kind}.idle_timeout"), problem)?;
        check(is_limit(self.absolute_lifetime), format!("{kind}.absolute_lifetime"), problem)?;
        self.idle_schedule.as_ref().map_or(Ok(()), |schedule| schedule.check(&format!("{kind}.idle_schedule")))
    }
}

impl Schedule {
    fn check(&self, path: &str) -> Result<(), PolicyError> {
        let is_count = (1..=WINDOWS_MAX).contains(&self.windows.len());
        check(is_count, format!("{path}.windows"), "must be 1 to 16 windows")?;
        for (number, window) in self.windows.iter().enumerate() {
            let field = |name: &str| format!("{path}.windows[{number}].{name}");
            check(!window.days.is_empty(), field("days"), "must not be empty")?;
            check(window.from < window.until, field("until"), "must be after from; a night is two windows")?;
            let is_limit = (LIMIT_MIN..=WINDOW_LIMIT_MAX).contains(&window.idle_timeout);
            check(is_limit, field("idle_timeout"), "must be 1 s to 7 days")?;
        }
        Ok(())
    }
}
