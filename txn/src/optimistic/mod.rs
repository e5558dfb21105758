//! Optimistic concurrency control (Kung & Robinson, "On optimistic methods for concurrency control", TODS 1981):
//! a transaction reads without leaving a mark, keeps its writes to itself, and finds out at its commit whether what
//! it has read is still so. The commit is that of Silo (Tu, Zheng, Kohler, Liskov & Madden, "Speedy transactions in
//! multicore in-memory databases", SOSP 2013), with timestamps from the store's oracle instead of epochs.
//!
//! ```text
//!        moment S            S moves on              commit at C
//!  ────────┼────────────────────┼──────────────────────┼─────────► time
//!  T  read x   read y, which is │  put z               │ lock z ─ C ─ look at x, y again ─ stamp ─ unlock
//!              younger than S ──┘                      │
//!  x 10 ────────────────────────────────────────────── ✓ unchanged
//!  y 20 ──────── 21 ────────────────────────────────── ✓ unchanged since S has moved
//!  z 30 ────────────────────────────────────────────── 31
//! ```
//!
//! # Reading
//!
//! Everything in the *read set* is of one moment, S. When something younger turns up, S moves on to the present, if
//! the whole read set is still so by then; otherwise the transaction aborts on the spot (Riegel, Felber & Fetzer, "A
//! lazy snapshot algorithm with eager validation", DISC 2006). So a transaction that is bound to fail never sees a
//! state that nobody has made, and one that writes nothing is valid as of S, which is no earlier than its beginning:
//! its commit has nothing to look at.
//!
//! | level          | reads                                     | looked at again                                 |
//! |----------------|-------------------------------------------|-------------------------------------------------|
//! | read committed | whatever is committed last                | what was read for update; answers of writes     |
//! | serializable   | as of S                                   | all records, absent keys and ranges             |
//!
//! No version but the newest is ever needed, so the moment holds no garbage back but records that were deleted
//! since: the read set has their addresses. The transaction's slot tells the collector about S.
//!
//! # Committing
//!
//! 1. Sort the writes by table and key; lock their records in this order, inserting those that are missing; link
//!    pending versions in front.
//! 2. Take the timestamp C.
//! 3. Look again at all that was read: has it changed between S and C? Pending versions of those who commit at a
//!    smaller timestamp are waited for.
//! 4. Append to the log, stamp, unlock.
//!
//! **Invariant** The serial order is that of the timestamps. Whoever changes what T has read, and has a smaller
//! timestamp, has linked his pending versions before he took it, and so before T took C: T meets them in step 3, and
//! waits to see what becomes of them. Whoever has a greater one comes after T. A new key is in the index by then, too,
//! so that step 3 meets phantoms when it walks through ranges. Commits wait for locks in one order, and in step 3 for
//! smaller timestamps only, whose owners have all their locks: nobody waits in a circle.
//!
//! # Left out
//!
//! Timestamps from epochs (one shared word a commit is affordable, and gives readers a snapshot); commits that give
//! way before a lock; falling back to locks after many aborts.

mod commit;
mod read;
mod scan;
mod transaction;
mod write_set;

use std::sync::Arc;

use crate::protocol::{ActiveTransaction, BeginOptions, Protocol};
use crate::{Mode, Result, Store};
use transaction::Transaction;

/// Optimistic concurrency control over a store.
#[derive(Debug)]
pub struct Optimistic {
    store: Arc<Store>,
}

impl Optimistic {
    /// The protocol over a store that no other protocol works on.
    pub fn new(store: Arc<Store>) -> Self {
        Optimistic { store }
    }
}

impl Protocol for Optimistic {
    fn mode(&self) -> Mode {
        Mode::Optimistic
    }

    fn begin(&self, options: &BeginOptions) -> Result<Box<dyn ActiveTransaction>> {
        self.mode().check(options.isolation)?;
        Ok(Box::new(Transaction::begin(&self.store, options)?))
    }
}
