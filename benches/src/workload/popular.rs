//! Which records are popular, and where they lie.
//!
//! Ranks are numbered by popularity, 0 first. Were rank and place the same, the popular records would be neighbours and
//! share cache lines, which flatters every index; so they are scattered.

use crate::random::Random;
use crate::zipf::Zipf;

/// So many draws are made ahead, and walked through in turn: a draw by Zipf's law takes longer than a read.
const DRAWS_AHEAD: usize = 1 << 22;
/// Golden section: multiples of it lie far apart.
const GOLDEN: f64 = 0.618_033_988_749_895;

/// A permutation of `0..count` that puts neighbours far apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scatter {
    count: u64,
    /// About 0.618 of the count, and without a divisor in common with it, so that multiplying permutes.
    stride: u64,
}

impl Scatter {
    pub(super) fn new(count: u64) -> Scatter {
        let golden = (count as f64 * GOLDEN) as u64;
        let stride = (golden.max(1)..).find(|stride| greatest_common_divisor(*stride, count) == 1);
        Scatter { count, stride: stride.unwrap_or(1) }
    }

    /// Where the record of a rank below `count` lies.
    pub(super) fn place(self, rank: u64) -> u64 {
        match rank.checked_mul(self.stride) {
            Some(product) => product % self.count,
            // Takes some thirty times as long.
            None => (u128::from(rank) * u128::from(self.stride) % u128::from(self.count)) as u64,
        }
    }
}

fn greatest_common_divisor(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// Ranks in `0..count` by Zipf's law; all alike where the exponent is 0.
#[derive(Debug)]
pub(super) struct Ranks {
    count: u64,
    /// Drawn ahead, unless all are alike.
    ahead: Vec<u32>,
}

impl Ranks {
    /// Takes up to a second.
    pub(super) fn new(count: u64, theta: f64) -> Ranks {
        if theta == 0.0 {
            return Ranks { count, ahead: Vec::new() };
        }
        let (zipf, mut random) = (Zipf::new(count, theta), Random::new(0x217E, 0));
        let draws = std::iter::repeat_with(|| zipf.draw(&mut random) as u32);
        Ranks { count, ahead: draws.take(DRAWS_AHEAD).collect() }
    }

    /// The next rank. `place` is where the caller is in what was drawn ahead: any number at first.
    pub(super) fn draw(&self, random: &mut Random, place: &mut usize) -> u64 {
        if self.ahead.is_empty() {
            return random.below(self.count);
        }
        *place = place.wrapping_add(1) % self.ahead.len();
        u64::from(self.ahead[*place])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn scattering_needs_no_small_products() {
        let count = 1 << 40;
        let scatter = Scatter::new(count);
        let last = scatter.place(count - 1);
        assert_eq!((scatter.place(1), last), (scatter.stride, count - scatter.stride));
    }

    #[test]
    fn scattering_permutes() {
        for count in [1, 2, 3, 10, 97, 1_000] {
            let scatter = Scatter::new(count);
            let places: BTreeSet<u64> = (0..count).map(|rank| scatter.place(rank)).collect();
            assert_eq!(places, (0..count).collect());
        }
    }

    #[test]
    fn ranks_follow_the_law_from_any_place_on() {
        let (mut random, mut place) = (Random::new(1, 0), usize::MAX);
        let mut first = |theta| {
            let ranks = Ranks::new(1_000, theta);
            (0..20_000).filter(|_| ranks.draw(&mut random, &mut place) < 10).count()
        };
        let (alike, zipf) = (first(0.0), first(0.99));
        assert!((100..320).contains(&alike), "{alike}");
        // The first ten of a thousand by Zipf 0.99 get 38 percent.
        assert!((7_200..8_000).contains(&zipf), "{zipf}");
    }
}
