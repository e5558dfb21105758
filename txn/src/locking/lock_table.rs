//! The lock table: the way to a lock when the control word isn't enough.
//!
//! Queues live in shards, each under a mutex, by the record's address. A record's word changes from and to
//! the inflated state only under its shard's mutex. Order of locking: an index leaf's latch (an inserter
//! looks at its successor under it), a shard, the wait-for graph, a sleeper's bed.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crossbeam_epoch::Guard;
use crossbeam_utils::CachePadded;
use synod_storage::sync::{Mutex, Ordering};
use synod_storage::{Record, RecordPtr, Table};

use super::policy::DeadlockPolicy;
use super::queue::{Decision, Queue};
use super::waits::{Outcome, Place, Waits};
use super::watch::{WaitBell, Waiting};
use super::word::{Modes, Word};
use crate::registry::Registry;
use crate::{Abort, DeadlockMember};

const SHARDS: usize = if cfg!(shuttle) { 2 } else { 64 };

type Shard = HashMap<RecordPtr, Queue>;

/// All contended locks.
#[derive(Debug)]
pub(crate) struct LockTable {
    shards: Box<[CachePadded<Mutex<Shard>>]>,
    waits: Waits,
    policy: DeadlockPolicy,
    /// For whoever watches.
    bell: OnceLock<Arc<WaitBell>>,
}

/// Who asks for a lock, and how patient it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Requester<'a> {
    pub(crate) slot: u16,
    pub(crate) registry: &'a Registry,
    pub(crate) timeout: Duration,
}

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Acquired {
    /// The record has left the index; nothing is held on it.
    Dead,
    /// The lock is held (or, for an insertion that didn't wait, the gap was free a moment ago).
    Granted {
        /// Whether this is the first thing that the transaction holds on the record.
        is_first: bool,
        /// Whether it had to be waited for.
        has_waited: bool,
    },
}

/// Who keeps others from inserting into a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gap {
    Nobody,
    Own,
    Others,
}

/// What the first part of a request, under the shard's mutex, came to.
enum Step {
    Done(Acquired),
    Wait { is_first: bool },
}

impl LockTable {
    pub(crate) fn new(policy: DeadlockPolicy) -> Self {
        LockTable {
            shards: (0..SHARDS).map(|_| CachePadded::default()).collect(),
            waits: Waits::new(),
            policy,
            bell: OnceLock::new(),
        }
    }

    /// A bell that rings whenever a transaction begins to wait.
    pub(crate) fn bell(&self) -> Arc<WaitBell> {
        self.bell.get_or_init(WaitBell::new).clone()
    }

    /// Who waits. All shards are locked for this, so that nobody is met who has lain down and may yet be the victim
    /// of a deadlock, or is about to be granted what it wants.
    pub(crate) fn waiting(&self, registry: &Registry) -> Vec<Waiting> {
        let _shards: Vec<_> = self.shards.iter().map(|shard| shard.lock()).collect();
        let id = |slot: u16| registry.slot(slot).id();
        let told = |(slot, Place { table, key }, blockers): (u16, Place, Vec<u16>)| Waiting {
            transaction: id(slot),
            table,
            key,
            waits_for: blockers.into_iter().map(id).collect(),
        };
        self.waits.all().into_iter().map(told).collect()
    }

    fn shard(&self, record: RecordPtr) -> &Mutex<Shard> {
        // Records are at least 16 bytes apart; the multiplication spreads the rest (Fibonacci hashing).
        let hash = (record.address() as u64 >> 4).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        &self.shards[(hash >> 58) as usize % SHARDS]
    }

    /// Asks for `modes` and waits as long as it takes. While waiting, the caller's pin is given up; its
    /// record stays alive because its word isn't free.
    pub(crate) fn acquire(
        &self,
        requester: Requester<'_>,
        table: &Table,
        record: RecordPtr,
        modes: Modes,
        guard: &mut Guard,
    ) -> Result<Acquired, Abort> {
        match self.request(requester, table, record, modes)? {
            Step::Done(acquired) => Ok(acquired),
            Step::Wait { is_first } => {
                requester.registry.slot(requester.slot).counts.lock_wait();
                if let Some(bell) = self.bell.get() {
                    bell.ring();
                }
                let deadline = deadline_after(requester.timeout);
                let outcome = guard.repin_after(|| self.waits.sleep(requester.slot, deadline));
                let abort = match outcome {
                    Outcome::Granted => {
                        return Ok(granted(is_first, modes, true));
                    }
                    Outcome::Aborted(abort) => abort,
                    Outcome::TimedOut => self.timeout(requester, table, record),
                };
                self.withdraw(requester.slot, record, is_first);
                Err(abort)
            }
        }
    }

