//! Footprints: the keys and ranges that a transaction reads and writes.

use std::borrow::Cow;
use std::ops::Bound;
use std::sync::Arc;

use crossbeam_epoch::Guard;
use smallvec::SmallVec;
use synod_storage::index::{Index, prefix};
use synod_storage::{Table, TableId, in_table};

use super::range::Range;
use crate::key_hash;

/// How many keys are searched one after the other, rather than by halving.
const LINEAR_KEYS_MAX: usize = 16;

/// The bytes of a [`prefix`].
const PREFIX_BYTES: usize = size_of::<u64>();

/// So many tables, keys and bytes of keys take no memory of their own.
const TABLES_INLINE: usize = 4;
const KEYS_INLINE: usize = 12;
const KEY_BYTES_INLINE: usize = 128;

/// The keys and ranges of keys that a transaction reads and writes, declared before it runs.
///
/// What is read or written may be there or not: a declared key that is absent is protected like any other, so
/// there are no phantoms. A write includes the right to read.
///
/// A footprint is filled, then [sealed](Footprint::seal), then admitted to a [`Scheduler`](super::Scheduler);
/// looking keys up and comparing footprints needs a sealed one. One with a dozen short keys allocates nothing.
#[derive(Clone, Debug, Default)]
pub struct Footprint {
    /// The tables that the keys and ranges are of, each once.
    tables: SmallVec<[Arc<Table>; TABLES_INLINE]>,
    /// Once sealed, each key once: so few that they are searched one after the other in the order of their declaration, more
    /// in that of hash, table and key.
    keys: SmallVec<[KeyAccess; KEYS_INLINE]>,
    /// The keys that are longer than their prefixes.
    bytes: SmallVec<[u8; KEY_BYTES_INLINE]>,
    ranges: Vec<RangeAccess>,
    /// The tables of keys.
    key_masks: TableMasks,
    /// The tables of ranges.
    range_masks: TableMasks,
    sealed: bool,
}

/// A key, and what is done with it.
#[derive(Clone, Copy, Debug)]
struct KeyAccess {
    hash: u64,
    /// The key's beginning, padded with zeros; a key that is no longer is all here.
    prefix: [u8; PREFIX_BYTES],
    table: TableId,
    /// The table's place in `tables`, times two; plus one for a write.
    place: u32,
    /// Where the key is in `bytes`, if it is longer than its prefix.
    start: u32,
    length: u32,
    /// How many were declared before it; once sealed, the index of the one that was declared after it, as a guess:
    /// procedures mostly ask for them in the order in which they have declared them.
    next: u32,
}

impl KeyAccess {
    #[inline]
    fn is_write(&self) -> bool {
        self.place & 1 == 1
    }

    #[inline]
    fn key<'k>(&'k self, bytes: &'k [u8]) -> &'k [u8] {
        match self.prefix.get(..self.length as usize) {
            Some(key) => key,
            None => &bytes[self.start as usize..][..self.length as usize],
        }
    }

    /// What the keys of a sealed footprint are ordered by.
    #[inline]
    fn order<'k>(&'k self, bytes: &'k [u8]) -> (u64, TableId, &'k [u8]) {
        (self.hash, self.table, self.key(bytes))
    }
}

#[derive(Clone, Debug)]
struct RangeAccess {
    table: TableId,
    /// As with a key.
    place: u32,
    range: Range,
}

impl RangeAccess {
    #[inline]
    fn is_write(&self) -> bool {
        self.place & 1 == 1
    }

    /// Whether a key of a footprint with these bytes is in it.
    #[inline]
    fn contains(&self, key: &KeyAccess, bytes: &[u8]) -> bool {
        self.table == key.table
            && self.range.may_contain(u64::from_be_bytes(key.prefix))
            && self.range.contains(key.key(bytes))
    }
}

/// Which tables are read and which are written, as far as 64 bits can tell: a table has the bit of its number
/// modulo 64. What these say needn't wait needn't.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TableMasks {
    touched: u64,
    written: u64,
}

impl TableMasks {
    #[inline]
    fn add(&mut self, table: TableId, write: bool) {
        let bit = 1 << (table.0 % 64);
        self.touched |= bit;
        self.written |= if write { bit } else { 0 };
    }

    /// The tables of both.
    #[inline]
    fn and(self, other: TableMasks) -> TableMasks {
        TableMasks { touched: self.touched | other.touched, written: self.written | other.written }
    }

