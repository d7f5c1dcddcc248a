//! How an endpoint is doing: its breaker, the warnings, and its end.
//!
//! Nothing is kept about an endpoint that works. The first failure begins a record, the next success ends it. The breaker
//! opens after ten failures in a row, or when most attempts of five minutes failed; then one attempt is made now and then,
//! after longer and longer pauses, until one is taken.

use std::time::Duration;

use svc_kit::clock::Timestamp;

use super::{delivery::Verdict, endpoint::Kind, schedule::varied};

/// Failures in a row that open the breaker.
const IN_A_ROW: u32 = 10;
/// Attempts within [`WINDOW`] that say enough to judge by their share of failures, and that share in percent.
const RATED_MIN: u32 = 10;
const RATE_PERCENT: u32 = 70;
/// How far back attempts are counted.
pub const WINDOW: Duration = Duration::from_secs(300);
/// How many are counted, the newest.
pub const RATED_MAX: usize = 100;
/// The first pause before a probe, which doubles, and the longest.
const PROBE_FIRST: Duration = Duration::from_secs(30);
const PROBE_LAST: Duration = Duration::from_secs(15 * 60);
const HOUR: Duration = Duration::from_secs(3_600);
/// When somebody is warned.
const WARNINGS: [Duration; 3] = [HOUR, Duration::from_secs(24 * 3_600), Duration::from_secs(72 * 3_600)];
/// When the endpoint is disabled.
const DISABLED_AFTER: Duration = Duration::from_secs(120 * 3_600);

/// An endpoint that fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Since when every attempt failed.
    pub failing_since: Timestamp,
    /// How many.
    pub failures_in_a_row: u32,
    /// Warnings sent.
    pub warnings: u8,
    /// Its breaker, while it is open.
    pub open: Option<OpenBreaker>,
}

/// A breaker that is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenBreaker {
    /// Why.
    pub reason: OpenReason,
    /// When the next attempt is made.
    pub next_probe_at: Timestamp,
    /// Attempts made in vain.
    pub probes: u32,
}

/// Why a breaker is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenReason {
    /// Too many failures in a row.
    InARow,
    /// Too large a share of failures.
    Rate,
}

impl OpenReason {
    /// Stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::InARow => "IN_A_ROW",
            Self::Rate => "RATE",
        }
    }

    /// Reads a name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::InARow, Self::Rate].into_iter().find(|reason| reason.name() == name)
    }
}

/// Attempts of the last [`WINDOW`], at most [`RATED_MAX`], without faults of ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recent {
    /// How many.
    pub attempts: u32,
    /// How many of them failed.
    pub failures: u32,
}

/// A failed attempt, as far as it matters here.
#[derive(Clone, Copy, Debug)]
pub struct Failure {
    /// When.
    pub at: Timestamp,
    /// Whether it was made to see if the endpoint works again.
    pub is_probe: bool,
    /// In 0..1: varies the pause before the next probe, so that endpoints that failed together are not probed together.
    pub random: f64,
}

/// What somebody should be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A warning, from 1 to 3.
    Failing(u8),
    /// The endpoint is disabled.
    Disabled,
}

impl Health {
    /// Returns how an endpoint stands after a failed attempt, and what somebody should be told.
    pub fn after(before: Option<Self>, failure: Failure, recent: Recent) -> (Self, Option<Notice>) {
        let fresh = Self { failing_since: failure.at, failures_in_a_row: 0, warnings: 0, open: None };
        let mut health = before.unwrap_or(fresh);
        health.failures_in_a_row = health.failures_in_a_row.saturating_add(1);
        health.open = health.breaker_after(failure, recent);
        let age = failure.at.duration_since(health.failing_since);
        if age >= DISABLED_AFTER {
            return (health, Some(Notice::Disabled));
        }
        let due =
            (1..).zip(WARNINGS).filter(|(_, after)| age >= *after).map(|(warning, _)| warning).last().unwrap_or(0);
        let notice = (due > health.warnings).then_some(Notice::Failing(due));
        health.warnings = health.warnings.max(due);
        (health, notice)
    }

    fn breaker_after(&self, failure: Failure, recent: Recent) -> Option<OpenBreaker> {
        let probe_after = |pause| failure.at.saturating_add(varied(pause, failure.random));
        let opened = |reason| OpenBreaker { reason, next_probe_at: probe_after(PROBE_FIRST), probes: 0 };
        match &self.open {
            // One that began before the breaker opened says nothing new.
            Some(open) if !failure.is_probe => Some(open.clone()),
            Some(open) => {
                let probes = open.probes.saturating_add(1);
                let pause = PROBE_FIRST.saturating_mul(2u32.saturating_pow(probes)).min(PROBE_LAST);
                Some(OpenBreaker { reason: open.reason, next_probe_at: probe_after(pause), probes })
            }
            None if self.failures_in_a_row >= IN_A_ROW => Some(opened(OpenReason::InARow)),
            None if recent.attempts >= RATED_MIN && recent.failures * 100 >= recent.attempts * RATE_PERCENT => {
                Some(opened(OpenReason::Rate))
            }
            None => None,
        }
    }

