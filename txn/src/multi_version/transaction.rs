//! A running transaction under multi-version concurrency control.

use std::cell::RefCell;
use std::sync::Arc;

use synod_storage::{Table, Timestamp};

use super::MultiVersion;
use crate::locking::Writer;
use crate::protocol::{ActiveTransaction, BeginOptions, CommitReceipt, Expect, Intent, Isolation, Savepoint};
use crate::reads::ReadSet;
use crate::snapshot::OpenSnapshot;
use crate::{Abort, Cursor, Durability, Result, Visit, VisitKey, VisitNth};

/// A transaction that reads from a snapshot, and holds locks on what it has written.
pub(crate) struct Transaction {
    pub(super) writer: Writer,
    /// What has to be looked at again at the commit; `None` below serializable, unless it is audited.
    pub(super) tracking: Option<Tracking>,
    /// Whether the check at the commit is only noted.
    pub(super) is_audit: bool,
    /// `None` at read committed. Closed after everything else is undone.
    pub(super) snapshot: Option<OpenSnapshot>,
}

/// What a serializable transaction remembers.
#[derive(Default)]
pub(super) struct Tracking {
    pub(super) reads: ReadSet,
    /// The newest reader of a gap that this transaction has inserted into.
    pub(super) gap_readers: Timestamp,
}

/// A thread keeps the read set of its last transaction, unless it has become larger than this.
const KEPT_READS_MAX: usize = 4096;

thread_local! {
    static SPARE_READS: RefCell<Option<ReadSet>> = const { RefCell::new(None) };
}

impl Transaction {
    pub(super) fn begin(protocol: &MultiVersion, options: &BeginOptions) -> Result<Self> {
        let store = &protocol.locking.store;
        // The slot first: a reader that doesn't find it there began before this snapshot.
        let writer = Writer::begin(&protocol.locking, options)?;
        let snapshot = match options.isolation {
            Isolation::ReadCommitted => None,
            level => {
                let is_tracked = level == Isolation::Serializable || options.audit;
                Some(store.snapshots().open_newest(store.oracle(), is_tracked)?)
            }
        };
        let is_audit = options.audit && options.isolation == Isolation::Snapshot;
        let tracking = (is_audit || options.isolation == Isolation::Serializable)
            .then(|| Tracking { reads: SPARE_READS.take().unwrap_or_default(), gap_readers: Timestamp::MIN });
        Ok(Transaction { writer, tracking, is_audit, snapshot })
    }
}

impl ActiveTransaction for Transaction {
    fn read(
        &mut self,
        table: &Arc<Table>,
        key: &[u8],
        intent: Intent,
        visit: &mut VisitKey<'_>,
    ) -> Result<()> {
        self.writer.check(table, key)?;
        match intent {
            Intent::Read => {
                self.read_key(table, key, visit);
                Ok(())
            }
            Intent::Update | Intent::Write => self.read_to_write(table, key, intent, visit),
        }
    }

    fn read_together(
        &mut self,
        table: &Arc<Table>,
        keys: &[&[u8]],
        intent: Intent,
        visit: &mut VisitNth<'_>,
    ) -> Result<()> {
        keys.iter().try_for_each(|key| self.writer.check(table, key))?;
        match intent {
            Intent::Read => self.read_keys(table, keys, visit),
            Intent::Update | Intent::Write => self.read_keys_to_write(table, keys, intent, visit)?,
        }
        Ok(())
    }

    fn write(
        &mut self,
        table: &Arc<Table>,
        key: &[u8],
        value: Option<&[u8]>,
        expect: Expect,
    ) -> Result<bool> {
        self.writer.check(table, key)?;
        self.write_key(table, key, value, expect)
    }

    fn scan(
        &mut self,
        table: &Arc<Table>,
        cursor: &mut Cursor,
        _intent: Intent,
        visit: &mut Visit<'_>,
    ) -> Result<()> {
        self.writer.check(table, &[])?;
        if !cursor.is_done() {
            self.scan_leaf(table, cursor, visit);
        }
        Ok(())
    }

    fn write_count(&self) -> u64 {
        self.writer.write_count()
    }

    fn savepoint(&mut self) -> Result<Savepoint> {
        Ok(self.writer.savepoint())
    }

    fn rollback_to(&mut self, savepoint: Savepoint) -> Result<()> {
        self.writer.rollback_to(savepoint)
    }

    fn commit(self: Box<Self>, durability: Durability) -> Result<CommitReceipt> {
        self.commit_checked(durability)
    }

    fn abort(self: Box<Self>) {}

    fn age(&self) -> u64 {
        self.writer.age()
    }

    fn slot(&self) -> Option<u16> {
        Some(self.writer.slot())
    }

    fn abort_reason(&self) -> Option<&Abort> {
        self.writer.abort_reason()
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        self.writer.end();
        if let Some(snapshot) = &self.snapshot {
            self.writer.store().snapshots().close(snapshot);
        }
    }
}

impl Drop for Tracking {
    fn drop(&mut self) {
        if self.reads.capacity() <= KEPT_READS_MAX {
            let mut reads = std::mem::take(&mut self.reads);
            reads.clear();
            SPARE_READS.set(Some(reads));
        }
    }
}
