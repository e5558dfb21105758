//! Counters. Each slot has its own, written by its owner alone, so that counting shares nothing.

use serde::Serialize;
use synod_storage::sync::{AtomicU64, Ordering};

use crate::{Abort, Isolation, Registry};

/// What the owners of one slot have done.
#[derive(Debug, Default)]
pub(crate) struct SlotCounts {
    commits: ByIsolation,
    rollbacks: ByIsolation,
    aborted: ByIsolation,
    lock_waits: AtomicU64,
    audited: AtomicU64,
    would_abort: AtomicU64,
    aborts: [AtomicU64; 8],
}

/// A counter for each level, so that counting by level costs no more than counting.
#[derive(Debug, Default)]
struct ByIsolation([AtomicU64; Isolation::ALL.len()]);

impl ByIsolation {
    fn bump(&self, level: Isolation) {
        bump(&self.0[level as usize]);
    }

    fn read(&self, level: Isolation) -> u64 {
        self.0[level as usize].load(Ordering::Relaxed)
    }
}

/// Adds one without an atomic read-modify-write: only the slot's owner writes.
fn bump(counter: &AtomicU64) {
    counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

impl SlotCounts {
    pub(crate) fn commit(&self, level: Isolation) {
        self.commits.bump(level);
    }

    pub(crate) fn rollback(&self, level: Isolation) {
        self.rollbacks.bump(level);
    }

    pub(crate) fn lock_wait(&self) {
        bump(&self.lock_waits);
    }

    pub(crate) fn audited(&self) {
        bump(&self.audited);
    }

    pub(crate) fn would_abort(&self) {
        bump(&self.would_abort);
    }

    pub(crate) fn abort(&self, level: Isolation, abort: &Abort) {
        self.aborted.bump(level);
        bump(&self.aborts[kind(abort)]);
    }
}

fn kind(abort: &Abort) -> usize {
    match abort {
        Abort::Deadlock { .. } => 0,
        Abort::Wounded { .. } => 1,
        Abort::Died { .. } => 2,
        Abort::LockBusy { .. } => 3,
        Abort::LockTimeout { .. } => 4,
        Abort::WriteConflict { .. } => 5,
        Abort::ReadChanged { .. } => 6,
        Abort::Unserializable { .. } => 7,
    }
}

/// Aborts by the engine, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AbortCounts {
    /// Victims of deadlocks.
    pub deadlock: u64,
    /// Wounded by an older transaction.
    pub wounded: u64,
    /// Died for an older transaction.
    pub died: u64,
    /// Met a lock under the no-wait policy.
    pub lock_busy: u64,
    /// Waited too long.
    pub lock_timeout: u64,
    /// Wanted to change what others had changed since their snapshot.
    pub write_conflict: u64,
    /// Found at their end that what they had read was changed.
    pub read_changed: u64,
    /// Would have been in no serial order with others.
    pub unserializable: u64,
}

impl AbortCounts {
    /// Each reason, as [`Abort::kind`] calls it, and how often.
    pub fn by_reason(&self) -> [(&'static str, u64); 8] {
        [
            ("deadlock", self.deadlock),
            ("wounded", self.wounded),
            ("died", self.died),
            ("lock busy", self.lock_busy),
            ("lock timeout", self.lock_timeout),
            ("write conflict", self.write_conflict),
            ("read changed", self.read_changed),
            ("unserializable", self.unserializable),
        ]
    }
}

/// How the transactions of one isolation level have ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LevelCounts {
    /// Committed.
    pub commits: u64,
    /// Ended by their owners without a commit.
    pub rollbacks: u64,
    /// Ended by the engine.
    pub aborts: u64,
}

impl LevelCounts {
    /// All that have ended: those that were begun at this level, but for those that are running.
    pub fn ended(&self) -> u64 {
        self.commits + self.rollbacks + self.aborts
    }
}

