//! A transaction that is declared read-only, at the serializable level.

use std::sync::Arc;

use crossbeam_epoch::pin;
use synod_storage::{Record, Table, Timestamp, Version, VersionState, check_key};

use super::commit::check_reads;
use super::read::has_value;
use crate::protocol::{ActiveTransaction, CommitReceipt, Expect, Intent, Savepoint, VisitNth};
use crate::reads::ReadSet;
use crate::registry::TransactionId;
use crate::store::scan_step;
use crate::together;
use crate::visibility::visible_at;
use crate::{Abort, Cursor, Durability, Error, Result, Snapshot, Store, Visit, VisitKey};

/// After so many reads it is found out whether the rest need be remembered; then after twice as many, and so on.
const FIRST_LOOK: usize = 16;

/// A reader of a snapshot.
pub(super) struct ReadOnly {
    /// What was read; `None` once the snapshot is known to be safe.
    reads: Option<ReadSet>,
    /// Who was running when the snapshot was taken.
    writers: Vec<(u16, TransactionId)>,
    operations: usize,
    next_look: usize,
    newest_read: Timestamp,
    aborted: Option<Abort>,
    snapshot: Snapshot,
}

impl ReadOnly {
    pub(super) fn begin(store: &Arc<Store>) -> Result<Self> {
        let snapshot = Snapshot::tracked(store)?;
        // The snapshot first: who begins after it reads nothing older, and comes before nothing older.
        let writers = store.registry().running_now();
        let mut begun = ReadOnly {
            reads: Some(ReadSet::default()),
            writers,
            operations: 0,
            next_look: FIRST_LOOK,
            newest_read: Timestamp::MIN,
            aborted: None,
            snapshot,
        };
        begun.find_safety();
        Ok(begun)
    }

    fn store(&self) -> &Arc<Store> {
        self.snapshot.store()
    }

    /// Stops remembering reads, if nobody who was at work when this began can still come before the snapshot.
    fn find_safety(&mut self) {
        let store = self.snapshot.store();
        let have_ended = self.writers.iter().all(|&(slot, id)| !store.registry().slot(slot).is_owned_by(id));
        if have_ended && !store.read_marks().has_pivot_around(self.snapshot.timestamp()) {
            self.reads = None;
        }
    }

    fn check(&mut self, table: &Table) -> Result<()> {
        if let Some(abort) = &self.aborted {
            return Err(Error::Aborted(abort.clone()));
        }
        if table.is_dropped() {
            return Err(Error::TableDropped { table: table.name().to_owned() });
        }
        self.operations += 1;
        if self.reads.is_some() && self.operations >= self.next_look {
            self.next_look *= 2;
            self.find_safety();
        }
        Ok(())
    }
}

impl ReadOnly {
    /// Reads what a key's record has.
    #[inline]
    fn read_record(
        &mut self,
        table: &Arc<Table>,
        key: &[u8],
        record: Option<Record<'_>>,
        visit: &mut VisitKey<'_>,
    ) {
        let version = record.and_then(|record| {
            visible_at(record, self.snapshot.timestamp(), self.snapshot.store().registry())
        });
        self.newest_read = self.newest_read.max(timestamp_of(version));
        if let Some(reads) = &mut self.reads {
            match record {
                Some(record) if has_value(version) => reads.note_record(table, record.ptr()),
                _ => reads.note_absent(table, key),
            }
        }
        visit(version);
    }
}

impl ActiveTransaction for ReadOnly {
    fn read(
        &mut self,
        table: &Arc<Table>,
        key: &[u8],
        _intent: Intent,
        visit: &mut VisitKey<'_>,
    ) -> Result<()> {
        self.check(table)?;
        check_key(key)?;
        let guard = pin();
        self.read_record(table, key, table.index().get(key, &guard), visit);
        Ok(())
    }

    fn read_together(
        &mut self,
        table: &Arc<Table>,
        keys: &[&[u8]],
        _intent: Intent,
        visit: &mut VisitNth<'_>,
    ) -> Result<()> {
        self.check(table)?;
        keys.iter().try_for_each(|key| check_key(key))?;
        together::for_each(table, keys, &pin(), |nth, key, record| {
            self.read_record(table, key, record, &mut |version| visit(nth, version));
        });
        Ok(())
    }

    fn write(&mut self, _: &Arc<Table>, _: &[u8], _: Option<&[u8]>, _: Expect) -> Result<bool> {
        Err(Error::ReadOnly)
    }

    fn scan(
        &mut self,
        table: &Arc<Table>,
        cursor: &mut Cursor,
        _intent: Intent,
        visit: &mut Visit<'_>,
    ) -> Result<()> {
        self.check(table)?;
        if cursor.is_done() {
            return Ok(());
        }
        let guard = pin();
        let (at, registry) = (self.snapshot.timestamp(), self.snapshot.store().registry());
        let newest_read = &mut self.newest_read;
        let mut step = |cursor: &mut Cursor| {
            scan_step(table, cursor, &guard, |record| {
                let version = visible_at(record, at, registry);
                *newest_read = timestamp_of(version).max(*newest_read);
                if let Some(version) = version {
                    visit(record.key(), version);
                }
            });
        };
        match &mut self.reads {
            Some(reads) => reads.note_step(table, cursor, step),
            None => step(cursor),
        }
        Ok(())
    }

    fn write_count(&self) -> u64 {
        0
    }

    fn savepoint(&mut self) -> Result<Savepoint> {
        Err(Error::ReadOnly)
    }

    fn rollback_to(&mut self, _: Savepoint) -> Result<()> {
        Err(Error::ReadOnly)
    }

    fn commit(self: Box<Self>, _: Durability) -> Result<CommitReceipt> {
        if let Some(abort) = self.aborted {
            return Err(Error::Aborted(abort));
        }
        let at = self.snapshot.timestamp();
        if let Some(reads) = &self.reads {
            check_reads(self.store(), reads, at).map_err(Error::Aborted)?;
        }
        let forgotten = self.store().newest_forgotten().min(at);
        Ok(CommitReceipt { timestamp: self.newest_read.max(forgotten), wrote: false })
    }

    fn abort(self: Box<Self>) {}

    fn age(&self) -> u64 {
        self.snapshot.timestamp().0
    }

    fn slot(&self) -> Option<u16> {
        None
    }

    fn abort_reason(&self) -> Option<&Abort> {
        self.aborted.as_ref()
    }
}

fn timestamp_of(version: Option<Version<'_>>) -> Timestamp {
    match version.map(Version::state) {
        Some(VersionState::Committed(timestamp)) => timestamp,
        _ => Timestamp::MIN,
    }
}
