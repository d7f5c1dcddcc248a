//! How long sessions live.

use std::time::Duration;

/// The two limits that every session has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// Longest pause between two uses.
    pub idle_timeout: Duration,
    /// Longest life.
    pub absolute_lifetime: Duration,
}

impl Times {
    /// Returns the shorter of each limit. Zero in `wish` leaves the limit as it is.
    pub fn shortened_to(self, wish: Self) -> Self {
        let shorter = |own: Duration, wish: Duration| if wish.is_zero() { own } else { own.min(wish) };
        Self {
            idle_timeout: shorter(self.idle_timeout, wish.idle_timeout),
            absolute_lifetime: shorter(self.absolute_lifetime, wish.absolute_lifetime),
        }
    }
}

/// Most time between two records of activity.
const GRAIN_MAX: Duration = Duration::from_secs(60);

/// Returns how exactly activity is recorded: at most every minute, and at least ten times in an idle timeout.
pub fn touch_grain(idle_timeout: Duration) -> Duration {
    GRAIN_MAX.min(idle_timeout / 10)
}
