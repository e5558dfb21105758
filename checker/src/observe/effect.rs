//! Which transactions took effect: those that committed, and those of unknown outcome that somebody has seen.
//!
//! Whoever is seen to have taken effect has committed, so that what it has seen took effect, too.

use crate::history::{History, Key, Operation, Outcome, Value, Version};
use rustc_hash::FxHashMap;

/// What the transactions of unknown outcome wrote, and which of them did.
#[derive(Default)]
struct Doubtful {
    versions: FxHashMap<(Key, Version), u32>,
    values: FxHashMap<(Key, Value), u32>,
    /// For each value whether anybody in doubt wrote it; most reads need no other look.
    has_value: Vec<bool>,
}

/// For each transaction whether it committed, as far as anyone can see.
pub(super) fn took_effect(history: &History) -> Vec<bool> {
    let transactions = history.transactions();
    let mut took_effect: Vec<bool> =
        transactions.iter().map(|transaction| transaction.outcome == Outcome::Committed).collect();
    let doubtful = doubtful(history);
    if doubtful.versions.is_empty() && doubtful.values.is_empty() {
        return took_effect;
    }
    let mut to_visit: Vec<u32> =
        (0..took_effect.len() as u32).filter(|&number| took_effect[number as usize]).collect();
    while let Some(number) = to_visit.pop() {
        for operation in &transactions[number as usize].operations {
            doubtful.seen_by(operation, |writer| {
                if !std::mem::replace(&mut took_effect[writer as usize], true) {
                    to_visit.push(writer);
                }
            });
        }
    }
    took_effect
}

fn doubtful(history: &History) -> Doubtful {
    let mut doubtful = Doubtful::default();
    for (number, transaction) in (0..).zip(history.transactions()) {
        if transaction.outcome != Outcome::Unknown {
            continue;
        }
        for operation in &transaction.operations {
            match *operation {
                Operation::Put { key, version } | Operation::Delete { key, version } => {
                    doubtful.versions.insert((key, version), number);
                }
                Operation::Append { key, element: value } | Operation::Write { key, value } => {
                    doubtful.values.insert((key, value), number);
                    let place = value.0 as usize;
                    doubtful.has_value.resize(doubtful.has_value.len().max(place + 1), false);
                    doubtful.has_value[place] = true;
                }
                _ => {}
            }
        }
    }
    doubtful
}

impl Doubtful {
    /// Tells `sees` whom of those in doubt an operation has seen.
    fn seen_by(&self, operation: &Operation, mut sees: impl FnMut(u32)) {
        match operation {
            Operation::Get { key, version } => self.version(*key, *version).into_iter().for_each(sees),
            Operation::Scan { found, .. } => {
                found.iter().filter_map(|&(key, version)| self.version(key, version)).for_each(sees);
            }
            Operation::ReadList { key, elements } => {
                elements.iter().filter_map(|&element| self.value(*key, element)).for_each(sees);
            }
            Operation::Read { key, value: Some(value) } => {
                if let Some(writer) = self.value(*key, *value) {
                    sees(writer);
                }
            }
            _ => {}
        }
    }

    fn version(&self, key: Key, version: Version) -> Option<u32> {
        self.versions.get(&(key, version)).copied()
    }

    fn value(&self, key: Key, value: Value) -> Option<u32> {
        let is_possible = self.has_value.get(value.0 as usize).is_some_and(|&has| has);
        is_possible.then(|| self.values.get(&(key, value)).copied()).flatten()
    }
}
