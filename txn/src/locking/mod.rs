//! What the modes share that lock what they write, and write in place.
//!
//! A write takes an exclusive lock on its record, and goes into the version chain at once, as a *pending*
//! version that the commit will stamp; so a transaction finds its own writes where it looks for any value, and
//! needs no private write set to search. What reads do is the modes' business.
//!
//! - [`word`]: locks in the control word, the usual case;
//! - [`queue`], [`lock_table`], [`waits`], [`policy`]: contended locks, waiting, and deadlocks;
//! - [`watch`]: for those who want to see who waits;
//! - [`writer`], [`write`], [`commit`]: a running transaction: its locks, its pending versions, its end.

pub(crate) mod commit;
pub(crate) mod lock_table;
mod policy;
mod queue;
mod waits;
mod watch;
pub(crate) mod word;
mod write;
pub(crate) mod writer;

use std::sync::Arc;

pub use policy::DeadlockPolicy;
pub use watch::{WaitBell, Waiting};

use crate::Store;
use lock_table::LockTable;
pub(crate) use writer::Writer;

/// A store, and the locks on its records.
#[derive(Debug)]
pub(crate) struct Locking {
    pub(crate) store: Arc<Store>,
    pub(crate) lock_table: LockTable,
}

impl Locking {
    /// Who waits for a lock, at one moment.
    pub(crate) fn waiting(&self) -> Vec<Waiting> {
        self.lock_table.waiting(self.store.registry())
    }

    /// No locks yet. No other protocol works on the store.
    pub(crate) fn new(store: Arc<Store>, policy: DeadlockPolicy) -> Self {
        Locking { store, lock_table: LockTable::new(policy) }
    }
}
