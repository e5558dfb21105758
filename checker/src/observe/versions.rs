//! White-box histories: versions and their order are known.
//!
//! A key's versions form a chain in the order of their stamps. In front of it stands the unborn version; what was read
//! but never written, and is older than all that was written, was there before the history began and comes next.
//!
//! A scan has seen all keys of its range. One that it didn't find it has seen in a **gap** of the chain, where the key
//! is absent: at its beginning, or from a deletion up to the next write. Following Adya (1999, section 3.2.1), only
//! what changes whether a key is found counts for such a predicate read: it depends on who opened the gap, and
//! anti-depends on who closed it. Where a key has several gaps it isn't known which one was seen; whichever it was, the
//! reader came before the one who closed the last.

use super::{Made, NONE, Observed, Seen, internal};
use crate::Error;
use crate::anomaly::Kind;
use crate::error::Place;
use crate::history::{History, Key, KeyRange, Name, Operation, Version, Way, label};
use rustc_hash::{FxHashMap, FxHashSet};
use std::ops::{Bound, Range};

/// A write of a key.
#[derive(Clone, Copy, Debug)]
struct Write {
    key: Key,
    version: Version,
    writer: u32,
    is_dead: bool,
    is_final: bool,
}

/// An absence of a key: from one version of its chain to another.
#[derive(Clone, Copy, Debug)]
struct Gap {
    from: u32,
    until: u32,
}

/// Where the versions of each key are.
struct Chains {
    /// The versions' numbers, for each key.
    places: Vec<Range<u32>>,
    /// For each version from `base` on what it is called.
    versions: Vec<Version>,
    base: u32,
    /// What didn't take effect, by key and version.
    lost: FxHashMap<(Key, Version), u32>,
    /// For each key its last gap, and whether it is the only one.
    gaps: Vec<(Option<Gap>, bool)>,
    /// All keys that have versions, in the order of their names.
    sorted: Vec<Key>,
}

pub(super) fn observe(observed: &mut Observed<'_>, ways: &[Option<Way>]) -> Result<(), Error> {
    let history = observed.history;
    let mut writes = writes(history);
    writes.sort_unstable_by_key(|write| (write.key, write.version));
    refuse_twins(history, &writes)?;
    let chains = chains(observed, &writes, ways);
    let mut reading =
        Reading { observed, chains: &chains, own: FxHashMap::default(), scanned: FxHashSet::default() };
    for reader in reading.observed.effective().collect::<Vec<_>>() {
        reading.transaction(reader);
    }
    Ok(())
}

fn writes(history: &History) -> Vec<Write> {
    let mut writes = Vec::new();
    let mut later = FxHashSet::default();
    for (writer, transaction) in (0..).zip(history.transactions()) {
        later.clear();
        for operation in transaction.operations.iter().rev() {
            let (key, version, is_dead) = match *operation {
                Operation::Put { key, version } => (key, version, false),
                Operation::Delete { key, version } => (key, version, true),
                _ => continue,
            };
            writes.push(Write { key, version, writer, is_dead, is_final: later.insert(key) });
        }
    }
    writes
}

fn refuse_twins(history: &History, sorted: &[Write]) -> Result<(), Error> {
    let same = |pair: &&[Write]| (pair[0].key, pair[0].version) == (pair[1].key, pair[1].version);
    let twin = sorted.windows(2).find(same).map(|pair| &pair[1]);
    match twin.or_else(|| sorted.iter().find(|write| write.version == Version::UNBORN)) {
        None => Ok(()),
        Some(write) => Err(Error::SameVersion {
            key: history.key_name(write.key).clone(),
            version: write.version,
            transaction: Place::of(history, write.writer as usize),
        }),
    }
}

/// For each key what was read of it and is older than all that was written: one version at most, since others would
/// have been written during the history, and none if somebody found the key unborn.
fn from_before(observed: &Observed<'_>, writes: &[Write]) -> Vec<(Key, Version)> {
    let mut first = FxHashMap::default();
    for write in writes {
        first.entry(write.key).or_insert(write.version);
    }
    let is_older = |&(key, version): &(Key, Version)| {
        version != Version::UNBORN && first.get(&key).is_none_or(|&first| version < first)
    };
    let (mut older, mut unborn) = (Vec::new(), FxHashSet::default());
    for reader in observed.effective() {
        for operation in &observed.history.transactions()[reader as usize].operations {
            match operation {
                Operation::Get { key, version: Version::UNBORN } => drop(unborn.insert(*key)),
                Operation::Get { key, version } => older.extend(Some((*key, *version)).filter(is_older)),
                Operation::Scan { found, .. } => older.extend(found.iter().copied().filter(is_older)),
                _ => {}
            }
        }
    }
    older.sort_unstable();
    older.dedup_by_key(|&mut (key, _)| key);
    older.retain(|(key, _)| !unborn.contains(key));
    older
}

