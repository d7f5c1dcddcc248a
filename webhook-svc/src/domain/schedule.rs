//! When to try again, and when to give up.

use std::{collections::HashMap, time::Duration};

use svc_kit::clock::Timestamp;

use super::{delivery::Verdict, endpoint::Kind};

/// The end of a session is urgent: these pauses come first, and only longer ones after them.
const URGENT_S: [u64; 4] = [1, 5, 15, 60];
/// A status that says "your request is wrong" gets so many attempts: perhaps the receiver is being deployed.
const REFUSED_ATTEMPTS_MAX: u32 = 4;
/// Longest wait that a receiver may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 3600);
/// How much a pause varies, so that receivers are not hit in step.
const JITTER: f64 = 0.2;

/// What follows from an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Taken.
    Done,
    /// Try again then.
    At(Timestamp),
    /// Give up.
    Exhausted,
    /// Give up and send this endpoint nothing more: it said that it is gone (410).
    Gone,
}

/// Says whether events of this type must arrive fast.
pub fn is_urgent(event_type: &str) -> bool {
    matches!(event_type, "session.revoked" | "session.expired" | "session.reuse_detected" | "sessions.cutoff")
}

/// The pauses between the attempts of a delivery. The first attempt is made at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule(Vec<Duration>);

/// Why pauses are no schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 20 pauses of 1 s to 7 d each, 21 d in all")]
pub struct BadSchedule;

impl Schedule {
    /// What is used when nobody says otherwise, in seconds.
    const DEFAULT_S: [u64; 9] = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];
    const STEPS_MAX: usize = 20;
    const STEP_MIN: Duration = Duration::from_secs(1);
    const STEP_MAX: Duration = Duration::from_secs(7 * 24 * 3600);
    /// With its jitter it ends before the event may leave the log.
    const ALL_MAX: Duration = Duration::from_secs(21 * 24 * 3600);

    /// Takes pauses.
    ///
    /// # Errors
    /// [`BadSchedule`].
    pub fn new(pauses: Vec<Duration>) -> Result<Self, BadSchedule> {
        let is_good = (1..=Self::STEPS_MAX).contains(&pauses.len())
            && pauses.iter().all(|pause| (Self::STEP_MIN..=Self::STEP_MAX).contains(pause))
            && pauses.iter().sum::<Duration>() <= Self::ALL_MAX;
        if is_good { Ok(Self(pauses)) } else { Err(BadSchedule) }
    }

    /// Returns the pauses.
    pub fn pauses(&self) -> &[Duration] {
        &self.0
    }

    /// The pause after so many attempts; `None` when there are no more.
    fn pause(&self, is_urgent: bool, attempts: u32) -> Option<Duration> {
        let ladder = if is_urgent { &URGENT_S[..] } else { &[] };
        let end = ladder.last().copied().map(Duration::from_secs).unwrap_or_default();
        let rest = self.0.iter().copied().filter(|pause| *pause > end);
        let nth = usize::try_from(attempts).ok()?.checked_sub(1)?;
        ladder.iter().copied().map(Duration::from_secs).chain(rest).nth(nth)
    }
}

impl Default for Schedule {
    fn default() -> Self {
        Self(Self::DEFAULT_S.map(Duration::from_secs).to_vec())
    }
}

/// The schedules of the deployment and of tenants of their own.
#[derive(Clone, Debug, Default)]
pub struct Schedules {
    /// For everybody else.
    pub usual: Schedule,
    /// By tenant.
    pub of_tenants: HashMap<String, Schedule>,
}

impl Schedules {
    /// Returns the schedule that holds: the endpoint's own, or that of its tenant, or the usual one.
    pub fn of<'s>(&'s self, tenant: &str, own: Option<&'s Schedule>) -> &'s Schedule {
        own.or_else(|| self.of_tenants.get(tenant)).unwrap_or(&self.usual)
    }
}

