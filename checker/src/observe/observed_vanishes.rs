//! Observed transaction vanishes: what was seen of a transaction isn't seen any more.
//!
//! Bailis and others, "Highly Available Transactions" (VLDB 2013): once a transaction has seen one effect of another,
//! it has to see all others from then on. Unlike a cycle of dependencies this depends on the order of reads within the
//! reader, so it is looked for here.

use super::{NONE, Observed, Seen};
use crate::anomaly::Kind;
use crate::history::{Key, label};
use rustc_hash::FxHashMap;

/// Adds what is found to the findings.
pub(crate) fn observed_vanishes(observed: &mut Observed<'_>) {
    let finals = finals(observed);
    let seen = std::mem::take(&mut observed.seen);
    for reads in seen.chunk_by(|one, other| one.reader == other.reader) {
        if reads.len() > 1 {
            transaction(observed, &finals, reads);
        }
    }
    observed.seen = seen;
}

/// For each transaction the last versions of the keys that it wrote, where their order is known.
fn finals(observed: &Observed<'_>) -> FxHashMap<u32, Vec<(Key, u32)>> {
    let mut finals: FxHashMap<u32, Vec<(Key, u32)>> = FxHashMap::default();
    for made in &observed.made {
        if made.writer != NONE && made.is_final && made.rank != NONE {
            finals.entry(made.writer).or_default().push((made.key, made.rank));
        }
    }
    finals
}

fn transaction(observed: &mut Observed<'_>, finals: &FxHashMap<u32, Vec<(Key, u32)>>, reads: &[Seen]) {
    // For each key the oldest version that may still be seen, and because of whom.
    let mut oldest: FxHashMap<Key, (u32, u32)> = FxHashMap::default();
    for operation in reads.chunk_by(|one, other| one.operation == other.operation) {
        for seen in operation {
            let Some(&(rank, writer)) = oldest.get(&seen.key) else { continue };
            let seen_rank = observed.made[seen.until as usize].rank;
            if seen_rank != NONE && seen_rank < rank && observed.made[seen.until as usize].writer != writer {
                vanished(observed, seen, writer);
            }
        }
        for seen in operation.iter().filter(|seen| seen.version != NONE) {
            let writer = observed.made[seen.version as usize].writer;
            for &(key, rank) in finals.get(&writer).map_or(&[][..], |finals| finals) {
                let entry = oldest.entry(key).or_insert((rank, writer));
                *entry = (*entry).max((rank, writer));
            }
        }
    }
}

fn vanished(observed: &mut Observed<'_>, seen: &Seen, writer: u32) {
    let history = observed.history;
    observed.findings.add(Kind::ObservedVanishes, &[writer, seen.reader], Some(seen.key), || {
        let (reader, writer) = (label(seen.reader as usize), label(writer as usize));
        let key = history.key_name(seen.key);
        format!(
            "{reader} saw something that {writer} had written, and after that it saw {key} as it was before \
             {writer} wrote it: to {reader}, {writer} has vanished again."
        )
    });
}