fn chains(observed: &mut Observed<'_>, writes: &[Write], ways: &[Option<Way>]) -> Chains {
    let older = from_before(observed, writes);
    let mut chains = Chains {
        places: Vec::with_capacity(ways.len()),
        versions: Vec::new(),
        base: observed.made.len() as u32,
        lost: FxHashMap::default(),
        gaps: Vec::with_capacity(ways.len()),
        sorted: Vec::new(),
    };
    let (mut writes, mut older) = (writes, &older[..]);
    for (key, way) in (0..).map(Key).zip(ways) {
        let written;
        let known;
        (written, writes) = writes.split_at(writes.partition_point(|write| write.key == key));
        (known, older) = older.split_at(older.partition_point(|&(other, _)| other == key));
        let start = observed.made.len() as u32;
        if *way == Some(Way::Versions) {
            chains.sorted.push(key);
            chain(observed, &mut chains, key, known, written);
        }
        let end = observed.made.len() as u32;
        chains.places.push(start..end);
        chains.gaps.push(last_gap(&observed.made, start..end, !known.is_empty()));
        link(observed, start..end);
    }
    chains.sorted.sort_by_key(|key| observed.history.key_name(*key));
    chains
}

/// Adds the versions of one key.
fn chain(
    observed: &mut Observed<'_>,
    chains: &mut Chains,
    key: Key,
    known: &[(Key, Version)],
    written: &[Write],
) {
    let mut add = |version, writer, is_final, is_dead| {
        let start = chains.places.last().map_or(chains.base, |place| place.end);
        let rank = observed.made.len() as u32 - start;
        observed.made.push(Made { key, writer, rank, is_final, is_dead });
        chains.versions.push(version);
    };
    add(Version::UNBORN, NONE, true, true);
    known.iter().for_each(|&(_, version)| add(version, NONE, true, false));
    for write in written {
        if observed.took_effect[write.writer as usize] {
            add(write.version, write.writer, write.is_final, write.is_dead);
        } else {
            chains.lost.insert((key, write.version), write.writer);
        }
    }
}

/// Notes for each version which one with a writer comes next.
fn link(observed: &mut Observed<'_>, place: Range<u32>) {
    let mut next = None;
    for version in place.rev() {
        observed.order.extend(next.map(|next| (version, next)));
        if observed.made[version as usize].writer != NONE {
            next = Some(version);
        }
    }
}

/// A key's last gap, and whether it is the only one. A key that was there before the history is never unborn.
fn last_gap(made: &[Made], place: Range<u32>, was_there: bool) -> (Option<Gap>, bool) {
    let first = place.start;
    let mut last: Option<Gap> = None;
    let mut count = 0;
    let mut was_dead = false;
    for version in place {
        let Made { is_dead, is_final, .. } = made[version as usize];
        if !is_final {
            continue;
        }
        if let (true, true, Some(gap)) = (is_dead, was_dead, &mut last) {
            gap.until = version;
        } else if is_dead {
            count += u32::from(!(version == first && was_there));
            last = Some(Gap { from: version, until: version });
        }
        was_dead = is_dead;
    }
    (last, count <= 1)
}

impl Chains {
    fn find(&self, key: Key, version: Version) -> Option<u32> {
        let place = &self.places[key.0 as usize];
        let of_key = &self.versions[(place.start - self.base) as usize..(place.end - self.base) as usize];
        of_key.binary_search(&version).ok().map(|offset| place.start + offset as u32)
    }

    /// The keys in a range.
    fn within(&self, history: &History, range: &KeyRange) -> Range<usize> {
        let before = |bound: &Name, or_at: bool| {
            self.sorted.partition_point(|&key| match history.key_name(key).cmp(bound) {
                std::cmp::Ordering::Less => true,
                std::cmp::Ordering::Equal => or_at,
                std::cmp::Ordering::Greater => false,
            })
        };
        let low = match &range.low {
            Bound::Included(low) => before(low, false),
            Bound::Excluded(low) => before(low, true),
            Bound::Unbounded => 0,
        };
        let high = match &range.high {
            Bound::Included(high) => before(high, true),
            Bound::Excluded(high) => before(high, false),
            Bound::Unbounded => self.sorted.len(),
        };
        low..high.max(low)
    }
}

