//! An engine with a table, and transactions of known age.

use std::thread::{Scope, ScopedJoinHandle};
use std::time::Duration;

use synod::{Abort, DeadlockPolicy, Engine, Error, Options, Result, Table, Transaction, TransactionOptions};
use synod_tests::conformance::world::wait_until;

/// Patient enough for any test that goes well.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Stage {
    pub(crate) engine: Engine,
    pub(crate) table: Table,
    others: Table,
}

impl Stage {
    /// An engine whose table holds these keys.
    pub(crate) fn new(policy: DeadlockPolicy, keys: &[&str]) -> Stage {
        let engine =
            Engine::in_memory(Options::new().deadlock_policy(policy).lock_timeout(PATIENCE)).unwrap();
        let (table, others) = (engine.table("t").unwrap(), engine.table("others").unwrap());
        engine.transact(|txn| keys.iter().try_for_each(|key| txn.put(&table, key, "old"))).unwrap();
        Stage { engine, table, others }
    }

    /// Begins a transaction that is younger than all before it: age counts in commits.
    pub(crate) fn begin(&self) -> Transaction {
        self.engine.transact(|txn| txn.put(&self.others, "age", "")).unwrap();
        self.engine.begin(TransactionOptions::new()).unwrap()
    }

    /// As [`Stage::begin`], with a lock timeout of its own.
    pub(crate) fn begin_impatient(&self, timeout: Duration) -> Transaction {
        self.engine.begin(TransactionOptions::new().lock_timeout(timeout)).unwrap()
    }

    pub(crate) fn put(&self, txn: &Transaction, key: &str) -> Result<()> {
        txn.put(&self.table, key, "new")
    }

    pub(crate) fn read(&self, txn: &Transaction, key: &str) -> Result<()> {
        txn.get(&self.table, key).map(|_| ())
    }

    /// Lets a transaction write on a thread of its own, where it may have to wait.
    pub(crate) fn put_beside<'s>(
        &'s self,
        scope: &'s Scope<'s, '_>,
        txn: Transaction,
        key: &'s str,
    ) -> Waiting<'s> {
        Waiting(scope.spawn(move || {
            let outcome = self.put(&txn, key);
            (txn, outcome)
        }))
    }

    /// Lets a transaction write, and then commit, on a thread of its own.
    pub(crate) fn commit_beside<'s>(
        &'s self,
        scope: &'s Scope<'s, '_>,
        txn: Transaction,
        key: &'s str,
    ) -> ScopedJoinHandle<'s, ()> {
        scope.spawn(move || {
            self.put(&txn, key).unwrap();
            txn.commit().unwrap();
        })
    }

    /// Waits until there have been so many waits for locks since the engine was opened.
    pub(crate) fn wait_for_waits(&self, count: u64) {
        wait_until("somebody waits", || self.engine.stats().transactions.lock_waits >= count);
    }

    pub(crate) fn keys(&self) -> String {
        let snapshot = self.engine.snapshot().unwrap();
        snapshot
            .scan(&self.table, ..)
            .map(|record| String::from_utf8_lossy(&record.unwrap().0).into_owned())
            .collect()
    }
}

/// A transaction that writes on another thread.
pub(crate) struct Waiting<'s>(ScopedJoinHandle<'s, (Transaction, Result<()>)>);

impl Waiting<'_> {
    /// The transaction, with its write done.
    pub(crate) fn granted(self) -> Transaction {
        let (txn, outcome) = self.0.join().unwrap();
        outcome.unwrap_or_else(|error| panic!("not granted: {error}"));
        txn
    }

    /// Waits until it is over, however it ended.
    pub(crate) fn ended(self) {
        let (_txn, _outcome) = self.0.join().unwrap();
    }

    /// Why the transaction was aborted.
    pub(crate) fn refused(self) -> Abort {
        abort_of(self.0.join().unwrap().1)
    }
}

/// The abort that an operation has ended with.
pub(crate) fn abort_of<T: std::fmt::Debug>(result: Result<T>) -> Abort {
    let error: Error = result.expect_err("this must be aborted");
    error.abort().unwrap_or_else(|| panic!("no abort: {error}")).clone()
}
