//! Writing and deleting under two-phase locking.

use std::cell::Cell;
use std::sync::Arc;

use crossbeam_epoch::{Guard, pin};
use synod_storage::index::Insertion;
use synod_storage::sync::{Ordering, spin};
use synod_storage::{Record, RecordPtr, Table, check_value};

use super::transaction::Transaction;
use crate::Result;
use crate::locking::lock_table::{Gap, LockTable};
use crate::locking::word::{Modes, Word};
use crate::protocol::{Expect, Isolation};

impl Transaction {
    /// Writes or deletes one key; returns whether it had a value.
    pub(super) fn write_key(
        &mut self,
        table: &Arc<Table>,
        key: &[u8],
        value: Option<&[u8]>,
        expect: Expect,
    ) -> Result<bool> {
        check_value(value.unwrap_or_default())?;
        let mut guard = pin();
        for round in 0.. {
            let found = self.writer.find_to_write(table, key, (value, expect), round, &guard);
            let locked = match (found, value) {
                (Some(record), _) => {
                    self.writer.lock(table, record, Modes::EXCLUSIVE, &mut guard)?.then_some(record)
                }
                (None, Some(value)) => self.insert_record(table, key, value.len(), &mut guard)?,
                (None, None) => {
                    let is_repeatable = self.isolation >= Isolation::RepeatableRead;
                    if !is_repeatable || self.lock_gap_of(table, key, &mut guard)? {
                        return Ok(false);
                    }
                    None
                }
            };
            if let Some(record) = locked {
                // SAFETY: it is locked.
                unsafe { self.writer.recent.note(table, record) };
                let had_value =
                    self.version_of(record, &guard).is_some_and(|version| version.value().is_some());
                return self.writer.write_record(table, record, value, (had_value, expect), &guard);
            }
            spin(round);
        }
        unreachable!("the loop ends by returning")
    }

    /// Puts an empty record, with room for a value, under `key`, locked by this transaction. `None` if that has to be
    /// tried again: somebody else was faster, or had to be waited for.
    fn insert_record(
        &mut self,
        table: &Arc<Table>,
        key: &[u8],
        value_bytes: usize,
        guard: &mut Guard,
    ) -> Result<Option<RecordPtr>> {
        let slot = self.writer.slot();
        let lock_table = self.writer.lock_table();
        let or_end = |successor: Option<Record<'_>>| successor.map_or(table.end(), Record::ptr);
        let splits_own_gap = Cell::new(false);
        let admit = |successor| {
            let verdict = gap_in_front_of(or_end(successor), slot, lock_table);
            splits_own_gap.set(verdict == Gap::Own);
            verdict != Gap::Others
        };
        let make = || {
            let record = Record::allocate(key, Word::owned_by(slot).0, value_bytes);
            if splits_own_gap.get() {
                // The gap lock must go on covering both parts of the gap.
                match Word::owned_by(slot).grant(slot, Modes::GAP) {
                    Some(word) => record.word().store(word.0, Ordering::Relaxed),
                    None => lock_table.install(slot, record, Modes::EXCLUSIVE.with(Modes::GAP)),
                }
            }
            record
        };
        let refused = match table.index().insert(key, make, admit, guard) {
            Insertion::Inserted(record) => {
                self.writer.note_inserted(record.ptr());
                return Ok(Some(record.ptr()));
            }
            Insertion::Present(_) => return Ok(None),
            Insertion::Refused(successor) => or_end(successor),
        };
        self.writer.lock(table, refused, Modes::INSERT, guard)?;
        Ok(None)
    }
}

/// Looks at the gap lock on `successor`. Runs under the latch of the leaf that the new key belongs to.
fn gap_in_front_of(successor: RecordPtr, slot: u16, lock_table: &LockTable) -> Gap {
    loop {
        // SAFETY: the caller is pinned and found the record in the index.
        // SeqCst: after the leaf's latch (see the module).
        let word = Word(unsafe { successor.get() }.word().load(Ordering::SeqCst));
        if !word.is_inflated() {
            return match word.grant(slot, Modes::INSERT) {
                Some(_) if word.modes_of(slot).has(Modes::GAP) => Gap::Own,
                Some(_) => Gap::Nobody,
                None => Gap::Others,
            };
        }
        // `None`: it was deflated meanwhile.
        if let Some(gap) = lock_table.gap_of(slot, successor) {
            return gap;
        }
    }
}
