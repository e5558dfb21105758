//! The table of keys against a model that keeps all accesses of all unfinished transactions.

use std::collections::BTreeSet;
use std::num::NonZeroU64;

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::Sequence;
use super::super::conflicts::KeyTable;

#[derive(Clone, Debug)]
enum Step {
    /// A transaction comes in, with the hashes of its keys and whether it writes them; a hash may be there twice.
    Enter(Vec<(u64, bool)>),
    /// Of those who wait for nobody, which one finishes, counted around.
    Leave(usize),
}

/// Hashes that meet: some are equal, some only in the bits that count, some only in those that say where the key's bucket is,
/// so that buckets overflow and the table grows. Zero is among them, which is what unused entries have.
fn any_hash() -> impl Strategy<Value = u64> {
    let taken_for_one = (0..3_u64, 0..3_u64).prop_map(|(low, high)| low | (high << 32));
    let one_bucket = (0..40_u64).prop_map(|high| high << 8);
    prop_oneof![taken_for_one, one_bucket, 0..500_u64]
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => vec((any_hash(), any::<bool>()), 0..8).prop_map(Step::Enter),
        2 => any::<usize>().prop_map(Step::Leave),
    ]
}

/// An unfinished transaction.
struct Transaction {
    sequence: Sequence,
    accesses: Vec<(u64, bool)>,
    /// Those who must finish first, be it since others wait for them.
    before: BTreeSet<Sequence>,
}

impl Transaction {
    /// Whether somebody with these accesses, who comes later, has to wait for it. What agrees in the last bits is taken for one.
    fn is_awaited_by(&self, accesses: &[(u64, bool)]) -> bool {
        let are_one = |mine: u64, theirs: u64| mine as u32 == theirs as u32;
        self.accesses.iter().any(|mine| mine.1 && accesses.iter().any(|theirs| are_one(mine.0, theirs.0)))
    }
}

/// Those whom one has to wait for who waits for these.
fn all_before<'t>(direct: impl Iterator<Item = &'t Transaction>) -> BTreeSet<Sequence> {
    let mut before = BTreeSet::new();
    for transaction in direct {
        before.insert(transaction.sequence);
        before.extend(&transaction.before);
    }
    before
}

fn enter(
    table: &mut KeyTable,
    unfinished: &mut Vec<Transaction>,
    next: Sequence,
    accesses: Vec<(u64, bool)>,
) {
    let mut told = BTreeSet::new();
    for &(hash, write) in &accesses {
        let is_unfinished = |sequence| {
            assert_ne!(sequence, next, "the newcomer isn't known to those who say who has finished");
            unfinished.iter().any(|other| other.sequence == sequence)
        };
        told.extend(match write {
            true => table.write(hash, next, is_unfinished),
            false => table.writer(hash, next, is_unfinished),
        });
    }
    let awaited = || unfinished.iter().filter(|other| other.is_awaited_by(&accesses));
    let told_of = || awaited().filter(|other| told.contains(&other.sequence));
    assert_eq!(told_of().count(), told.len(), "the newcomer is told somebody whom it needn't wait for");
    let before = all_before(awaited());
    assert_eq!(all_before(told_of()), before);
    unfinished.push(Transaction { sequence: next, accesses, before });
}

fn leave(unfinished: &mut Vec<Transaction>, choice: usize) {
    let free: Vec<_> = (0..unfinished.len()).filter(|&index| unfinished[index].before.is_empty()).collect();
    if !free.is_empty() {
        let finished = unfinished.remove(free[choice % free.len()]);
        for other in unfinished {
            other.before.remove(&finished.sequence);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn newcomers_wait_for_whom_the_model_says(
        steps in vec(any_step(), 0..150),
        first in prop_oneof![Just(1), (1_u64 << 31) - 40..1 << 31, (1_u64 << 32) - 40..1 << 32],
    ) {
        let (mut table, mut unfinished) = (KeyTable::new(), Vec::new());
        // The bits that are kept of a sequence come round.
        let mut next = Sequence(NonZeroU64::new(first).unwrap());
        for step in steps {
            match step {
                Step::Enter(accesses) => {
                    enter(&mut table, &mut unfinished, next, accesses);
                    next = next.next();
                }
                Step::Leave(choice) => leave(&mut unfinished, choice),
            }
        }
    }
}
