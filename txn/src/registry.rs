//! The registry of running read-write transactions.
//!
//! A transaction takes a *slot* for its lifetime; its slot number stands for it in control words, pending
//! versions and lock queues. A slot is written by its owner and read by others, so two transactions on
//! two processors share no cache line here. Each thread tries its last slot first.
//!
//! While its owner commits, a slot announces that:
//!
//! ```text
//! owner     0 ──► ANNOUNCED ──► timestamp ─────────────────► 0
//!                           │             │  append to the log,
//!                    oracle.next()        │  stamp the versions
//! ```
//!
//! so that (a) a snapshot reader who meets a pending version can tell whether its writer's timestamp lies
//! before the snapshot, and (b) the log can tell up to which timestamp every commit has been appended.

use std::cell::Cell;
use std::fmt;

use crossbeam_utils::CachePadded;
use serde::Serialize;
use synod_storage::Timestamp;
use synod_storage::sync::{AtomicU64, AtomicUsize, Ordering, spin};

use crate::stats::SlotCounts;
use crate::{Error, Oracle, Result};

/// How many read-write transactions can run at the same time.
pub const TRANSACTIONS_MAX: usize = if cfg!(shuttle) { 28 } else { 1023 };

/// A transaction's name, unique within one engine's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct TransactionId(pub u64);

impl fmt::Display for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "T{}", self.0)
    }
}

/// One transaction's place in the registry.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    /// The owner's id; 0 while the slot is free.
    owner: AtomicU64,
    /// How many owners the slot has had.
    generation: AtomicU64,
    /// When the owner first began (its age survives retries): smaller is older.
    age: AtomicU64,
    /// See the module's picture.
    committing: AtomicU64,
    /// The commit timestamp up to whose commit the owner has left its read marks (see `multi_version`).
    marked: AtomicU64,
    /// The id of the older transaction that wounded the owner; 0 if none.
    wounded_by: AtomicU64,
    /// One more than the moment since when the owner knows records by their addresses; 0 if it knows none.
    reads_since: AtomicU64,
    /// What the slot's owners have done.
    pub(crate) counts: SlotCounts,
}

const ANNOUNCED: u64 = u64::MAX;

/// The owner of a slot that is being taken.
const CLAIMED: u64 = u64::MAX;

/// All slots.
#[derive(Debug)]
pub struct Registry {
    slots: Box<[CachePadded<Slot>]>,
    /// No slot from here on was ever used.
    used: AtomicUsize,
}

/// How far a slot's owner is in committing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Committing {
    /// It isn't committing: its commit timestamp, if it ever gets one, is not yet taken.
    No,
    /// It is about to take a timestamp, or has just taken one.
    Announced,
    /// It commits at this timestamp.
    At(Timestamp),
}

thread_local! {
    /// The slot that this thread used last: a first guess for the next transaction.
    static LAST_SLOT: Cell<usize> = const { Cell::new(0) };
}

impl Registry {
    pub(crate) fn new() -> Self {
        Registry {
            slots: (0..TRANSACTIONS_MAX).map(|_| CachePadded::default()).collect(),
            used: AtomicUsize::new(0),
        }
    }

    /// Takes a free slot for a transaction of this age.
    pub(crate) fn claim(&self, age: u64) -> Result<u16> {
        // Not under the model checker: its threads are one to the system, and its runs must be repeatable.
        let guess = if cfg!(shuttle) { 0 } else { LAST_SLOT.get() };
        let order = std::iter::once(guess).chain(0..TRANSACTIONS_MAX);
        for index in order {
            let slot = &self.slots[index];
            if slot.owner.load(Ordering::Relaxed) != 0 {
                continue;
            }
            // Acquires what the previous owner did: pairs with the release in `release`. SeqCst: either
            // `running_now` sees this owner, or the owner sees what was marked before.
            if slot.owner.compare_exchange(0, CLAIMED, Ordering::SeqCst, Ordering::Relaxed).is_err() {
                continue;
            }
            // Only now, for another owner may have come and gone since the slot was seen free.
            let generation = slot.generation.load(Ordering::Relaxed) + 1;
            slot.generation.store(generation, Ordering::Relaxed);
            let id = generation * (TRANSACTIONS_MAX as u64 + 1) + index as u64;
            slot.owner.store(id, Ordering::Relaxed);
            slot.age.store(age, Ordering::Relaxed);
            slot.wounded_by.store(0, Ordering::Relaxed);
            if index >= self.used.load(Ordering::SeqCst) {
                // SeqCst: a scan of the used slots that starts after this owner took a timestamp
                // must include this slot (see `commit_bound`).
                self.used.fetch_max(index + 1, Ordering::SeqCst);
            }
            LAST_SLOT.set(index);
            return Ok(index as u16);
        }
        Err(Error::TooManyTransactions)
    }

