//! Two-phase locking (Eswaran, Gray, Lorie & Traiger, "The notions of consistency and predicate locks in a
//! database system", CACM 1976): a transaction locks what it touches and lets go of nothing before its end, so
//! conflicting transactions are ordered by who came first.
//!
//! ```text
//! locks held ▲      ┌────────┐ commit: timestamp, log, stamp the versions, then release
//!            │   ┌──┘        │
//!            │ ┌─┘ growing   │
//!            └─┴─────────────┴─► time
//! ```
//!
//! | level            | reads                                   | ranges                                  |
//! |------------------|-----------------------------------------|-----------------------------------------|
//! | read uncommitted | no lock, whatever is newest             | likewise                                |
//! | read committed   | wait for writers, keep no lock          | likewise                                |
//! | repeatable read  | shared lock; for an absent key, its gap | shared locks on the records found       |
//! | serializable     | likewise                                | shared locks on records and their gaps  |
//!
//! Every write takes an exclusive lock at every level, as [`locking`](crate::locking) describes.
//!
//! Phantoms are kept out by *next-key locks* (Mohan, "ARIES/KVL", VLDB 1990; Gray & Reuter, section 8.5): a
//! lock on the gap in front of a record keeps others from inserting there. The gap behind the last key belongs
//! to the table's end mark. A scanner locks first and then asks the index whether the leaf has gained keys
//! since it was read; an inserter latches the leaf first and then looks at the successor's gap: one of them
//! sees the other.

mod read;
mod scan;
mod transaction;
mod write;

use std::sync::Arc;

use crate::locking::{DeadlockPolicy, Locking};
use crate::protocol::{ActiveTransaction, BeginOptions, Protocol};
use crate::{Mode, Result, Store, WaitBell, Waiting};
use transaction::Transaction;

/// Two-phase locking over a store.
#[derive(Debug)]
pub struct TwoPhaseLocking {
    locking: Arc<Locking>,
}

impl TwoPhaseLocking {
    /// The protocol over a store that no other protocol works on.
    pub fn new(store: Arc<Store>, policy: DeadlockPolicy) -> Self {
        TwoPhaseLocking { locking: Arc::new(Locking::new(store, policy)) }
    }
}

impl Protocol for TwoPhaseLocking {
    fn mode(&self) -> Mode {
        Mode::TwoPhaseLocking
    }

    fn begin(&self, options: &BeginOptions) -> Result<Box<dyn ActiveTransaction>> {
        self.mode().check(options.isolation)?;
        Ok(Box::new(Transaction::begin(self, options)?))
    }

    fn waiting(&self) -> Vec<Waiting> {
        self.locking.waiting()
    }

    fn wait_bell(&self) -> Arc<WaitBell> {
        self.locking.lock_table.bell()
    }
}
