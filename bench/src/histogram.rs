//! Latencies, counted in buckets that are three percent wide at most.

use std::time::Duration;

/// Buckets for each doubling.
const STEPS: usize = 32;
/// Doublings, from a nanosecond to days.
const DOUBLINGS: usize = 48;

/// Counts latencies.
#[derive(Clone, Debug)]
pub struct Histogram {
    buckets: Vec<u64>,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: vec![0; STEPS * DOUBLINGS] }
    }
}

impl Histogram {
    /// Counts one.
    pub fn record(&mut self, latency: Duration) {
        if let Some(bucket) = self.buckets.get_mut(index(latency)) {
            *bucket += 1;
        }
    }

    /// Adds the counts of `other`.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine += theirs;
        }
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// The latency that a share of `quantile` (0 to 1) does not exceed.
    pub fn quantile(&self, quantile: f64) -> Duration {
        let wanted = (self.count() as f64 * quantile).ceil().max(1.0);
        let mut seen = 0.0;
        for (index, count) in self.buckets.iter().enumerate() {
            seen += *count as f64;
            if seen >= wanted {
                return upper(index);
            }
        }
        Duration::ZERO
    }
}

fn index(latency: Duration) -> usize {
    let ns = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX).max(1);
    let doubling = ns.ilog2() as usize;
    let within = ((ns - (1 << doubling)) as u128 * STEPS as u128) >> doubling;
    (doubling * STEPS + within as usize).min(STEPS * DOUBLINGS - 1)
}

fn upper(index: usize) -> Duration {
    let (doubling, within) = (index / STEPS, index % STEPS);
    let base = 1u128 << doubling;
    let ns = base + (base * (within as u128 + 1)) / STEPS as u128;
    Duration::from_nanos(u64::try_from(ns).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_three_percent() {
        let mut histogram = Histogram::default();
        for us in 1..=1000 {
            histogram.record(Duration::from_micros(us));
        }
        assert_eq!(histogram.count(), 1000);
        for (quantile, us) in [(0.5, 500.0), (0.99, 990.0), (1.0, 1000.0)] {
            let found = histogram.quantile(quantile).as_secs_f64() * 1e6;
            assert!((us * 0.99..us * 1.04).contains(&found), "{quantile}: {found}");
        }
        assert_eq!(Histogram::default().quantile(0.5), Duration::ZERO);
    }
}
