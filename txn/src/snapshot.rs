//! Snapshots, and the watermark below which nobody reads.
//!
//! A snapshot is a timestamp and a promise: as long as it is held, the versions that it sees stay. It is
//! announced in a slot of its own, which the garbage collector reads when it moves the *watermark*, the
//! oldest timestamp that anyone reads at or may still ask for:
//!
//! ```text
//!            watermark              newest commit
//! ───────────────┼───────────┼───────────┼──────► time
//!  versions that │         oldest        │
//!  were replaced │         snapshot      │
//!  by now may go └── retention ──────────┘
//! ```

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_epoch::Guard;
use crossbeam_utils::CachePadded;
use synod_storage::sync::{AtomicU64, AtomicUsize, Ordering};
use synod_storage::{Timestamp, Version, VersionState};

use crate::{Error, Oracle, Result, Store};

/// How many snapshots can be open at the same time, read-only transactions included.
pub const SNAPSHOTS_MAX: usize = if cfg!(shuttle) { 4 } else { 4096 };

/// Up to so many snapshot slots in use, every commit looks at them all.
const CHEAP_SLOTS: usize = 8;

const FREE: u64 = u64::MAX;
/// The reader is about to choose its timestamp; the watermark must not move meanwhile.
const CHOOSING: u64 = u64::MAX - 1;
/// Set beside the timestamp of a reader that asks later for every change of what it has read.
const TRACKED: u64 = 1 << 62;

thread_local! {
    /// The slot of this thread's last snapshot, of whichever store.
    static LAST_SLOT: Cell<usize> = const { Cell::new(0) };
}

/// The timestamp of an open snapshot.
fn timestamp_of(slot: u64) -> u64 {
    if slot < CHOOSING { slot & !TRACKED } else { slot }
}

/// Who reads the past, as far as a committer knows.
#[derive(Debug)]
pub(crate) struct Readers {
    /// Nobody reads below this, now or later.
    pub(crate) watermark: Timestamp,
    /// The timestamps of all open snapshots, if `is_exact`.
    open: [u64; CHEAP_SLOTS],
    /// The oldest of them that asks for every change.
    oldest_tracked: Timestamp,
    /// The newest timestamp there was when this was made.
    newest: Timestamp,
    /// Besides those that are open, nobody reads below `newest`, now or later.
    is_exact: bool,
}

impl Readers {
    /// Takes the version that `newest` has replaced out of the chain, if nobody needs it any more although older ones are
    /// read: so a snapshot that is long open keeps one version of a key, not all that came after it (Böttcher et al.,
    /// "Scalable garbage collection for in-memory MVCC systems", VLDB 2019, section 4.3).
    ///
    /// # Safety
    /// `newest` is its record's newest version, committed at `at`; only the caller may write the record; and whoever reads
    /// below the newest timestamp there was when this was made does so in a snapshot.
    #[inline]
    pub(crate) unsafe fn pass_over_behind(&self, newest: Version<'_>, at: Timestamp, guard: &Guard) {
        if let Some(VersionState::Committed(replaced)) = newest.next().map(Version::state)
            && self.pass_over(replaced, at)
        {
            // SAFETY: the caller's right to write, and all see `newest`, a later one, or an older one.
            unsafe { newest.pass_over_next(guard) };
        }
    }

    /// Whether nobody needs a version that was committed at `from` and replaced at `to`.
    #[inline]
    fn pass_over(&self, from: Timestamp, to: Timestamp) -> bool {
        self.is_exact
            && to <= self.newest
            && from <= self.oldest_tracked
            && self.open.iter().all(|at| !(from.0..to.0).contains(at))
    }
}

/// The snapshots that are open, and the watermark.
///
/// **Invariant** The watermark never passes the timestamp of an open snapshot.
#[derive(Debug)]
pub(crate) struct Snapshots {
    slots: Box<[CachePadded<AtomicU64>]>,
    used: AtomicUsize,
    retention_ns: u64,
    /// How far the watermark may be moving; announced before the slots are read.
    intended: CachePadded<AtomicU64>,
    watermark: CachePadded<AtomicU64>,
}

impl Snapshots {
    /// No snapshots. Of the time before `horizon` only the newest versions were kept.
    pub(crate) fn new(retention: Duration, horizon: Timestamp) -> Self {
        Snapshots {
            slots: (0..SNAPSHOTS_MAX).map(|_| CachePadded::new(AtomicU64::new(FREE))).collect(),
            used: AtomicUsize::new(0),
            retention_ns: retention.as_nanos().min(u128::from(u64::MAX)) as u64,
            intended: CachePadded::new(AtomicU64::new(horizon.0)),
            watermark: CachePadded::new(AtomicU64::new(horizon.0)),
        }
    }

