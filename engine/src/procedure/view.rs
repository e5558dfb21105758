//! What a procedure sees of the database, and of time and chance.

use std::cell::Cell;
use std::ops::Deref;

use synod_storage::Timestamp;

use crate::directory::Directory;
use crate::{Result, Table, Transaction};

/// The database as a procedure sees it: a [`Transaction`], and all else that it may depend on.
pub struct View<'a> {
    transaction: &'a Transaction,
    directory: &'a Directory,
    now: Timestamp,
    chance: Cell<u64>,
}

impl<'a> View<'a> {
    pub(crate) fn new(transaction: &'a Transaction, directory: &'a Directory, now: Timestamp) -> Self {
        View { transaction, directory, now, chance: Cell::new(now.0) }
    }

    /// The table of this name.
    ///
    /// # Errors
    /// If there is none.
    pub fn table(&self, name: &str) -> Result<&'a Table> {
        self.directory.table(name)
    }

    /// The procedure's time: the same wherever, and whenever, it is executed again. In the deterministic mode its commit
    /// timestamp; in the others a time at which it had begun.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// A random number, from a generator that is seeded by [`View::now`]: in the deterministic mode the same wherever the
    /// procedure is executed again. (SplitMix64; Steele, Lea & Flood, "Fast splittable pseudorandom number generators",
    /// OOPSLA 2014.)
    pub fn random(&self) -> u64 {
        self.chance.set(self.chance.get().wrapping_add(0x9e37_79b9_7f4a_7c15));
        let mut number = self.chance.get();
        number = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ number >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        number ^ number >> 31
    }
}

impl Deref for View<'_> {
    type Target = Transaction;

    fn deref(&self) -> &Transaction {
        self.transaction
    }
}
