//! Reading, and scanning.

use std::sync::Arc;

use crossbeam_epoch::pin;
use synod_storage::sync::spin;
use synod_storage::{Record, Table, Version, VersionState};

use super::transaction::Transaction;
use crate::locking::word::Modes;
use crate::protocol::Intent;
use crate::store::scan_step;
use crate::visibility::{latest_committed, visible_at};
use crate::{Cursor, Result, Visit};

impl Transaction {
    pub(super) fn read_key(&mut self, table: &Arc<Table>, key: &[u8], visit: &mut dyn FnMut(Option<&[u8]>)) {
        let guard = pin();
        let record = self.writer.find(table, key, &guard);
        // SAFETY: found under this guard, or locked.
        let record = record.map(|record| unsafe { record.get() });
        let value = record.and_then(|record| self.value_of(record));
        if let Some(tracking) = &mut self.tracking {
            match record {
                Some(record) if value.is_some() => tracking.reads.note_record(table, record.ptr()),
                _ => tracking.reads.note_absent(table, key),
            }
        }
        visit(value);
    }

    /// Reads a key that will be written: locks it, so that nobody is first to that.
    pub(super) fn read_to_write(
        &mut self,
        table: &Arc<Table>,
        key: &[u8],
        intent: Intent,
        visit: &mut dyn FnMut(Option<&[u8]>),
    ) -> Result<()> {
        let modes = if intent == Intent::Update { Modes::UPDATE } else { Modes::EXCLUSIVE };
        let mut guard = pin();
        for round in 0.. {
            let Some(record) = self.writer.find(table, key, &guard) else { break };
            if self.writer.lock(table, record, modes, &mut guard)? {
                self.writer.last_locked = Some((table.id(), record));
                self.check_first(table, record)?;
                break;
            }
            // The record is about to leave the index.
            spin(round);
        }
        drop(guard);
        self.read_key(table, key, visit);
        Ok(())
    }

    /// The value that this transaction sees in a record.
    #[inline]
    pub(super) fn value_of<'g>(&mut self, record: Record<'g>) -> Option<&'g [u8]> {
        let version = self.version_of(record)?;
        if let VersionState::Committed(timestamp) = version.state() {
            self.writer.newest_read = self.writer.newest_read.max(timestamp);
        }
        version.value()
    }

    #[inline]
    fn version_of<'g>(&self, record: Record<'g>) -> Option<Version<'g>> {
        if let Some(head) = record.head()
            && matches!(head.state(), VersionState::Pending { slot, .. } if slot == self.writer.slot())
        {
            return Some(head);
        }
        match &self.snapshot {
            Some(snapshot) => visible_at(record, snapshot.timestamp(), self.writer.store().registry()),
            None => latest_committed(record),
        }
    }

    pub(super) fn scan_leaf(&mut self, table: &Arc<Table>, cursor: &mut Cursor, visit: &mut Visit<'_>) {
        let guard = pin();
        let mut tracking = self.tracking.take();
        let mut step = |cursor: &mut Cursor| {
            scan_step(table, cursor, &guard, |record| {
                if let Some(value) = self.value_of(record) {
                    visit(record.key(), value);
                }
            });
        };
        match &mut tracking {
            Some(tracking) => tracking.reads.note_step(table, cursor, step),
            None => step(cursor),
        }
        self.tracking = tracking;
    }
}
