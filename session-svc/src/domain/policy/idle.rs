//! The idle timeout that rules a session: one for every moment, or by a schedule.

use std::time::Duration;

use svc_kit::clock::Timestamp;

use super::schedule::Schedule;

/// An idle timeout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdleRule<'p> {
    /// The timeout, outside of the schedule's windows if there is one.
    pub timeout: Duration,
    /// When other timeouts apply.
    pub schedule: Option<&'p Schedule>,
}

impl IdleRule<'_> {
    /// Returns the timeout that applies at a moment.
    pub fn timeout_at(&self, moment: Timestamp) -> Duration {
        self.schedule.map_or(self.timeout, |schedule| schedule.idle_timeout_at(self.timeout, moment))
    }

    /// Returns when a session ends that was used last at `last_active_at` and is not used again.
    pub fn deadline(&self, last_active_at: Timestamp) -> Timestamp {
        match self.schedule {
            Some(schedule) => schedule.deadline(self.timeout, last_active_at),
            None => last_active_at.saturating_add(self.timeout),
        }
    }
}
