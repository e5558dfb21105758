//! A running transaction under two-phase locking: its state, its locks, its end.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_epoch::Guard;
use synod_storage::sync::Ordering;
use synod_storage::wal::FrameBuilder;
use synod_storage::{Record, RecordPtr, Table, TableId, Timestamp, VersionPtr, check_key};

use super::TwoPhaseLocking;
use super::lock_table::{Acquired, Requester};
use super::word::{Modes, Word};
use crate::protocol::{ActiveTransaction, BeginOptions, CommitReceipt, Expect, Intent, Isolation, Savepoint};
use crate::registry::Slot;
use crate::{Abort, Cursor, Durability, Error, Result, Store, Visit};

/// A transaction that holds a slot, and locks.
pub(crate) struct Transaction {
    pub(super) protocol: Arc<TwoPhaseLocking>,
    pub(super) slot: u16,
    pub(super) isolation: Isolation,
    lock_timeout: Duration,
    age: u64,
    pub(super) buffers: Buffers,
    savepoints: Vec<(u64, usize)>,
    savepoint_serial: u64,
    pub(super) write_count: u64,
    /// The record that was locked last by its key: the next operation is often on the same one.
    pub(super) last_locked: Option<(TableId, RecordPtr)>,
    /// The newest commit that was read: this transaction can't be durable before that one is.
    pub(super) newest_read: Timestamp,
    /// Whether a lock had to be waited for (so that the caller's pin was given up) since this was reset.
    pub(super) has_waited: bool,
    phase: Phase,
}

/// Where a transaction is in its life.
#[derive(Debug)]
enum Phase {
    Running,
    Aborted(Abort),
    /// Nothing is left to be undone or released.
    Over,
}

/// Memory that a thread's next transaction can use again.
#[derive(Default)]
pub(super) struct Buffers {
    /// Every record on which something is held, once.
    pub(super) locks: Vec<RecordPtr>,
    /// Every pending version, oldest first.
    pub(super) writes: Vec<Write>,
    /// The tables written to, so that their records stay.
    pub(super) tables: Vec<Arc<Table>>,
    pub(super) frame: FrameBuilder,
}

/// One pending version.
#[derive(Clone, Copy)]
pub(super) struct Write {
    pub(super) table: TableId,
    pub(super) record: RecordPtr,
    pub(super) version: VersionPtr,
    /// This transaction's own version that `version` has replaced, kept for savepoints.
    pub(super) replaced: Option<VersionPtr>,
}

/// A thread keeps the buffers of its last transaction, unless they have become larger than this.
const KEPT_ENTRIES_MAX: usize = 4096;

thread_local! {
    static SPARE_BUFFERS: RefCell<Option<Buffers>> = const { RefCell::new(None) };
}

impl Transaction {
    pub(super) fn begin(protocol: Arc<TwoPhaseLocking>, options: BeginOptions) -> Result<Self> {
        // Two transactions of the same age are ordered by their ids.
        let age = options.age.unwrap_or_else(|| protocol.store.oracle().last().0);
        let slot = protocol.store.registry().claim(age)?;
        Ok(Transaction {
            slot,
            isolation: options.isolation,
            lock_timeout: options.lock_timeout,
            age,
            buffers: SPARE_BUFFERS.take().unwrap_or_default(),
            savepoints: Vec::new(),
            savepoint_serial: 0,
            write_count: 0,
            last_locked: None,
            newest_read: Timestamp::MIN,
            has_waited: false,
            phase: Phase::Running,
            protocol,
        })
    }

    pub(super) fn store(&self) -> &Store {
        &self.protocol.store
    }

    pub(super) fn registered(&self) -> &Slot {
        self.protocol.store.registry().slot(self.slot)
    }

    /// Checks, before an operation, that there is a transaction to work for and a table to work on.
    #[inline]
    pub(super) fn check(&mut self, table: &Table, key: &[u8]) -> Result<()> {
        self.check_alive()?;
        check_key(key)?;
        if table.is_dropped() {
            return Err(Error::TableDropped { table: table.name().to_owned() });
        }
        Ok(())
    }

    /// Checks that the transaction wasn't aborted, and obeys an older one that wants it to be.
    #[inline]
    pub(super) fn check_alive(&mut self) -> Result<()> {
        match &self.phase {
            Phase::Running => {}
            Phase::Aborted(abort) => return Err(Error::Aborted(abort.clone())),
            Phase::Over => unreachable!("an ended transaction is never used again"),
        }
        match self.registered().wounded_by() {
            Some(by) => Err(self.abort_because(Abort::Wounded { by })),
            None => Ok(()),
        }
    }

    /// The record of a key.
    #[inline]
    pub(super) fn find(&self, table: &Table, key: &[u8], guard: &Guard) -> Option<RecordPtr> {
        if let Some((last_table, last)) = self.last_locked
            && last_table == table.id()
            // SAFETY: this transaction holds a lock on it.
            && unsafe { last.get() }.key() == key
        {
            return Some(last);
        }
        table.index().get(key, guard).map(Record::ptr)
    }

