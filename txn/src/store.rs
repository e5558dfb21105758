//! The store: what all protocols share.

use std::sync::{Arc, Weak};
use std::time::Duration;

use crossbeam_epoch::Guard;
use crossbeam_utils::CachePadded;
use synod_storage::index::Batch;
use synod_storage::sync::{AtomicU64, Ordering};
use synod_storage::wal::FrameBuilder;
use synod_storage::{Catalog, Record, RecordPtr, Table, TableId, Timestamp, Version, VersionState, reclaim};

use crate::batches::{BatchBound, OpenBatch};
use crate::clock::Clock;
use crate::commit_log::CommitLog;
use crate::cursor::{Cursor, Direction};
use crate::garbage::Garbage;
use crate::graveyard::Graveyard;
use crate::read_marks::ReadMarks;
use crate::registry::Registry;
use crate::snapshot::{Readers, Snapshots};
use crate::together;
use crate::visibility::visible_at;
use crate::{
    Abort, Durability, Error, Oracle, Result, Snapshot, TransactionCounts, TransactionId, Visit, VisitKey,
    VisitNth,
};

/// How many records ahead of itself a scan asks for versions.
pub(crate) const PREFETCH_DISTANCE: usize = 4;

/// What a store is made with.
pub struct StoreOptions {
    /// The tables, as recovered.
    pub catalog: Catalog,
    /// The newest recovered commit.
    pub recovered: Timestamp,
    /// The oldest timestamp at which the recovered versions can be read.
    pub horizon: Timestamp,
    /// Recovered records with more than one version, or with nothing but a tombstone; `ripe_at` as the
    /// timestamp of the newest one. The oldest first, each [claimed](synod_storage::Record::claim_garbage)
    /// once. Their tables may have been dropped since.
    pub garbage: Vec<RecoveredGarbage>,
    /// The newest epoch of sequenced transactions that is there; 0 if there never was one.
    pub epoch: u64,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// How long replaced versions stay readable for [`Snapshot::at`].
    pub retention: Duration,
    /// The log; `None` keeps everything in memory only.
    pub log: Option<CommitLog>,
}

impl StoreOptions {
    /// Those of a store in memory, without tables, that keeps no replaced versions.
    pub fn empty(clock: Arc<dyn Clock>) -> Self {
        StoreOptions {
            catalog: Catalog::new(),
            recovered: Timestamp::MIN,
            horizon: Timestamp::MIN,
            garbage: Vec::new(),
            epoch: 0,
            clock,
            retention: Duration::ZERO,
            log: None,
        }
    }
}

/// A recovered record with versions that are kept for time travel, and go in time.
#[derive(Clone, Copy, Debug)]
pub struct RecoveredGarbage {
    /// The timestamp of the record's newest version.
    pub ripe_at: Timestamp,
    /// The record's table.
    pub table: TableId,
    /// The record.
    pub record: RecordPtr,
}

/// Tables, time, snapshots, garbage and the log: one store under whichever protocol.
pub struct Store {
    catalog: Catalog,
    oracle: Oracle,
    registry: Registry,
    snapshots: Snapshots,
    garbage: Garbage,
    graveyard: Graveyard,
    read_marks: ReadMarks,
    log: Option<CommitLog>,
    batches: CachePadded<BatchBound>,
    /// The newest epoch of sequenced transactions that has ended and wholly run.
    epoch: CachePadded<AtomicU64>,
}

impl Store {
    /// Puts a store together.
    pub fn new(options: StoreOptions) -> Self {
        Store {
            catalog: options.catalog,
            oracle: Oracle::new(options.clock, options.recovered),
            registry: Registry::new(),
            snapshots: Snapshots::new(options.retention, options.horizon),
            garbage: Garbage::new(options.garbage),
            graveyard: Graveyard::default(),
            read_marks: ReadMarks::default(),
            log: options.log,
            batches: CachePadded::new(BatchBound::new()),
            epoch: CachePadded::new(AtomicU64::new(options.epoch)),
        }
    }

    /// The tables.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// The source of timestamps.
    pub fn oracle(&self) -> &Oracle {
        &self.oracle
    }

    /// The running transactions.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The log, unless the store lives in memory only.
    pub fn log(&self) -> Option<&CommitLog> {
        self.log.as_ref()
    }

    pub(crate) fn snapshots(&self) -> &Snapshots {
        &self.snapshots
    }

    /// Who has read what, for the mode that asks.
    pub(crate) fn read_marks(&self) -> &ReadMarks {
        &self.read_marks
    }

    pub(crate) fn garbage(&self) -> &Garbage {
        &self.garbage
    }

