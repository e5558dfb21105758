//! Keying and think times (clause 5.2.5.7): a terminal whose user types and reads.
//!
//! Before a transaction the user keys in its input, which takes a fixed time; after it the user reads and
//! thinks, for a time with a negative exponential distribution, cut at ten times its mean. With them, a
//! terminal does about two transactions a minute, and the number of terminals sets the load.

use super::deck::Kind;
use crate::random::Random;
use std::time::Duration;

/// Times of one kind of transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// How long keying takes.
    pub keying: Duration,
    /// How long thinking takes on average.
    pub thinking_mean: Duration,
}

/// The minimum times that the specification allows.
pub fn pace_of(kind: Kind) -> Pace {
    let (keying, thinking) = match kind {
        Kind::NewOrder => (18, 12),
        Kind::Payment => (3, 12),
        Kind::OrderStatus => (2, 10),
        Kind::Delivery => (2, 5),
        Kind::StockLevel => (2, 5),
    };
    Pace { keying: Duration::from_secs(keying), thinking_mean: Duration::from_secs(thinking) }
}

/// A think time with the given mean (5.2.5.4).
pub fn draw_think_time(random: &mut Random, mean: Duration) -> Duration {
    // 1 − fraction lies in (0, 1], so the logarithm is finite.
    let factor = -(1.0 - random.fraction()).ln();
    mean.mul_f64(factor.min(10.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn think_times_are_exponential_and_cut() {
        let mut random = Random::new(61, 0);
        let mean = Duration::from_secs(12);
        let drawn: Vec<f64> =
            (0..100_000).map(|_| draw_think_time(&mut random, mean).as_secs_f64()).collect();
        let average = drawn.iter().sum::<f64>() / drawn.len() as f64;
        assert!((11.8..12.2).contains(&average), "{average}");
        assert!(drawn.iter().all(|&time| (0.0..=120.0).contains(&time)));
        // Half of an exponential distribution lies below ln 2 times its mean.
        let below = drawn.iter().filter(|&&time| time < 12.0 * 2f64.ln()).count();
        assert!((49_300..50_700).contains(&below), "{below}");
    }
}