/// Goes through what transactions have read.
struct Reading<'a, 'h> {
    observed: &'a mut Observed<'h>,
    chains: &'a Chains,
    /// What the transaction has written so far: the version, and whether it is a tombstone.
    own: FxHashMap<Key, (Version, bool)>,
    scanned: FxHashSet<Key>,
}

impl Reading<'_, '_> {
    fn transaction(&mut self, reader: u32) {
        self.own.clear();
        let history = self.observed.history;
        for (number, operation) in (0..).zip(&history.transactions()[reader as usize].operations) {
            match operation {
                Operation::Get { key, version } => self.read(reader, number, *key, *version, false),
                Operation::Put { key, version } => drop(self.own.insert(*key, (*version, false))),
                Operation::Delete { key, version } => drop(self.own.insert(*key, (*version, true))),
                Operation::Scan { range, found } => self.scan(reader, number, range, found),
                _ => {}
            }
        }
    }

    fn read(&mut self, reader: u32, operation: u32, key: Key, version: Version, in_scan: bool) {
        let own = self.own.get(&key).map(|&(version, _)| version);
        let Some(place) = self.chains.find(key, version) else {
            return self.read_of_nothing(reader, operation, key, version);
        };
        let Made { writer, is_final, is_dead, .. } = self.observed.made[place as usize];
        if writer == reader && own != Some(version) {
            return internal(self.observed, reader, key, |me, key| {
                format!(
                    "{me} read {key} as it wrote it at another time, and not as it had written it last before."
                )
            });
        }
        if writer == reader {
            return;
        }
        if own.is_some() {
            return internal(self.observed, reader, key, |me, key| {
                let whose = match writer {
                    NONE => "it was before".to_owned(),
                    writer => format!("{} had written it", label(writer as usize)),
                };
                format!(
                    "{me} wrote {key}, and after that it did not read its own {key}, but {key} as {whose}."
                )
            });
        }
        if writer != NONE && !is_final {
            self.observed.intermediate_read(reader, key, writer);
        }
        let is_predicate = in_scan && is_dead;
        let gap = if is_predicate { self.around(place) } else { Gap { from: place, until: place } };
        self.saw(reader, operation, key, Some(gap.from), gap.until, is_predicate);
    }

    fn read_of_nothing(&mut self, reader: u32, operation: u32, key: Key, version: Version) {
        if let Some(&writer) = self.chains.lost.get(&(key, version)) {
            return self.observed.aborted_read(reader, operation, key, writer);
        }
        let history = self.observed.history;
        self.observed.findings.add(Kind::UnwrittenRead, &[reader], Some(key), || {
            let (reader, key) = (label(reader as usize), history.key_name(key));
            format!("{reader} read version {version} of {key}, which nobody had written.")
        });
    }

    fn scan(&mut self, reader: u32, operation: u32, range: &KeyRange, found: &[(Key, Version)]) {
        self.scanned.clear();
        for &(key, version) in found {
            self.scanned.insert(key);
            self.read(reader, operation, key, version, true);
        }
        let within = self.chains.within(self.observed.history, range);
        for &key in &self.chains.sorted[within] {
            if !self.scanned.contains(&key) {
                self.missed(reader, operation, key, range);
            }
        }
    }

    /// Notes that a scan didn't find a key of its range.
    fn missed(&mut self, reader: u32, operation: u32, key: Key, range: &KeyRange) {
        match self.own.get(&key) {
            Some((_, true)) => return,
            Some((_, false)) => {
                return internal(self.observed, reader, key, |me, key| {
                    format!("{me} wrote {key}, and after that it scanned {range} and did not find {key}.")
                });
            }
            None => {}
        }
        if let (Some(gap), is_only_one) = self.chains.gaps[key.0 as usize] {
            self.saw(reader, operation, key, is_only_one.then_some(gap.from), gap.until, true);
        }
    }

    fn saw(
        &mut self,
        reader: u32,
        operation: u32,
        key: Key,
        version: Option<u32>,
        until: u32,
        is_predicate: bool,
    ) {
        let version = version.unwrap_or(NONE);
        self.observed.seen.push(Seen { reader, operation, key, version, until, is_predicate });
    }

    /// The gap that a dead version is part of.
    fn around(&self, version: u32) -> Gap {
        let made = &self.observed.made;
        let place = &self.chains.places[made[version as usize].key.0 as usize];
        let is_dead = |&other: &u32| made[other as usize].is_dead && made[other as usize].is_final;
        let from = (place.start..version).rev().take_while(is_dead).last().unwrap_or(version);
        let until = (version + 1..place.end).take_while(is_dead).last().unwrap_or(version);
        Gap { from, until }
    }
}
