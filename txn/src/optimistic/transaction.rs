//! A running transaction: its state, its life.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use synod_storage::wal::FrameBuilder;
use synod_storage::{Table, Timestamp, check_key};

use super::write_set::WriteSet;
use crate::protocol::{ActiveTransaction, BeginOptions, CommitReceipt, Expect, Intent, Isolation, Savepoint};
use crate::reads::ReadSet;
use crate::recent::Recent;
use crate::registry::Slot;
use crate::{Abort, Cursor, Durability, Error, Result, Store, Visit, VisitKey, VisitNth};

/// A transaction that remembers what it reads and writes, and that nobody else notices before it commits.
pub(super) struct Transaction {
    pub(super) store: Arc<Store>,
    pub(super) slot: u16,
    pub(super) isolation: Isolation,
    age: u64,
    /// The moment that everything in the read set is of.
    pub(super) moment: Timestamp,
    /// The newest commit that was read: this transaction can't be durable before that one is.
    pub(super) newest_read: Timestamp,
    /// Records that were noted, and have a value at this transaction's moment: so they stay.
    pub(super) recent: Recent,
    pub(super) buffers: Lent,
    savepoints: Vec<(u64, usize)>,
    savepoint_serial: u64,
    write_count: u64,
    phase: Phase,
}

/// Where a transaction is in its life.
enum Phase {
    Running,
    Aborted(Abort),
    /// Its slot is released.
    Over,
}

/// Memory that a thread's next transaction can use again.
#[derive(Default)]
pub(super) struct Buffers {
    pub(super) reads: ReadSet,
    pub(super) writes: WriteSet,
    /// The writes that are to be installed, in the order in which they are locked.
    pub(super) order: Vec<u32>,
    pub(super) frame: FrameBuilder,
}

/// Buffers that go back to the thread when the transaction is dropped. `None` only then.
pub(super) struct Lent(Option<Box<Buffers>>);

/// A thread keeps the buffers of its last transaction, unless they have become larger than this.
const KEPT_ENTRIES_MAX: usize = 4096;

thread_local! {
    static SPARE_BUFFERS: RefCell<Option<Box<Buffers>>> = const { RefCell::new(None) };
}

impl Lent {
    fn borrow() -> Self {
        Lent(Some(SPARE_BUFFERS.take().unwrap_or_default()))
    }
}

impl Deref for Lent {
    type Target = Buffers;

    #[inline]
    fn deref(&self) -> &Buffers {
        self.0.as_ref().expect("it is there until it is dropped")
    }
}

impl DerefMut for Lent {
    #[inline]
    fn deref_mut(&mut self) -> &mut Buffers {
        self.0.as_mut().expect("it is there until it is dropped")
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(buffers) = self.0.take()
            && buffers.reads.capacity().max(buffers.writes.capacity()) <= KEPT_ENTRIES_MAX
        {
            SPARE_BUFFERS.set(Some(buffers));
        }
    }
}

impl Transaction {
    pub(super) fn begin(store: &Arc<Store>, options: &BeginOptions) -> Result<Self> {
        let age = options.age.unwrap_or_else(|| store.oracle().last().0);
        let slot = store.registry().claim(age)?;
        Ok(Transaction {
            store: store.clone(),
            slot,
            isolation: options.isolation,
            age,
            moment: store.registry().slot(slot).begin_reading(store.oracle()),
            newest_read: Timestamp::MIN,
            recent: Recent::default(),
            buffers: Lent::borrow(),
            savepoints: Vec::new(),
            savepoint_serial: 0,
            write_count: 0,
            phase: Phase::Running,
        })
    }

    #[inline]
    pub(super) fn registered(&self) -> &Slot {
        self.store.registry().slot(self.slot)
    }

    /// Checks, before an operation, that there is a transaction to work for and a table to work on.
    #[inline]
    fn check(&self, table: &Table, key: &[u8]) -> Result<()> {
        self.check_alive()?;
        check_key(key)?;
        if table.is_dropped() {
            return Err(Error::TableDropped { table: table.name().to_owned() });
        }
        Ok(())
    }

