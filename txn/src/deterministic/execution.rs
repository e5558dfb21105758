//! Running one transaction in its place in the order.
//!
//! Whoever runs a transaction here knows that no other one at work touches its footprint. So nothing is locked, nothing
//! is validated, and writes go where they will stay: a new version at the head of the record's chain, which everybody else
//! overlooks, because the executed prefix hasn't come so far.
//!
//! ```text
//!   chain   (T70) ──► 52 ──► 40          prefix 61
//!           ▲                            a snapshot reads at most at 61, and sees 52
//!           written by T70, which runs
//! ```
//!
//! A transaction that rejects takes its versions back. One that commits stamps them, with the timestamp that it has had
//! since before it ran.
//!
//! The records of the footprint's keys are looked up before the work begins, all at once, so that their cache misses
//! overlap; a read or a write then finds its record by the key's place in the footprint.

use std::cell::RefCell;
use std::sync::Arc;

use crossbeam_epoch::{Guard, pin};
use synod_storage::index::Index;
use synod_storage::{Record, RecordPtr, Table, TableId, Timestamp, Version, VersionPtr};

use super::Footprint;
use super::access::has_value;
use super::state_hash::{key_hash, record_hash};
use crate::locking::commit::COLLECTED_PER_WRITE;
use crate::protocol::{ActiveTransaction, CommitReceipt, Expect, Intent, Savepoint, Visit, VisitKey};
use crate::snapshot::Readers;
use crate::{Abort, Cursor, Durability, Error, Isolation, Result, Store, TransactionId};

/// A transaction that runs in its place in the order. Used again for the next one.
pub struct Execution {
    pub(super) store: Arc<Store>,
    pub(super) footprint: Arc<Footprint>,
    pub(super) slot: u16,
    at: Timestamp,
    /// For each key of the footprint its record, if there is one.
    pub(super) records: Vec<Option<RecordPtr>>,
    /// The records were looked up before the transaction's turn.
    is_ahead: bool,
    /// Every pending version, oldest first.
    pub(super) writes: Vec<Write>,
    savepoints: Vec<(u64, usize)>,
    savepoint_serial: u64,
    pub(super) write_count: u64,
    /// The place in the footprint of the key that was found last.
    pub(super) last_found: usize,
    /// Who reads the past, once it has asked.
    pub(super) readers: Option<Readers>,
    /// It has asked for something outside of its footprint.
    pub(super) has_strayed: bool,
}

/// A thread keeps the lists of its last execution, unless they have become longer than this.
const KEPT_ENTRIES_MAX: usize = 4096;

/// The records and the writes of an execution.
type Lists = (Vec<Option<RecordPtr>>, Vec<Write>);