/// The state of a delivery's schedule.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'s> {
    /// Its pauses.
    pub schedule: &'s Schedule,
    /// Whether the event must arrive fast.
    pub is_urgent: bool,
    /// Attempts made under this schedule, the last one included.
    pub attempts: u32,
    /// What the endpoint gets.
    pub kind: Kind,
}

/// Varies a pause; `random` is in 0..1.
pub(super) fn varied(pause: Duration, random: f64) -> Duration {
    pause.mul_f64(1.0 - JITTER + 2.0 * JITTER * random)
}

/// Decides what follows from `verdict`. `random` is in 0..1; `retry_after` is what the receiver asked for.
pub fn after(
    verdict: Verdict,
    progress: Progress<'_>,
    retry_after: Option<Duration>,
    random: f64,
    now: Timestamp,
) -> Next {
    match verdict {
        Verdict::Status(200..=299) => return Next::Done,
        // It says that the token is wrong, and another one would be no better (Back-Channel Logout 1.0 §2.8).
        Verdict::Status(400) if progress.kind == Kind::BackchannelLogout => return Next::Exhausted,
        Verdict::Status(410) if progress.kind == Kind::Webhook => return Next::Gone,
        Verdict::Status(408 | 425 | 429 | 500..=599) => {}
        Verdict::Status(_) | Verdict::Refused if progress.attempts >= REFUSED_ATTEMPTS_MAX => return Next::Exhausted,
        _ => {}
    }
    let Some(pause) = progress.schedule.pause(progress.is_urgent, progress.attempts) else { return Next::Exhausted };
    let varied = varied(pause, random);
    // Never earlier than the step, never later than a day on a receiver's word.
    let asked = retry_after.map_or(Duration::ZERO, |asked| asked.min(RETRY_AFTER_MAX));
    Next::At(now.saturating_add(varied.max(asked)))
}

