//! A running transaction that writes in place: its state, its locks, its end.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_epoch::Guard;
use smallvec::SmallVec;
use synod_storage::sync::Ordering;
use synod_storage::wal::FrameBuilder;
use synod_storage::{Record, RecordPtr, Table, TableId, Timestamp, VersionPtr, check_key};

use super::Locking;
use super::lock_table::{Acquired, LockTable, Requester};
use super::word::{Modes, Word};
use crate::protocol::{BeginOptions, Expect, Savepoint};
use crate::recent::Recent;
use crate::registry::Slot;
use crate::together::{TOGETHER_MAX, look_up};
use crate::{Abort, Error, Isolation, Result, Store};

/// A transaction that holds a slot, and locks. Dropping it undoes what it has written.
pub(crate) struct Writer {
    pub(super) locking: Arc<Locking>,
    pub(super) slot: u16,
    /// What it is counted under.
    pub(super) isolation: Isolation,
    lock_timeout: Duration,
    age: u64,
    pub(super) buffers: Buffers,
    savepoints: Vec<(u64, usize)>,
    savepoint_serial: u64,
    pub(super) write_count: u64,
    /// Records that stay: they are locked, or have a value in this transaction's snapshot.
    pub(crate) recent: Recent,
    /// The newest commit that was read: this transaction can't be durable before that one is.
    pub(crate) newest_read: Timestamp,
    /// Whether a lock had to be waited for (so that the caller's pin was given up) since this was reset.
    pub(crate) has_waited: bool,
    phase: Phase,
}