thread_local! {
    /// Memory for this thread's next execution.
    static SPARE_LISTS: RefCell<Lists> = const { RefCell::new((Vec::new(), Vec::new())) };
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

/// A committed version with older ones behind it, or a tombstone: something to clear away once the prefix has passed it.
#[derive(Clone, Copy, Debug)]
pub struct Replaced {
    at: Timestamp,
    table: TableId,
    record: RecordPtr,
    version: VersionPtr,
}

impl Execution {
    /// One that runs nothing yet.
    pub fn new(store: Arc<Store>) -> Self {
        let (records, writes) = SPARE_LISTS.take();
        Execution {
            store,
            footprint: Arc::default(),
            slot: 0,
            at: Timestamp::MIN,
            records,
            is_ahead: false,
            writes,
            savepoints: Vec::new(),
            savepoint_serial: 0,
            write_count: 0,
            last_found: 0,
            readers: None,
            has_strayed: false,
        }
    }

    /// Looks up the records of a transaction that may not have its turn yet, so that it takes less time when it has. If
    /// another one is begun next, that was in vain.
    ///
    /// # Safety
    /// Until then the thread stays pinned by `guard`, and this isn't sent to another thread.
    pub unsafe fn look_ahead(&mut self, footprint: &Arc<Footprint>, guard: &Guard) {
        debug_assert!(self.writes.is_empty(), "the last one has ended");
        self.footprint.clone_from(footprint);
        self.find_records(guard);
        self.is_ahead = true;
    }

    /// Whether [`Execution::look_ahead`] was for the transaction with this footprint, and nothing was begun since.
    pub fn has_looked_ahead(&self, footprint: &Arc<Footprint>) -> bool {
        self.is_ahead && Arc::ptr_eq(&self.footprint, footprint)
    }

    /// Begins the transaction that commits at `at`, and looks up its records. Takes a slot of the registry.
    ///
    /// # Errors
    /// If all slots are taken.
    ///
    /// # Safety
    /// Until it has been committed or undone, the thread stays pinned by `guard`, this isn't sent to another thread, and
    /// nobody else reads or writes what is in the footprint, but for snapshots of the time before `at`.
    pub unsafe fn begin(&mut self, footprint: &Arc<Footprint>, at: Timestamp, guard: &Guard) -> Result<()> {
        debug_assert!(self.writes.is_empty(), "the last one has ended");
        self.slot = self.store.registry().claim(at.0)?;
        self.at = at;
        self.has_strayed = false;
        self.last_found = 0;
        self.readers = None;
        if self.has_looked_ahead(footprint) {
            self.find_changed_records(guard);
        } else {
            self.footprint.clone_from(footprint);
            self.find_records(guard);
        }
        self.is_ahead = false;
        Ok(())
    }

    /// Looks those records up again that may be others than when somebody looked ahead: only one without a value leaves
    /// the index, and only then another one comes in.
    fn find_changed_records(&mut self, guard: &Guard) {
        for (index, found) in self.records.iter_mut().enumerate() {
            // SAFETY: the thread has been pinned since it was found.
            if found.is_none_or(|record| !has_value(unsafe { record.get() })) {
                let (table, key) = self.footprint.key(index);
                *found = table.index().get(key, guard).map(Record::ptr);
            }
        }
    }

    fn find_records(&mut self, guard: &Guard) {
        self.records.clear();
        let (footprint, records) = (&self.footprint, &mut self.records);
        let lookup = |index| footprint.lookup(index);
        let found = |record: Option<Record<'_>>| records.push(record.map(Record::ptr));
        Index::get_together(footprint.len(), lookup, guard, found);
    }

    /// The timestamp at which it commits.
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// Its name, unique within one engine's life.
    pub fn id(&self) -> TransactionId {
        self.store.registry().owner(self.slot)
    }

    /// Which of the garbage queues is for what it replaces.
    pub fn shard(&self) -> u16 {
        self.slot
    }

    /// Whether it has asked for something outside of its footprint.
    pub fn has_strayed(&self) -> bool {
        self.has_strayed
    }

    /// What it has written so far: table, key and value, in the order of the first writes.
    pub fn written(&self) -> impl Iterator<Item = (TableId, &[u8], Option<&[u8]>)> {
        self.writes.iter().filter_map(|write| {
            let version = newest(write)?;
            // SAFETY: the footprint is this transaction's alone, and the thread is pinned.
            Some((write.table, unsafe { write.record.get() }.key(), version.value()))
        })
    }

    /// Commits: stamps the versions, and notes in `replaced` what there is to clear away. Returns by how much the state's
    /// hash changes, or 0 if nobody wants to know.
    pub fn commit(&mut self, is_hashed: bool, replaced: &mut Vec<Replaced>, guard: &Guard) -> u64 {
        let mut change = 0u64;
        for write in &self.writes {
            let Some(version) = newest(write) else {
                // SAFETY: a later write of this transaction has unlinked it, and no savepoint is left.
                unsafe { write.version.get().retire(guard) };
                continue;
            };
            let before = version.next();
            // SAFETY: the footprint is this transaction's alone, and the thread is pinned.
            let record = unsafe { write.record.get() };
            if is_hashed {
                let key_hash = key_hash(write.table, record.key());
                let hash = |value: Option<&[u8]>| value.map_or(0, |value| record_hash(key_hash, value));
                let (old, new) = (hash(before.and_then(Version::value)), hash(version.value()));
                change = change.wrapping_add(new).wrapping_sub(old);
            }
            version.commit(self.at);
            if before.is_some() || version.value().is_none() {
                let (table, record) = (write.table, write.record);
                replaced.push(Replaced { at: self.at, table, record, version: write.version });
            }
        }
        self.writes.clear();
        let slot = self.store.registry().slot(self.slot);
        slot.counts.commit(Isolation::Serializable);
        self.end();
        change
    }

    /// Takes everything back, and lets the transaction run once more, in the same place.
    pub fn undo(&mut self) {
        self.undo_writes(0);
        self.savepoints.clear();
    }

    /// Takes everything back: the transaction has had no effect.
    pub fn reject(&mut self) {
        self.undo();
        self.store.registry().slot(self.slot).counts.rollback(Isolation::Serializable);
        self.end();
    }

    fn end(&mut self) {
        self.savepoints.clear();
        self.store.registry().release(self.slot);
    }

    /// How many writes lie before the newest savepoint: those can't be replaced in place.
    pub(super) fn writes_before_savepoint(&self) -> usize {
        self.savepoints.last().map_or(0, |&(_, writes)| writes)
    }
}

impl Store {
    /// Clears away what executions have replaced, as far as nobody can read it any more; the rest is queued. The thread
    /// has been pinned by `guard` since the executions began.
    pub fn discard(&self, shard: u16, replaced: &mut Vec<Replaced>, guard: &Guard) {
        let watermark = self.readers().watermark;
        let count = replaced.len();
        for Replaced { at, table, record, version } in replaced.drain(..) {
            // SAFETY: pinned since it was linked.
            let (record, version) = unsafe { (record.get(), version.get()) };
            if at <= watermark && version.value().is_some() {
                // SAFETY: readers at or above the watermark see `version` or a later one.
                unsafe { version.cut(guard) };
            } else {
                self.garbage().push(shard, at, table, record);
            }
        }
        self.help_collect(shard, count * COLLECTED_PER_WRITE, guard);
    }
}

/// The write's version, unless this transaction has replaced it itself.
pub(super) fn newest(write: &Write) -> Option<Version<'static>> {
    // SAFETY: the record is this transaction's alone, and the thread is pinned. The caller doesn't keep the version longer.
    unsafe {
        let version = write.version.get();
        (write.record.get().head() == Some(version)).then_some(version)
    }
}

