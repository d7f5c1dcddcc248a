//! Says how an endpoint is doing.

use std::time::Duration;

use svc_kit::{access::Caller, clock::Timestamp};

use super::Webhooks;
use crate::{
    domain::{delivery::Attempt, endpoint::Endpoint, endpoint::EndpointId, health::Health},
    error::WebhookError,
    ports::{DeliveryStore, EndpointReport, ReportBounds},
};

/// How far back attempts are looked at, how many, and how far what waits is counted.
const LOOK_BACK: Duration = Duration::from_secs(3_600);
const ATTEMPTS_MAX: usize = 1_000;
const BACKLOG_MAX: usize = 10_000;

/// How an endpoint is doing.
#[derive(Clone, Debug)]
pub struct EndpointHealth {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// Its record, while it fails.
    pub failing: Option<Health>,
    /// When it last took something.
    pub last_success_at: Option<Timestamp>,
    /// The last attempt that failed.
    pub last_failure: Option<Attempt>,
    /// Attempts looked at.
    pub attempts: usize,
    /// Share of them that were taken.
    pub success_rate: f64,
    /// How long those took, in milliseconds: 50, 95 and 99 %.
    pub latencies_ms: [u32; 3],
    /// Deliveries that wait.
    pub backlog: usize,
    /// Arrival of the oldest.
    pub oldest_waiting_at: Option<Timestamp>,
}

impl<S: DeliveryStore> Webhooks<S> {
    /// Returns how an endpoint is doing.
    ///
    /// # Errors
    /// [`WebhookError::EndpointNotFound`], or a failure of the store.
    pub async fn health(&self, caller: &Caller, id: &EndpointId) -> Result<EndpointHealth, WebhookError> {
        let endpoint = self.endpoint(caller, id).await?;
        let since = self.clock.now().saturating_sub(LOOK_BACK);
        let bounds = ReportBounds { since, attempts: ATTEMPTS_MAX, backlog: BACKLOG_MAX };
        Ok(summed_up(endpoint, self.store.report(id, bounds).await?))
    }
}

fn summed_up(endpoint: Endpoint, report: EndpointReport) -> EndpointHealth {
    let is_taken = |attempt: &&Attempt| attempt.verdict == "OK";
    let mut durations: Vec<u32> = report.attempts.iter().filter(is_taken).map(|attempt| attempt.duration_ms).collect();
    durations.sort_unstable();
    let (taken, all) = (durations.len(), report.attempts.len());
    // Both are at most `ATTEMPTS_MAX`.
    let share = |part: usize| f64::from(u32::try_from(part).unwrap_or(u32::MAX));
    EndpointHealth {
        endpoint,
        failing: report.health,
        last_success_at: report.attempts.iter().find(is_taken).map(|attempt| attempt.at),
        last_failure: report.attempts.iter().find(|attempt| !is_taken(attempt)).cloned(),
        attempts: all,
        success_rate: if all == 0 { 0.0 } else { share(taken) / share(all) },
        latencies_ms: [50, 95, 99].map(|percent| percentile(&durations, percent)),
        backlog: report.backlog,
        oldest_waiting_at: report.oldest_waiting_at,
    }
}

/// The smallest value that `percent` of the sorted values do not exceed; 0 of none.
fn percentile(sorted: &[u32], percent: usize) -> u32 {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let hundred: Vec<u32> = (1..=100).collect();
        assert_eq!([50, 95, 99].map(|percent| percentile(&hundred, percent)), [50, 95, 99]);
        assert_eq!([50, 95, 99].map(|percent| percentile(&[7], percent)), [7, 7, 7]);
        assert_eq!(percentile(&[1, 9], 50), 1);
        assert_eq!(percentile(&[], 99), 0);
    }
}
