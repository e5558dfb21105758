//! What a transaction has read, to be looked at again when it commits.
//!
//! A transaction that reads at a snapshot `S` and commits at `C` has read what is still so at `C`, if nothing
//! that it read has a version from between the two:
//!
//! ```text
//!            S                     C
//! ───────────┼─────────────────────┼────► time
//!  x   10    │                     │          unchanged
//!  y   20    │           60        │          changed: somebody else wrote it
//!  a..f      │      c: 50          │          changed: a phantom
//! ```
//!
//! A record that was found is remembered by its address: as long as the snapshot is open, no record that has a
//! value in it leaves the index. What was found absent, and what was scanned, is remembered as a range of keys, and
//! looked up again; so records that hold nothing, and come and go as they like, are no concern of anybody's.

use std::ops::Bound;
use std::sync::Arc;

use crossbeam_epoch::Guard;
use synod_storage::index::Batch;
use synod_storage::{Record, RecordPtr, Table, Timestamp};

use crate::abort::Change;
use crate::cursor::{Cursor, Direction, complement};
use crate::registry::Registry;
use crate::visibility::changed_since;

/// Records and ranges that were read at a snapshot that is still open.
#[derive(Default)]
pub(crate) struct ReadSet {
    tables: Vec<Arc<Table>>,
    records: Vec<(u32, RecordPtr)>,
    ranges: Vec<ReadRange>,
}

/// A part of a table that was read, whatever was in it.
pub(crate) struct ReadRange {
    table: u32,
    pub(crate) lower: Bound<Vec<u8>>,
    pub(crate) upper: Bound<Vec<u8>>,
}

impl ReadSet {
    /// Forgets everything, but keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.tables.clear();
        self.records.clear();
        self.ranges.clear();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty() && self.ranges.is_empty()
    }

    /// How much is remembered.
    pub(crate) fn capacity(&self) -> usize {
        self.records.capacity().max(self.ranges.capacity())
    }

    fn table(&mut self, table: &Arc<Table>) -> u32 {
        // The last one first: operations on one table often follow each other.
        let known = self.tables.iter().rposition(|known| Arc::ptr_eq(known, table));
        known.unwrap_or_else(|| {
            self.tables.push(table.clone());
            self.tables.len() - 1
        }) as u32
    }

    /// Notes a record in which the snapshot sees a value.
    #[inline]
    pub(crate) fn note_record(&mut self, table: &Arc<Table>, record: RecordPtr) {
        if self.records.last().is_none_or(|last| last.1 != record) {
            let table = self.table(table);
            self.records.push((table, record));
        }
    }

    /// Notes a key that was found absent.
    pub(crate) fn note_absent(&mut self, table: &Arc<Table>, key: &[u8]) {
        let table = self.table(table);
        let bound = || Bound::Included(key.to_vec());
        self.ranges.push(ReadRange { table, lower: bound(), upper: bound() });
    }

    /// Notes the part of a scan's range that one step has covered: what `step` takes from the cursor.
    pub(crate) fn note_step<T>(
        &mut self,
        table: &Arc<Table>,
        cursor: &mut Cursor,
        step: impl FnOnce(&mut Cursor) -> T,
    ) -> T {
        let index = self.table(table);
        let is_forward = cursor.direction == Direction::Forward;
        let start = if is_forward { cursor.lower() } else { cursor.upper() };
        let continues = !cursor.fresh
            && self.ranges.last().is_some_and(|last| {
                let reached = if is_forward { &last.upper } else { &last.lower };
                last.table == index && start == complement(reached.as_ref().map(Vec::as_slice))
            });
        if !continues {
            let (lower, upper) = (cursor.lower.clone(), cursor.upper.clone());
            self.ranges.push(ReadRange { table: index, lower, upper });
        }
        let outcome = step(cursor);
        let range = self.ranges.last_mut().expect("it is there, or has just been pushed");
        match (is_forward, cursor.done) {
            (true, true) => range.upper.clone_from(&cursor.upper),
            (true, false) => range.upper = complement(cursor.lower()).map(<[u8]>::to_vec),
            (false, true) => range.lower.clone_from(&cursor.lower),
            (false, false) => range.lower = complement(cursor.upper()).map(<[u8]>::to_vec),
        }
        outcome
    }

    /// The ranges, each with its table.
    pub(crate) fn ranges(&self) -> impl Iterator<Item = (&Arc<Table>, &ReadRange)> {
        self.ranges.iter().map(|range| (&self.tables[range.table as usize], range))
    }

    /// The records that were noted one by one, each with its table.
    pub(crate) fn records<'g>(&self, _guard: &'g Guard) -> impl Iterator<Item = (&Arc<Table>, Record<'g>)> {
        self.records.iter().map(|&(table, record)| {
            // SAFETY: by `note_record`'s contract it has a value that the open snapshot sees, so it stays.
            (&self.tables[table as usize], unsafe { record.get() })
        })
    }

    /// Something that was read and has been changed by a commit after `since`, up to `until`, if there is
    /// anything. Commits at or before `until` that are going on are waited for; `slot`'s own is overlooked. The
    /// change may also be one after `until`: it may have put an earlier one out of its chain.
    pub(crate) fn find_change(
        &self,
        (since, until): (Timestamp, Timestamp),
        slot: u16,
        registry: &Registry,
        guard: &Guard,
    ) -> Option<Change> {
        let changed = |table: &Table, record: Record<'_>| {
            let at = changed_since(record, (since, until), slot, registry)?;
            Some(Change::of(table, record, at))
        };
        (self.records(guard).find_map(|(table, record)| changed(table, record))).or_else(|| {
            self.ranges().find_map(|(table, range)| {
                let mut found = None;
                range.walk(table, guard, |record| {
                    found = changed(table, record);
                    found.is_none()
                });
                found
            })
        })
    }
}