/// How transactions have ended, by isolation level.
///
/// Those that are declared read-only have no slot, and are counted nowhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct IsolationCounts {
    /// At [`Isolation::ReadUncommitted`].
    pub read_uncommitted: LevelCounts,
    /// At [`Isolation::ReadCommitted`].
    pub read_committed: LevelCounts,
    /// At [`Isolation::RepeatableRead`].
    pub repeatable_read: LevelCounts,
    /// At [`Isolation::Snapshot`].
    pub snapshot: LevelCounts,
    /// At [`Isolation::Serializable`].
    pub serializable: LevelCounts,
}

impl IsolationCounts {
    /// Those of one level.
    pub fn of(&self, level: Isolation) -> &LevelCounts {
        match level {
            Isolation::ReadUncommitted => &self.read_uncommitted,
            Isolation::ReadCommitted => &self.read_committed,
            Isolation::RepeatableRead => &self.repeatable_read,
            Isolation::Snapshot => &self.snapshot,
            Isolation::Serializable => &self.serializable,
        }
    }

    /// What has come since `earlier`.
    pub fn since(&self, earlier: &IsolationCounts) -> IsolationCounts {
        let mut grown = IsolationCounts::default();
        for level in Isolation::ALL {
            let (now, then) = (self.of(level), earlier.of(level));
            *grown.of_mut(level) = LevelCounts {
                commits: now.commits.saturating_sub(then.commits),
                rollbacks: now.rollbacks.saturating_sub(then.rollbacks),
                aborts: now.aborts.saturating_sub(then.aborts),
            };
        }
        grown
    }

    fn of_mut(&mut self, level: Isolation) -> &mut LevelCounts {
        match level {
            Isolation::ReadUncommitted => &mut self.read_uncommitted,
            Isolation::ReadCommitted => &mut self.read_committed,
            Isolation::RepeatableRead => &mut self.repeatable_read,
            Isolation::Snapshot => &mut self.snapshot,
            Isolation::Serializable => &mut self.serializable,
        }
    }
}

/// What the read-write transactions of an engine have done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TransactionCounts {
    /// Committed.
    pub commits: u64,
    /// Ended by their owners without a commit.
    pub rollbacks: u64,
    /// Ended by the engine.
    pub aborts: AbortCounts,
    /// The same by isolation level.
    pub by_isolation: IsolationCounts,
    /// Times that a transaction had to wait for a lock.
    pub lock_waits: u64,
    /// Audited: committed at the snapshot level, and checked as if it were serializable.
    pub audited: u64,
    /// Of those, the ones that the serializable level would have aborted.
    pub audited_unserializable: u64,
    /// Running now.
    pub running: u64,
}

impl TransactionCounts {
    /// Sums over all slots.
    pub(crate) fn collect(registry: &Registry) -> Self {
        let mut sum = TransactionCounts { running: registry.running() as u64, ..Self::default() };
        for slot in registry.used_slots() {
            let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
            let counts = &slot.counts;
            for level in Isolation::ALL {
                let of_level = sum.by_isolation.of_mut(level);
                of_level.commits += counts.commits.read(level);
                of_level.rollbacks += counts.rollbacks.read(level);
                of_level.aborts += counts.aborted.read(level);
                sum.commits += counts.commits.read(level);
                sum.rollbacks += counts.rollbacks.read(level);
            }
            sum.lock_waits += read(&counts.lock_waits);
            sum.audited += read(&counts.audited);
            sum.audited_unserializable += read(&counts.would_abort);
            sum.aborts.deadlock += read(&counts.aborts[0]);
            sum.aborts.wounded += read(&counts.aborts[1]);
            sum.aborts.died += read(&counts.aborts[2]);
            sum.aborts.lock_busy += read(&counts.aborts[3]);
            sum.aborts.lock_timeout += read(&counts.aborts[4]);
            sum.aborts.write_conflict += read(&counts.aborts[5]);
            sum.aborts.read_changed += read(&counts.aborts[6]);
            sum.aborts.unserializable += read(&counts.aborts[7]);
        }
        sum
    }
}
