//! All ways in which the steps of a scenario's transactions can interleave.
//!
//! Each transaction keeps the order of its own steps. Of `n` steps, `a` of them T1's, `b` T2's, …, there are
//! `n! / (a! b! …)` interleavings, numbered in the order of the alphabet, so that each can be made from its number
//! alone, and a sample of so many takes every so-and-so-many-th.

use std::collections::BTreeMap;

use synod::{Isolation, Mode};

use super::runner::run;
use super::scenario::{Outcome, Scenario};
use super::verdict::judge;
use crate::Result;

/// What came of the interleavings.
#[derive(Clone, Debug)]
pub struct Permutations {
    /// How many there are.
    pub all: u128,
    /// How many were run.
    pub run: usize,
    /// How many ended how.
    pub outcomes: BTreeMap<Outcome, usize>,
    /// Those in which the anomaly happened, as the transactions of their steps: 0 for T1.
    pub showing: Vec<Vec<usize>>,
}

/// Runs all interleavings, or so many of them, evenly spread.
///
/// # Errors
/// If the engine fails.
pub fn permute(scenario: &Scenario, mode: Mode, level: Isolation, limit: usize) -> Result<Permutations> {
    let steps = Steps::of(scenario);
    let all = count(&steps.counts());
    let runs = usize::try_from(all).map_or(limit, |all| all.min(limit));
    let mut permutations = Permutations { all, run: runs, outcomes: BTreeMap::new(), showing: Vec::new() };
    for number in 0..runs {
        let order = steps.interleaving(all / runs as u128 * number as u128);
        let outcome = judge(scenario, &run(scenario, &order, mode, level)?)?.outcome;
        if outcome == Outcome::Allowed {
            let transaction = |&step: &usize| scenario.steps[step].transaction;
            permutations.showing.push(order.iter().map(transaction).collect());
        }
        *permutations.outcomes.entry(outcome).or_default() += 1;
    }
    Ok(permutations)
}

/// The numbers of each transaction's steps.
struct Steps(Vec<Vec<usize>>);

impl Steps {
    fn of(scenario: &Scenario) -> Steps {
        let mut steps = vec![Vec::new(); scenario.transactions];
        for (number, step) in scenario.steps.iter().enumerate() {
            steps[step.transaction].push(number);
        }
        Steps(steps)
    }

    fn counts(&self) -> Vec<usize> {
        self.0.iter().map(Vec::len).collect()
    }

    /// The interleaving of this number, which is less than [`count`] of all steps.
    fn interleaving(&self, mut number: u128) -> Vec<usize> {
        let mut left = self.counts();
        let mut order = Vec::new();
        while left.iter().any(|&left| left > 0) {
            for transaction in 0..left.len() {
                if left[transaction] == 0 {
                    continue;
                }
                left[transaction] -= 1;
                // Those that go on with this transaction come first.
                let beginning_so = count(&left);
                if number < beginning_so {
                    let own = &self.0[transaction];
                    order.push(own[own.len() - left[transaction] - 1]);
                    break;
                }
                number -= beginning_so;
                left[transaction] += 1;
            }
        }
        order
    }
}

/// How many interleavings of so many steps each there are; as many as can be counted, if there are more.
fn count(steps: &[usize]) -> u128 {
    let mut placed = 0u128;
    let mut ways = 1u128;
    for &own in steps {
        for position in 1..=own as u128 {
            placed += 1;
            // Each prefix of this product is a binomial coefficient times the ways so far.
            ways = match ways.checked_mul(placed) {
                Some(product) => product / position,
                None => return u128::MAX,
            };
        }
    }
    ways
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interleavings_are_counted_and_made_each_once() {
        assert_eq!((count(&[2, 2]), count(&[3, 3, 3]), count(&[4]), count(&[])), (6, 1680, 1, 1));
        let steps = Steps(vec![vec![0, 2], vec![1, 3]]);
        let all: Vec<Vec<usize>> = (0..6).map(|number| steps.interleaving(number)).collect();
        assert_eq!(all[0], [0, 2, 1, 3]);
        assert_eq!(all[5], [1, 3, 0, 2]);
        let different: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(different.len(), 6);
        assert!(all.iter().all(|order| {
            let place = |step| order.iter().position(|other| *other == step);
            place(0) < place(2) && place(1) < place(3)
        }));
    }
}
