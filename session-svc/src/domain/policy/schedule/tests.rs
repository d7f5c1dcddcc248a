//! The days of a week, the two odd nights of a year, and properties against a walk minute by minute.

use proptest::prelude::*;

use super::*;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
/// Zones whose clocks change by an hour, by half an hour, at midnight, and never.
const ZONES: [&str; 6] =
    ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Havana", "Asia/Kathmandu", "UTC"];
/// Within days of both changes of the clocks in most of them.
const ODD_NIGHTS: [&str; 5] =
    ["2026-03-08T07:00Z", "2026-03-29T01:00Z", "2026-04-04T15:00Z", "2026-10-25T01:00Z", "2026-11-01T06:00Z"];

fn at(text: &str) -> Timestamp {
    Timestamp::from_ms(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
}

fn window(days: impl IntoIterator<Item = u8>, from: u16, until: u16, idle_timeout: Duration) -> Window {
    Window { days: Days::of(days).unwrap(), from, until, idle_timeout }
}

/// 4 hours on weekdays, the timeout outside of all windows; 12 hours on weekends.
fn weekends_in_berlin() -> Schedule {
    Schedule::new("Europe/Berlin", vec![window([6, 7], 0, DAY_MINUTES, 12 * HOUR)]).unwrap()
}

#[test]
fn the_timeout_of_the_moment_counts() {
    let schedule = weekends_in_berlin();
    for (last_active_at, end) in [
        // Monday, within the day.
        ("2026-01-05T09:00+01", "2026-01-05T13:00+01"),
        // Into the weekend: from midnight on 12 hours are allowed.
        ("2026-01-02T23:00+01", "2026-01-03T11:00+01"),
        // Four hours are over before the weekend begins, or just when it does: then 12 hours count.
        ("2026-01-02T19:59+01", "2026-01-02T23:59+01"),
        ("2026-01-02T20:00+01", "2026-01-03T08:00+01"),
        // Out of the weekend: what has been idle for four hours when Monday begins is over then.
        ("2026-01-04T15:00+01", "2026-01-05T00:00+01"),
        ("2026-01-04T20:30+01", "2026-01-05T00:30+01"),
    ] {
        assert_eq!(schedule.deadline(4 * HOUR, at(last_active_at)), at(end), "{last_active_at}");
    }
}

#[test]
fn hours_that_do_not_exist_belong_to_no_moment() {
    let night = Schedule::new("Europe/Berlin", vec![window([7], 2 * 60, 3 * 60, MINUTE)]).unwrap();
    // On 29 March clocks go from 02:00 to 03:00.
    assert_eq!(night.deadline(4 * HOUR, at("2026-03-29T00:30+01")), at("2026-03-29T05:30+02"));
    // A week later there is such an hour.
    assert_eq!(night.deadline(4 * HOUR, at("2026-04-05T00:30+02")), at("2026-04-05T02:00+02"));
    let half = Schedule::new("Europe/Berlin", vec![window([7], 2 * 60 + 30, 4 * 60, MINUTE)]).unwrap();
    // The window begins when the clock jumps into it.
    assert_eq!(half.deadline(4 * HOUR, at("2026-03-29T00:30+01")), at("2026-03-29T03:00+02"));
}

#[test]
fn hours_that_come_twice_belong_to_both_moments() {
    let night = Schedule::new("Europe/Berlin", vec![window([7], 2 * 60, 2 * 60 + 30, MINUTE)]).unwrap();
    // On 25 October the clock shows 02:00 to 03:00 twice. Used between the two, the session ends at the second.
    for (last_active_at, end) in
        [("2026-10-25T01:30+02", "2026-10-25T02:00+02"), ("2026-10-25T02:40+02", "2026-10-25T02:00+01")]
    {
        assert_eq!(night.deadline(4 * HOUR, at(last_active_at)), at(end), "{last_active_at}");
    }
}

#[test]
fn only_zones_that_exist_have_schedules() {
    assert_eq!(Schedule::new("europe/berlin", vec![]).unwrap().zone(), "Europe/Berlin");
    for zone in ["", "Berlin", "Etc/Unknown", "+01:00", "../etc/localtime"] {
        assert!(Schedule::new(zone, vec![]).is_none(), "{zone:?}");
    }
    assert!(Days::of([0]).is_none() && Days::of([8]).is_none());
    assert_eq!(Days::of([7, 1, 1]).unwrap().numbers().collect::<Vec<_>>(), [1, 7]);
}

/// The same by a walk from minute to minute; clocks change, and windows begin, at whole minutes only.
fn walked(schedule: &Schedule, outside: Duration, last_active_at: Timestamp) -> Timestamp {
    let mut piece = last_active_at;
    loop {
        let next = Timestamp::from_ms(piece.as_ms() - piece.as_ms() % 60_000).saturating_add(MINUTE);
        let end = piece.max(last_active_at.saturating_add(schedule.idle_timeout_at(outside, piece)));
        if end < next {
            return end;
        }
        piece = next;
    }
}

prop_compose! {
    fn any_window()(days in 1u8..128, from in 0..DAY_MINUTES, length in 1..DAY_MINUTES, minutes in 1u64..3000) -> Window {
        let days = (1..=7).filter(|number| days & 1 << (number - 1) != 0);
        window(days, from, (from + length).min(DAY_MINUTES), MINUTE * u32::try_from(minutes).unwrap())
    }
}

prop_compose! {
    fn any_schedule()(zone in 0..ZONES.len(), windows in proptest::collection::vec(any_window(), 0..5)) -> Schedule {
        Schedule::new(ZONES[zone], windows).unwrap()
    }
}

prop_compose! {
    fn any_moment()(night in 0..ODD_NIGHTS.len(), ms in 0u64..6 * 24 * 3_600_000) -> Timestamp {
        at(ODD_NIGHTS[night]).saturating_sub(3 * 24 * HOUR).saturating_add(Duration::from_millis(ms))
    }
}

proptest! {
    #[test]
    fn the_deadline_is_the_first_moment_that_is_too_late(
        schedule in any_schedule(), outside in 1u64..3000, last_active_at in any_moment(),
    ) {
        let outside = Duration::from_secs(60 * outside);
        prop_assert_eq!(schedule.deadline(outside, last_active_at), walked(&schedule, outside, last_active_at));
    }

    #[test]
    fn a_later_use_never_means_an_earlier_end(
        schedule in any_schedule(), outside in 1u64..3000, first in any_moment(), pause in 0u64..100_000_000,
    ) {
        let outside = Duration::from_secs(60 * outside);
        let second = first.saturating_add(Duration::from_millis(pause));
        prop_assert!(schedule.deadline(outside, first) <= schedule.deadline(outside, second));
    }
}