    /// Opens a snapshot that includes every commit acknowledged so far. If it is tracked, every version that comes
    /// after it in the chain of a record stays as well.
    ///
    /// The slot is taken first and the oracle read afterwards, while `advance` reads the oracle first
    /// and the slots afterwards, all SeqCst: if `advance` misses the slot, then this timestamp is no
    /// smaller than the one that it started from.
    pub(crate) fn open_newest(&self, oracle: &Oracle, is_tracked: bool) -> Result<OpenSnapshot> {
        let slot = self.claim(CHOOSING)?;
        let at = oracle.last();
        let mark = if is_tracked { TRACKED } else { 0 };
        self.slots[slot].store(at.0 | mark, Ordering::SeqCst);
        Ok(OpenSnapshot { slot, at })
    }

    /// Opens a snapshot at `at`, unless versions from then may be gone.
    fn open_at(&self, at: Timestamp, oracle: &Oracle) -> Result<OpenSnapshot> {
        let opened = OpenSnapshot { slot: self.claim(at.0)?, at };
        // SeqCst, after taking the slot: either the collector sees the slot, or this sees how far the
        // collector may go (without retention, up to the newest timestamp).
        let oldest = match self.retention_ns {
            0 => oracle.last(),
            _ => Timestamp(self.intended.load(Ordering::SeqCst)),
        };
        if at < oldest {
            self.close(&opened);
            return Err(Error::SnapshotTooOld { asked: at, oldest });
        }
        Ok(opened)
    }

    /// Opens a snapshot at the oldest timestamp that can still be read.
    fn open_oldest(&self, oracle: &Oracle) -> Result<OpenSnapshot> {
        if self.retention_ns == 0 {
            return self.open_newest(oracle, false);
        }
        loop {
            let at = Timestamp(self.intended.load(Ordering::SeqCst));
            match self.open_at(at, oracle) {
                // The collector has gone on meanwhile.
                Err(Error::SnapshotTooOld { .. }) => {}
                opened => return opened,
            }
        }
    }

    fn claim(&self, value: u64) -> Result<usize> {
        // The slot that this thread had last: nobody else has touched it, probably. Not under the model checker: its
        // threads are one to the system, and its runs must be repeatable.
        let guess = if cfg!(shuttle) { 0 } else { LAST_SLOT.get() };
        let order = (guess < self.used.load(Ordering::Relaxed)).then_some(guess).into_iter();
        for index in order.chain(0..self.slots.len()) {
            let slot = &self.slots[index];
            if slot.load(Ordering::Relaxed) == FREE
                && slot.compare_exchange(FREE, value, Ordering::SeqCst, Ordering::Relaxed).is_ok()
            {
                // SeqCst: whoever raised it, the oracle is read after it was raised.
                if index >= self.used.load(Ordering::SeqCst) {
                    self.used.fetch_max(index + 1, Ordering::SeqCst);
                }
                LAST_SLOT.set(index);
                return Ok(index);
            }
        }
        Err(Error::TooManySnapshots)
    }

    /// Closes a snapshot, once, after its last use.
    pub(crate) fn close(&self, snapshot: &OpenSnapshot) {
        // Release: the reader's loads come before anyone sees the slot free and collects garbage.
        self.slots[snapshot.slot].store(FREE, Ordering::Release);
    }

    /// The watermark as it was last computed.
    #[inline]
    pub(crate) fn watermark(&self) -> Timestamp {
        Timestamp(self.watermark.load(Ordering::Acquire))
    }

    /// Moves the watermark as far as it can go and returns it. Cost: one load for each snapshot slot in
    /// use, and two shared writes. Any number of threads may do this at once.
    pub(crate) fn advance(&self, oracle: &Oracle) -> Timestamp {
        let goal = match self.retention_ns {
            0 => oracle.last().0,
            retention => oracle.last().0.min(oracle.now().0.saturating_sub(retention)),
        };
        self.intended.fetch_max(goal, Ordering::SeqCst);
        let Some(oldest) = self.oldest() else { return self.watermark() };
        let watermark = goal.min(oldest.0);
        Timestamp(self.watermark.fetch_max(watermark, Ordering::AcqRel).max(watermark))
    }

    /// Who reads the past: exact where that is cheap, else the watermark as last computed. Writes nothing
    /// shared.
    #[inline]
    pub(crate) fn readers(&self, oracle: &Oracle) -> Readers {
        // The oracle first and the slots afterwards, as in `advance`.
        let newest = oracle.last();
        let mut readers = Readers {
            watermark: newest,
            newest,
            open: [FREE; CHEAP_SLOTS],
            oldest_tracked: Timestamp::MAX,
            is_exact: false,
        };
        let used = self.used.load(Ordering::SeqCst);
        if self.retention_ns == 0 && used <= CHEAP_SLOTS {
            readers.is_exact = true;
            for (open, slot) in readers.open.iter_mut().zip(&self.slots[..used]) {
                let state = slot.load(Ordering::SeqCst);
                *open = timestamp_of(state);
                readers.is_exact &= state != CHOOSING;
                if state < CHOOSING && state & TRACKED != 0 {
                    readers.oldest_tracked = readers.oldest_tracked.min(Timestamp(*open));
                }
                readers.watermark = readers.watermark.min(Timestamp(*open));
            }
        }
        if !readers.is_exact {
            readers.watermark = self.watermark();
        }
        readers
    }

