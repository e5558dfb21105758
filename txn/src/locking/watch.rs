//! Watching who waits, without asking again and again.
//!
//! Somebody who wants to show what locks do (a laboratory, a test) has to know when a transaction has come to a
//! stand. Time tells nothing; but whoever lies down knows it, and rings a [`WaitBell`]. The watcher looks at
//! [`Waiting`], and if it hasn't seen what it looks for, waits for the next ring:
//!
//! ```text
//! watcher   rings() = 4 ── look: nobody waits yet ── wait_past(4) ──────────── look: T2 waits
//! T2                                    queue up ── decide that it may wait ── ring: 5
//! ```
//!
//! The number is taken before the look, so no ring in between is missed.

use std::sync::Arc;

use synod_storage::sync::{Condvar, Mutex};

use crate::TransactionId;

/// A transaction that waits for a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Who waits.
    pub transaction: TransactionId,
    /// The table in which it wants a lock.
    pub table: String,
    /// The key that it wants to lock; `None` for the gap behind the last key.
    pub key: Option<Vec<u8>>,
    /// Those that stand in its way.
    pub waits_for: Vec<TransactionId>,
}

/// Rings when a transaction begins to wait, and whenever else somebody who has it rings it.
#[derive(Debug, Default)]
pub struct WaitBell {
    rings: Mutex<u64>,
    rang: Condvar,
}

impl WaitBell {
    /// A bell that hasn't rung yet.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Rings.
    pub fn ring(&self) {
        *self.rings.lock() += 1;
        self.rang.notify_all();
    }

    /// How often it has rung.
    pub fn rings(&self) -> u64 {
        *self.rings.lock()
    }

    /// Waits until it has rung more often than this.
    pub fn wait_past(&self, heard: u64) {
        let mut rings = self.rings.lock();
        while *rings <= heard {
            self.rang.wait(&mut rings);
        }
    }
}
