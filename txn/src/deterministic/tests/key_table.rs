//! The table of keys against a model that keeps all accesses of all unfinished transactions.

use std::collections::BTreeSet;

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

/// Hashes that meet: some are equal, some only in the bits that say where a search begins. Zero is among them,
/// which is special, and the table's last place, behind which the first one comes.
fn any_hash() -> impl Strategy<Value = u64> {
    let near = (0..4_u64, 0..3_u64).prop_map(|(low, high)| (low.wrapping_sub(2) % 256) | (high << 32));
    prop_oneof![near, 0..500_u64]
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => vec((any_hash(), any::<bool>()), 0..6).prop_map(Step::Enter),
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
    /// Whether somebody with these accesses, who comes later, has to wait for it. Zero is taken for one.
    fn is_awaited_by(&self, accesses: &[(u64, bool)]) -> bool {
        self.accesses
            .iter()
            .any(|mine| accesses.iter().any(|theirs| mine.0.max(1) == theirs.0.max(1) && mine.1))
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
        let writer = if write { table.write(hash, next) } else { table.writer(hash) };
        told.extend(writer.filter(|writer| *writer != next));
    }
    let awaited = || unfinished.iter().filter(|other| other.is_awaited_by(&accesses));
    let told_of = || awaited().filter(|other| told.contains(&other.sequence));
    assert_eq!(told_of().count(), told.len(), "the newcomer is told somebody whom it needn't wait for");
    let before = all_before(awaited());
    assert_eq!(all_before(told_of()), before);
    unfinished.push(Transaction { sequence: next, accesses, before });
}

fn leave(table: &mut KeyTable, unfinished: &mut Vec<Transaction>, choice: usize) {
    let free: Vec<_> = (0..unfinished.len()).filter(|&index| unfinished[index].before.is_empty()).collect();
    if !free.is_empty() {
        let finished = unfinished.remove(free[choice % free.len()]);
        for (hash, _) in finished.accesses.into_iter().filter(|(_, write)| *write) {
            table.leave(hash, finished.sequence);
        }
        for other in unfinished {
            other.before.remove(&finished.sequence);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn newcomers_wait_for_whom_the_model_says(steps in vec(any_step(), 0..150)) {
        let (mut table, mut unfinished) = (KeyTable::new(), Vec::new());
        let mut next = Sequence::FIRST;
        for step in steps {
            match step {
                Step::Enter(accesses) => {
                    enter(&mut table, &mut unfinished, next, accesses);
                    next = next.next();
                }
                Step::Leave(choice) => leave(&mut table, &mut unfinished, choice),
            }
        }
        while !unfinished.is_empty() {
            leave(&mut table, &mut unfinished, 0);
        }
        prop_assert!(table.is_empty());
    }
}