    /// What transactions have done so far.
    pub fn counts(&self) -> TransactionCounts {
        TransactionCounts::collect(&self.registry)
    }

    /// The newest transactions, up to 64, that an audit has found to be unserializable: each with the abort that the
    /// serializable level would have given it.
    pub fn audit_examples(&self) -> Vec<(TransactionId, Abort)> {
        self.read_marks.examples()
    }

    /// How many snapshots are open, and the timestamp of the oldest.
    pub fn open_snapshots(&self) -> (usize, Option<Timestamp>) {
        self.snapshots.census()
    }

    /// How many records wait for their garbage to be removed.
    pub fn garbage_records(&self) -> usize {
        self.garbage.len()
    }

    /// The timestamp up to which every commit has been appended to the log, and is visible but for sequenced
    /// transactions that haven't run yet.
    pub fn commit_bound(&self) -> Timestamp {
        self.batches.bound(|| self.registry.commit_bound(self.oracle.last()))
    }

    /// As [`Store::commit_bound`], for those who flush: what isn't appended yet is appended first.
    fn bound_to_flush(&self) -> Timestamp {
        self.batches.append_open();
        self.commit_bound()
    }

    /// From now on whoever flushes the log asks `appender` to append the batch that is open.
    pub fn append_before_flushes(&self, appender: Weak<dyn OpenBatch>) {
        self.batches.set_appender(appender);
    }

    /// A batch of sequenced transactions begins, the first of which commits at `first`: they may run, and become visible,
    /// before [it is appended](Store::append_batch).
    pub fn begin_batch(&self, first: Timestamp) {
        if self.log.is_some() {
            self.batches.begin(first);
        }
    }

    /// Whether a batch of sequenced transactions has begun, and isn't appended.
    pub fn has_open_batch(&self) -> bool {
        self.batches.is_open()
    }

    /// Appends the batch of sequenced transactions that was [begun](Store::begin_batch); the last of them commits at
    /// `last`, and all come after everything before. The caller makes sure of the order. They are visible once
    /// [`Oracle::observe`] has been told that they have run. Returns whether so much is buffered that the caller should
    /// [help](Store::help_write) to write it.
    ///
    /// # Errors
    /// If the log has failed, or does so by this, since what is visible isn't in it then.
    pub fn append_batch(&self, last: Timestamp, batch: &[u8]) -> Result<bool> {
        let Some(log) = &self.log else { return Ok(false) };
        log.check()?;
        let is_long = log.append_batch(last, batch)?;
        self.batches.end(last);
        Ok(is_long)
    }

    /// The newest epoch of sequenced transactions that has ended and wholly run; 0 if there never was one.
    pub fn epoch(&self) -> u64 {
        // Relaxed: whoever needs it in agreement with the oracle holds a lock.
        self.epoch.load(Ordering::Relaxed)
    }

    /// An epoch of sequenced transactions has ended and wholly run.
    pub fn note_epoch(&self, epoch: u64) {
        self.epoch.store(epoch, Ordering::Relaxed);
    }

    /// Writes what is buffered of the log, without a sync.
    pub fn help_write(&self) {
        if let Some(log) = &self.log {
            log.help_write(|| self.bound_to_flush());
        }
    }

    /// Whether the log still works, if there is one.
    ///
    /// # Errors
    /// If it doesn't.
    #[inline]
    pub fn check_log(&self) -> Result<()> {
        Ok(self.log.as_ref().map_or(Ok(()), CommitLog::check)?)
    }

    /// Makes everything up to `timestamp` durable.
    ///
    /// # Errors
    /// If the log has failed, now or earlier.
    pub fn flush(&self, timestamp: Timestamp) -> Result<()> {
        let Some(log) = &self.log else { return Ok(()) };
        Ok(log.flush(timestamp, || self.bound_to_flush())?)
    }

    /// The flusher thread's work, until [`CommitLog::stop_flusher`].
    pub fn run_flusher(&self) {
        if let Some(log) = &self.log {
            log.run_flusher(|| self.bound_to_flush(), || self.has_open_batch());
        }
    }

