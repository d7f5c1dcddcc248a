//! Idle timeouts that depend on the time of the week: "4 hours on weekdays, 12 hours on weekends".
//!
//! At every moment one timeout applies: that of the first window that the moment falls in, by the clock on the wall of the
//! named time zone, or else the timeout outside of all windows. A session is over at the first moment at which it has been
//! idle for as long as the timeout *of that moment*. So on a weekday nothing lives that was idle for 4 hours, whenever it
//! was used last; and a later use never means an earlier end.
//!
//! A window is a set of local times. Where clocks are put forward, times that do not exist belong to no moment; where they
//! are put back, times that come twice belong to both moments.

use std::time::Duration;

use jiff::{
    ToSpan as _,
    civil::{self, Weekday},
    tz::{TimeZone, TimeZoneDatabase},
};
use svc_kit::clock::Timestamp;

/// Minutes of a day.
pub const DAY_MINUTES: u16 = 24 * 60;
/// How far ahead is looked at a time for a moment at which the timeout changes.
const STRIDE: Duration = Duration::from_secs(2 * 24 * 3600);

/// A set of days of the week.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Days(u8);

impl Days {
    /// The days with these numbers, Monday being 1 and Sunday 7; `None` for any other number.
    pub fn of(numbers: impl IntoIterator<Item = u8>) -> Option<Self> {
        let add = |days: u8, number: u8| (1..=7).contains(&number).then(|| days | 1 << number);
        numbers.into_iter().try_fold(0, add).map(Self)
    }

    /// Says whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The numbers of the days, from Monday, 1.
    pub fn numbers(self) -> impl Iterator<Item = u8> {
        (1..=7).filter(move |number| self.0 & 1 << number != 0)
    }

    fn has(self, day: Weekday) -> bool {
        self.numbers().any(|number| i8::try_from(number) == Ok(day.to_monday_one_offset()))
    }
}

/// Some hours of some days, and the timeout that applies in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// The days.
    pub days: Days,
    /// From this minute of the day on.
    pub from: u16,
    /// Until before this minute of the day, at most [`DAY_MINUTES`].
    pub until: u16,
    /// The timeout.
    pub idle_timeout: Duration,
}

/// Windows in a time zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    zone: TimeZone,
    zone_name: String,
    /// The windows; the first that a moment falls in counts.
    pub windows: Vec<Window>,
}

impl Schedule {
    /// Makes a schedule in the time zone with this IANA name; `None` when there is no such zone.
    pub fn new(zone: &str, windows: Vec<Window>) -> Option<Self> {
        let zone = TimeZoneDatabase::bundled().get(zone).ok()?;
        let zone_name = zone.iana_name()?.to_owned();
        (!zone.is_unknown()).then_some(Self { zone, zone_name, windows })
    }

    /// The IANA name of the time zone.
    pub fn zone(&self) -> &str {
        &self.zone_name
    }

    /// Returns the timeout that applies at a moment; `outside` is that outside of all windows.
    pub fn idle_timeout_at(&self, outside: Duration, moment: Timestamp) -> Duration {
        let Ok(moment) = jiff::Timestamp::from_millisecond(moment.as_ms()) else { return outside };
        let local = self.zone.to_datetime(moment);
        let minute = minute_of(local.time());
        let has = |window: &&Window| window.days.has(local.weekday()) && (window.from..window.until).contains(&minute);
        self.windows.iter().find(has).map_or(outside, |window| window.idle_timeout)
    }

    /// Returns when a session ends that was used last at `last_active_at` and is not used again.
    pub fn deadline(&self, outside: Duration, last_active_at: Timestamp) -> Timestamp {
        let timeouts = self.windows.iter().map(|window| window.idle_timeout).chain([outside]);
        let timeouts: Vec<Timestamp> = timeouts.map(|timeout| last_active_at.saturating_add(timeout)).collect();
        // By then every timeout has passed.
        let latest = timeouts.iter().copied().max().unwrap_or(last_active_at);
        let mut from = last_active_at;
        while from < latest {
            let until = from.saturating_add(STRIDE).min(latest);
            let mut moments = self.changes(from, until);
            moments.extend(timeouts.iter().filter(|moment| (from..=until).contains(moment)));
            moments.sort_unstable();
            let is_over =
                |moment: &Timestamp| moment.duration_since(last_active_at) >= self.idle_timeout_at(outside, *moment);
            if let Some(end) = moments.into_iter().find(is_over) {
                return end;
            }
            from = until;
        }
        latest
    }

    /// Moments between two at which another timeout may begin to apply: edges of windows, and changes of the clocks.
    fn changes(&self, from: Timestamp, until: Timestamp) -> Vec<Timestamp> {
        let as_jiff = |moment: Timestamp| jiff::Timestamp::from_millisecond(moment.as_ms()).ok();
        let (Some(first), Some(last)) = (as_jiff(from), as_jiff(until)) else { return Vec::new() };
        let clock_changes = self.zone.following(first).map(|change| change.timestamp()).take_while(|at| *at <= last);
        let mut moments: Vec<jiff::Timestamp> = clock_changes.collect();
        // A day more on either side: offsets may carry an edge over midnight.
        let mut day = self.zone.to_datetime(first).date().saturating_sub(1.day());
        let last_day = self.zone.to_datetime(last).date().saturating_add(1.day());
        while day <= last_day {
            for window in self.windows.iter().filter(|window| window.days.has(day.weekday())) {
                moments.extend([window.from, window.until].iter().flat_map(|minute| self.moments_of(day, *minute)));
            }
            day = day.saturating_add(1.day());
        }
        let ours = moments.into_iter().map(|moment| Timestamp::from_ms(moment.as_millisecond()));
        ours.filter(|moment| (from..=until).contains(moment)).collect()
    }

    /// The moments at which the clock shows a minute of a day: two where it is put back.
    fn moments_of(&self, day: civil::Date, minute: u16) -> impl Iterator<Item = jiff::Timestamp> {
        let local = day.at(0, 0, 0, 0).saturating_add(i64::from(minute).minutes());
        let ambiguous = self.zone.to_ambiguous_timestamp(local);
        [ambiguous.earlier(), ambiguous.later()].into_iter().flatten()
    }
}

fn minute_of(time: civil::Time) -> u16 {
    let minute = i16::from(time.hour()) * 60 + i16::from(time.minute());
    u16::try_from(minute).unwrap_or(0)
}

#[cfg(test)]
mod tests;
