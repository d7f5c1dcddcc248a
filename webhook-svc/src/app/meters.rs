//! What the engine counts.

use opentelemetry::{
    KeyValue,
    metrics::{Counter, Histogram},
};
use svc_kit::telemetry::metrics;

use crate::ports::Receipt;

/// The instruments of the engine.
#[derive(Clone, Debug)]
pub struct Meters {
    attempts: Counter<u64>,
    duration: Histogram<f64>,
}

impl Default for Meters {
    fn default() -> Self {
        let meter = metrics::meter("webhook");
        Self {
            attempts: meter.u64_counter("webhook_attempts").with_description("Attempts to deliver, by verdict").build(),
            duration: meter
                .f64_histogram("webhook_attempt_duration_seconds")
                .with_description("How long attempts took")
                .build(),
        }
    }
}

impl Meters {
    /// Counts an attempt.
    pub(super) fn attempted(&self, receipt: &Receipt) {
        let verdict = [KeyValue::new("verdict", receipt.verdict.name())];
        self.attempts.add(1, &verdict);
        self.duration.record(receipt.duration.as_secs_f64(), &verdict);
    }
}
