//! NURand, the specification's non-uniform random numbers, and its constants C (clause 2.1.6).
//!
//! `NURand(A, x, y) = (((random(0, A) | random(x, y)) + C) % (y - x + 1)) + x`
//!
//! The bitwise "or" favours numbers with many ones in their lower bits, so a few customers and items are far
//! more popular than the others; C shifts which ones. For last names the population uses a C of its own, and a
//! run must use one at a certain distance from it, so that nobody can place the popular customers together.

use crate::random::Random;
use serde::Serialize;

const LAST_NAME_A: u64 = 255;
const CUSTOMER_A: u64 = 1_023;
const ITEM_A: u64 = 8_191;

/// The constants C of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Constants {
    /// C for C_LAST, from 0 to 255.
    pub last_name: u64,
    /// C for C_ID, from 0 to 1,023.
    pub customer: u64,
    /// C for OL_I_ID, from 0 to 8,191.
    pub item: u64,
}

/// NURand(A, x, y) with the constant `c` (clause 2.1.6).
#[inline]
pub fn nurand(random: &mut Random, a: u64, c: u64, x: u64, y: u64) -> u64 {
    (((random.between(0, a) | random.between(x, y)) + c) % (y - x + 1)) + x
}

/// Whether a run may use `run` as the constant for last names if the population used `load` (2.1.6.1).
pub fn last_name_constants_fit(load: u64, run: u64) -> bool {
    let distance = load.abs_diff(run);
    (65..=119).contains(&distance) && distance != 96 && distance != 112
}

/// A constant for the last names of a population.
pub fn draw_load_constant(random: &mut Random) -> u64 {
    random.between(0, LAST_NAME_A)
}

impl Constants {
    /// Constants for a run on a population whose last names were drawn with `load_last_name`.
    pub fn for_run(load_last_name: u64, random: &mut Random) -> Constants {
        // Whatever the load's constant is, at least 53 of the 256 candidates fit.
        let fitting: Vec<u64> =
            (0..=LAST_NAME_A).filter(|&run| last_name_constants_fit(load_last_name, run)).collect();
        Constants {
            last_name: fitting[random.below(fitting.len() as u64) as usize],
            customer: random.between(0, CUSTOMER_A),
            item: random.between(0, ITEM_A),
        }
    }

    /// A customer of a district with `customers` customers.
    #[inline]
    pub fn draw_customer(&self, random: &mut Random, customers: u16) -> u16 {
        nurand(random, CUSTOMER_A, self.customer, 1, u64::from(customers)) as u16
    }

    /// An item out of `items`.
    #[inline]
    pub fn draw_item(&self, random: &mut Random, items: u32) -> u32 {
        nurand(random, ITEM_A, self.item, 1, u64::from(items)) as u32
    }

    /// The number of a last name, from 0 to `last_names - 1`.
    #[inline]
    pub fn draw_last_name(&self, random: &mut Random, last_names: u16) -> u16 {
        draw_last_name(random, self.last_name, last_names)
    }
}

/// The number of a last name with the constant `c`, from 0 to `last_names - 1`.
#[inline]
pub fn draw_last_name(random: &mut Random, c: u64, last_names: u16) -> u16 {
    nurand(random, LAST_NAME_A, c, 0, u64::from(last_names) - 1) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_constants_keep_their_distance_from_the_load() {
        let mut random = Random::new(11, 0);
        for load in 0..=LAST_NAME_A {
            for _ in 0..20 {
                let constants = Constants::for_run(load, &mut random);
                let distance = load.abs_diff(constants.last_name);
                assert!(
                    (65..=119).contains(&distance) && distance != 96 && distance != 112,
                    "{load} {constants:?}"
                );
                assert!(constants.customer <= 1_023 && constants.item <= 8_191);
            }
        }
    }

    #[test]
    fn nurand_stays_in_range_and_reaches_all_of_it() {
        let mut random = Random::new(12, 0);
        let mut seen = [false; 100];
        for _ in 0..20_000 {
            seen[nurand(&mut random, 1_023, 700, 1, 100) as usize - 1] = true;
        }
        assert!(seen.iter().all(|&seen| seen));
    }

    #[test]
    fn nurand_has_the_distribution_of_its_formula() {
        // With x = 0, y = 3 and A = 3, the "or" of two uniform 2-bit numbers has bits set with probability
        // 3/4 each: 0, 1, 2, 3 come with 1/16, 3/16, 3/16, 9/16; C = 1 moves them up by one.
        let mut random = Random::new(13, 0);
        let mut counts = [0u32; 4];
        for _ in 0..160_000 {
            counts[nurand(&mut random, 3, 1, 0, 3) as usize] += 1;
        }
        for (value, expected) in [(1, 10_000u32), (2, 30_000), (3, 30_000), (0, 90_000)] {
            assert!(counts[value].abs_diff(expected) < 900, "{value}: {counts:?}");
        }
    }

    #[test]
    fn another_constant_only_shifts_the_popular_values() {
        let frequencies = |c: u64| {
            let mut random = Random::new(14, 0);
            let mut counts = vec![0u32; 1_000];
            for _ in 0..50_000 {
                counts[draw_last_name(&mut random, c, 1_000) as usize] += 1;
            }
            counts
        };
        let mut unshifted = frequencies(0);
        unshifted.rotate_right(77);
        assert_eq!(unshifted, frequencies(77));
    }
}
