//! What the engine counts.

use opentelemetry::{
    KeyValue,
    metrics::{Counter, Histogram},
};
use svc_kit::telemetry::metrics;

use crate::ports::{Receipt, Repairs};

/// The instruments of the engine.
#[derive(Clone, Debug)]
pub struct Meters {
    attempts: Counter<u64>,
    duration: Histogram<f64>,
    repaired: Counter<u64>,
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
            repaired: meter
                .u64_counter("webhook_reconciler_repaired")
                .with_description(
                    "Deliveries that were not as they should be, by what was wrong; 0 unless there is a fault",
                )
                .build(),
        }
    }
}

impl Meters {
    /// Counts what was repaired; each kind is shown from the start, as 0.
    pub(super) fn repaired(&self, repairs: Repairs) {
        for (kind, count) in repairs.by_kind() {
            self.repaired.add(u64::try_from(count).unwrap_or(u64::MAX), &[KeyValue::new("kind", kind)]);
        }
    }

    /// Counts an attempt.
    pub(super) fn attempted(&self, receipt: &Receipt) {
        let verdict = [KeyValue::new("verdict", receipt.verdict.name())];
        self.attempts.add(1, &verdict);
        self.duration.record(receipt.duration.as_secs_f64(), &verdict);
    }
}
