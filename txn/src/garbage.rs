//! Garbage: versions that nobody can see any more, and records that hold nothing.
//!
//! Most garbage is never queued: a committer that finds no open snapshot cuts the version that it replaced
//! on the spot. Otherwise it queues the record, and the version goes once the watermark has passed the
//! commit that replaced it. Queues are emptied by committers, a few entries each (whoever makes garbage
//! helps to remove it), and by a background sweep.
//!
//! A record is in at most one queue, at most once ([`Record::claim_garbage`]), and only the holder of its
//! entry may remove it from the index; so entries are plain addresses that never dangle.

use std::collections::VecDeque;
use std::sync::Arc;

use crossbeam_epoch::Guard;
use crossbeam_utils::CachePadded;
use synod_storage::sync::{AtomicU64, AtomicUsize, Mutex, Ordering};
use synod_storage::{Catalog, Record, RecordPtr, Table, TableId, Timestamp, Version, VersionState};

use crate::RecoveredGarbage;
use crate::read_marks::ReadMarks;

const SHARDS: usize = if cfg!(shuttle) { 2 } else { 64 };

/// How many entries are taken out of a queue at a time.
const BATCH: usize = 32;

/// The tables that records belong to, and the marks on them.
type Owners<'a> = (&'a Catalog, &'a ReadMarks);

/// The queues.
#[derive(Debug)]
pub(crate) struct Garbage {
    shards: Box<[CachePadded<Shard>]>,
    /// The newest deletion of which no trace is left in the index.
    forgotten: AtomicU64,
}

#[derive(Debug, Default)]
struct Shard {
    /// The queue's length, so that committers needn't lock an empty one.
    len: AtomicUsize,
    queue: Mutex<VecDeque<Entry>>,
}

/// A record with garbage.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// When the watermark has reached this, there is something to do.
    ripe_at: Timestamp,
    table: TableId,
    record: RecordPtr,
}

/// What is left of a record after its garbage was removed.
enum Remains {
    /// One live version: nothing more to do.
    Clean,
    /// More to do once the watermark has reached this.
    Later(Timestamp),
    /// Nothing that anyone can see: the record itself can go.
    Nothing,
}

impl Garbage {
    /// Queues with what was recovered, sorted by the time at which it becomes ripe.
    pub(crate) fn new(recovered: Vec<RecoveredGarbage>) -> Self {
        let garbage = Garbage {
            shards: (0..SHARDS).map(|_| CachePadded::default()).collect(),
            forgotten: AtomicU64::new(0),
        };
        garbage.add(recovered);
        garbage
    }

    /// Queues what was recovered, sorted by the time at which it becomes ripe.
    pub(crate) fn add(&self, recovered: Vec<RecoveredGarbage>) {
        for (index, RecoveredGarbage { ripe_at, table, record }) in recovered.into_iter().enumerate() {
            self.enqueue(index % SHARDS, Entry { ripe_at, table, record });
        }
    }

    /// Queues a record, unless it is queued already. The caller holds a lock on it, or is pinned and has
    /// just released one.
    pub(crate) fn push(&self, slot: u16, ripe_at: Timestamp, table: TableId, record: Record<'_>) {
        if record.claim_garbage() {
            self.enqueue(slot as usize % SHARDS, Entry { ripe_at, table, record: record.ptr() });
        }
    }

    fn enqueue(&self, shard: usize, entry: Entry) {
        let shard = &self.shards[shard];
        let mut queue = shard.queue.lock();
        queue.push_back(entry);
        shard.len.store(queue.len(), Ordering::Relaxed);
    }

    /// The newest deletion whose tombstone has been removed. Whoever found a key absent may have seen the
    /// work of a commit as late as this.
    pub(crate) fn forgotten(&self) -> Timestamp {
        // Relaxed: it was raised before the record left the index, and the reader has looked there since.
        Timestamp(self.forgotten.load(Ordering::Relaxed))
    }

