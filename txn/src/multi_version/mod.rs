//! Multi-version concurrency control: every transaction reads from a snapshot.
//!
//! | level          | reads                       | writes                                              |
//! |----------------|-----------------------------|-----------------------------------------------------|
//! | read committed | the newest committed value  | wait for each other                                 |
//! | snapshot       | as of the beginning         | likewise; the first to change a record wins         |
//! | serializable   | likewise, and remembered    | likewise; a check at the commit                     |
//!
//! Reads never wait, and never stand in anybody's way. Writes are made in place, under exclusive locks, as
//! [`locking`](crate::locking) describes; whoever comes to a record that was changed since its snapshot is
//! aborted (Berenson et al., "A Critique of ANSI SQL Isolation Levels", SIGMOD 1995, section 4.2).
//!
//! # What a snapshot doesn't prevent
//!
//! A transaction may have read what another one, at work at the same time, overwrites: an *antidependency*, `T →
//! U`, "T comes before U", although U may commit first. Cycles are made of nothing else (Fekete, Liarokapis,
//! O'Neil, O'Neil, Shasha, "Making snapshot isolation serializable", TODS 2005):
//!
//! ```text
//!       time ─────────────────────────────────────►
//! T1    read x ············ write y ── commit          T1 → T2, since T1 read x before T2 wrote it
//! T2        read y ·· write x ── commit                T2 → T1, since T2 read y before T1 wrote it: write skew
//! ```
//!
//! # How the serializable level prevents it
//!
//! By the *serial safety net* (Wang, Johnson, Fekete, Pandis, "Efficiently making (almost) any concurrency control
//! mechanism serializable", VLDB Journal 2017). Of each transaction T that commits, two times are computed:
//!
//! - `after(T)`: the latest commit that T must come after. That is its snapshot, since it comes after all that was
//!   committed when it began, whether it has read it or not (this makes the order a *strict* one), or that of the
//!   latest reader of what T overwrites, if later;
//! - `before(T)`: the earliest commit that T comes before: its own, or, if somebody has overwritten what T has
//!   read, the least `before` of those.
//!
//! T is aborted if `before(T) ≤ after(T)`. So every antidependency against the order of commits leads past
//! everything that a path back could begin with: there's no cycle. In the picture T1 finds `before(T1)` = the
//! commit of T2, and `after(T1)` = the commit of T2, which has read y.
//!
//! Of two transactions in an antidependency, the one that commits later finds it: the reader by looking at its
//! read set again ([`reads`](crate::reads)), the writer by the mark that the reader has left
//! ([`read_marks`](crate::read_marks)). Phantoms are found in the same two ways: ranges are walked again, and gaps
//! have marks.
//!
//! # In which order a commit does this
//!
//! ```text
//! announce ── timestamp C ── wait until all with a smaller timestamp have left their marks
//!                           ── look at the marks on what was written ── leave marks on what was read
//!                           ── look at what was read, waiting for the outcome of smaller timestamps
//!                           ── log, install
//! ```
//!
//! Let T have read what U writes. If `C(T) < C(U)`, U waits for T's marks and sees them. If `C(U) < C(T)`, T waits
//! for U's outcome and sees its version. Waits go to smaller timestamps only, so they end.
//!
//! A transaction that has written nothing takes no timestamp: it counts as if it had committed at its snapshot. It
//! leaves its marks, and then looks at what it has read; whoever is committing just then is waited for, and
//! whoever isn't yet will see the marks. It is aborted if it has read what a transaction overwrote that comes
//! before its snapshot: the anomaly of Fekete, O'Neil & O'Neil, "A read-only transaction anomaly under snapshot
//! isolation", SIGMOD Record 2004. If at its end nobody has committed since its snapshot, and nobody older is at work,
//! there is nothing to mark or to look at. One that is declared read-only stops remembering what it reads as soon as
//! that can't happen to it any more (a *safe snapshot*: Ports & Grittner, "Serializable snapshot isolation in
//! PostgreSQL", VLDB 2012, section 4.2): when all that wrote while it began have ended, and none of them comes
//! before its snapshot.

mod commit;
mod read;
mod read_only;
mod transaction;
mod write;

use std::sync::Arc;

use crate::locking::{DeadlockPolicy, Locking};
use crate::protocol::{ActiveTransaction, BeginOptions, Isolation, Protocol};
use crate::{Mode, Result, Store, WaitBell, Waiting};
use read_only::ReadOnly;
use transaction::Transaction;

/// Multi-version concurrency control over a store.
#[derive(Debug)]
pub struct MultiVersion {
    locking: Arc<Locking>,
}

impl MultiVersion {
    /// The protocol over a store that no other protocol works on. `policy` is for writers that wait for each
    /// other.
    pub fn new(store: Arc<Store>, policy: DeadlockPolicy) -> Self {
        store.read_marks().enable();
        MultiVersion { locking: Arc::new(Locking::new(store, policy)) }
    }
}

impl Protocol for MultiVersion {
    fn mode(&self) -> Mode {
        Mode::MultiVersion
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

    fn begin_read_only(&self, isolation: Isolation) -> Result<Option<Box<dyn ActiveTransaction>>> {
        if isolation < Isolation::Serializable {
            return Ok(None);
        }
        Ok(Some(Box::new(ReadOnly::begin(&self.locking.store)?)))
    }
}
