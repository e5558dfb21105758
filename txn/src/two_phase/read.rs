//! Reading one key.

use std::ops::Bound;
use std::sync::Arc;

use crossbeam_epoch::{Guard, pin};
use synod_storage::index::Batch;
use synod_storage::sync::{Ordering, spin};
use synod_storage::{Record, RecordPtr, Table, Version, VersionState};

use super::transaction::Transaction;
use crate::locking::word::{Modes, Word};
use crate::locking::writer::in_locking_order;
use crate::protocol::{Intent, Isolation, VisitNth};
use crate::visibility::latest_committed;
use crate::{Result, VisitKey};

impl Transaction {
    pub(super) fn read_key(
        &mut self,
        table: &Arc<Table>,
        key: &[u8],
        intent: Intent,
        visit: &mut VisitKey<'_>,
    ) -> Result<()> {
        let mut guard = pin();
        for round in 0.. {
            let Some(record) = self.writer.find(table, key, &guard) else {
                if self.isolation < Isolation::RepeatableRead || self.lock_gap_of(table, key, &mut guard)? {
                    visit(None);
                    return Ok(());
                }
                continue;
            };
            if self.lock_to_read(table, record, intent, Modes::default(), &mut guard)? {
                if intent != Intent::Read || self.isolation >= Isolation::RepeatableRead {
                    // SAFETY: it is locked.
                    unsafe { self.writer.recent.note(table, record) };
                }
                visit(self.version_of(record, &guard));
                return Ok(());
            }
            // The record is about to leave the index.
            spin(round);
        }
        unreachable!("the loop ends by returning")
    }

    /// Reads several keys.
    pub(super) fn read_keys(
        &mut self,
        table: &Arc<Table>,
        keys: &[&[u8]],
        intent: Intent,
        visit: &mut VisitNth<'_>,
    ) -> Result<()> {
        let modes = self.lasting_modes(intent);
        let locked = modes.map(|modes| self.writer.lock_together(table, keys, modes)).unwrap_or_default();
        let guard = pin();
        locked.iter().enumerate().for_each(|(nth, record)| visit(nth, self.version_of(*record, &guard)));
        drop(guard);
        if !locked.is_empty() {
            return Ok(());
        }
        if modes.is_some() {
            for key in in_locking_order(keys) {
                self.read_key(table, key, intent, &mut |_| {})?;
            }
        }
        for (nth, key) in keys.iter().enumerate() {
            self.read_key(table, key, intent, &mut |version| visit(nth, version))?;
        }
        Ok(())
    }

    /// Takes what the isolation level asks for to read a record: false if the record has left the index.
    #[inline]
    pub(super) fn lock_to_read(
        &mut self,
        table: &Table,
        record: RecordPtr,
        intent: Intent,
        gap: Modes,
        guard: &mut Guard,
    ) -> Result<bool> {
        match self.lasting_modes(intent) {
            Some(modes) => self.writer.lock(table, record, modes.with(gap), guard),
            None if self.isolation == Isolation::ReadCommitted => self.wait_for_writer(table, record, guard),
            None => Ok(true),
        }
    }

    /// What is locked, to the transaction's end, to read a record; `None` if the isolation level asks for nothing.
    #[inline]
    fn lasting_modes(&self, intent: Intent) -> Option<Modes> {
        match intent {
            Intent::Update => Some(Modes::UPDATE),
            Intent::Write => Some(Modes::EXCLUSIVE),
            Intent::Read => (self.isolation >= Isolation::RepeatableRead).then_some(Modes::SHARED),
        }
    }

    /// Read committed: waits while somebody else is writing the record, and keeps no lock.
    fn wait_for_writer(&mut self, table: &Table, record: RecordPtr, guard: &mut Guard) -> Result<bool> {
        // SAFETY: the caller is pinned and found the record in the index.
        let word = Word(unsafe { record.get() }.word().load(Ordering::Acquire));
        if word.is_dead() {
            return Ok(false);
        }
        if !word.may_be_written_by_other(self.writer.slot()) {
            return Ok(true);
        }
        self.writer.lock_for_a_moment(table, record, Modes::SHARED, guard)
    }

    /// What this transaction sees in a record that it has locked as its level asks.
    #[inline]
    pub(super) fn version_of<'g>(&mut self, record: RecordPtr, _guard: &'g Guard) -> Option<Version<'g>> {
        // SAFETY: the record is locked, or was found under this guard.
        let record: Record<'g> = unsafe { record.get() };
        let version = match record.head() {
            Some(head) if self.sees_head(head) => head,
            _ => latest_committed(record)?,
        };
        if let VersionState::Committed(timestamp) = version.state() {
            self.writer.newest_read = self.writer.newest_read.max(timestamp);
        }
        Some(version)
    }

    #[inline]
    fn sees_head(&self, head: Version<'_>) -> bool {
        match head.state() {
            VersionState::Committed(_) => true,
            VersionState::Pending { slot, .. } => {
                slot == self.writer.slot() || self.isolation == Isolation::ReadUncommitted
            }
        }
    }

    /// Locks the gap in which `key` would be, so that it stays absent; false if it has appeared meanwhile.
    pub(super) fn lock_gap_of(&mut self, table: &Arc<Table>, key: &[u8], guard: &mut Guard) -> Result<bool> {
        self.lock_gap_from(table, Bound::Included(key), guard)?;
        Ok(table.index().get(key, guard).is_none())
    }

    /// Locks the gap in front of the first record at or behind `bound`.
    pub(super) fn lock_gap_from(
        &mut self,
        table: &Arc<Table>,
        bound: Bound<&[u8]>,
        guard: &mut Guard,
    ) -> Result<()> {
        for round in 0.. {
            let mut witnesses = Vec::new();
            let successor = {
                let mut fence: Option<Vec<u8>> = None;
                loop {
                    let start = fence.as_deref().map_or(bound, Bound::Included);
                    let mut batch = Batch::new();
                    table.index().leaf_from(start, &mut batch, guard);
                    witnesses.push(batch.witness());
                    match (batch.records().first(), batch.fence()) {
                        (Some(record), _) => break record.ptr(),
                        (None, Some(next)) => fence = Some(next.to_vec()),
                        (None, None) => break table.end(),
                    }
                }
            };
            // The lock first, the look at the leaves afterwards: an inserter that missed the lock has changed
            // its leaf. A successor that is marked dead is waited for, until it has left the index or has
            // turned out to be needed after all (see `garbage`).
            if self.writer.lock(table, successor, Modes::GAP, guard)?
                && witnesses.iter().all(|witness| table.index().is_current(witness))
            {
                break;
            }
            spin(round);
        }
        Ok(())
    }
}
