//! Latencies: recorded in a histogram, told as percentiles.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The longest latency that is told apart, in nanoseconds; longer ones count as this long.
const LATENCY_NS_MAX: u64 = 1_000_000_000_000;

/// A histogram of latencies with three significant digits.
#[derive(Clone, Debug)]
pub struct Latencies {
    histogram: Histogram<u64>,
}

impl Default for Latencies {
    fn default() -> Self {
        // The bounds are constants that the histogram accepts; see the test below.
        let histogram = Histogram::new_with_bounds(1, LATENCY_NS_MAX, 3);
        Latencies { histogram: histogram.unwrap_or_else(|_| unreachable!("constant bounds are valid")) }
    }
}

impl Latencies {
    /// Counts one latency. Costs about 10 ns.
    pub fn record(&mut self, latency: Duration) {
        let nanoseconds = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        self.histogram.saturating_record(nanoseconds.clamp(1, LATENCY_NS_MAX));
    }

    /// Adds all that `other` has counted.
    pub fn merge(&mut self, other: &Latencies) {
        // Both have the same bounds, so nothing is out of range.
        self.histogram.add(&other.histogram).unwrap_or_else(|_| unreachable!("equal bounds always add"));
    }

    /// How many latencies were counted.
    pub fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// The latency that this share of all is at most, in nanoseconds; 0 when nothing was counted.
    pub fn at_quantile(&self, quantile: f64) -> u64 {
        self.histogram.value_at_quantile(quantile)
    }

    /// The percentiles that a report shows; all zero when nothing was counted.
    pub fn summary(&self) -> LatencySummary {
        let at = |quantile| self.at_quantile(quantile);
        LatencySummary {
            mean_ns: self.histogram.mean().round() as u64,
            p50_ns: at(0.50),
            p90_ns: at(0.90),
            p99_ns: at(0.99),
            p999_ns: at(0.999),
            p9999_ns: at(0.9999),
            max_ns: self.histogram.max(),
        }
    }
}

/// Percentiles of a set of latencies, in nanoseconds, each within 0.1 percent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatencySummary {
    /// The mean.
    #[serde(default)]
    pub mean_ns: u64,
    /// The median.
    pub p50_ns: u64,
    /// Nine of ten are at most this long.
    pub p90_ns: u64,
    /// 99 of a hundred are at most this long.
    pub p99_ns: u64,
    /// 999 of a thousand are at most this long.
    pub p999_ns: u64,
    /// 9,999 of ten thousand are at most this long.
    pub p9999_ns: u64,
    /// The longest.
    pub max_ns: u64,
}

impl LatencySummary {
    /// The percentiles, each with its name, the longest last.
    pub fn percentiles(&self) -> [(&'static str, u64); 6] {
        let LatencySummary { mean_ns: _, p50_ns, p90_ns, p99_ns, p999_ns, p9999_ns, max_ns } = *self;
        [
            ("p50", p50_ns),
            ("p90", p90_ns),
            ("p99", p99_ns),
            ("p99.9", p999_ns),
            ("p99.99", p9999_ns),
            ("max", max_ns),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_right_within_three_digits() {
        let mut latencies = Latencies::default();
        for microseconds in 1..=1_000 {
            latencies.record(Duration::from_micros(microseconds));
        }
        let summary = latencies.summary();
        let near = |got: u64, want_us: u64| got.abs_diff(want_us * 1_000) <= want_us;
        assert!(near(summary.p50_ns, 500) && near(summary.p90_ns, 900), "{summary:?}");
        assert!(near(summary.p99_ns, 990) && near(summary.p999_ns, 999), "{summary:?}");
        assert!(near(summary.max_ns, 1_000), "{summary:?}");
    }

    #[test]
    fn merging_adds_and_nothing_is_out_of_range() {
        let (mut left, mut right) = (Latencies::default(), Latencies::default());
        left.record(Duration::ZERO);
        right.record(Duration::MAX);
        left.merge(&right);
        assert_eq!(left.count(), 2);
        assert_eq!(Latencies::default().summary(), LatencySummary::default());
    }
}
