//! An engine with one table, and what the cases do to it.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use synod::{
    Bytes, Engine, Error, Isolation, Options, Result, Snapshot, Table, Transaction, TransactionOptions,
};

use super::Mode;

/// How long a transaction waits for a lock before it counts as refused.
const PATIENCE: Duration = Duration::from_millis(3);

/// Records as text.
pub type Records = Vec<(String, String)>;

/// An engine under the tested mode, with one table.
#[derive(Debug)]
pub struct World {
    /// The engine.
    pub engine: Engine,
    /// The table `t`, whose merge function appends.
    pub table: Table,
}

impl World {
    /// An engine in memory with a table of these records, each of which is its own value.
    pub fn with(mode: &Mode, keys: &[&str]) -> World {
        let world = World::open(mode.in_memory(options()));
        world.fill(keys);
        world
    }

    /// The world around an engine.
    pub fn open(engine: Engine) -> World {
        let table = engine.table("t").expect("a table is created");
        World { engine, table }
    }

    /// Commits records, each of which is its own value.
    pub fn fill(&self, keys: &[&str]) {
        let put = |txn: &Transaction| keys.iter().try_for_each(|key| txn.put(&self.table, key, key));
        self.engine.transact(put).expect("nobody is in the way");
    }

    /// Begins an impatient transaction.
    pub fn begin(&self, level: Isolation) -> Transaction {
        let options = TransactionOptions::new().isolation(level).lock_timeout(PATIENCE);
        self.engine.begin(options).expect("the mode has the level")
    }

    /// The value of a key, as a transaction sees it.
    pub fn get(&self, txn: &Transaction, key: &str) -> Result<Option<String>> {
        Ok(txn.get(&self.table, key)?.as_ref().map(text))
    }

    /// The committed value of a key.
    pub fn value(&self, key: &str) -> Option<String> {
        self.snapshot().get(&self.table, key).expect("a snapshot can be read").as_ref().map(text)
    }

    /// The committed records.
    pub fn records(&self) -> Records {
        records(self.snapshot().scan(&self.table, ..)).expect("a snapshot can be scanned")
    }

    /// The committed keys.
    pub fn keys(&self) -> Vec<String> {
        self.records().into_iter().map(|(key, _)| key).collect()
    }

    /// A snapshot of the newest state.
    pub fn snapshot(&self) -> Snapshot {
        self.engine.snapshot().expect("there are free slots")
    }

    /// Waits until all garbage is collected.
    pub fn collect_garbage(&self) {
        wait_until("the garbage is collected", || self.engine.stats().garbage_records == 0);
    }
}

/// The options that the cases use: the table `t` has a merge function, which appends.
pub fn options() -> Options {
    Options::new().merge("t", |_, old, operand| Ok([old.unwrap_or_default(), operand].concat()))
}

/// Bytes as text.
pub fn text(bytes: impl AsRef<[u8]>) -> String {
    String::from_utf8_lossy(bytes.as_ref()).into_owned()
}

/// Collects a scan.
pub fn records(scan: impl Iterator<Item = Result<(Bytes, Bytes)>>) -> Result<Records> {
    scan.map(|record| record.map(|(key, value)| (text(key), text(value)))).collect()
}

/// The keys that a scan finds, as one word.
pub fn keys(scan: impl Iterator<Item = Result<(Bytes, Bytes)>>) -> Result<String> {
    Ok(records(scan)?.into_iter().map(|(key, _)| key).collect())
}

/// `Some` if a step went through, `None` if the engine has aborted its transaction. Any other error is
/// one of the test.
pub fn unless_refused<T: Debug>(result: Result<T>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(error) if error.abort().is_some() => None,
        Err(error) => panic!("neither done nor aborted: {error}"),
    }
}

/// Commits; false if the transaction was aborted instead.
pub fn commits(txn: Transaction) -> bool {
    unless_refused(txn.commit()).is_some()
}

/// Whether an operation failed with an error that satisfies `is_expected`, and not with an abort.
pub fn fails_with<T: Debug>(result: Result<T>, is_expected: impl FnOnce(&Error) -> bool) -> bool {
    let error = result.expect_err("this must fail");
    error.abort().is_none() && is_expected(&error)
}

/// Waits for something that other threads bring about.
///
/// # Panics
/// If it takes more than twenty seconds.
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < deadline, "waited too long until {what}");
        std::thread::yield_now();
    }
}
