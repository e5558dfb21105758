//! Looking up several keys at once.
//!
//! A look-up in a large table waits for memory most of the time: for the place of its shortcut, or a leaf, and for the record, one
//! after the other. Keys that are known together can wait together: all take each step side by side, and each step
//! asks for what the next one needs before anyone takes it (Chen, Ailamaki, Gibbons & Mowry, "Improving hash join
//! performance through prefetching", ICDE 2004, call it group prefetching).
//!
//! ```text
//! one by one   ─a──wait──a──wait──a─ ─b──wait──b──wait──b─
//! together     ─a─b─c─ wait ─a─b─c─ wait ─a─b─c─
//! ```

use crossbeam_epoch::Guard;

use super::Index;
use super::latch::{Attempt, LatchVersion, Restart};
use super::node::Node;
use super::shortcuts::Hash;
use crate::{Record, key_hash};

/// How many keys go side by side: more than that many misses at a time a core doesn't have.
const SIDE_BY_SIDE: usize = 16;

/// A node on a key's way, in the version in which it was the right one; `None` once something got in the way.
type Place<'t> = Option<(Node<'t>, LatchVersion)>;

/// The index of a key, the key, and its [`key_hash`].
type Lookup<'g, 'k> = (&'g Index, &'k [u8], u64);

/// The records that have been found.
type Found<'g> = [Option<Record<'g>>; SIDE_BY_SIDE];

impl Index {
    /// Looks up so many keys, each in an index of its own, and hands their records to `found`, in order. `lookup` tells the
    /// index, the key and its [`key_hash`]. The same as [`Index::get`] for each of them, which it costs a half of where the
    /// records aren't in the cache; their newest versions have been asked for as well.
    pub fn get_together<'g, 'k>(
        count: usize,
        lookup: impl Fn(usize) -> Lookup<'g, 'k>,
        guard: &'g Guard,
        mut found: impl FnMut(Option<Record<'g>>),
    ) {
        for start in (0..count).step_by(SIDE_BY_SIDE) {
            let end = count.min(start + SIDE_BY_SIDE);
            let mut lookups = [lookup(start); SIDE_BY_SIDE];
            for (at, place) in lookups[..end - start].iter_mut().enumerate().skip(1) {
                *place = lookup(start + at);
            }
            let lookups = &lookups[..end - start];
            let mut records = take_shortcuts(lookups, guard);
            if records[..lookups.len()].iter().any(Option::is_none) {
                descend(lookups, &mut records, guard);
            }
            records[..lookups.len()].iter().for_each(|record| found(*record));
        }
    }
}

/// Finds the records of those keys for which there are shortcuts.
fn take_shortcuts<'g>(lookups: &[Lookup<'g, '_>], guard: &'g Guard) -> Found<'g> {
    let mut ways = [None; SIDE_BY_SIDE];
    for ((index, key, hash), place) in lookups.iter().zip(&mut ways) {
        debug_assert_eq!(*hash, key_hash(key), "it is the hash of the key");
        let way = index.shortcuts.way(Hash::known(*hash), guard);
        way.prefetch();
        *place = Some(way);
    }
    let mut records = [None; SIDE_BY_SIDE];
    for (way, record) in ways.iter().flatten().zip(&mut records) {
        *record = way.candidate(guard);
        if let Some(candidate) = record {
            candidate.prefetch();
        }
    }
    for (((_, key, _), way), found) in lookups.iter().zip(ways).zip(&mut records) {
        if found.is_some_and(|record| record.key() != *key) {
            // Its tag was that of another one.
            *found = way.and_then(|way| way.find(key, guard));
        }
        if let Some(record) = *found {
            record.prefetch_head();
        }
    }
    records
}

/// Finds the others' records in the tree.
#[cold]
fn descend<'g>(lookups: &[Lookup<'g, '_>], records: &mut Found<'g>, guard: &'g Guard) {
    let mut places: [Place<'g>; SIDE_BY_SIDE] = [None; SIDE_BY_SIDE];
    for (((index, ..), record), place) in lookups.iter().zip(&*records).zip(&mut places) {
        if record.is_none() {
            *place = index.root().ok();
        }
    }
    while descend_together(lookups, &mut places, guard) {}
    let outcomes = find_together(lookups, &places, guard);
    for (((index, key, _), outcome), record) in lookups.iter().zip(outcomes).zip(records) {
        if record.is_some() {
            continue;
        }
        *record = match outcome {
            Ok(Some(found)) => {
                // Not with the hash that the caller told: in a wrong place, it would outlive its record.
                index.shortcuts.add(Hash::of(key), found, guard);
                Some(found)
            }
            Ok(None) => None,
            // Somebody was changing the tree there: once more, alone.
            Err(_) => index.get(key, guard),
        };
        if let Some(record) = record {
            record.prefetch_head();
        }
    }
}

/// All that are at an inner node take one step down; false if nobody is.
fn descend_together<'g>(lookups: &[Lookup<'g, '_>], places: &mut [Place<'g>], guard: &Guard) -> bool {
    let mut children = [0; SIDE_BY_SIDE];
    let mut goes_on = false;
    for (((_, key, _), place), child) in lookups.iter().zip(&mut *places).zip(&mut children) {
        let Some((Node::Inner(inner), _)) = *place else { continue };
        match inner.child_at(key, guard) {
            Ok(at) => {
                inner.prefetch_child(at);
                *child = at;
                goes_on = true;
            }
            Err(_) => *place = None,
        }
    }
    for (place, child) in places.iter_mut().zip(children) {
        if let Some((Node::Inner(inner), version)) = *place {
            *place = Index::arrive(inner, version, child).ok();
        }
    }
    goes_on
}

/// Finds the records of all that have arrived at a leaf.
fn find_together<'g>(
    lookups: &[Lookup<'g, '_>],
    places: &[Place<'g>],
    guard: &'g Guard,
) -> [Attempt<Option<Record<'g>>>; SIDE_BY_SIDE] {
    let mut positions = [0; SIDE_BY_SIDE];
    for (((_, key, _), place), position) in lookups.iter().zip(places).zip(&mut positions) {
        if let Some((Node::Leaf(leaf), _)) = place {
            *position = leaf.guess(key);
            leaf.prefetch_address(*position);
        }
    }
    for (place, position) in places.iter().zip(positions) {
        if let Some((Node::Leaf(leaf), _)) = place {
            leaf.prefetch_record(position, guard);
        }
    }
    let find = |at: usize| {
        let (Some((_, key, _)), Some((Node::Leaf(leaf), version))) = (lookups.get(at), places[at]) else {
            return Err(Restart);
        };
        leaf.get_guessed(positions[at], key, version, guard)
    };
    std::array::from_fn(find)
}