/// Keys in the order in which those are locked that are asked for together: so nobody who has some of them waits for somebody
/// who has others.
pub(crate) fn in_locking_order<'k>(keys: &[&'k [u8]]) -> SmallVec<[&'k [u8]; TOGETHER_MAX]> {
    let mut order = SmallVec::from_slice(keys);
    order.sort_unstable();
    order
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

impl Writer {
    pub(crate) fn begin(locking: &Arc<Locking>, options: &BeginOptions) -> Result<Self> {
        // Two transactions of the same age are ordered by their ids.
        let age = options.age.unwrap_or_else(|| locking.store.oracle().last().0);
        let slot = locking.store.registry().claim(age)?;
        Ok(Writer {
            locking: locking.clone(),
            slot,
            isolation: options.isolation,
            lock_timeout: options.lock_timeout,
            age,
            buffers: SPARE_BUFFERS.take().unwrap_or_default(),
            savepoints: Vec::new(),
            savepoint_serial: 0,
            write_count: 0,
            recent: Recent::default(),
            newest_read: Timestamp::MIN,
            has_waited: false,
            phase: Phase::Running,
        })
    }

    #[inline]
    pub(crate) fn store(&self) -> &Arc<Store> {
        &self.locking.store
    }

    #[inline]
    pub(crate) fn lock_table(&self) -> &LockTable {
        &self.locking.lock_table
    }

    #[inline]
    pub(crate) fn slot(&self) -> u16 {
        self.slot
    }

    pub(crate) fn age(&self) -> u64 {
        self.age
    }

    /// A number that changes whenever the transaction writes or rolls back.
    #[inline]
    pub(crate) fn write_count(&self) -> u64 {
        self.write_count
    }

    pub(crate) fn registered(&self) -> &Slot {
        self.locking.store.registry().slot(self.slot)
    }

    /// Checks, before an operation, that there is a transaction to work for and a table to work on.
    #[inline]
    pub(crate) fn check(&mut self, table: &Table, key: &[u8]) -> Result<()> {
        self.check_alive()?;
        check_key(key)?;
        if table.is_dropped() {
            return Err(Error::TableDropped { table: table.name().to_owned() });
        }
        Ok(())
    }

    /// Checks that the transaction wasn't aborted, and obeys an older one that wants it to be.
    #[inline]
    pub(crate) fn check_alive(&mut self) -> Result<()> {
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
    pub(crate) fn find(&mut self, table: &Table, key: &[u8], guard: &Guard) -> Option<RecordPtr> {
        self.recent.find(table, key).or_else(|| table.index().get(key, guard)).map(Record::ptr)
    }

    /// The record of a key that is to be written, in so many rounds. What is to be inserted is mostly absent, and the insertion
    /// finds out if it isn't: it is looked for in the second round only.
    #[inline]
    pub(crate) fn find_to_write(
        &mut self,
        table: &Table,
        key: &[u8],
        (value, expect): (Option<&[u8]>, Expect),
        round: u32,
        guard: &Guard,
    ) -> Option<RecordPtr> {
        if round == 0 && expect == Expect::Absent && value.is_some() {
            return self.recent.find(table, key).map(Record::ptr);
        }
        self.find(table, key, guard)
    }

    /// Locks `modes` on a record, waiting if need be: false if the record has left the index. An abort has
    /// undone everything when this returns.
    #[inline]
    pub(crate) fn lock(
        &mut self,
        table: &Table,
        record: RecordPtr,
        modes: Modes,
        guard: &mut Guard,
    ) -> Result<bool> {
        if self.lock_at_once(record, modes, guard) {
            return Ok(true);
        }
        self.lock_slowly(table, record, modes, guard)
    }

    /// Locks `modes` on a record, if nothing is in the way.
    #[inline]
    pub(crate) fn lock_at_once(&mut self, record: RecordPtr, modes: Modes, _guard: &Guard) -> bool {
        // SAFETY: the caller is pinned and found the record in the index.
        let word = unsafe { record.get() }.word();
        let current = Word(word.load(Ordering::Relaxed));
        let Some(next) = current.grant(self.slot, modes) else { return false };
        // SeqCst: acquires what the last holder wrote, and orders a gap lock before the look at the
        // leaf that follows it (see the module).
        if next == current {
            return modes != Modes::INSERT;
        }
        let is_locked = word.compare_exchange(current.0, next.0, Ordering::SeqCst, Ordering::Relaxed).is_ok();
        if is_locked && current.modes_of(self.slot).is_empty() {
            self.buffers.locks.push(record);
        }
        is_locked
    }

    /// Looks up keys side by side and locks their records, if nothing has to be waited for, and there is a record for each:
    /// all of them or none. Those that are locked are then found again without a look-up.
    pub(crate) fn lock_together(
        &mut self,
        table: &Table,
        keys: &[&[u8]],
        modes: Modes,
    ) -> SmallVec<[RecordPtr; TOGETHER_MAX]> {
        self.recent.forget();
        let guard = crossbeam_epoch::pin();
        let held = self.buffers.locks.len();
        let found = look_up(table, keys, &guard).into_iter().take(keys.len());
        let records = found.map_while(|record| record.map(Record::ptr));
        let mut locked: SmallVec<_> =
            records.take_while(|record| self.lock_at_once(*record, modes, &guard)).collect();
        if locked.len() < keys.len() {
            // Nobody has read anything under these yet, and whoever is in the way may want one of them.
            self.buffers
                .locks
                .drain(held..)
                .for_each(|record| self.locking.lock_table.release(self.slot, record));
            locked.clear();
        }
        for record in &locked {
            // SAFETY: it is locked.
            unsafe { self.recent.note_another(table, *record) };
        }
        locked
    }

    /// Waits until `modes` can be locked, and keeps nothing that wasn't held before.
    pub(crate) fn lock_for_a_moment(
        &mut self,
        table: &Table,
        record: RecordPtr,
        modes: Modes,
        guard: &mut Guard,
    ) -> Result<bool> {
        let held = self.buffers.locks.len();
        if !self.lock(table, record, modes, guard)? {
            return Ok(false);
        }
        if self.buffers.locks.len() > held {
            // Nothing was held before: back to that. The guard, pinned anew while the lock was held, keeps
            // the record readable.
            self.buffers.locks.pop();
            self.release(record);
        }
        Ok(true)
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
            registry: self.locking.store.registry(),
            timeout: self.lock_timeout,
        };
        match self.locking.lock_table.acquire(requester, table, record, modes, guard) {
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
        self.recent.forget();
        for &record in &self.buffers.locks {
            self.release(record);
        }
        self.buffers.locks.clear();
    }

    /// Releases all that is held on one record.
    #[inline]
    pub(crate) fn release(&self, record: RecordPtr) {
        self.locking.lock_table.release(self.slot, record);
    }

    /// Undoes everything and remembers why.
    pub(crate) fn abort_because(&mut self, abort: Abort) -> Error {
        tracing::debug!(transaction = %self.registered().id(), %abort, "aborted");
        self.registered().counts.abort(self.isolation, &abort);
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
        self.locking.store.registry().release(self.slot);
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

    /// Marks the present state of the writes.
    pub(crate) fn savepoint(&mut self) -> Savepoint {
        self.savepoint_serial += 1;
        self.savepoints.push((self.savepoint_serial, self.buffers.writes.len()));
        Savepoint { transaction: self.registered().id().0, serial: self.savepoint_serial }
    }

    /// Undoes all writes since the savepoint; locks are kept.
    pub(crate) fn rollback_to(&mut self, savepoint: Savepoint) -> Result<()> {
        self.check_alive()?;
        let is_own = savepoint.transaction == self.registered().id().0;
        let position = self.savepoints.iter().position(|&(serial, _)| serial == savepoint.serial);
        let Some(position) = position.filter(|_| is_own) else { return Err(Error::UnknownSavepoint) };
        self.undo_writes(self.savepoints[position].1);
        self.savepoints.truncate(position + 1);
        self.write_count += 1;
        Ok(())
    }

    /// Why the transaction was aborted, if it was.
    pub(crate) fn abort_reason(&self) -> Option<&Abort> {
        match &self.phase {
            Phase::Aborted(abort) => Some(abort),
            _ => None,
        }
    }
}

impl Writer {
    /// Rolls back, if the transaction is still running, and gives everything back.
    pub(crate) fn end(&mut self) {
        if let Phase::Running = self.phase {
            self.registered().counts.rollback(self.isolation);
            self.undo_all();
        }
        self.finish();
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.end();
    }
}