    /// Gives a slot back.
    pub(crate) fn release(&self, slot: u16) {
        self.slot(slot).owner.store(0, Ordering::Release);
    }

    #[inline]
    pub(crate) fn slot(&self, slot: u16) -> &Slot {
        &self.slots[slot as usize]
    }

    /// The name of the transaction that has this slot.
    pub fn owner(&self, slot: u16) -> TransactionId {
        self.slot(slot).id()
    }

    /// The slots that were ever used.
    pub(crate) fn used_slots(&self) -> impl Iterator<Item = &Slot> {
        self.slots[..self.used.load(Ordering::SeqCst)].iter().map(|padded| &**padded)
    }

    /// The transactions that are running now, and perhaps some that have just ended. A transaction that isn't
    /// among them sees every sequentially consistent store that its caller has made before.
    pub(crate) fn running_now(&self) -> Vec<(u16, TransactionId)> {
        let owner = |slot: &Slot| {
            for round in 0.. {
                match slot.owner.load(Ordering::SeqCst) {
                    0 => return None,
                    CLAIMED => spin(round),
                    id => return Some(TransactionId(id)),
                }
            }
            unreachable!("the loop ends by returning")
        };
        let slots = self.used_slots().enumerate();
        slots.filter_map(|(index, slot)| Some((index as u16, owner(slot)?))).collect()
    }

    /// How many transactions are running.
    pub fn running(&self) -> usize {
        self.used_slots().filter(|slot| slot.owner.load(Ordering::Relaxed) != 0).count()
    }

    /// Waits until everybody else who commits at a timestamp before `at`, which was taken already, has left its
    /// read marks, or has ended.
    pub(crate) fn wait_for_marks(&self, at: Timestamp, own: u16) {
        for (_, slot) in self.used_slots().enumerate().filter(|(index, _)| *index != usize::from(own)) {
            for round in 0.. {
                match slot.committing() {
                    Committing::No => break,
                    Committing::At(timestamp) if timestamp > at => break,
                    Committing::At(timestamp) if slot.marked.load(Ordering::SeqCst) == timestamp.0 => break,
                    Committing::Announced | Committing::At(_) => spin(round),
                }
            }
        }
    }

    /// The oldest moment since when somebody knows records by their addresses ([`Timestamp::MAX`] if nobody
    /// does): records that have had a value since then stay. The caller has read the oracle before, and compares
    /// with nothing later than what it read.
    pub(crate) fn oldest_reader(&self) -> Timestamp {
        // SeqCst: see `begin_reading`.
        let since = self.used_slots().map(|slot| slot.reads_since.load(Ordering::SeqCst));
        since.filter_map(|since| since.checked_sub(1)).min().map_or(Timestamp::MAX, Timestamp)
    }

    /// The greatest timestamp up to which every commit has been appended to the log, given that
    /// `newest` was read from the oracle just before.
    pub(crate) fn commit_bound(&self, newest: Timestamp) -> Timestamp {
        let mut bound = newest;
        for slot in self.used_slots() {
            let mut round = 0;
            loop {
                match slot.committing() {
                    Committing::No => break,
                    Committing::At(timestamp) => {
                        bound = bound.min(Timestamp(timestamp.0 - 1));
                        break;
                    }
                    Committing::Announced => {
                        spin(round);
                        round += 1;
                    }
                }
            }
        }
        bound
    }
}

impl Slot {
    /// The owner, who commits at `at`, has left its read marks.
    pub(crate) fn marks_are_left(&self, at: Timestamp) {
        // SeqCst: the marks come before; and after it the owner looks at what others do.
        self.marked.store(at.0, Ordering::SeqCst);
    }

    #[inline]
    pub(crate) fn id(&self) -> TransactionId {
        TransactionId(self.owner.load(Ordering::Relaxed))
    }

