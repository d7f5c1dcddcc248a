//! Schedules of idle timeouts as contract messages.

use proto::session::v1 as pb;
use svc_kit::error::FieldError;

use super::policy::{duration, duration_to};
use crate::domain::policy::schedule::{DAY_MINUTES, Days, Schedule, Window};

/// Makes the message of a schedule.
pub fn to_proto(schedule: &Schedule) -> pb::IdleSchedule {
    let window = |window: &Window| pb::IdleWindow {
        days: window.days.numbers().map(i32::from).collect(),
        from: clock_to(window.from),
        until: clock_to(window.until),
        idle_timeout: Some(duration_to(window.idle_timeout)),
    };
    pb::IdleSchedule { time_zone: schedule.zone().to_owned(), windows: schedule.windows.iter().map(window).collect() }
}

/// Reads a schedule.
///
/// # Errors
/// [`FieldError`] for the first field that cannot be read.
pub fn parse(path: &str, message: &pb::IdleSchedule) -> Result<Schedule, FieldError> {
    let windows = message.windows.iter().enumerate();
    let windows = windows.map(|(number, message)| window(&format!("{path}.windows[{number}]"), message));
    let windows = windows.collect::<Result<_, _>>()?;
    let problem = || FieldError::new(format!("{path}.time_zone"), "must be the IANA name of a time zone");
    Schedule::new(&message.time_zone, windows).ok_or_else(problem)
}

fn window(path: &str, message: &pb::IdleWindow) -> Result<Window, FieldError> {
    let field = |name: &str| format!("{path}.{name}");
    let days = Days::of(message.days.iter().map(|day| u8::try_from(*day).unwrap_or(0)));
    let days = days.ok_or_else(|| FieldError::new(field("days"), "has an unknown day"))?;
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
    let digits =
        |text: &str| (text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok());
    let minute = text.split_once(':').and_then(|(hour, minute)| {
        let (hour, minute): (u16, u16) = (digits(hour)??, digits(minute)??);
        (minute < 60).then_some(hour * 60 + minute)
    });
    minute
        .filter(|minute| *minute <= DAY_MINUTES)
        .ok_or_else(|| FieldError::new(path, "must be a time of the day, 00:00 to 24:00"))
}

fn clock_to(minute: u16) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}
