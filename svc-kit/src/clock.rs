//! Time as the services see it: a [`Timestamp`] in milliseconds, read from a [`Clock`] that tests can move.

use std::{
    fmt,
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use time::{OffsetDateTime, macros::format_description};

/// A moment in UTC, in whole milliseconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

/// The last millisecond of the year 9999, the largest moment that protobuf and RFC 3339 can write.
const LATEST_MS: i64 = 253_402_300_799_999;

/// A moment that cannot be written, before 1970 or after 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the time is out of range")]
pub struct OutOfRange;

impl Timestamp {
    /// The start of 1970.
    pub const EPOCH: Self = Self(0);

    /// Makes a timestamp from milliseconds since 1970; a moment out of range becomes the nearest one in range.
    pub const fn from_ms(ms: i64) -> Self {
        if ms < 0 {
            Self(0)
        } else if ms > LATEST_MS {
            Self(LATEST_MS)
        } else {
            Self(ms)
        }
    }

    /// Returns milliseconds since 1970.
    pub const fn as_ms(self) -> i64 {
        self.0
    }

    /// Returns whole seconds since 1970, rounded down.
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Returns the moment `duration` later, at most the end of the year 9999. Parts of a millisecond are dropped.
    pub fn saturating_add(self, duration: Duration) -> Self {
        let ms = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self::from_ms(self.0.saturating_add(ms))
    }

    /// Returns the moment `duration` earlier, at least the start of 1970.
    pub fn saturating_sub(self, duration: Duration) -> Self {
        let ms = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self::from_ms(self.0.saturating_sub(ms))
    }

    /// Returns the time from `earlier` until this moment; zero when `earlier` is later.
    pub fn duration_since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Returns the protobuf form.
    pub fn to_proto(self) -> prost_types::Timestamp {
        let nanos = i32::try_from(self.0.rem_euclid(1000)).unwrap_or(0) * 1_000_000;
        prost_types::Timestamp { seconds: self.as_secs(), nanos }
    }

    /// Reads the protobuf form; parts of a millisecond are dropped.
    ///
    /// # Errors
    /// [`OutOfRange`] for a moment before 1970 or after 9999, and for a malformed value.
    pub fn from_proto(value: &prost_types::Timestamp) -> Result<Self, OutOfRange> {
        if !(0..1_000_000_000).contains(&value.nanos) {
            return Err(OutOfRange);
        }
        let ms = value.seconds.checked_mul(1000).and_then(|ms| ms.checked_add(i64::from(value.nanos / 1_000_000)));
        match ms {
            Some(ms @ 0..=LATEST_MS) => Ok(Self(ms)),
            _ => Err(OutOfRange),
        }
    }

    /// Returns the calendar form.
    pub fn to_offset(self) -> OffsetDateTime {
        // In range by construction; the fallback cannot be reached.
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000_000).unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }

    /// Reads the calendar form; parts of a millisecond are dropped, a moment out of range becomes the nearest in range.
    pub fn from_offset(value: OffsetDateTime) -> Self {
        Self::from_ms(i64::try_from(value.unix_timestamp_nanos().div_euclid(1_000_000)).unwrap_or(i64::MAX))
    }
}

impl fmt::Display for Timestamp {
    /// Writes RFC 3339 with milliseconds, e.g. `2026-01-31T09:30:00.250Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
        f.write_str(&self.to_offset().format(format).map_err(|_| fmt::Error)?)
    }
}

/// Tells the time.
pub trait Clock: Send + Sync + 'static {
    /// Returns the present moment.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the machine's clock")]
        Timestamp::from_offset(OffsetDateTime::now_utc())
    }
}

/// A clock that stands still until it is moved; for tests.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// Makes a clock that shows `start`.
    pub fn new(start: Timestamp) -> Self {
        Self(AtomicI64::new(start.as_ms()))
    }

    /// Moves the clock forward.
    pub fn advance(&self, duration: Duration) {
        self.set(self.now().saturating_add(duration));
    }

    /// Moves the clock to `moment`, forward or back.
    pub fn set(&self, moment: Timestamp) {
        self.0.store(moment.as_ms(), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_ms(self.0.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protobuf_form_keeps_the_millisecond() {
        for ms in [0, 1, 999, 1000, 1_700_000_000_123, LATEST_MS] {
            let moment = Timestamp::from_ms(ms);
            assert_eq!(Timestamp::from_proto(&moment.to_proto()), Ok(moment));
            assert_eq!(Timestamp::from_offset(moment.to_offset()), moment);
        }
    }

    #[test]
    fn moments_that_cannot_be_written_are_refused() {
        for (seconds, nanos) in [(-1, 0), (0, -1), (0, 1_000_000_000), (i64::MAX, 0), (253_402_300_800, 0)] {
            assert_eq!(Timestamp::from_proto(&prost_types::Timestamp { seconds, nanos }), Err(OutOfRange));
        }
    }

    #[test]
    fn text_is_rfc_3339_with_milliseconds() {
        assert_eq!(Timestamp::from_ms(1_700_000_000_007).to_string(), "2023-11-14T22:13:20.007Z");
    }

    #[test]
    fn arithmetic_stops_at_the_ends() {
        assert_eq!(Timestamp::from_ms(5).saturating_sub(Duration::from_secs(1)), Timestamp::EPOCH);
        assert_eq!(Timestamp::EPOCH.saturating_add(Duration::MAX).as_ms(), LATEST_MS);
        assert_eq!(Timestamp::from_ms(5).duration_since(Timestamp::from_ms(9)), Duration::ZERO);
    }
}
