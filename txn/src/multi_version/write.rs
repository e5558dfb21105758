//! Writing and deleting: the first to change a record wins.

use std::cell::Cell;
use std::sync::Arc;

use crossbeam_epoch::{Guard, pin};
use synod_storage::index::Insertion;
use synod_storage::sync::spin;
use synod_storage::{Record, RecordPtr, Table, Timestamp, Version, VersionState, check_value};

use super::read::has_value;
use super::transaction::Transaction;
use crate::abort::Change;
use crate::locking::word::{Modes, Word};
use crate::protocol::Expect;
use crate::visibility::latest_committed;
use crate::{Abort, Result};

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
            let locked = match (self.writer.find_to_write(table, key, (value, expect), round, &guard), value)
            {
                (Some(record), _) => {
                    self.writer.lock(table, record, Modes::EXCLUSIVE, &mut guard)?.then_some(record)
                }
                (None, Some(value)) => self.insert_record(table, key, value.len(), &guard),
                (None, None) => {
                    self.note(table, key, None);
                    return Ok(false);
                }
            };
            if let Some(record) = locked {
                // SAFETY: it is locked.
                unsafe { self.writer.recent.note(table, record) };
                return self.write_locked(table, record, value, expect, &guard);
            }
            spin(round);
        }
        unreachable!("the loop ends by returning")
    }

    fn write_locked(
        &mut self,
        table: &Arc<Table>,
        record: RecordPtr,
        value: Option<&[u8]>,
        expect: Expect,
        guard: &Guard,
    ) -> Result<bool> {
        self.check_first(table, record)?;
        // SAFETY: the record is locked by this transaction.
        let found = unsafe { record.get() };
        let had_value = has_value(self.see(found));
        if had_value && expect == Expect::Absent {
            // It is only read then.
            self.note(table, found.key(), Some(record));
        } else if !had_value && value.is_none() {
            self.note(table, found.key(), None);
        }
        self.writer.write_record(table, record, value, (had_value, expect), guard)
    }

    /// Notes what a write has only read.
    fn note(&mut self, table: &Arc<Table>, key: &[u8], record: Option<RecordPtr>) {
        if let Some(tracking) = &mut self.tracking {
            match record {
                Some(record) => tracking.reads.note_record(table, record),
                None => tracking.reads.note_absent(table, key),
            }
        }
    }

    /// Aborts unless a record, which this transaction has locked, is as its snapshot shows it.
    pub(super) fn check_first(&mut self, table: &Table, record: RecordPtr) -> Result<()> {
        let Some(snapshot) = &self.snapshot else { return Ok(()) };
        // SAFETY: the record is locked by this transaction.
        let record = unsafe { record.get() };
        if let Some(VersionState::Committed(at)) = latest_committed(record).map(Version::state)
            && at > snapshot.timestamp()
        {
            let change = Change::of(table, record, at);
            return Err(self.writer.abort_because(Abort::WriteConflict { change }));
        }
        Ok(())
    }

    /// Puts an empty record, with room for a value, under `key`, locked by this transaction. `None` if somebody else
    /// was faster.
    fn insert_record(
        &mut self,
        table: &Arc<Table>,
        key: &[u8],
        value_bytes: usize,
        guard: &Guard,
    ) -> Option<RecordPtr> {
        let slot = self.writer.slot();
        let marks = self.writer.store().read_marks();
        let gap_readers = Cell::new(Timestamp::MIN);
        let admit = |successor: Option<Record<'_>>| {
            let successor = successor.map_or(table.end(), Record::ptr);
            gap_readers.set(marks.of_gap(successor));
            true
        };
        let make = || {
            let record = Record::allocate(key, Word::owned_by(slot).0, value_bytes);
            // Who has read the gap has read both parts of it, and found this key absent.
            marks.mark_gap(record.ptr(), gap_readers.get());
            marks.mark_record(record.ptr(), gap_readers.get());
            record
        };
        let Insertion::Inserted(record) = table.index().insert(key, make, admit, guard) else { return None };
        let record = record.ptr();
        self.writer.note_inserted(record);
        if let Some(tracking) = &mut self.tracking {
            tracking.gap_readers = tracking.gap_readers.max(gap_readers.get());
        }
        Some(record)
    }
}