    #[inline]
    pub(super) fn check_alive(&self) -> Result<()> {
        match &self.phase {
            Phase::Running => Ok(()),
            Phase::Aborted(abort) => Err(Error::Aborted(abort.clone())),
            Phase::Over => unreachable!("an ended transaction is never used again"),
        }
    }

    /// How many writes lie before the newest savepoint, and have to be kept.
    pub(super) fn writes_before_savepoint(&self) -> usize {
        self.savepoints.last().map_or(0, |&(_, writes)| writes)
    }

    pub(super) fn count_write(&mut self) {
        self.write_count += 1;
    }

    /// Forgets everything and remembers why.
    pub(super) fn abort_because(&mut self, abort: Abort) -> Error {
        tracing::debug!(transaction = %self.registered().id(), %abort, "aborted");
        self.registered().counts.abort(self.isolation, &abort);
        self.forget();
        self.phase = Phase::Aborted(abort.clone());
        Error::Aborted(abort)
    }

    /// Forgets what was read and written.
    fn forget(&mut self) {
        self.recent.forget();
        self.buffers.reads.clear();
        self.buffers.writes.clear();
        self.registered().end_reading();
    }

    /// The transaction is over: its slot can be used again.
    pub(super) fn finish(&mut self) {
        if matches!(self.phase, Phase::Over) {
            return;
        }
        self.forget();
        self.phase = Phase::Over;
        self.store.registry().release(self.slot);
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
        self.check(table, key)?;
        self.read_key(table, key, intent, visit)
    }

    fn read_together(
        &mut self,
        table: &Arc<Table>,
        keys: &[&[u8]],
        intent: Intent,
        visit: &mut VisitNth<'_>,
    ) -> Result<()> {
        keys.iter().try_for_each(|key| self.check(table, key))?;
        self.read_keys(table, keys, intent, visit)
    }

    fn write(
        &mut self,
        table: &Arc<Table>,
        key: &[u8],
        value: Option<&[u8]>,
        expect: Expect,
    ) -> Result<bool> {
        self.check(table, key)?;
        self.write_key(table, key, value, expect)
    }

    fn scan(
        &mut self,
        table: &Arc<Table>,
        cursor: &mut Cursor,
        intent: Intent,
        visit: &mut Visit<'_>,
    ) -> Result<()> {
        self.check(table, &[])?;
        if cursor.is_done() {
            return Ok(());
        }
        self.scan_some(table, cursor, intent, visit)
    }

    fn write_count(&self) -> u64 {
        self.write_count
    }

    fn savepoint(&mut self) -> Result<Savepoint> {
        self.savepoint_serial += 1;
        self.savepoints.push((self.savepoint_serial, self.buffers.writes.len()));
        Ok(Savepoint { transaction: self.registered().id().0, serial: self.savepoint_serial })
    }

    fn rollback_to(&mut self, savepoint: Savepoint) -> Result<()> {
        self.check_alive()?;
        let is_own = savepoint.transaction == self.registered().id().0;
        let position = self.savepoints.iter().position(|&(serial, _)| serial == savepoint.serial);
        let Some(position) = position.filter(|_| is_own) else { return Err(Error::UnknownSavepoint) };
        self.buffers.writes.roll_back(self.savepoints[position].1);
        self.savepoints.truncate(position + 1);
        self.write_count += 1;
        Ok(())
    }

    fn commit(mut self: Box<Self>, durability: Durability) -> Result<CommitReceipt> {
        self.commit_now(durability)
    }

    fn abort(self: Box<Self>) {}

    fn age(&self) -> u64 {
        self.age
    }

    fn slot(&self) -> Option<u16> {
        Some(self.slot)
    }

    fn abort_reason(&self) -> Option<&Abort> {
        match &self.phase {
            Phase::Aborted(abort) => Some(abort),
            _ => None,
        }
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if let Phase::Running = self.phase {
            self.registered().counts.rollback(self.isolation);
        }
        self.finish();
    }
}
