//! When to try again, and when to give up.

use std::time::Duration;

use svc_kit::clock::Timestamp;

use super::{delivery::Verdict, endpoint::Kind};

/// Pauses before each attempt, in seconds.
const STEPS_S: [u64; 10] = [0, 5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];
/// The end of a session is urgent: these come before the second step.
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

/// The state of a delivery's schedule.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Whether the event must arrive fast.
    pub is_urgent: bool,
    /// Attempts made under this schedule, the last one included.
    pub attempts: u32,
    /// What the endpoint gets.
    pub kind: Kind,
}

impl Progress {
    fn pause(self) -> Option<Duration> {
        let attempts = usize::try_from(self.attempts).ok()?;
        let step = |step: usize| STEPS_S.get(step).copied();
        let seconds = match (self.is_urgent, attempts.checked_sub(1)) {
            (true, Some(urgent)) if urgent < URGENT_S.len() => URGENT_S.get(urgent).copied(),
            // The urgent steps stand for the 5 s step.
            (true, _) => step(attempts.checked_sub(URGENT_S.len())? + 1),
            (false, _) => step(attempts),
        };
        seconds.map(Duration::from_secs)
    }
}

/// Decides what follows from `verdict`. `random` is in 0..1; `retry_after` is what the receiver asked for.
pub fn after(verdict: Verdict, progress: Progress, retry_after: Option<Duration>, random: f64, now: Timestamp) -> Next {
    match verdict {
        Verdict::Status(200..=299) => return Next::Done,
        // It says that the token is wrong, and another one would be no better (Back-Channel Logout 1.0 §2.8).
        Verdict::Status(400) if progress.kind == Kind::BackchannelLogout => return Next::Exhausted,
        Verdict::Status(410) if progress.kind == Kind::Webhook => return Next::Gone,
        Verdict::Status(408 | 425 | 429 | 500..=599) => {}
        Verdict::Status(_) | Verdict::Refused if progress.attempts >= REFUSED_ATTEMPTS_MAX => return Next::Exhausted,
        _ => {}
    }
    let Some(pause) = progress.pause() else { return Next::Exhausted };
    let varied = pause.mul_f64(1.0 - JITTER + 2.0 * JITTER * random);
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
    use super::*;

    const NOW: Timestamp = Timestamp::from_ms(1_700_000_000_000);

    fn pauses(is_urgent: bool, verdict: Verdict) -> Vec<u64> {
        let mut pauses = Vec::new();
        for attempts in 1.. {
            match after(verdict, Progress { is_urgent, attempts, kind: Kind::Webhook }, None, 0.5, NOW) {
                Next::At(at) => pauses.push(at.duration_since(NOW).as_secs()),
                Next::Exhausted => return pauses,
                other => panic!("{other:?}"),
            }
        }
        pauses
    }

    #[test]
    fn the_schedule_is_walked_to_its_end() {
        assert_eq!(pauses(false, Verdict::Status(500)), STEPS_S[1..]);
        assert_eq!(pauses(true, Verdict::Timeout), [&URGENT_S[..], &STEPS_S[2..]].concat());
        assert_eq!(pauses(false, Verdict::Status(404)).len(), 3);
    }

    #[test]
    fn verdicts_decide() {
        let progress = Progress { is_urgent: false, attempts: 1, kind: Kind::Webhook };
        assert_eq!(after(Verdict::Status(204), progress, None, 0.0, NOW), Next::Done);
        assert_eq!(after(Verdict::Status(410), progress, None, 0.0, NOW), Next::Gone);
        assert!(matches!(after(Verdict::Status(302), progress, None, 0.0, NOW), Next::At(_)));
    }

    #[test]
    fn a_logout_token_that_is_refused_is_not_sent_again() {
        let progress = Progress { is_urgent: true, attempts: 1, kind: Kind::BackchannelLogout };
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
            match after(
                Verdict::Status(429),
                Progress { is_urgent: false, attempts: 1, kind: Kind::Webhook },
                asked,
                0.5,
                NOW,
            ) {
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
            let progress = Progress { is_urgent: false, attempts: 2, kind: Kind::Webhook };
            let Next::At(at) = after(Verdict::Connect, progress, None, random, NOW) else { panic!() };
            assert!((240..=360).contains(&at.duration_since(NOW).as_secs()));
        }
    }
}