    /// Returns when an endpoint of this kind is disabled unless it takes something; `None` means never.
    pub fn disabled_at(&self, kind: Kind) -> Option<Timestamp> {
        is_ever_disabled(kind).then(|| self.failing_since.saturating_add(DISABLED_AFTER))
    }
}

/// Says whether an endpoint that fails for long is disabled. Whoever is to be logged out must not be forgotten: it goes on,
/// now and then, as long as there are events.
pub fn is_ever_disabled(kind: Kind) -> bool {
    kind == Kind::Webhook
}

/// Says whether an attempt says something about the endpoint: one that was not made does not.
pub fn is_telling(verdict: Verdict) -> bool {
    !matches!(verdict, Verdict::Ours | Verdict::Moot)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_ms(1_700_000_000_000);

    fn fail(health: Option<Health>, at_s: u64, is_probe: bool, recent: Recent) -> (Health, Option<Notice>) {
        let at = START.saturating_add(Duration::from_secs(at_s));
        Health::after(health, Failure { at, is_probe, random: 0.5 }, recent)
    }

    #[test]
    fn ten_failures_in_a_row_open_the_breaker() {
        let mut health = None;
        for n in 0..10 {
            assert!(health.as_ref().is_none_or(|health: &Health| health.open.is_none()), "{n}");
            health = Some(fail(health, n, false, Recent::default()).0);
        }
        let open = health.unwrap().open.unwrap();
        assert_eq!(
            (open.reason, open.next_probe_at),
            (OpenReason::InARow, START.saturating_add(Duration::from_secs(39)))
        );
    }

    #[test]
    fn most_of_at_least_ten_open_the_breaker() {
        for (attempts, failures, is_open) in
            [(9, 9, false), (10, 6, false), (10, 7, true), (100, 69, false), (100, 70, true)]
        {
            let (health, _) = fail(None, 0, false, Recent { attempts, failures });
            assert_eq!(
                health.open.map(|open| open.reason),
                is_open.then_some(OpenReason::Rate),
                "{failures}/{attempts}"
            );
        }
    }

    #[test]
    fn probes_come_after_longer_and_longer_pauses() {
        let (health, _) = fail(None, 0, false, Recent { attempts: 10, failures: 10 });
        let (mut health, mut pauses) = (Some(health), Vec::new());
        for _ in 0..7 {
            let probe_at = health.as_ref().unwrap().open.as_ref().unwrap().next_probe_at;
            let at_s = probe_at.duration_since(START).as_secs();
            let (next, _) = fail(health, at_s, true, Recent::default());
            pauses.push(next.open.as_ref().unwrap().next_probe_at.duration_since(probe_at).as_secs());
            // Attempts that began earlier end now: nothing changes.
            let (late, _) = fail(Some(next.clone()), at_s, false, Recent { attempts: 100, failures: 100 });
            assert_eq!(late.open, next.open);
            health = Some(next);
        }
        assert_eq!(pauses, [60, 120, 240, 480, 900, 900, 900]);
    }

    #[test]
    fn endpoints_that_failed_together_are_not_probed_together() {
        let probe_at = |random| {
            let failure = Failure { at: START, is_probe: false, random };
            let (health, _) = Health::after(None, failure, Recent { attempts: 10, failures: 10 });
            health.open.unwrap().next_probe_at.duration_since(START).as_secs_f64()
        };
        assert_eq!([0.0, 0.5, 0.999_999].map(probe_at).map(f64::round), [24.0, 30.0, 36.0]);
    }

    #[test]
    fn somebody_is_warned_three_times_before_the_end() {
        let (mut health, mut notices) = (None, Vec::new());
        for quarter in 0..=(5 * 24 * 4) {
            let (next, notice) = fail(health, quarter * 900, true, Recent::default());
            notices.extend(notice.map(|notice| (quarter / 4, notice)));
            health = Some(next);
        }
        let expected = [(1, 1), (24, 2), (72, 3)].map(|(hour, warning)| (hour, Notice::Failing(warning)));
        assert_eq!(notices, [&expected[..], &[(120, Notice::Disabled)]].concat());
    }

    #[test]
    fn only_webhook_endpoints_have_an_end() {
        let (health, _) = fail(None, 0, false, Recent::default());
        assert_eq!(health.disabled_at(Kind::Webhook), Some(START.saturating_add(DISABLED_AFTER)));
        assert_eq!(health.disabled_at(Kind::BackchannelLogout), None);
    }

    #[test]
    fn warnings_that_were_missed_are_not_made_up_for() {
        let (health, _) = fail(None, 0, false, Recent::default());
        let (health, notice) = fail(Some(health), 80 * 3_600, false, Recent::default());
        assert_eq!((notice, health.warnings), (Some(Notice::Failing(3)), 3));
        assert_eq!(fail(Some(health), 81 * 3_600, false, Recent::default()).1, None);
    }
}