    /// Whether the other one may write what this one touches.
    #[inline]
    pub(super) fn may_wait_for(self, earlier: TableMasks) -> bool {
        self.touched & earlier.written != 0
    }

    /// Whether anything is written.
    #[inline]
    pub(super) fn has_written(self) -> bool {
        self.written != 0
    }
}

impl Footprint {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Declares that a key is read, whether it is there or not.
    #[inline]
    pub fn read(&mut self, table: &Arc<Table>, key: &[u8]) {
        self.add_key(table, key, false);
    }

    /// Declares that a key may be written, and read.
    #[inline]
    pub fn write(&mut self, table: &Arc<Table>, key: &[u8]) {
        self.add_key(table, key, true);
    }

    /// Declares that keys between two bounds are read. Bounds that cross are an empty range.
    pub fn read_range(&mut self, table: &Arc<Table>, lower: Bound<Vec<u8>>, upper: Bound<Vec<u8>>) {
        self.add_range(table, Range::new(lower, upper), false);
    }

    /// Declares that keys between two bounds may be written, and read.
    pub fn write_range(&mut self, table: &Arc<Table>, lower: Bound<Vec<u8>>, upper: Bound<Vec<u8>>) {
        self.add_range(table, Range::new(lower, upper), true);
    }

    /// # Panics
    /// If the keys come to 4 GiB, four times of what fits into the log.
    #[inline]
    pub(super) fn add_key(&mut self, table: &Arc<Table>, key: &[u8], write: bool) {
        let id = table.id();
        let start = self.bytes.len();
        if key.len() > PREFIX_BYTES {
            self.bytes.extend_from_slice(key);
            assert!(u32::try_from(self.bytes.len()).is_ok(), "a footprint's keys have fewer than 2^32 bytes");
        }
        let access = KeyAccess {
            hash: key_hash(id, key),
            prefix: prefix(key).to_be_bytes(),
            table: id,
            place: self.place(table, write),
            start: start as u32,
            length: key.len() as u32,
            next: self.keys.len() as u32,
        };
        self.keys.push(access);
        self.key_masks.add(id, write);
        self.sealed = false;
    }

    pub(super) fn add_range(&mut self, table: &Arc<Table>, range: Range, write: bool) {
        if range.is_empty() {
            return;
        }
        let place = self.place(table, write);
        self.ranges.push(RangeAccess { table: table.id(), place, range });
        self.range_masks.add(table.id(), write);
        self.sealed = false;
    }

    /// A table's place, which it gets if it has none, and what is done there.
    #[inline]
    fn place(&mut self, table: &Arc<Table>, write: bool) -> u32 {
        let known = self.tables.iter().position(|known| Arc::ptr_eq(known, table));
        let index = known.unwrap_or_else(|| self.add_table(table));
        (index as u32) << 1 | u32::from(write)
    }

    #[cold]
    fn add_table(&mut self, table: &Arc<Table>) -> usize {
        self.tables.push(table.clone());
        self.tables.len() - 1
    }

    /// Puts the keys into their order and merges those that were declared twice, of which a write counts more
    /// than a read. Declaring more afterwards breaks the seal, and calls for another one.
    pub fn seal(&mut self) {
        let are_distinct = match self.keys.len() <= LINEAR_KEYS_MAX {
            true => self.seal_few(),
            false => self.seal_many(),
        };
        if !are_distinct {
            self.merge_duplicates();
        }
        self.sealed = true;
    }

    /// Seals keys that are searched one after the other, and stay where they are. False if some may have to be merged.
    fn seal_few(&mut self) -> bool {
        let mut rest = &*self.keys;
        while let [first, others @ ..] = rest {
            // All of them: a branch for each would cost more.
            if others.iter().fold(false, |is_there, other| is_there | (other.hash == first.hash)) {
                return false;
            }
            rest = others;
        }
        for (index, access) in self.keys.iter_mut().enumerate() {
            access.next = index as u32 + 1;
        }
        if let Some(last) = self.keys.last_mut() {
            // They are often gone through again.
            last.next = 0;
        }
        true
    }