    /// Grants or queues a request.
    fn request(
        &self,
        requester: Requester<'_>,
        table: &Table,
        record: RecordPtr,
        modes: Modes,
    ) -> Result<Step, Abort> {
        let slot = requester.slot;
        let mut shard = self.shard(record).lock();
        // SAFETY: the caller is pinned, and no longer than this call.
        let word = unsafe { record.get() }.word();
        let queue = loop {
            // Acquire: pairs with the release of whoever unlocked, so that its writes are seen.
            let current = Word(word.load(Ordering::Acquire));
            if current.is_dead() {
                return Ok(Step::Done(Acquired::Dead));
            }
            if current.is_inflated() {
                break shard.get_mut(&record).expect("an inflated record has a queue");
            }
            let in_word = current.grant(slot, modes);
            let next = in_word.unwrap_or(Word::INFLATED);
            if word.compare_exchange(current.0, next.0, Ordering::SeqCst, Ordering::Relaxed).is_err() {
                continue;
            }
            if in_word.is_some() {
                let is_first = current.modes_of(slot).is_empty();
                return Ok(Step::Done(granted(is_first, modes, false)));
            }
            break shard.entry(record).or_insert_with(|| Queue::from_word(current));
        };
        let is_first = queue.modes_of(slot).is_empty();
        let decision = queue.request(slot, modes);
        if decision == Decision::Queued {
            self.waits.lie_down(slot, place(table, record));
        }
        let verdict = self.enforce(requester, queue, decision);
        if decision == Decision::Granted {
            self.settle(record, shard);
            return Ok(Step::Done(granted(is_first, modes, false)));
        }
        match verdict {
            None => Ok(Step::Wait { is_first }),
            Some(abort) => {
                queue.cancel(slot);
                self.waits.get_up(slot);
                self.serve(queue);
                self.settle(record, shard);
                Err(self.describe(abort, table, record))
            }
        }
    }

    /// Applies the deadlock policy after a change to a queue. Returns the requester's own abort, if it is
    /// the one to go.
    fn enforce(&self, requester: Requester<'_>, queue: &Queue, decision: Decision) -> Option<Abort> {
        self.waits.update_edges(queue);
        let Requester { slot, registry, .. } = requester;
        match self.policy {
            DeadlockPolicy::Detect => {
                (decision == Decision::Queued).then(|| self.break_cycles(slot, registry)).flatten()
            }
            DeadlockPolicy::NoWait => {
                let holder = *queue.blockers(slot).first()?;
                Some(lock_busy(registry.slot(holder).id()))
            }
            DeadlockPolicy::WaitDie => {
                let mut own = None;
                for waiter in queue.waiting() {
                    let age = registry.slot(waiter).seniority();
                    let is_older = |blocker: &u16| registry.slot(*blocker).seniority() < age;
                    let Some(older) = queue.blockers(waiter).into_iter().find(is_older) else { continue };
                    let abort = died(registry.slot(older).id());
                    if waiter == slot { own = Some(abort) } else { self.waits.abort(waiter, abort) }
                }
                own
            }
            DeadlockPolicy::WoundWait => {
                for waiter in queue.waiting() {
                    let (age, id) = registry.slot(waiter).seniority();
                    for blocker in queue.blockers(waiter) {
                        let victim = registry.slot(blocker);
                        if victim.seniority() > (age, id) {
                            victim.wound(id);
                            self.waits.abort(blocker, Abort::Wounded { by: id });
                        }
                    }
                }
                // The mark is made before the sleeper is woken, and looked at after lying down: one of
                // the two meets the other.
                let by = registry.slot(slot).wounded_by();
                by.filter(|_| decision == Decision::Queued).map(|by| Abort::Wounded { by })
            }
        }
    }

    /// Ends every cycle through `slot` by aborting its youngest member.
    fn break_cycles(&self, slot: u16, registry: &Registry) -> Option<Abort> {
        let member = |(slot, place): (u16, Place)| DeadlockMember {
            transaction: registry.slot(slot).id(),
            table: place.table,
            key: place.key,
        };
        let choose = |mut cycle: Vec<(u16, Place)>| {
            let youngest = (0..cycle.len()).max_by_key(|&member| registry.slot(cycle[member].0).seniority());
            cycle.rotate_left(youngest.unwrap_or(0));
            let victim = cycle[0].0;
            (victim, Abort::Deadlock { cycle: cycle.into_iter().map(member).collect() })
        };
        while let Some(end) = self.waits.break_cycle(slot, choose) {
            if let Some(own) = end {
                return Some(own);
            }
        }
        None
    }

    /// Fills in where the requester was refused.
    fn describe(&self, abort: Abort, table: &Table, record: RecordPtr) -> Abort {
        let Place { table, key } = place(table, record);
        match abort {
            Abort::Died { holder, .. } => Abort::Died { holder, table, key },
            Abort::LockBusy { holder, .. } => Abort::LockBusy { holder, table, key },
            other => other,
        }
    }