    /// Orders one commit: takes its timestamp, asks `admit` whether it may be, appends its frame to the log, and
    /// lets `install` stamp its versions. Nobody sees a part of it. Cost: one shared compare-and-swap, and the
    /// append.
    ///
    /// # Errors
    /// What `admit` says; if the log has failed. Then nothing is installed.
    pub(crate) fn commit(
        &self,
        slot: u16,
        frame: Option<&mut FrameBuilder>,
        admit: impl FnOnce(Timestamp) -> std::result::Result<(), Abort>,
        install: impl FnOnce(Timestamp),
    ) -> Result<Timestamp> {
        // Also for a commit that isn't logged: it may rest on one that is, and doesn't survive.
        self.check_log()?;
        let announced = self.registry.slot(slot);
        announced.announce_commit();
        let timestamp = self.oracle.next();
        announced.publish_commit(timestamp);
        if let Err(abort) = admit(timestamp) {
            announced.finish_commit();
            return Err(Error::Aborted(abort));
        }
        let appended = match (&self.log, frame) {
            (Some(log), Some(frame)) => log.append(slot, timestamp, frame.finish(timestamp)),
            _ => Ok(false),
        };
        if appended.is_ok() {
            install(timestamp);
        }
        announced.finish_commit();
        if let (Some(log), Ok(true)) = (&self.log, &appended) {
            log.help_write(|| self.bound_to_flush());
        }
        appended.map(|_| timestamp).map_err(Error::from)
    }

    /// Orders a change to the catalog among the commits, and appends it to the log. The caller makes sure
    /// that there's one at a time.
    pub fn change_catalog(&self, frame: &mut FrameBuilder) -> Result<Timestamp> {
        let slot = self.registry.claim(self.oracle.last().0)?;
        let timestamp = self.commit(slot, Some(frame), |_| Ok(()), |_| ());
        self.registry.release(slot);
        timestamp
    }

    /// Takes a table out of the catalog and marks it as dropped; its memory goes when no transaction can hold
    /// a lock in it any more, and the last handle to it is gone. `at` is the timestamp of its drop.
    pub fn remove_table(&self, id: TableId, at: Timestamp) {
        if let Some(table) = self.catalog.remove(id, at) {
            self.graveyard.bury(table, &self.registry);
        }
        if self.log.is_none() {
            // Only readers of the log would ask for its name.
            self.catalog.forget_dropped(at);
        }
    }

    /// The newest commit that somebody who finds a key absent may have seen the work of, although no record
    /// tells of it any more. Whoever acknowledges what was read has to wait until it is durable.
    pub fn newest_forgotten(&self) -> Timestamp {
        self.garbage.forgotten()
    }

    /// Waits until the commit at `timestamp`, and all before it, are as durable as `level` promises.
    pub fn wait_durable(&self, timestamp: Timestamp, level: Durability) -> Result<()> {
        let Some(log) = self.log.as_ref().filter(|_| level.waits()) else { return Ok(()) };
        // Who waits for company while nobody else is at work would wait in vain.
        let is_alone = level == Durability::Group && self.registry.running() == 0 && !log.is_awaited();
        let level = if is_alone { Durability::Sync } else { level };
        Ok(log.wait(timestamp, level, || self.bound_to_flush())?)
    }

    /// Takes care of the version that a commit at `timestamp` has just replaced with `version`: cuts it off if nobody can
    /// see it or an older one any more; takes it out of the chain if somebody reads older ones; and queues the record if
    /// there is more to do. The caller still has the right to write the record.
    pub(crate) fn discard_replaced(
        &self,
        slot: u16,
        (table, record, version): (TableId, Record<'_>, Version<'_>),
        timestamp: Timestamp,
        readers: &Readers,
        guard: &Guard,
    ) {
        let is_tombstone = version.value().is_none();
        if readers.watermark >= timestamp && !is_tombstone {
            // SAFETY: readers at or above the watermark see `version` or a later one.
            unsafe { version.cut(guard) };
            return;
        }
        // SAFETY: the caller's lock; whoever reads the past has opened a snapshot.
        unsafe { readers.pass_over_behind(version, timestamp, guard) };
        if is_tombstone || version.next().is_some() {
            self.garbage.push(slot, timestamp, table, record);
        }
    }

    /// Who reads the past, for a commit to work with.
    #[inline]
    pub(crate) fn readers(&self) -> Readers {
        self.snapshots.readers(&self.oracle)
    }

    /// Takes in records with garbage that were found after the store was made; see [`StoreOptions::garbage`].
    pub fn add_garbage(&self, recovered: Vec<RecoveredGarbage>) {
        self.garbage.add(recovered);
    }

    /// Does a committer's share of garbage collection: a few queued records.
    #[inline]
    pub(crate) fn help_collect(&self, slot: u16, budget: usize, guard: &Guard) {
        if self.garbage.has_entries(slot) {
            let watermark = self.readers().watermark.min(self.registry.oldest_reader());
            self.garbage.collect(slot, budget, watermark, (&self.catalog, &self.read_marks), guard);
        }
        while reclaim::collect(guard) {}
    }

