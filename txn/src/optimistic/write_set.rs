//! The private write set: what a transaction has written, and nobody else has seen.
//!
//! Entries stand in the order in which they were written, so that a savepoint is a length. Few of them are searched
//! one by one, the newest first (and mostly not at all: a word of bits tells which keys can't be there); from
//! [`INDEXED_FROM`] on, there's an ordered map for each table, which costs an allocation for each key:
//!
//! ```text
//!            0         1         2            3
//! entries    a ── 10   b ── 20   (savepoint)  a ── 30      a and b as of the savepoint: 10, 20
//!            ▲                                │
//!            └────────── replaces ────────────┘            now: 30, 20
//! ```

use std::collections::BTreeMap;
use std::ops::{Bound, Range};
use std::sync::Arc;

use synod_storage::{RecordPtr, Table, Version, VersionPtr, VersionState};

/// From so many entries on, they are found through maps.
const INDEXED_FROM: usize = 33;

/// Versions that are not yet in any chain, by their keys. Frees those that don't get there.
#[derive(Default)]
pub(super) struct WriteSet {
    tables: Vec<TableWrites>,
    entries: Vec<Entry>,
    /// The keys, one behind the other.
    bytes: Vec<u8>,
    /// For each key the bit that its tail chooses.
    tails_present: u64,
    is_indexed: bool,
}

struct TableWrites {
    table: Arc<Table>,
    /// The newest entry of each key, if the set is indexed.
    by_key: BTreeMap<Box<[u8]>, u32>,
}

/// A key with a new value, or a deletion.
struct Entry {
    table: u32,
    key: Range<usize>,
    tail: u64,
    /// The key's record, as far as the transaction knows and may keep it.
    record: Option<RecordPtr>,
    version: VersionPtr,
    /// An older entry of the same key, from before a savepoint.
    replaces: Option<u32>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// The key's newest entry.
    Newest,
    /// There is a newer one.
    Replaced,
    /// The version is in its record's chain, and belongs to that.
    Linked,
}

/// An entry, looked at.
#[derive(Clone, Copy)]
pub(super) struct Write<'a> {
    pub(super) table: &'a Arc<Table>,
    pub(super) key: &'a [u8],
    pub(super) record: Option<RecordPtr>,
    pub(super) version: Version<'a>,
}

impl WriteSet {
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many entries there are: a mark to roll back to.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn capacity(&self) -> usize {
        self.entries.capacity().max(self.bytes.capacity() / 16)
    }

    /// The tables that were written to.
    pub(super) fn tables(&self) -> impl Iterator<Item = &Arc<Table>> {
        self.tables.iter().map(|writes| &writes.table)
    }

