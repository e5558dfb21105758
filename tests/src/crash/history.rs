//! Numbered commits: what they write, what was said about them, and the state that they lead to.

use std::collections::{BTreeMap, BTreeSet};

use parking_lot::Mutex;
use synod::{Durability, Timestamp};

/// The tables of the workload.
pub const TABLES: [&str; 4] = ["ledger", "left", "right", "volatile"];

/// The table in which each number has a key of its own: what is there has survived.
pub const LEDGER: &str = TABLES[0];

/// What only commits at [`Durability::None`] write to, besides the ledger. Nothing else depends on it, so
/// that the state of the other tables follows from the logged commits alone.
pub const VOLATILE: &str = TABLES[3];

/// The contents of tables, by name.
pub type Contents = BTreeMap<String, BTreeMap<Vec<u8>, Vec<u8>>>;

/// One write: table, key, and value or deletion.
pub type Write = (&'static str, Vec<u8>, Option<Vec<u8>>);

/// The value that a transaction writes everywhere: its number, and as much more as its number says.
pub fn value_of(number: u64) -> Vec<u8> {
    let mut value = number.to_be_bytes().to_vec();
    value.resize(8 + (number % 4) as usize * 60, number as u8);
    value
}

/// The key of a number in the ledger.
pub fn ledger_key(number: u64) -> Vec<u8> {
    number.to_be_bytes().to_vec()
}

/// What the transaction of this number writes: its line in the ledger, and a few keys in two tables that many
/// others write and delete too.
pub fn writes_of(number: u64, level: Durability) -> Vec<Write> {
    let value = Some(value_of(number));
    let key = |key: u64| key.to_string().into_bytes();
    let mut writes = vec![(LEDGER, ledger_key(number), value.clone())];
    if level == Durability::None {
        writes.push((VOLATILE, key(number % 4), value));
        return writes;
    }
    writes.push(("left", key(number % 7), value.clone()));
    writes.push(("right", key(number % 5), value.clone()));
    writes.push(("right", key(100 + number % 3), value));
    if number.is_multiple_of(3) {
        writes.push(("left", key((number + 3) % 7), None));
        writes.push(("right", key((number + 2) % 5), None));
    }
    writes
}

/// A commit that is visible, and will be durable sooner or later if nothing happens.
#[derive(Clone, Debug)]
pub struct Commit {
    /// What it writes follows from this.
    pub number: u64,
    /// Its place in the commit order.
    pub timestamp: Timestamp,
    /// Its durability level.
    pub level: Durability,
    /// The passing table that it also wrote its number to.
    pub passing: Option<String>,
}

/// How far a passing table is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// `Engine::table` was called.
    Creating,
    /// It has returned.
    Created,
    /// `Engine::drop_table` was called.
    Dropping,
    /// It has returned.
    Dropped,
}

/// Everything that the engine has said.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// All commits, in no order.
    pub commits: Vec<Commit>,
    /// The numbers of those that were reported durable.
    pub durable: BTreeSet<u64>,
    /// The tables that come and go.
    pub passing: BTreeMap<String, Stage>,
    /// The fixed tables exist.
    pub has_tables: bool,
}

impl History {
    /// The commits that are in the log, in the order in which they must be there.
    pub fn logged(&self) -> Vec<&Commit> {
        let mut logged: Vec<_> = self.commits.iter().filter(|c| c.level != Durability::None).collect();
        logged.sort_by_key(|commit| commit.timestamp);
        logged
    }
}

/// The contents of the fixed tables after these commits, and of the passing ones if they still exist.
pub fn state_after<'c>(commits: impl IntoIterator<Item = &'c Commit>) -> Contents {
    let mut contents: Contents = TABLES.iter().map(|name| ((*name).to_string(), BTreeMap::new())).collect();
    for commit in commits {
        for (table, key, value) in writes_of(commit.number, commit.level) {
            let table = contents.entry(table.to_string()).or_default();
            match value {
                Some(value) => table.insert(key, value),
                None => table.remove(&key),
            };
        }
        if let Some(name) = &commit.passing {
            let table = contents.entry(name.clone()).or_default();
            table.insert(ledger_key(commit.number), value_of(commit.number));
        }
    }
    contents
}

/// A history that threads add to.
#[derive(Debug, Default)]
pub struct Recorder {
    history: Mutex<History>,
}

impl Recorder {
    /// What was recorded so far.
    pub fn history(&self) -> History {
        self.history.lock().clone()
    }

    /// Records a fact.
    pub fn note(&self, note: impl FnOnce(&mut History)) {
        note(&mut self.history.lock());
    }
}