    /// Locks `modes` on a record, waiting if need be: false if the record has left the index. An abort has
    /// undone everything when this returns.
    #[inline]
    pub(super) fn lock(
        &mut self,
        table: &Table,
        record: RecordPtr,
        modes: Modes,
        guard: &mut Guard,
    ) -> Result<bool> {
        // SAFETY: the caller is pinned and found the record in the index.
        let word = unsafe { record.get() }.word();
        let current = Word(word.load(Ordering::Relaxed));
        if let Some(next) = current.grant(self.slot, modes) {
            // SeqCst: acquires what the last holder wrote, and orders a gap lock before the look at the
            // leaf that follows it (see the module).
            if next == current {
                if modes != Modes::INSERT {
                    return Ok(true);
                }
            } else if word.compare_exchange(current.0, next.0, Ordering::SeqCst, Ordering::Relaxed).is_ok() {
                if current.modes_of(self.slot).is_empty() {
                    self.buffers.locks.push(record);
                }
                return Ok(true);
            }
        }
        self.lock_slowly(table, record, modes, guard)
    }

    #[cold]
    fn lock_slowly(
        &mut self,
        table: &Table,
        record: RecordPtr,
        modes: Modes,
        guard: &mut Guard,
    ) -> Result<bool> {
        let requester = Requester {
            slot: self.slot,
            registry: self.protocol.store.registry(),
            timeout: self.lock_timeout,
        };
        match self.protocol.lock_table.acquire(requester, table, record, modes, guard) {
            Ok(Acquired::Dead) => Ok(false),
            Ok(Acquired::Granted { is_first, has_waited }) => {
                if is_first {
                    self.buffers.locks.push(record);
                }
                self.has_waited |= has_waited;
                // A wounded transaction that gets its lock all the same notices at its next operation.
                Ok(true)
            }
            Err(abort) => Err(self.abort_because(abort)),
        }
    }

    /// Releases every lock.
    pub(super) fn release_locks(&mut self) {
        self.last_locked = None;
        for &record in &self.buffers.locks {
            self.release(record);
        }
        self.buffers.locks.clear();
    }

    /// Releases all that is held on one record.
    #[inline]
    pub(super) fn release(&self, record: RecordPtr) {
        self.protocol.lock_table.release(self.slot, record);
    }

    /// Undoes everything and remembers why.
    pub(super) fn abort_because(&mut self, abort: Abort) -> Error {
        tracing::debug!(transaction = %self.registered().id(), %abort, "aborted");
        self.registered().counts.abort(&abort);
        self.undo_all();
        self.phase = Phase::Aborted(abort.clone());
        Error::Aborted(abort)
    }

    fn undo_all(&mut self) {
        self.undo_writes(0);
        self.release_locks();
        self.savepoints.clear();
    }

    /// The transaction is over: its slot and its memory can be used again.
    pub(super) fn finish(&mut self) {
        if matches!(self.phase, Phase::Over) {
            return;
        }
        self.phase = Phase::Over;
        self.protocol.store.registry().release(self.slot);
        let mut buffers = std::mem::take(&mut self.buffers);
        buffers.tables.clear();
        if buffers.locks.capacity() <= KEPT_ENTRIES_MAX && buffers.writes.capacity() <= KEPT_ENTRIES_MAX {
            buffers.writes.clear();
            SPARE_BUFFERS.set(Some(buffers));
        }
    }

    /// How many writes lie before the newest savepoint: those can't be replaced in place.
    pub(super) fn writes_before_savepoint(&self) -> usize {
        self.savepoints.last().map_or(0, |&(_, writes)| writes)
    }
}

impl ActiveTransaction for Transaction {
    fn read(
        &mut self,
        table: &Arc<Table>,
        key: &[u8],
        intent: Intent,
        visit: &mut dyn FnMut(Option<&[u8]>),
    ) -> Result<()> {
        self.check(table, key)?;
        self.read_key(table, key, intent, visit)
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
        self.scan_leaf(table, cursor, intent, visit)
    }

    fn write_count(&self) -> u64 {
        self.write_count
    }

    fn savepoint(&mut self) -> Savepoint {
        self.savepoint_serial += 1;
        self.savepoints.push((self.savepoint_serial, self.buffers.writes.len()));
        Savepoint { transaction: self.registered().id().0, serial: self.savepoint_serial }
    }

    fn rollback_to(&mut self, savepoint: Savepoint) -> Result<()> {
        self.check_alive()?;
        let is_own = savepoint.transaction == self.registered().id().0;
        let position = self.savepoints.iter().position(|&(serial, _)| serial == savepoint.serial);
        let Some(position) = position.filter(|_| is_own) else { return Err(Error::UnknownSavepoint) };
        self.undo_writes(self.savepoints[position].1);
        self.savepoints.truncate(position + 1);
        self.write_count += 1;
        Ok(())
    }

    fn commit(mut self: Box<Self>, durability: Durability) -> Result<CommitReceipt> {
        self.check_alive()?;
        self.commit_writes(durability)
    }

    fn abort(self: Box<Self>) {}

    fn age(&self) -> u64 {
        self.age
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
            self.registered().counts.rollback();
            self.undo_all();
        }
        self.finish();
    }
}
