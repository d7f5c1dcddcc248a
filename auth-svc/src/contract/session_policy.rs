//! Session policies as messages of session-svc, which are the shape of them in our own calls as well.

use std::time::Duration;

use proto::session::v1 as pb;
use svc_kit::error::FieldError;

use crate::domain::session_policy::{DAY_MINUTES, Limits, OnLimit, Schedule, SessionPolicy, Window, zone_named};

/// Makes the message of a policy, without its scope.
pub fn to_proto(policy: &SessionPolicy) -> pb::Policy {
    let on_limit = match policy.on_limit {
        None => pb::OnSessionLimit::Unspecified,
        Some(OnLimit::RejectNew) => pb::OnSessionLimit::RejectNew,
        Some(OnLimit::EndOldest) => pb::OnSessionLimit::EndOldest,
    };
    pb::Policy {
        application: limits_to(&policy.application),
        sso: limits_to(&policy.sso),
        sso_kept_signed_in: limits_to(&policy.sso_kept_signed_in),
        rotation_grace: policy.rotation_grace.map(duration_to),
        loss_recovery: policy.loss_recovery.map(duration_to),
        max_sessions: policy.max_sessions,
        on_limit: on_limit.into(),
        ..pb::Policy::default()
    }
}

fn limits_to(limits: &Limits) -> Option<pb::SessionLimits> {
    (*limits != Limits::default()).then(|| pb::SessionLimits {
        idle_timeout: limits.idle_timeout.map(duration_to),
        absolute_lifetime: limits.absolute_lifetime.map(duration_to),
        idle_schedule: limits.idle_schedule.as_ref().map(schedule_to),
    })
}

fn schedule_to(schedule: &Schedule) -> pb::IdleSchedule {
    let clock = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
    let window = |window: &Window| pb::IdleWindow {
        days: window.days.iter().copied().map(i32::from).collect(),
        from: clock(window.from),
        until: clock(window.until),
        idle_timeout: Some(duration_to(window.idle_timeout)),
    };
    pb::IdleSchedule { time_zone: schedule.time_zone.clone(), windows: schedule.windows.iter().map(window).collect() }
}

fn duration_to(duration: Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(duration.subsec_nanos()).unwrap_or(0),
    }
}

/// Reads a policy of a tenant or of an application; none is an empty one. `path` is where it stands in the request.
///
/// # Errors
/// [`FieldError`] for the first field that cannot be accepted.
pub fn parse(path: &str, message: Option<&pb::Policy>, is_applications: bool) -> Result<SessionPolicy, FieldError> {
    let Some(message) = message else { return Ok(SessionPolicy::default()) };
    let at = |name: &str| format!("{path}.{name}");
    let policy = SessionPolicy {
        application: limits(&at("application"), message.application.as_ref())?,
        sso: limits(&at("sso"), message.sso.as_ref())?,
        sso_kept_signed_in: limits(&at("sso_kept_signed_in"), message.sso_kept_signed_in.as_ref())?,
        rotation_grace: duration(&at("rotation_grace"), message.rotation_grace.as_ref())?,
        loss_recovery: duration(&at("loss_recovery"), message.loss_recovery.as_ref())?,
        max_sessions: message.max_sessions,
        on_limit: match pb::OnSessionLimit::try_from(message.on_limit) {
            Ok(pb::OnSessionLimit::Unspecified) => None,
            Ok(pb::OnSessionLimit::RejectNew) => Some(OnLimit::RejectNew),
            Ok(pb::OnSessionLimit::EndOldest) => Some(OnLimit::EndOldest),
            Err(_) => return Err(FieldError::new(at("on_limit"), "must be REJECT_NEW or END_OLDEST")),
        },
    };
    policy.check(is_applications).map_err(|found| FieldError::new(at(&found.field), found.problem))?;
    Ok(policy)
}

fn limits(path: &str, message: Option<&pb::SessionLimits>) -> Result<Limits, FieldError> {
    let Some(message) = message else { return Ok(Limits::default()) };
    let idle_schedule = message.idle_schedule.as_ref();
    Ok(Limits {
        idle_timeout: duration(&format!("{path}.idle_timeout"), message.idle_timeout.as_ref())?,
        absolute_lifetime: duration(&format!("{path}.absolute_lifetime"), message.absolute_lifetime.as_ref())?,
        idle_schedule: idle_schedule.map(|found| schedule(&format!("{path}.idle_schedule"), found)).transpose()?,
    })
}

fn schedule(path: &str, message: &pb::IdleSchedule) -> Result<Schedule, FieldError> {
    let windows = message.windows.iter().enumerate();
    let windows = windows.map(|(number, message)| window(&format!("{path}.windows[{number}]"), message));
    let windows = windows.collect::<Result<_, _>>()?;
    let problem = || FieldError::new(format!("{path}.time_zone"), "must be the IANA name of a time zone");
    Ok(Schedule { time_zone: zone_named(&message.time_zone).ok_or_else(problem)?, windows })
}

fn window(path: &str, message: &pb::IdleWindow) -> Result<Window, FieldError> {
    let field = |name: &str| format!("{path}.{name}");
    let day = |number: &i32| u8::try_from(*number).ok().filter(|day| (1..=7).contains(day));
    let days = message.days.iter().map(day).collect::<Option<Vec<u8>>>();
    let mut days = days.ok_or_else(|| FieldError::new(field("days"), "has an unknown day"))?;
    days.sort_unstable();
    days.dedup();
    let (from, until) = match (message.from.as_str(), message.until.as_str()) {
        ("", "") => (0, DAY_MINUTES),
        (from, until) => (clock(&field("from"), from)?, clock(&field("until"), until)?),
    };
    let idle_timeout = duration(&field("idle_timeout"), message.idle_timeout.as_ref())?;
    let idle_timeout = idle_timeout.ok_or_else(|| FieldError::new(field("idle_timeout"), "must be given"))?;
    Ok(Window { days, from, until, idle_timeout })
}

/// Reads `08:30`; `24:00` is the end of the day.
fn clock(path: &str, text: &str) -> Result<u16, FieldError> {
    let number = |text: &str| {
        let is_number = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| text.parse::<u16>().ok()).flatten()
    };
    let minute = text.split_once(':').and_then(|(hour, minute)| {
        let (hour, minute) = (number(hour)?, number(minute)?);
        (minute < 60).then_some(hour * 60 + minute)
    });
    let minute = minute.filter(|minute| *minute <= DAY_MINUTES);
    minute.ok_or_else(|| FieldError::new(path, "must be a time of the day, 00:00 to 24:00"))
}

fn duration(path: &str, message: Option<&prost_types::Duration>) -> Result<Option<Duration>, FieldError> {
    let Some(message) = message else { return Ok(None) };
    let problem = || FieldError::new(path, "must be a duration of whole milliseconds, and not negative");
    // Checked before the conversion, which panics where it cannot negate.
    if message.seconds < 0 || message.nanos < 0 || message.nanos % 1_000_000 != 0 {
        return Err(problem());
    }
    Duration::try_from(*message).map(Some).map_err(|_| problem())
}