    /// Sorts keys that are searched by halving. False if some may have to be merged.
    fn seal_many(&mut self) -> bool {
        self.keys.sort_unstable_by_key(|access| access.hash);
        if self.keys.windows(2).any(|pair| pair[0].hash == pair[1].hash) {
            return false;
        }
        let mut declared = vec![0; self.keys.len()];
        for (index, access) in self.keys.iter().enumerate() {
            // Sealed before, and added to: then some guesses are wrong.
            declared[access.next as usize] = index as u32;
        }
        for access in &mut self.keys {
            access.next = *declared.get(access.next as usize + 1).unwrap_or(&declared[0]);
        }
        true
    }

    #[cold]
    fn merge_duplicates(&mut self) {
        let Footprint { keys, bytes, .. } = self;
        keys.sort_unstable_by(|a, b| a.order(bytes).cmp(&b.order(bytes)));
        keys.dedup_by(|later, kept| {
            let is_same = later.order(bytes) == kept.order(bytes);
            kept.place |= if is_same { later.place & 1 } else { 0 };
            is_same
        });
        keys.iter_mut().for_each(|access| access.next = 0);
    }

    /// Whether it is sealed.
    #[inline]
    pub fn is_sealed(&self) -> bool {
        self.sealed
    }

    /// Whether neither a key nor a range was declared.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.ranges.is_empty()
    }

    /// How many keys there are; ranges aren't counted.
    #[inline]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// The tables that the keys and ranges are of, each once, in the order in which they were named first.
    pub fn tables(&self) -> &[Arc<Table>] {
        &self.tables
    }

    /// A key by its index, which is below [`Footprint::len`], and its table.
    ///
    /// # Panics
    /// If there is no such key.
    #[inline]
    pub fn key(&self, index: usize) -> (&Arc<Table>, &[u8]) {
        let access = &self.keys[index];
        (&self.tables[(access.place >> 1) as usize], access.key(&self.bytes))
    }

    /// What [`Index::get_together`] needs to look up the record of a key by its index.
    #[inline]
    pub(super) fn lookup(&self, index: usize) -> (&Index, &[u8], u64) {
        let (access, (table, key)) = (&self.keys[index], self.key(index));
        (table.index(), key, in_table(access.hash, access.table))
    }

    /// Has the memory by which the keys' records are found on its way into the cache.
    #[inline]
    pub fn prefetch(&self, guard: &Guard) {
        for index in 0..self.keys.len() {
            let (index, _, hash) = self.lookup(index);
            index.prefetch(hash, guard);
        }
    }

    /// Whether a key was declared as written.
    ///
    /// # Panics
    /// If there is no such key.
    #[inline]
    pub fn is_write(&self, index: usize) -> bool {
        self.keys[index].is_write()
    }

    /// As [`Footprint::find`], for somebody who has found the key at `last` before: it costs less if this one is the same
    /// one, or was declared next.
    #[inline]
    pub(super) fn find_after(&self, last: usize, table: TableId, key: &[u8]) -> Option<usize> {
        let (keys, prefix) = (&*self.keys, prefix(key).to_be_bytes());
        let is_it = |access: &KeyAccess| {
            access.prefix == prefix
                && access.length as usize == key.len()
                && access.table == table
                && (key.len() <= PREFIX_BYTES || access.key(&self.bytes) == key)
        };
        match keys.get(last) {
            Some(found) if is_it(found) => Some(last),
            Some(found) if is_it(&keys[found.next as usize]) => Some(found.next as usize),
            _ => self.find(table, key),
        }
    }

    /// The index of a key that was declared by itself, rather than as part of a range. Costs a hash and a
    /// search, 5 to 10 ns for a short key among ten.
    #[inline]
    pub fn find(&self, table: TableId, key: &[u8]) -> Option<usize> {
        debug_assert!(self.sealed);
        let hash = key_hash(table, key);
        let first = if self.keys.len() <= LINEAR_KEYS_MAX {
            self.keys.iter().position(|access| access.hash == hash)?
        } else {
            self.keys.partition_point(|access| access.hash < hash)
        };
        let same_hash = self.keys[first..].iter().take_while(|access| access.hash == hash);
        let found =
            same_hash.into_iter().position(|access| access.table == table && access.key(&self.bytes) == key);
        found.map(|offset| first + offset)
    }

    /// Whether a key lies in a range that was declared, as read or as written.
    pub fn covers_read(&self, table: TableId, key: &[u8]) -> bool {
        self.ranges.iter().any(|access| access.table == table && access.range.contains(key))
    }

    /// Whether a key lies in a range that was declared as written.
    pub fn covers_write(&self, table: TableId, key: &[u8]) -> bool {
        let mut written = self.ranges.iter().filter(|access| access.is_write());
        written.any(|access| access.table == table && access.range.contains(key))
    }

    /// Whether all keys between two bounds lie in ranges that were declared, as read or as written. Ranges that
    /// touch or overlap count together; keys that were declared by themselves don't count. Between bounds that
    /// cross lies nothing, which is always covered.
    pub fn covers_scan(&self, table: TableId, lower: Bound<&[u8]>, upper: Bound<&[u8]>) -> bool {
        let lower = Range::start(lower.map(Cow::Borrowed));
        let upper = Range::end(upper.map(Cow::Borrowed));
        // All keys from `lower` to here are covered.
        let mut covered = &*lower;
        loop {
            if upper.as_ref().is_some_and(|upper| **upper <= *covered) {
                return true;
            }
            let mut ranges = self.ranges.iter().filter(|access| access.table == table);
            match ranges.find(|access| access.range.contains(covered)) {
                Some(access) => match access.range.upper() {
                    Some(upper) => covered = upper,
                    None => return true,
                },
                None => return false,
            }
        }
    }

    /// Whether a transaction has to wait for an earlier one: that one may write what this one may read or write. Costs a
    /// search for each key, and compares all keys with all ranges; two that share no table cost nothing.
    pub fn waits_for(&self, earlier: &Footprint) -> bool {
        self.masks().may_wait_for(earlier.masks())
            && (self.has_written_key(earlier) || self.waits_for_by_range(earlier))
    }

    /// Whether a key of this one is one that the earlier one writes.
    fn has_written_key(&self, earlier: &Footprint) -> bool {
        let is_written = |key: &KeyAccess| {
            let found = earlier.find(key.table, key.key(&self.bytes));
            found.is_some_and(|index| earlier.is_write(index))
        };
        self.keys.iter().any(is_written)
    }

    /// As [`Footprint::waits_for`], on account of a range of one and a key or range of the other.
    pub(super) fn waits_for_by_range(&self, earlier: &Footprint) -> bool {
        self.has_written_key_in_range(earlier)
            || self.has_key_in_written_range(earlier)
            || self.has_range_with_written_range(earlier)
    }

    /// Whether a range of this one has a key that the earlier one writes.
    fn has_written_key_in_range(&self, earlier: &Footprint) -> bool {
        self.range_masks.may_wait_for(earlier.key_masks)
            && self.ranges.iter().any(|range| {
                earlier.keys.iter().any(|key| key.is_write() && range.contains(key, &earlier.bytes))
            })
    }

    /// Whether a range that the earlier one writes has a key of this one.
    fn has_key_in_written_range(&self, earlier: &Footprint) -> bool {
        self.key_masks.may_wait_for(earlier.range_masks)
            && earlier
                .ranges
                .iter()
                .any(|range| range.is_write() && self.keys.iter().any(|key| range.contains(key, &self.bytes)))
    }

    fn has_range_with_written_range(&self, earlier: &Footprint) -> bool {
        self.range_masks.may_wait_for(earlier.range_masks)
            && self.ranges.iter().any(|mine| {
                earlier.ranges.iter().any(|theirs| {
                    mine.table == theirs.table && theirs.is_write() && mine.range.overlaps(&theirs.range)
                })
            })
    }

    /// The hash of each key, and whether it is written.
    #[inline]
    pub(super) fn key_hashes(&self) -> impl Iterator<Item = (u64, bool)> {
        self.keys.iter().map(|access| (access.hash, access.is_write()))
    }

    #[inline]
    pub(super) fn masks(&self) -> TableMasks {
        self.key_masks.and(self.range_masks)
    }

    #[inline]
    pub(super) fn range_masks(&self) -> TableMasks {
        self.range_masks
    }

    #[inline]
    pub(super) fn has_ranges(&self) -> bool {
        !self.ranges.is_empty()
    }

    /// The ranges: each one's place in [`Footprint::tables`], whether it is written, and its bounds.
    pub(super) fn ranges(&self) -> impl ExactSizeIterator<Item = (u32, &Range)> {
        self.ranges.iter().map(|access| (access.place, &access.range))
    }

    /// The keys, likewise.
    pub(super) fn keys(&self) -> impl ExactSizeIterator<Item = (u32, &[u8])> {
        self.keys.iter().map(|access| (access.place, access.key(&self.bytes)))
    }
}
