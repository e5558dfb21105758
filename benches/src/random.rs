//! A fast seeded generator.
//!
//! A workload must be repeatable: each thread, each unit of a load, has its own stream that follows from one
//! seed, whatever the other threads do. The generator is xoshiro256++ (Blackman and Vigna, "Scrambled linear
//! pseudorandom number generators", ACM TOMS 2021): 256 bits of state and about a nanosecond a number. Its
//! state is filled by SplitMix64 (Steele, Lea and Flood, OOPSLA 2014), as its authors advise. It is no use
//! where an adversary guesses.

/// A stream of pseudorandom numbers, fully determined by its seed and stream number.
#[derive(Clone, Debug)]
pub struct Random {
    state: [u64; 4],
}

/// One step of SplitMix64: advances `state` and returns a well-mixed number.
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

impl Random {
    /// The stream number `stream` of `seed`. Different streams of one seed don't resemble each other.
    pub fn new(seed: u64, stream: u64) -> Random {
        let mut mixer = seed;
        // The stream goes in after a mixing step, so that (seed, stream + 1) isn't (seed + 1, stream).
        let mut filler = split_mix(&mut mixer) ^ stream.wrapping_mul(0xD1B5_4A32_D192_ED03);
        Random { state: std::array::from_fn(|_| split_mix(&mut filler)) }
    }

    /// The next 64 random bits.
    #[inline]
    pub fn next_u64(&mut self) -> u64 {
        let [a, b, c, d] = self.state;
        let output = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
        let (c, d) = (c ^ a, d ^ b);
        self.state = [a ^ d, b ^ c, c ^ (b << 17), d.rotate_left(45)];
        output
    }

    /// A number in `0..bound`, each as likely as any other (Lemire, "Fast random integer generation in an
    /// interval", ACM TOMACS 2019). A bound of 0 counts as 1.
    #[inline]
    pub fn below(&mut self, bound: u64) -> u64 {
        let bound = bound.max(1);
        let mut product = u128::from(self.next_u64()) * u128::from(bound);
        if (product as u64) < bound {
            // The low half tells whether this draw falls into the part that would favour small numbers.
            let rejected_below = bound.wrapping_neg() % bound;
            while (product as u64) < rejected_below {
                product = u128::from(self.next_u64()) * u128::from(bound);
            }
        }
        (product >> 64) as u64
    }

    /// A number in `low..=high`, each as likely as any other. `high` below `low` counts as `low`.
    #[inline]
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below((high.max(low) - low).saturating_add(1))
    }

    /// True in `percent` of a hundred draws.
    #[inline]
    pub fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// A number in `[0, 1)` with 53 random bits.
    #[inline]
    pub fn fraction(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Puts `items` into a random order (Fisher and Yates, in Durstenfeld's form).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for end in (1..items.len()).rev() {
            items.swap(end, self.below(end as u64 + 1) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_seed_and_stream_give_the_same_numbers_and_others_differ() {
        let take = |seed, stream| {
            let mut random = Random::new(seed, stream);
            [(); 8].map(|()| random.next_u64())
        };
        assert_eq!(take(7, 3), take(7, 3));
        assert_ne!(take(7, 3), take(7, 4));
        assert_ne!(take(7, 3), take(8, 3));
        assert_ne!(take(7, 4), take(8, 3));
    }

    #[test]
    fn below_is_uniform() {
        let mut random = Random::new(1, 0);
        let mut counts = [0u32; 7];
        for _ in 0..70_000 {
            counts[random.below(7) as usize] += 1;
        }
        // A count has a standard deviation of about 93.
        assert!(counts.iter().all(|&count| (9_600..10_400).contains(&count)), "{counts:?}");
    }

    #[test]
    fn between_reaches_both_ends_and_nothing_else() {
        let mut random = Random::new(2, 0);
        let drawn: std::collections::BTreeSet<u64> = (0..1_000).map(|_| random.between(5, 15)).collect();
        assert_eq!(drawn, (5..=15).collect());
        assert_eq!(random.between(9, 9), 9);
        assert_eq!(random.between(9, 2), 9);
        random.between(0, u64::MAX);
    }

    #[test]
    fn percent_and_fraction_have_the_right_mean() {
        let mut random = Random::new(3, 0);
        let hits = (0..100_000).filter(|_| random.percent(15)).count();
        assert!((14_500..15_500).contains(&hits), "{hits}");
        let mean = (0..100_000).map(|_| random.fraction()).sum::<f64>() / 100_000.0;
        assert!((0.495..0.505).contains(&mean), "{mean}");
    }

    #[test]
    fn shuffle_keeps_the_items_and_moves_them() {
        let mut random = Random::new(4, 0);
        let mut first_place = [0u32; 4];
        for _ in 0..40_000 {
            let mut items = [0usize, 1, 2, 3];
            random.shuffle(&mut items);
            first_place[items[0]] += 1;
            items.sort_unstable();
            assert_eq!(items, [0, 1, 2, 3]);
        }
        assert!(first_place.iter().all(|&count| (9_500..10_500).contains(&count)), "{first_place:?}");
    }
}