    /// Moves the watermark and works through the garbage queues once. Returns how many records it
    /// looked at.
    pub fn sweep(&self) -> usize {
        let watermark = self.snapshots.advance(&self.oracle).min(self.registry.oldest_reader());
        let worked = self.garbage.sweep(watermark, (&self.catalog, &self.read_marks));
        self.graveyard.sweep(&self.registry);
        while reclaim::collect(&crossbeam_epoch::pin()) {}
        reclaim::free_some(&crossbeam_epoch::pin());
        worked
    }

    /// Reads one key at a snapshot; returns the commit timestamp of what it saw. Never blocks but for a commit in its last instructions.
    pub fn read_at(
        &self,
        snapshot: &Snapshot,
        table: &Table,
        key: &[u8],
        visit: &mut VisitKey<'_>,
    ) -> Result<Timestamp> {
        synod_storage::check_key(key)?;
        let guard = crossbeam_epoch::pin();
        let version = (table.index().get(key, &guard))
            .and_then(|record| visible_at(record, snapshot.timestamp(), &self.registry));
        visit(version);
        Ok(version.map_or(Timestamp::MIN, commit_timestamp))
    }

    /// Reads [`TOGETHER_MAX`](crate::TOGETHER_MAX) keys or fewer at a snapshot, as [`Store::read_at`] each, but side by side;
    /// returns the newest commit timestamp of what it saw.
    pub fn read_together_at(
        &self,
        snapshot: &Snapshot,
        table: &Table,
        keys: &[&[u8]],
        visit: &mut VisitNth<'_>,
    ) -> Result<Timestamp> {
        keys.iter().try_for_each(|key| synod_storage::check_key(key))?;
        let guard = crossbeam_epoch::pin();
        let mut newest = Timestamp::MIN;
        together::for_each(table, keys, &guard, |nth, _, record| {
            let version = record.and_then(|record| visible_at(record, snapshot.timestamp(), &self.registry));
            newest = newest.max(version.map_or(Timestamp::MIN, commit_timestamp));
            visit(nth, version);
        });
        Ok(newest)
    }

    /// Delivers the next records of a range at a snapshot, one leaf of the index at a time. Returns the
    /// newest commit timestamp among them.
    pub fn scan_at(
        &self,
        snapshot: &Snapshot,
        table: &Table,
        cursor: &mut Cursor,
        visit: &mut Visit<'_>,
    ) -> Timestamp {
        let guard = crossbeam_epoch::pin();
        let mut newest = Timestamp::MIN;
        let deliver = |record: Record<'_>| {
            if let Some(version) = visible_at(record, snapshot.timestamp(), &self.registry) {
                // To pass over what a commit has deleted is to have read that commit.
                newest = newest.max(commit_timestamp(version));
                visit(record.key(), version);
            }
        };
        scan_step(table, cursor, &guard, deliver);
        newest
    }
}

/// Delivers the next records of a range, one leaf of the index at a time, whatever is in them.
pub(crate) fn scan_step<'g>(
    table: &'g Table,
    cursor: &mut Cursor,
    guard: &'g Guard,
    mut deliver: impl FnMut(Record<'g>),
) {
    let mut batch = Batch::new();
    let limit = cursor.step_records();
    let mut last = None;
    match cursor.direction {
        Direction::Forward => {
            table.index().leaf_from(cursor.lower(), &mut batch, guard);
            let records = batch.records();
            for (position, &record) in records.iter().enumerate().take(limit) {
                if let Some(soon) = records.get(position + PREFETCH_DISTANCE) {
                    soon.prefetch_head();
                }
                if cursor.is_above(record.key()) {
                    cursor.finish();
                    break;
                }
                deliver(record);
                last = Some(record);
            }
        }
        Direction::Backward => {
            table.index().leaf_to(cursor.upper(), &mut batch, guard);
            for &record in batch.records().iter().rev().take(limit) {
                if cursor.is_below(record.key()) {
                    cursor.finish();
                    break;
                }
                deliver(record);
                last = Some(record);
            }
        }
    }
    match last {
        Some(last) if batch.records().len() > limit => cursor.move_past(last.key()),
        _ => cursor.move_to_fence(batch.fence()),
    }
}

fn commit_timestamp(version: Version<'_>) -> Timestamp {
    match version.state() {
        VersionState::Committed(timestamp) => timestamp,
        // Only committed versions are visible at a snapshot.
        VersionState::Pending { .. } => Timestamp::MIN,
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("oracle", &self.oracle).finish_non_exhaustive()
    }
}