    fn timeout(&self, requester: Requester<'_>, table: &Table, record: RecordPtr) -> Abort {
        let Place { table, key } = place(table, record);
        Abort::LockTimeout { waited: requester.timeout, table, key }
    }

    /// Takes back a request whose wait has ended without a grant.
    fn withdraw(&self, slot: u16, record: RecordPtr, is_first: bool) {
        let mut shard = self.shard(record).lock();
        self.waits.get_up(slot);
        if let Some(queue) = shard.get_mut(&record) {
            queue.cancel(slot);
            self.serve(queue);
            self.settle(record, shard);
        } else {
            drop(shard);
        }
        if is_first {
            // The lock may have been granted after the wait had ended, and may even have moved back into
            // the control word since.
            self.release(slot, record);
        }
    }

    /// Releases all that `slot` holds on a record, wherever that is written down.
    #[inline]
    pub(crate) fn release(&self, slot: u16, record: RecordPtr) {
        // SAFETY: the lock that is being released keeps the record alive, or (if nothing is held) the
        // caller is pinned; after the release it isn't touched any more.
        let word = unsafe { record.get() }.word();
        let mut current = Word(word.load(Ordering::Relaxed));
        loop {
            if current.is_inflated() {
                if self.release_queued(slot, record) {
                    return;
                }
                // It was deflated meanwhile.
                current = Word(word.load(Ordering::Relaxed));
                continue;
            }
            let next = current.without(slot);
            // Release: pairs with the acquire of the next one to lock the record.
            match word.compare_exchange_weak(current.0, next.0, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(found) => current = Word(found),
            }
        }
    }

    /// Releases what is held in a queue; false if there's none.
    #[cold]
    fn release_queued(&self, slot: u16, record: RecordPtr) -> bool {
        let mut shard = self.shard(record).lock();
        let Some(queue) = shard.get_mut(&record) else { return false };
        queue.release(slot);
        self.serve(queue);
        self.settle(record, shard);
        true
    }

    /// Wakes all who can be served now, and brings the edges of the others up to date.
    fn serve(&self, queue: &mut Queue) {
        for slot in queue.promote() {
            self.waits.grant(slot);
        }
        self.waits.update_edges(queue);
    }

    /// Moves the lock back into the control word, if nobody waits and it fits.
    fn settle(&self, record: RecordPtr, mut shard: impl std::ops::DerefMut<Target = Shard>) {
        let Entry::Occupied(entry) = shard.entry(record) else { return };
        if let Some(word) = entry.get().to_word() {
            entry.remove();
            // SAFETY: until this store the word isn't free, so the record is alive.
            // Release: pairs with the acquire of the next one to lock the record.
            unsafe { record.get() }.word().store(word.0, Ordering::Release);
        }
    }

    /// Who holds the gap in front of an inflated record, as `slot` sees it. `None` if its lock isn't in the
    /// table any more.
    pub(crate) fn gap_of(&self, slot: u16, record: RecordPtr) -> Option<Gap> {
        let shard = self.shard(record).lock();
        let queue = shard.get(&record)?;
        Some(match queue.gap_is_held_against(slot) {
            true => Gap::Others,
            false if queue.modes_of(slot).has(Modes::GAP) => Gap::Own,
            false => Gap::Nobody,
        })
    }

    /// Makes a record that nobody else can see yet start inflated, with `modes` held by `slot`.
    pub(crate) fn install(&self, slot: u16, record: Record<'_>, modes: Modes) {
        let mut shard = self.shard(record.ptr()).lock();
        record.word().store(Word::INFLATED.0, Ordering::Release);
        shard.insert(record.ptr(), Queue::held_by(slot, modes));
    }
}

/// A request for an insertion that needn't wait ends without a lock.
fn granted(is_first: bool, modes: Modes, has_waited: bool) -> Acquired {
    Acquired::Granted { is_first: is_first && (has_waited || modes != Modes::INSERT), has_waited }
}

/// When a wait that begins now has to end. A timeout beyond what the clock can count is as good as none.
fn deadline_after(timeout: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
    Instant::now() + timeout.min(CENTURY)
}

fn place(table: &Table, record: RecordPtr) -> Place {
    // SAFETY: the caller of `acquire` is pinned, or its request keeps the record's word from being free.
    let key = (!table.is_end(record)).then(|| unsafe { record.get() }.key().to_vec());
    Place { table: table.name().to_owned(), key }
}

fn lock_busy(holder: crate::TransactionId) -> Abort {
    Abort::LockBusy { holder, table: String::new(), key: None }
}

fn died(holder: crate::TransactionId) -> Abort {
    Abort::Died { holder, table: String::new(), key: None }
}