    /// Whether this transaction still has the slot. Acquire: if not, all that it did is seen.
    pub(crate) fn is_owned_by(&self, id: TransactionId) -> bool {
        self.owner.load(Ordering::Acquire) == id.0
    }

    /// Age and id: a total order among the running transactions, oldest first.
    pub(crate) fn seniority(&self) -> (u64, TransactionId) {
        (self.age.load(Ordering::Relaxed), self.id())
    }

    /// Announces that the owner is about to take a commit timestamp. SeqCst, and followed by the
    /// oracle's SeqCst update: whoever sees the timestamp in the oracle sees the announcement.
    #[inline]
    pub(crate) fn announce_commit(&self) {
        self.committing.store(ANNOUNCED, Ordering::SeqCst);
    }

    /// Publishes the timestamp taken after the announcement.
    #[inline]
    pub(crate) fn publish_commit(&self, timestamp: Timestamp) {
        self.committing.store(timestamp.0, Ordering::Release);
    }

    /// The commit is appended and all its versions are stamped. Release: whoever sees this sees them.
    #[inline]
    pub(crate) fn finish_commit(&self) {
        self.committing.store(0, Ordering::Release);
    }

    /// How far the owner is in committing.
    #[inline]
    pub(crate) fn committing(&self) -> Committing {
        match self.committing.load(Ordering::SeqCst) {
            0 => Committing::No,
            ANNOUNCED => Committing::Announced,
            timestamp => Committing::At(Timestamp(timestamp)),
        }
    }

    /// From now on the owner may keep the addresses of records that have a value at the timestamp that this
    /// returns, or later. Such a record doesn't leave the index, unless everyone who keeps addresses does so since
    /// after its deletion.
    ///
    /// The mark first and the oracle afterwards, while the collector reads the oracle first and the marks
    /// afterwards, all SeqCst: a collector that misses the mark removes nothing that was deleted later than this.
    pub(crate) fn begin_reading(&self, oracle: &Oracle) -> Timestamp {
        self.reads_since.store(1, Ordering::SeqCst);
        let now = oracle.last();
        self.read_since(now);
        now
    }

    /// Moves on to a later moment. Until that is seen, the earlier one protects more.
    pub(crate) fn read_since(&self, moment: Timestamp) {
        // Release: the owner's looks at records come before anyone sees this and removes them.
        self.reads_since.store(moment.0 + 1, Ordering::Release);
    }

    /// The owner has forgotten all addresses.
    pub(crate) fn end_reading(&self) {
        // Release: as above.
        self.reads_since.store(0, Ordering::Release);
    }

    /// Tells the owner to abort in favour of the older transaction `by`. The caller must make sure that
    /// the owner can't end meanwhile (it holds a queued lock whose shard the caller has locked).
    pub(crate) fn wound(&self, by: TransactionId) {
        self.wounded_by.store(by.0, Ordering::Release);
    }

    /// Who wounded the owner, if anybody.
    #[inline]
    pub(crate) fn wounded_by(&self) -> Option<TransactionId> {
        match self.wounded_by.load(Ordering::Relaxed) {
            0 => None,
            id => Some(TransactionId(id)),
        }
    }
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use super::*;

    #[test]
    fn slots_are_reused_under_new_names_and_run_out_with_an_error() {
        let registry = Registry::new();
        let slots: Vec<u16> = (0..TRANSACTIONS_MAX).map(|age| registry.claim(age as u64).unwrap()).collect();
        assert!(matches!(registry.claim(0), Err(Error::TooManyTransactions)));
        assert_eq!(registry.running(), TRANSACTIONS_MAX);
        let id = registry.slot(slots[5]).id();
        registry.release(slots[5]);
        assert_eq!(registry.claim(0).unwrap(), slots[5]);
        assert_ne!(registry.slot(slots[5]).id(), id);
    }

    #[test]
    fn the_commit_bound_stays_below_every_commit_in_flight() {
        let registry = Registry::new();
        let slot = registry.claim(0).unwrap();
        assert_eq!(registry.commit_bound(Timestamp(50)), Timestamp(50));
        registry.slot(slot).announce_commit();
        registry.slot(slot).publish_commit(Timestamp(40));
        assert_eq!(registry.commit_bound(Timestamp(50)), Timestamp(39));
        registry.slot(slot).finish_commit();
        assert_eq!(registry.commit_bound(Timestamp(50)), Timestamp(50));
    }
}