    /// Whether nobody has committed since `at`, and whoever is at work, and asks for changes of what he has read,
    /// began no earlier. May be false although it is so. `at` is the timestamp of a snapshot that is open.
    pub(crate) fn is_last_commit(&self, at: Timestamp, oracle: &Oracle) -> bool {
        let used = self.used.load(Ordering::SeqCst);
        let is_older = |state: u64| match state {
            FREE => false,
            // Of the time before this snapshot, perhaps.
            CHOOSING => true,
            state => state & TRACKED != 0 && timestamp_of(state) < at.0,
        };
        used <= CHEAP_SLOTS
            && !self.slots[..used].iter().any(|slot| is_older(slot.load(Ordering::SeqCst)))
            // Only now: whoever began earlier has taken his timestamp by the time he closes his snapshot.
            && oracle.last() == at
    }

    /// The smallest timestamp of an open snapshot ([`Timestamp::MAX`] if there's none); `None` while one
    /// is being opened.
    fn oldest(&self) -> Option<Timestamp> {
        let mut oldest = Timestamp::MAX;
        for slot in &self.slots[..self.used.load(Ordering::SeqCst)] {
            match slot.load(Ordering::SeqCst) {
                FREE => {}
                CHOOSING => return None,
                at => oldest = oldest.min(Timestamp(timestamp_of(at))),
            }
        }
        Some(oldest)
    }

    /// How many snapshots are open, and the oldest one's timestamp.
    pub(crate) fn census(&self) -> (usize, Option<Timestamp>) {
        let open = self.slots[..self.used.load(Ordering::SeqCst)]
            .iter()
            .map(|slot| slot.load(Ordering::SeqCst))
            .filter(|&at| at != FREE && at != CHOOSING)
            .map(timestamp_of);
        open.fold((0, None), |(count, oldest), at| {
            (count + 1, Some(oldest.map_or(Timestamp(at), |old: Timestamp| old.min(Timestamp(at)))))
        })
    }
}

/// A snapshot of a store that its owner knows: without a counted reference to that, and to be closed by hand.
#[derive(Debug)]
pub(crate) struct OpenSnapshot {
    slot: usize,
    at: Timestamp,
}

impl OpenSnapshot {
    /// The snapshot's timestamp.
    #[inline]
    pub(crate) fn timestamp(&self) -> Timestamp {
        self.at
    }
}

/// A consistent view of the store at one timestamp. Holds back garbage until it is dropped.
pub struct Snapshot {
    store: Arc<Store>,
    open: OpenSnapshot,
}

impl Snapshot {
    /// A snapshot that includes every commit acknowledged so far.
    pub fn newest(store: &Arc<Store>) -> Result<Self> {
        let open = store.snapshots().open_newest(store.oracle(), false)?;
        Ok(Snapshot { store: store.clone(), open })
    }

    /// As [`Snapshot::newest`], and every version that comes after it in the chain of a record stays as well.
    pub(crate) fn tracked(store: &Arc<Store>) -> Result<Self> {
        let open = store.snapshots().open_newest(store.oracle(), true)?;
        Ok(Snapshot { store: store.clone(), open })
    }

    /// A snapshot at the oldest timestamp that can still be read: without retention, the newest one.
    pub fn oldest(store: &Arc<Store>) -> Result<Self> {
        let open = store.snapshots().open_oldest(store.oracle())?;
        Ok(Snapshot { store: store.clone(), open })
    }

    /// A snapshot as of `at`, if the versions from then are still kept.
    pub fn at(store: &Arc<Store>, at: Timestamp) -> Result<Self> {
        if at > store.oracle().last() {
            let now = store.oracle().now();
            if at > now {
                return Err(Error::SnapshotInFuture { asked: at, now });
            }
            // No later commit may fall before the snapshot.
            store.oracle().observe(at);
        }
        let open = store.snapshots().open_at(at, store.oracle())?;
        Ok(Snapshot { store: store.clone(), open })
    }

    /// The snapshot's timestamp.
    pub fn timestamp(&self) -> Timestamp {
        self.open.at
    }

    /// The store that it reads.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        self.store.snapshots().close(&self.open);
    }
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot").field("at", &self.open.at).finish_non_exhaustive()
    }
}
