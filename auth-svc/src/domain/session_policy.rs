//! Session policies: how long the sessions of a tenant live, or those of one application of it.
//!
//! They are kept here, with the tenant or the application, and enforced by session-svc, which must be able to take whatever
//! is accepted here: the bounds are the same, and a test of both keeps them so.

use std::time::Duration;

use jiff::tz::TimeZoneDatabase;
use serde::{Deserialize, Serialize};

/// Limits: 400 days is also the longest that browsers keep a cookie.
const LIMIT_MIN: Duration = Duration::from_secs(1);
const LIMIT_MAX: Duration = Duration::from_secs(400 * 24 * 3600);
/// Windows of a schedule, and their limits.
const WINDOWS_MAX: usize = 16;
const WINDOW_LIMIT_MAX: Duration = Duration::from_secs(7 * 24 * 3600);
/// Sessions of a user in an application.
const SESSIONS_MAX: u32 = 1_000;
const ROTATION_GRACE_MAX: Duration = Duration::from_secs(60);
const LOSS_RECOVERY_MAX: Duration = Duration::from_secs(300);
/// Minutes of a day.
pub const DAY_MINUTES: u16 = 24 * 60;

/// What a policy is for.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct PolicyScope {
    /// The tenant.
    pub tenant: String,
    /// One application of it; empty: the tenant's own policy.
    pub application: String,
}

/// What a policy says; `None` leaves a value to the next wider policy. One that says nothing is as good as none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SessionPolicy {
    /// Applications' sessions, and participants.
    pub application: Limits,
    /// SSO sessions.
    pub sso: Limits,
    /// SSO sessions that are kept signed in.
    pub sso_kept_signed_in: Limits,
    /// How long parallel and repeated refreshes of one token get the same successor.
    pub rotation_grace: Option<Duration>,
    /// How long a refresh may be repeated whose successor was never presented.
    pub loss_recovery: Option<Duration>,
    /// Most living sessions of a user in an application.
    pub max_sessions: Option<u32>,
    /// What happens when there would be more.
    pub on_limit: Option<OnLimit>,
}

/// Limits of one kind of session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Longest pause between two uses.
    pub idle_timeout: Option<Duration>,
    /// Longest life.
    pub absolute_lifetime: Option<Duration>,
    /// When other idle timeouts apply.
    pub idle_schedule: Option<Schedule>,
}

/// What happens when a user would have more sessions than allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnLimit {
    /// The new one is refused.
    RejectNew,
    /// The oldest ends.
    EndOldest,
}

/// Idle timeouts by the time of the week.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// IANA name of the time zone.
    pub time_zone: String,
    /// The windows.
    pub windows: Vec<Window>,
}

/// Some hours of some days.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// The days in order, each once: 1 is Monday, 7 is Sunday.
    pub days: Vec<u8>,
    /// From this minute of the day on.
    pub from: u16,
    /// Until before this minute of the day, at most [`DAY_MINUTES`].
    pub until: u16,
    /// The timeout.
    pub idle_timeout: Duration,
}

/// A field of a policy that cannot be accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyProblem {
    /// The field, as in the contract.
    pub field: String,
    /// What is wrong with it.
    pub problem: &'static str,
}

fn check(is_good: bool, field: impl Into<String>, problem: &'static str) -> Result<(), PolicyProblem> {
    if is_good { Ok(()) } else { Err(PolicyProblem { field: field.into(), problem }) }
}

/// Returns the proper IANA name of a time zone; `None` when there is no such zone.
pub fn zone_named(name: &str) -> Option<String> {
    let zone = TimeZoneDatabase::bundled().get(name).ok()?;
    zone.iana_name().filter(|_| !zone.is_unknown()).map(str::to_owned)
}

impl SessionPolicy {
    /// Says whether it leaves everything to the next wider policy.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Checks that every value is within its bounds; an application's policy says nothing of SSO sessions.
    ///
    /// # Errors
    /// [`PolicyProblem`] for the first field that cannot be accepted.
    pub fn check(&self, is_applications: bool) -> Result<(), PolicyProblem> {
        self.application.check("application")?;
        for (kind, limits) in [("sso", &self.sso), ("sso_kept_signed_in", &self.sso_kept_signed_in)] {
            let problem = "must not be set for an application: SSO sessions are the tenant's";
            check(!is_applications || *limits == Limits::default(), kind, problem)?;
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
    fn check(&self, kind: &str) -> Result<(), PolicyProblem> {
        let is_limit = |value: Option<Duration>| value.is_none_or(|value| (LIMIT_MIN..=LIMIT_MAX).contains(&value));
        let problem = "must be 1 s to 400 days";
        check(is_limit(self.idle_timeout), format!("{kind}.idle_timeout"), problem)?;
        check(is_limit(self.absolute_lifetime), format!("{kind}.absolute_lifetime"), problem)?;
        self.idle_schedule.as_ref().map_or(Ok(()), |schedule| schedule.check(&format!("{kind}.idle_schedule")))
    }
}

impl Schedule {
    fn check(&self, path: &str) -> Result<(), PolicyProblem> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_kept_as_a_document_and_reads_back() {
        let window = Window { days: vec![6, 7], from: 0, until: DAY_MINUTES, idle_timeout: Duration::from_secs(60) };
        let schedule = Schedule { time_zone: "Europe/Berlin".to_owned(), windows: vec![window] };
        let policy = SessionPolicy {
            application: Limits { idle_schedule: Some(schedule), ..Limits::default() },
            rotation_grace: Some(Duration::from_millis(1)),
            on_limit: Some(OnLimit::EndOldest),
            ..SessionPolicy::default()
        };
        let json = serde_json::to_string(&policy).unwrap();
        assert_eq!(serde_json::from_str::<SessionPolicy>(&json).unwrap(), policy);
        assert!(serde_json::from_str::<SessionPolicy>("{}").unwrap().is_empty() && !policy.is_empty());
    }

    #[test]
    fn zones_have_one_name_each() {
        assert_eq!(zone_named("europe/berlin").as_deref(), Some("Europe/Berlin"));
        assert_eq!((zone_named("Atlantis/Capital"), zone_named("")), (None, None));
    }
}
