//! Zipf-distributed ranks: rank `i` (from 0) is drawn with a probability proportional to `1 / (i + 1)^θ`.
//!
//! The method is rejection-inversion (Hörmann and Derflinger, "Rejection-inversion to generate variates from
//! monotone discrete distributions", ACM TOMACS 1996): invert the integral of `x^-θ`, round to a whole rank,
//! and reject the few draws that rounding would make too frequent.
//!
//! ```text
//! x^-θ │█▄                     area of the bar at k      what rank k must get
//!      │██▄▄                   area of the curve         what inversion gives
//!      │████▀▀▄▄▄              rejected                  the rest: under 5 percent
//!      └──────────▶ rank
//! ```
//!
//! It is exact, and needs no table. The better known method of Gray et al. (SIGMOD 1994), which YCSB uses, is
//! exact for the first two ranks only: with θ = 0.9 it draws the third and fourth 13 percent too often.

use crate::random::Random;

/// Exponents that differ from 1 by so little that it makes no difference.
const NEAR: f64 = 1e-8;

/// Draws ranks in `0..n` under Zipf's law with exponent `theta`.
#[derive(Clone, Copy, Debug)]
pub struct Zipf {
    ranks: f64,
    theta: f64,
    /// The integral up to the start of the first rank's area, which is exactly 1 wide.
    integral_first: f64,
    /// The integral up to the end of the last rank's area.
    integral_last: f64,
    /// Draws at most this far left of their rank are accepted without a look at the areas.
    surely_accepted: f64,
}

impl Zipf {
    /// A distribution over `n` ranks. Costs nothing worth mentioning, whatever `n` is.
    ///
    /// # Panics
    ///
    /// If `n` is 0 or `theta` is negative or no number.
    pub fn new(n: u64, theta: f64) -> Zipf {
        assert!(n > 0, "a Zipf distribution needs at least one rank");
        assert!(theta >= 0.0 && theta.is_finite(), "theta must be 0 or more, it is {theta}");
        let mut zipf =
            Zipf { ranks: n as f64, theta, integral_first: 0.0, integral_last: 0.0, surely_accepted: 0.0 };
        zipf.integral_first = zipf.integral(1.5) - 1.0;
        zipf.integral_last = zipf.integral(zipf.ranks + 0.5);
        zipf.surely_accepted = 2.0 - zipf.inverse_integral(zipf.integral(2.5) - zipf.weight(2.0));
        zipf
    }

    /// `x^-θ`: the weight of the rank that counts as `x`, from 1.
    fn weight(&self, x: f64) -> f64 {
        x.powf(-self.theta)
    }

    /// An antiderivative of the weight: `(x^(1-θ) - 1) / (1-θ)`, which is `ln x` where θ is 1.
    fn integral(&self, x: f64) -> f64 {
        let (rest, logarithm) = (1.0 - self.theta, x.ln());
        match (rest * logarithm).abs() {
            // Nearer to 1 the quotient would lose its digits: the first terms of its series.
            small if small < NEAR => logarithm * (1.0 + rest * logarithm / 2.0),
            _ => (rest * logarithm).exp_m1() / rest,
        }
    }

    /// Where the antiderivative has the value `y`.
    fn inverse_integral(&self, y: f64) -> f64 {
        let rest = 1.0 - self.theta;
        match (rest * y).abs() {
            small if small < NEAR => (y * (1.0 - rest * y / 2.0)).exp(),
            _ => ((rest * y).ln_1p() / rest).exp(),
        }
    }

    /// The next rank; 0 is the most frequent one.
    #[inline]
    pub fn draw(&self, random: &mut Random) -> u64 {
        loop {
            let area = self.integral_last + random.fraction() * (self.integral_first - self.integral_last);
            let x = self.inverse_integral(area);
            let rank = x.round().clamp(1.0, self.ranks);
            let accepted =
                rank - x <= self.surely_accepted || area >= self.integral(rank + 0.5) - self.weight(rank);
            if accepted {
                return rank as u64 - 1;
            }
        }
    }
}

/// `count` keys in `0..n`, Zipf-distributed, with the popular ones scattered over the whole range.
///
/// Rank `i` stands for the `i`-th entry of a random permutation: were rank and key the same, the popular keys
/// would be neighbours and share cache lines, which flatters every index.
pub fn scattered_keys(n: u64, theta: f64, count: usize, random: &mut Random) -> Vec<u64> {
    let mut key_of_rank: Vec<u64> = (0..n).collect();
    random.shuffle(&mut key_of_rank);
    let zipf = Zipf::new(n, theta);
    (0..count).map(|_| key_of_rank[zipf.draw(random) as usize]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequencies_follow_the_law() {
        let cases = [
            (1_000usize, 0.9, 5),
            (50, 0.5, 6),
            (200, 0.99, 7),
            (300, 1.0, 8),
            (1_000, 1.2, 9),
            (20, 0.0, 10),
        ];
        for (n, theta, seed) in cases {
            let draws = 1_000_000u32;
            let zipf = Zipf::new(n as u64, theta);
            let mut random = Random::new(seed, 0);
            let mut counts = vec![0u32; n];
            for _ in 0..draws {
                counts[zipf.draw(&mut random) as usize] += 1;
            }
            let weight = |rank: usize| ((rank + 1) as f64).powf(-theta);
            let total: f64 = (0..n).map(weight).sum();
            for (rank, &count) in counts.iter().enumerate() {
                let expected = f64::from(draws) * weight(rank) / total;
                // Five standard deviations: of a thousand ranks, none should miss that by chance.
                let off = (f64::from(count) - expected).abs();
                assert!(
                    off < 5.0 * expected.sqrt(),
                    "n {n}, θ {theta}, rank {rank}: {count}, not {expected}"
                );
            }
        }
    }

    #[test]
    fn every_draw_is_a_rank() {
        let mut random = Random::new(6, 0);
        for n in [1, 2, 3, 10] {
            let zipf = Zipf::new(n, 0.9);
            let seen: std::collections::BTreeSet<u64> = (0..10_000).map(|_| zipf.draw(&mut random)).collect();
            assert_eq!(seen, (0..n).collect());
        }
    }

    #[test]
    fn scattered_keys_spread_the_popular_ones() {
        let mut random = Random::new(7, 0);
        let keys = scattered_keys(10_000, 0.9, 50_000, &mut random);
        assert!(keys.iter().all(|&key| key < 10_000));
        let low_half = keys.iter().filter(|&&key| key < 5_000).count() as f64 / keys.len() as f64;
        // Unscattered, the lower half of the ranks would draw about 90 percent.
        assert!((0.3..0.7).contains(&low_half), "{low_half}");
    }
}