    /// How many records are queued.
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.len.load(Ordering::Relaxed)).sum()
    }

    /// Whether the queue that `slot` fills has entries.
    #[inline]
    pub(crate) fn has_entries(&self, slot: u16) -> bool {
        self.shards[slot as usize % SHARDS].len.load(Ordering::Relaxed) != 0
    }

    /// Works on up to `budget` ripe entries of the queue that `slot` fills.
    pub(crate) fn collect(
        &self,
        slot: u16,
        budget: usize,
        watermark: Timestamp,
        owners: Owners<'_>,
        guard: &Guard,
    ) {
        let shard = slot as usize % SHARDS;
        let mut left = budget;
        while left > 0 {
            let mut ripe = [const { None::<Entry> }; BATCH];
            let taken = self.take_ripe(shard, left.min(BATCH), watermark, &mut ripe);
            if taken == 0 {
                return;
            }
            left -= taken;
            self.process(shard, &ripe[..taken], watermark, owners, guard);
        }
    }

    /// Works on everything that was queued when it began. Returns how many entries it worked on.
    pub(crate) fn sweep(&self, watermark: Timestamp, owners: Owners<'_>) -> usize {
        let mut worked = 0;
        for (index, shard) in self.shards.iter().enumerate() {
            let mut left = shard.len.load(Ordering::Relaxed);
            while left > 0 {
                let mut ripe = [const { None::<Entry> }; BATCH];
                let taken = self.take_ripe(index, left.min(BATCH), watermark, &mut ripe);
                if taken == 0 {
                    break;
                }
                left -= taken;
                worked += taken;
                self.process(index, &ripe[..taken], watermark, owners, &crossbeam_epoch::pin());
            }
        }
        worked
    }

    fn take_ripe(
        &self,
        shard: usize,
        limit: usize,
        watermark: Timestamp,
        ripe: &mut [Option<Entry>; BATCH],
    ) -> usize {
        let shard = &self.shards[shard];
        let mut queue = shard.queue.lock();
        let mut taken = 0;
        while taken < limit && queue.front().is_some_and(|entry| entry.ripe_at <= watermark) {
            ripe[taken] = queue.pop_front();
            taken += 1;
        }
        shard.len.store(queue.len(), Ordering::Relaxed);
        taken
    }

    fn process(
        &self,
        shard: usize,
        entries: &[Option<Entry>],
        watermark: Timestamp,
        owners: Owners<'_>,
        guard: &Guard,
    ) {
        let mut table: Option<Arc<Table>> = None;
        for entry in entries.iter().flatten() {
            if table.as_ref().is_none_or(|table| table.id() != entry.table) {
                table = owners.0.by_id(entry.table);
            }
            // The records of a dropped table go with it.
            let Some(table) = &table else { continue };
            if let Some(again) = self.clean(*entry, (table, owners.1), watermark, guard) {
                self.enqueue(shard, again);
            }
        }
    }

    /// Removes what can go of one record; returns the entry to queue again, if there will be more to do.
    fn clean(
        &self,
        entry: Entry,
        place: (&Table, &ReadMarks),
        watermark: Timestamp,
        guard: &Guard,
    ) -> Option<Entry> {
        // SAFETY: this entry holds the record's garbage claim, and nobody else removes the record.
        let record = unsafe { entry.record.get() };
        loop {
            // SAFETY: no reader reads below the watermark.
            match unsafe { prune(record, watermark, guard) } {
                Remains::Later(ripe_at) => return Some(Entry { ripe_at, ..entry }),
                Remains::Nothing => {
                    return (!self.remove(record, place, guard))
                        .then_some(Entry { ripe_at: watermark, ..entry });
                }
                Remains::Clean => {
                    record.unclaim_garbage();
                    // A writer that came in between found the claim taken and relies on us.
                    if matches!(remains(record, watermark), Remains::Clean) || !record.claim_garbage() {
                        return None;
                    }
                }
            }
        }
    }

    /// Takes an empty record out of the index, unless somebody holds or wants a lock on it.
    pub(crate) fn remove(
        &self,
        record: Record<'_>,
        (table, marks): (&Table, &ReadMarks),
        guard: &Guard,
    ) -> bool {
        let word = record.word();
        // Acquires what the last holder of a lock wrote. SeqCst, like its reversal below: part of the handshake
        // between scanners and inserters, who both look at this word.
        if word.compare_exchange(0, Record::DEAD, Ordering::SeqCst, Ordering::Relaxed).is_err() {
            return false;
        }
        // Somebody may have written a value between the look at the chain and the mark.
        let head = record.head();
        if !head.is_none_or(is_bare_tombstone) {
            // Whoever met the mark meanwhile has waited to see what comes of it.
            word.store(0, Ordering::SeqCst);
            return false;
        }
        if let Some(VersionState::Committed(deleted)) = head.map(Version::state) {
            self.forgotten.fetch_max(deleted.0, Ordering::Relaxed);
        }
        marks.forget(record.ptr());
        table.index().remove(record, guard);
        true
    }
}

/// Cuts off the versions that nobody can see: those older than the newest one at or below the watermark.
///
/// # Safety
/// No snapshot below the watermark is or will be read.
unsafe fn prune(record: Record<'_>, watermark: Timestamp, guard: &Guard) -> Remains {
    let mut version = record.head();
    while let Some(current) = version {
        if let VersionState::Committed(at) = current.state()
            && at <= watermark
        {
            // SAFETY: a reader at or above the watermark stops at `current`.
            unsafe { current.cut(guard) };
            break;
        }
        version = current.next();
    }
    remains(record, watermark)
}

fn remains(record: Record<'_>, watermark: Timestamp) -> Remains {
    let Some(head) = record.head() else { return Remains::Nothing };
    match head.state() {
        // Its writer will queue the record again, or find our claim; look again soon.
        VersionState::Pending { .. } => Remains::Later(watermark),
        VersionState::Committed(at) if is_bare_tombstone(head) && at <= watermark => Remains::Nothing,
        VersionState::Committed(at) if head.value().is_none() || head.next().is_some() => Remains::Later(at),
        VersionState::Committed(_) => Remains::Clean,
    }
}

fn is_bare_tombstone(version: Version<'_>) -> bool {
    version.value().is_none() && version.next().is_none()
}
