//! Medians over rounds.

use std::time::Duration;

use crate::load::Sample;

/// The samples of one target, a round each.
#[derive(Clone, Debug, Default)]
pub struct Samples(Vec<Sample>);

impl Samples {
    /// Adds a round.
    pub fn push(&mut self, sample: Sample) {
        self.0.push(sample);
    }

    /// Rounds so far.
    pub fn rounds(&self) -> usize {
        self.0.len()
    }

    /// Calls per second.
    pub fn rate(&self) -> f64 {
        median(self.0.iter().map(|sample| sample.rate))
    }

    /// Microseconds of the process at `place` for each call.
    pub fn cpu_us(&self, place: usize) -> f64 {
        median(self.0.iter().map(|sample| sample.cpu_us.get(place).copied().unwrap_or(f64::NAN)))
    }

    /// A quantile of the latencies.
    pub fn latency(&self, quantile: f64) -> Duration {
        Duration::from_secs_f64(median(self.0.iter().map(|sample| sample.latencies.quantile(quantile).as_secs_f64())))
    }

    /// The median of what `of` makes of a round of this target and the same round of `other`: a ratio of neighbours in
    /// time, which a change of the machine's mood does not move.
    pub fn paired(&self, other: &Self, of: impl Fn(&Sample, &Sample) -> f64) -> f64 {
        median(self.0.iter().zip(&other.0).map(|(mine, theirs)| of(mine, theirs)))
    }
}

/// The median; not a number when there is none.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        length if length % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_one() {
        assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median([4.0, 1.0, f64::NAN, 2.0, 3.0]), 2.5);
        assert!(median([]).is_nan());
    }
}