    /// The version that was written under a key.
    #[inline]
    pub(super) fn get(&self, table: &Arc<Table>, key: &[u8]) -> Option<Version<'_>> {
        let tail = tail(key);
        if self.tails_present & bit_of(tail) == 0 {
            return None;
        }
        let entry = self.find(self.known_table(table)?, key, tail)?;
        Some(self.write(entry).version)
    }

    /// Adds a write. Entries before `mark` are kept, for a savepoint.
    pub(super) fn put(
        &mut self,
        (table, key, record): (&Arc<Table>, &[u8], Option<RecordPtr>),
        value: Option<&[u8]>,
        slot: u16,
        mark: usize,
    ) {
        let table = self.table(table);
        let tail = tail(key);
        let may_be_there = self.tails_present & bit_of(tail) != 0;
        let found = if may_be_there { self.find(table, key, tail) } else { None };
        let index = found.filter(|&found| found as usize >= mark).unwrap_or(self.entries.len() as u32);
        let version = Version::allocate(value, VersionState::Pending { slot, index }).ptr();
        if let Some(entry) = self.entries.get_mut(index as usize) {
            let old = std::mem::replace(&mut entry.version, version);
            // SAFETY: it is in no chain, and its entry was replaced.
            unsafe { old.get().free() };
            return;
        }
        let key = match found {
            Some(older) => {
                let older = &mut self.entries[older as usize];
                older.state = State::Replaced;
                older.key.clone()
            }
            None => {
                self.bytes.extend_from_slice(key);
                self.bytes.len() - key.len()..self.bytes.len()
            }
        };
        self.tails_present |= bit_of(tail);
        let (replaces, state) = (found, State::Newest);
        self.entries.push(Entry { table, key, tail, record, version, replaces, state });
        match self.entries.len() {
            INDEXED_FROM if !self.is_indexed => self.index_all(),
            _ if self.is_indexed => self.index(index),
            _ => {}
        }
    }

    /// Forgets all entries but the first `mark`.
    pub(super) fn roll_back(&mut self, mark: usize) {
        while self.entries.len() > mark {
            let Some(entry) = self.entries.pop() else { return };
            if entry.state != State::Linked {
                // SAFETY: it is in no chain, and its entry is gone.
                unsafe { entry.version.get().free() };
            }
            let key = &self.bytes[entry.key.clone()];
            let by_key = &mut self.tables[entry.table as usize].by_key;
            match entry.replaces {
                Some(older) => {
                    self.entries[older as usize].state = State::Newest;
                    if self.is_indexed {
                        by_key.insert(key.into(), older);
                    }
                }
                None => {
                    by_key.remove(key);
                    self.bytes.truncate(entry.key.start);
                }
            }
        }
    }

    /// Forgets everything, but keeps the memory.
    pub(super) fn clear(&mut self) {
        for entry in self.entries.drain(..).filter(|entry| entry.state != State::Linked) {
            // SAFETY: it is in no chain, and its entry is gone.
            unsafe { entry.version.get().free() };
        }
        self.tables.clear();
        self.bytes.clear();
        self.tails_present = 0;
        self.is_indexed = false;
    }

    /// Looks at an entry.
    #[inline]
    pub(super) fn write(&self, entry: u32) -> Write<'_> {
        let entry = &self.entries[entry as usize];
        Write {
            table: &self.tables[entry.table as usize].table,
            key: &self.bytes[entry.key.clone()],
            record: entry.record,
            // SAFETY: it is this set's own as long as its entry is there, in a chain or not: the record is locked
            // by then.
            version: unsafe { entry.version.get() },
        }
    }

    /// The version of an entry was linked into a record's chain.
    pub(super) fn note_linked(&mut self, entry: u32, record: RecordPtr, version: VersionPtr) {
        let entry = &mut self.entries[entry as usize];
        entry.record = Some(record);
        entry.version = version;
        entry.state = State::Linked;
    }

    /// Puts the newest entry of each key into `order`, by table and key: the order in which all transactions lock.
    pub(super) fn sort_into(&self, order: &mut Vec<u32>) {
        order.clear();
        let newest = |&index: &u32| self.entries[index as usize].state == State::Newest;
        order.extend((0..self.entries.len() as u32).filter(newest));
        let place = |&index: &u32| {
            let write = self.write(index);
            (write.table.id(), write.key)
        };
        order.sort_unstable_by(|a, b| place(a).cmp(&place(b)));
    }

    /// The newest entries of a table's keys within a range, in ascending order of their keys.
    pub(super) fn range(&self, table: &Arc<Table>, lower: Bound<&[u8]>, upper: Bound<&[u8]>) -> Vec<u32> {
        let Some(table) = self.known_table(table) else { return Vec::new() };
        if is_empty(lower, upper) {
            return Vec::new();
        }
        if self.is_indexed {
            let range = self.tables[table as usize].by_key.range::<[u8], _>((lower, upper));
            return range.map(|(_, &index)| index).collect();
        }
        let is_within = |key: &[u8]| std::ops::RangeBounds::<[u8]>::contains(&(lower, upper), key);
        let within = self.entries.iter().enumerate().filter(|(_, entry)| {
            entry.table == table && entry.state == State::Newest && is_within(&self.bytes[entry.key.clone()])
        });
        let mut within: Vec<u32> = within.map(|(index, _)| index as u32).collect();
        within.sort_unstable_by(|&a, &b| self.write(a).key.cmp(self.write(b).key));
        within
    }

    fn known_table(&self, table: &Arc<Table>) -> Option<u32> {
        // The last one first: operations on one table often follow each other.
        let known = self.tables.iter().rposition(|known| Arc::ptr_eq(&known.table, table));
        known.map(|index| index as u32)
    }

    fn table(&mut self, table: &Arc<Table>) -> u32 {
        self.known_table(table).unwrap_or_else(|| {
            self.tables.push(TableWrites { table: table.clone(), by_key: BTreeMap::new() });
            self.tables.len() as u32 - 1
        })
    }

    #[inline]
    fn find(&self, table: u32, key: &[u8], tail: u64) -> Option<u32> {
        if self.is_indexed {
            return self.tables[table as usize].by_key.get(key).copied();
        }
        let is_it = |entry: &Entry| {
            entry.tail == tail && entry.table == table && &self.bytes[entry.key.clone()] == key
        };
        self.entries.iter().rposition(is_it).map(|index| index as u32)
    }

    #[cold]
    fn index_all(&mut self) {
        self.is_indexed = true;
        // Newer entries of a key come later.
        (0..self.entries.len() as u32).for_each(|index| self.index(index));
    }

    fn index(&mut self, index: u32) {
        let entry = &self.entries[index as usize];
        self.tables[entry.table as usize].by_key.insert(self.bytes[entry.key.clone()].into(), index);
    }
}

/// The last bytes of a key: where keys of one kind differ most.
#[inline]
fn tail(key: &[u8]) -> u64 {
    match key.last_chunk() {
        Some(bytes) => u64::from_le_bytes(*bytes),
        None => key.iter().fold(1, |tail, &byte| tail << 8 | u64::from(byte)),
    }
}

/// The bit among 64 that a tail chooses (multiplicative hashing: Knuth, volume 3, section 6.4).
#[inline]
fn bit_of(tail: u64) -> u64 {
    1 << (tail.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58)
}

/// Whether no key can be within these bounds. (A map panics when it is asked for some such ranges.)
fn is_empty(lower: Bound<&[u8]>, upper: Bound<&[u8]>) -> bool {
    match (lower, upper) {
        (Bound::Included(lower), Bound::Included(upper)) => lower > upper,
        (
            Bound::Included(lower) | Bound::Excluded(lower),
            Bound::Included(upper) | Bound::Excluded(upper),
        ) => lower >= upper,
        _ => false,
    }
}

impl Drop for WriteSet {
    fn drop(&mut self) {
        self.clear();
    }
}