/// Reads `Retry-After` (RFC 9110 §10.2.3): seconds, or a date. Anything else is ignored.
pub fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let format = time::macros::format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    let date = time::PrimitiveDateTime::parse(text.trim(), format).ok()?;
    Some(Timestamp::from_offset(date.assume_utc()).duration_since(now))
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;

    const NOW: Timestamp = Timestamp::from_ms(1_700_000_000_000);

    static USUAL: LazyLock<Schedule> = LazyLock::new(Schedule::default);

    fn progress(is_urgent: bool, attempts: u32) -> Progress<'static> {
        Progress { schedule: &USUAL, is_urgent, attempts, kind: Kind::Webhook }
    }

    fn pauses(is_urgent: bool, verdict: Verdict) -> Vec<u64> {
        pauses_of(&USUAL, is_urgent, verdict)
    }

    fn pauses_of(schedule: &Schedule, is_urgent: bool, verdict: Verdict) -> Vec<u64> {
        let mut pauses = Vec::new();
        for attempts in 1.. {
            match after(verdict, Progress { schedule, ..progress(is_urgent, attempts) }, None, 0.5, NOW) {
                Next::At(at) => pauses.push(at.duration_since(NOW).as_secs()),
                Next::Exhausted => return pauses,
                other => panic!("{other:?}"),
            }
        }
        pauses
    }

    #[test]
    fn the_schedule_is_walked_to_its_end() {
        assert_eq!(pauses(false, Verdict::Status(500)), Schedule::DEFAULT_S);
        assert_eq!(pauses(true, Verdict::Timeout), [&URGENT_S[..], &Schedule::DEFAULT_S[1..]].concat());
        assert_eq!(pauses(false, Verdict::Status(404)).len(), 3);
    }

    #[test]
    fn verdicts_decide() {
        let progress = progress(false, 1);
        assert_eq!(after(Verdict::Status(204), progress, None, 0.0, NOW), Next::Done);
        assert_eq!(after(Verdict::Status(410), progress, None, 0.0, NOW), Next::Gone);
        assert!(matches!(after(Verdict::Status(302), progress, None, 0.0, NOW), Next::At(_)));
    }

    #[test]
    fn a_logout_token_that_is_refused_is_not_sent_again() {
        let progress = Progress { kind: Kind::BackchannelLogout, ..progress(true, 1) };
        for (status, expected) in [(200, Next::Done), (204, Next::Done), (400, Next::Exhausted)] {
            assert_eq!(after(Verdict::Status(status), progress, None, 0.0, NOW), expected, "{status}");
        }
        // Its application says when it is gone.
        for status in [410, 404, 500, 302] {
            assert!(matches!(after(Verdict::Status(status), progress, None, 0.0, NOW), Next::At(_)), "{status}");
        }
    }

    #[test]
    fn a_receiver_may_ask_for_a_later_time_but_not_for_an_earlier() {
        let next = |asked: u64| {
            let asked = Some(Duration::from_secs(asked));
            match after(Verdict::Status(429), progress(false, 1), asked, 0.5, NOW) {
                Next::At(at) => at.duration_since(NOW).as_secs(),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!((next(1), next(60), next(10_000_000)), (5, 60, 24 * 3600));
    }

    #[test]
    fn retry_after_is_read_in_both_forms() {
        assert_eq!(retry_after("120", NOW), Some(Duration::from_secs(120)));
        assert_eq!(retry_after("Tue, 14 Nov 2023 22:14:20 GMT", NOW), Some(Duration::from_secs(60)));
        for text in ["", "soon", "-5", "1.5", "Tue, 99 Nov 2023 22:14:20 GMT"] {
            assert_eq!(retry_after(text, NOW), None, "{text:?}");
        }
    }

    #[test]
    fn jitter_stays_within_a_fifth() {
        for random in [0.0, 0.999_999] {
            let Next::At(at) = after(Verdict::Connect, progress(false, 2), None, random, NOW) else { panic!() };
            assert!((240..=360).contains(&at.duration_since(NOW).as_secs()));
        }
    }

    #[test]
    fn another_schedule_is_walked_to_its_end_too() {
        let own = Schedule::new([30, 60, 61, 600].map(Duration::from_secs).to_vec()).unwrap();
        assert_eq!(pauses_of(&own, false, Verdict::Broken), [30, 60, 61, 600]);
        // The urgent steps stand for all that are not longer than they are.
        assert_eq!(pauses_of(&own, true, Verdict::Broken), [1, 5, 15, 60, 61, 600]);
        assert_eq!(pauses_of(&own, false, Verdict::Status(404)), [30, 60, 61]);
    }

    #[test]
    fn a_schedule_has_bounds() {
        let day = Duration::from_secs(24 * 3600);
        let second = Duration::from_secs(1);
        for good in [vec![second], vec![second; 20], vec![7 * day; 3]] {
            assert_eq!(Schedule::new(good.clone()).unwrap().pauses(), good);
        }
        for bad in [
            vec![],
            vec![second; 21],
            vec![7 * day + second],
            vec![second / 2],
            vec![7 * day, 7 * day, 7 * day, second],
        ] {
            assert_eq!(Schedule::new(bad.clone()), Err(BadSchedule), "{bad:?}");
        }
        assert!(Schedule::new(Schedule::default().0).is_ok());
    }

    #[test]
    fn the_nearest_schedule_holds() {
        let schedule = |seconds| Schedule::new(vec![Duration::from_secs(seconds)]).unwrap();
        let of_tenants = [("acme".to_owned(), schedule(2))].into();
        let (schedules, own) = (Schedules { usual: schedule(1), of_tenants }, schedule(3));
        assert_eq!(schedules.of("other", None), &schedule(1));
        assert_eq!(schedules.of("acme", None), &schedule(2));
        assert_eq!(schedules.of("acme", Some(&own)), &own);
    }
}