impl ReadRange {
    /// Visits the records that are in the range now, until `visit` says stop.
    pub(crate) fn walk<'g>(
        &self,
        table: &'g Table,
        guard: &'g Guard,
        mut visit: impl FnMut(Record<'g>) -> bool,
    ) {
        let mut batch = Batch::new();
        let mut start = self.lower.as_ref().map(Vec::as_slice);
        loop {
            table.index().leaf_from(start, &mut batch, guard);
            for &record in batch.records() {
                if is_above(record.key(), &self.upper) || !visit(record) {
                    return;
                }
            }
            match batch.fence() {
                Some(fence) if !is_above(fence, &self.upper) => start = Bound::Included(fence),
                _ => return,
            }
        }
    }
}

/// Whether `key` lies above a range that ends so.
pub(crate) fn is_above(key: &[u8], upper: &Bound<Vec<u8>>) -> bool {
    match upper {
        Bound::Included(upper) => key > upper.as_slice(),
        Bound::Excluded(upper) => key >= upper.as_slice(),
        Bound::Unbounded => false,
    }
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use super::*;
    use synod_storage::TableId;

    fn cursor(direction: Direction) -> Cursor {
        Cursor::new(Bound::Included(b"b".to_vec()), Bound::Excluded(b"x".to_vec()), direction)
    }

    #[test]
    fn the_steps_of_a_scan_are_one_range_as_far_as_it_went() {
        let table = Arc::new(Table::new(TableId(1), "t"));
        for direction in [Direction::Forward, Direction::Backward] {
            let (mut reads, mut cursor) = (ReadSet::default(), cursor(direction));
            reads.note_step(&table, &mut cursor, |cursor| cursor.move_past(b"k"));
            let [range] = &reads.ranges[..] else { panic!("one range") };
            match direction {
                Direction::Forward => assert_eq!(range.upper, Bound::Included(b"k".to_vec())),
                Direction::Backward => assert_eq!(range.lower, Bound::Included(b"k".to_vec())),
            }
            reads.note_step(&table, &mut cursor, |cursor| cursor.move_to_fence(Some(b"m")));
            reads.note_step(&table, &mut cursor, Cursor::finish);
            let [range] = &reads.ranges[..] else { panic!("one range") };
            assert_eq!(range.lower, Bound::Included(b"b".to_vec()));
            assert_eq!(range.upper, Bound::Excluded(b"x".to_vec()));
        }
    }

    #[test]
    fn two_scans_are_two_ranges() {
        let table = Arc::new(Table::new(TableId(1), "t"));
        let mut reads = ReadSet::default();
        reads.note_step(&table, &mut cursor(Direction::Forward), |cursor| cursor.move_past(b"k"));
        reads.note_step(&table, &mut cursor(Direction::Forward), |cursor| cursor.move_past(b"c"));
        assert_eq!(reads.ranges.len(), 2);
    }

    #[test]
    fn a_second_scan_of_everything_leaves_the_first_as_it_is() {
        let table = Arc::new(Table::new(TableId(1), "t"));
        let everything = || Cursor::new(Bound::Unbounded, Bound::Unbounded, Direction::Forward);
        let mut reads = ReadSet::default();
        reads.note_step(&table, &mut everything(), Cursor::finish);
        reads.note_step(&table, &mut everything(), |cursor| cursor.move_past(b"c"));
        assert_eq!(reads.ranges[0].upper, Bound::Unbounded);
    }
}
