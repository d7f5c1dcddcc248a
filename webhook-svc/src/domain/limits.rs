//! How much an endpoint is sent at once, and in a second.

use svc_kit::clock::Timestamp;

/// How much an endpoint is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Attempts under way at once.
    pub concurrency: Concurrency,
    /// Attempts in a second; `None` means any number.
    pub rate: Option<RateLimit>,
}

/// How many attempts are under way for an endpoint, at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Concurrency(u32);

impl Concurrency {
    /// The most that an endpoint may ask for.
    pub const MAX: Self = Self(1_000);

    /// Reads a number; `None` when it is out of bounds.
    pub fn parse(count: u32) -> Option<Self> {
        (1..=Self::MAX.0).contains(&count).then_some(Self(count))
    }

    /// Returns the number.
    pub fn count(self) -> u32 {
        self.0
    }
}

impl Default for Concurrency {
    fn default() -> Self {
        Self(10)
    }
}

/// How many attempts begin in a second, at most.
///
/// Each takes a slot; slots follow one another at even distances. What was not used is not saved, but for a tenth of a
/// second: so many may begin together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit(u32);

/// Slots that may be taken together, as a share of those of a second.
const BURST: u32 = 10;

impl RateLimit {
    const MAX: u32 = 1_000;

    /// Reads a rate; `None` when it is out of bounds.
    pub fn parse(per_second: u32) -> Option<Self> {
        (1..=Self::MAX).contains(&per_second).then_some(Self(per_second))
    }

    /// Returns attempts in a second.
    pub fn per_second(self) -> u32 {
        self.0
    }

    /// Microseconds from one slot to the next.
    pub fn interval_us(self) -> i64 {
        1_000_000 / i64::from(self.0)
    }

    /// Microseconds that a slot may be taken early.
    pub fn early_us(self) -> i64 {
        i64::from((self.0 / BURST).max(1) - 1) * self.interval_us()
    }

    /// How many slots are free.
    pub fn free(self, next: Slot, now: Timestamp) -> usize {
        let now_us = now.as_ms() * 1_000;
        let until = now_us + self.early_us() - next.0.max(now_us);
        if until < 0 { 0 } else { usize::try_from(until / self.interval_us() + 1).unwrap_or(usize::MAX) }
    }

    /// The next slot after so many were taken.
    pub fn take(self, next: Slot, now: Timestamp, count: usize) -> Slot {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        Slot(next.0.max(now.as_ms() * 1_000).saturating_add(count.saturating_mul(self.interval_us())))
    }

    /// When a slot is free.
    pub fn free_at(self, next: Slot) -> Timestamp {
        // Rounded up: a millisecond too early there is none.
        Timestamp::from_ms(next.0.saturating_sub(self.early_us()).saturating_add(999).div_euclid(1_000))
    }
}

/// When the next slot of an endpoint is, in microseconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slot(pub i64);

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const START: Timestamp = Timestamp::from_ms(1_700_000_000_000);

    /// Takes whatever is free, whenever something is, for a second; says how much and how often it looked.
    fn second(per_second: u32) -> (usize, usize) {
        let rate = RateLimit::parse(per_second).unwrap();
        let (mut slot, mut now, mut taken, mut looks) = (Slot::default(), START, 0, 0);
        while now < START.saturating_add(Duration::from_secs(1)) {
            let free = rate.free(slot, now);
            assert!(free > 0, "nothing is free when it was said to be");
            (taken, looks) = (taken + free, looks + 1);
            slot = rate.take(slot, now, free);
            assert_eq!(rate.free(slot, now), 0);
            now = rate.free_at(slot);
        }
        (taken, looks)
    }

    #[test]
    fn as_many_begin_in_a_second_as_allowed_and_a_tenth_more_at_the_start() {
        for (per_second, at_most) in [(1, 1), (3, 3), (10, 10), (100, 109), (1_000, 1_099)] {
            let (taken, looks) = second(per_second);
            assert!((per_second as usize..=at_most).contains(&taken), "{per_second}: {taken}");
            assert!(looks <= taken);
        }
    }

    #[test]
    fn what_was_not_used_is_not_saved() {
        let rate = RateLimit::parse(50).unwrap();
        assert_eq!(rate.free(Slot::default(), START), 5);
        let slot = rate.take(Slot::default(), START, 5);
        assert_eq!(rate.free(slot, START.saturating_add(Duration::from_secs(3_600))), 5);
    }

    #[test]
    fn limits_are_bounded() {
        assert!(
            [0, 1_001]
                .into_iter()
                .all(|count| Concurrency::parse(count).is_none() && RateLimit::parse(count).is_none())
        );
        assert_eq!((Concurrency::default().count(), RateLimit::parse(1_000).unwrap().per_second()), (10, 1_000));
    }
}