impl ActiveTransaction for Execution {
    fn read(
        &mut self,
        table: &Arc<Table>,
        key: &[u8],
        intent: Intent,
        visit: &mut VisitKey<'_>,
    ) -> Result<()> {
        self.read_key(table, key, intent, visit)
    }

    fn write(
        &mut self,
        table: &Arc<Table>,
        key: &[u8],
        value: Option<&[u8]>,
        expect: Expect,
    ) -> Result<bool> {
        self.write_key(table, key, value, expect)
    }

    fn scan(
        &mut self,
        table: &Arc<Table>,
        cursor: &mut Cursor,
        _intent: Intent,
        visit: &mut Visit<'_>,
    ) -> Result<()> {
        self.scan_on(table, cursor, visit)
    }

    fn write_count(&self) -> u64 {
        self.write_count
    }

    fn savepoint(&mut self) -> Result<Savepoint> {
        self.savepoint_serial += 1;
        self.savepoints.push((self.savepoint_serial, self.writes.len()));
        Ok(Savepoint { transaction: self.id().0, serial: self.savepoint_serial })
    }

    fn rollback_to(&mut self, savepoint: Savepoint) -> Result<()> {
        let is_own = savepoint.transaction == self.id().0;
        let position = self.savepoints.iter().position(|&(serial, _)| serial == savepoint.serial);
        let Some(position) = position.filter(|_| is_own) else { return Err(Error::UnknownSavepoint) };
        self.undo_writes(self.savepoints[position].1);
        self.savepoints.truncate(position + 1);
        self.write_count += 1;
        Ok(())
    }

    /// Not the way in which these end: see [`Execution::commit`] with more arguments.
    fn commit(mut self: Box<Self>, _durability: Durability) -> Result<CommitReceipt> {
        let guard = pin();
        let wrote = !self.writes.is_empty();
        let mut replaced = Vec::new();
        Execution::commit(&mut self, false, &mut replaced, &guard);
        let (store, slot) = (self.store.clone(), self.slot);
        store.discard(slot, &mut replaced, &guard);
        Ok(CommitReceipt { timestamp: self.at, wrote })
    }

    fn abort(mut self: Box<Self>) {
        self.reject();
    }

    fn age(&self) -> u64 {
        self.at.0
    }

    fn slot(&self) -> Option<u16> {
        Some(self.slot)
    }

    fn abort_reason(&self) -> Option<&Abort> {
        None
    }
}

impl Drop for Execution {
    fn drop(&mut self) {
        let (mut records, writes) = (std::mem::take(&mut self.records), std::mem::take(&mut self.writes));
        debug_assert!(writes.is_empty(), "a transaction was neither committed nor taken back");
        if records.capacity() <= KEPT_ENTRIES_MAX && writes.capacity() <= KEPT_ENTRIES_MAX {
            records.clear();
            SPARE_LISTS.set((records, writes));
        }
    }
}

impl std::fmt::Debug for Execution {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Execution").field("at", &self.at).finish_non_exhaustive()
    }
}
