//! Histories: what transactions did, as somebody wrote it down.
//!
//! Either the engine itself did (**white-box**): then each read says which version it saw, each write which one it
//! made, and the order of a key's versions is known; a verdict is exact. Or a client did (**black-box**): then the
//! order of versions is inferred from lists that are appended to, or from registers that are written, and a verdict
//! is as good as what was observed: what it finds is there, what it doesn't find may be.

mod name;
mod operation;

pub use name::{Key, Name, Value};
pub(crate) use operation::Way;
pub use operation::{KeyRange, Operation, Version};

use crate::Error;
use crate::error::Place;
use name::Names;

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It took effect.
    Committed,
    /// It did not.
    Aborted,
    /// Nobody knows. It counts as committed if somebody who committed has seen a write of it.
    Unknown,
}

/// One transaction: who ran it, when, what it did, and how it ended.
///
/// ```
/// use synod_checker::{History, Transaction, Version};
///
/// let mut history = History::new();
/// let x = history.key("x");
/// history.push(Transaction::committed().session(1).time(1, 4).get(x, Version::UNBORN).put(x, Version::at(10)));
/// assert_eq!(history.transactions().len(), 1);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// How it ended.
    pub outcome: Outcome,
    /// The client that ran it. A session's transactions come one after the other, in the order of the history.
    pub session: Option<u64>,
    /// When it began, in any unit, if that is known.
    pub begin: Option<u64>,
    /// When its outcome was known; never for an unknown one.
    pub end: Option<u64>,
    /// The line of the file that it was read from.
    pub line: Option<u64>,
    /// What it did, in order.
    pub operations: Vec<Operation>,
}

impl Transaction {
    /// A transaction that ended in this way and has done nothing yet.
    pub fn new(outcome: Outcome) -> Transaction {
        Transaction { outcome, session: None, begin: None, end: None, line: None, operations: Vec::new() }
    }

    /// A committed transaction.
    pub fn committed() -> Transaction {
        Transaction::new(Outcome::Committed)
    }

    /// An aborted transaction.
    pub fn aborted() -> Transaction {
        Transaction::new(Outcome::Aborted)
    }

    /// A transaction of which nobody knows how it ended.
    pub fn unknown() -> Transaction {
        Transaction::new(Outcome::Unknown)
    }

    /// Who ran it.
    pub fn session(mut self, session: u64) -> Transaction {
        self.session = Some(session);
        self
    }

    /// When it began and ended.
    pub fn time(mut self, begin: u64, end: u64) -> Transaction {
        (self.begin, self.end) = (Some(begin), Some(end));
        self
    }

    /// Adds a step.
    pub fn then(mut self, operation: Operation) -> Transaction {
        self.operations.push(operation);
        self
    }

    /// Adds a read of a version.
    pub fn get(self, key: Key, version: Version) -> Transaction {
        self.then(Operation::Get { key, version })
    }

    /// Adds a write that makes a version.
    pub fn put(self, key: Key, version: Version) -> Transaction {
        self.then(Operation::Put { key, version })
    }

    /// Adds a deletion, which makes a tombstone.
    pub fn delete(self, key: Key, version: Version) -> Transaction {
        self.then(Operation::Delete { key, version })
    }

    /// Adds a read of a range.
    pub fn scan(self, range: KeyRange, found: &[(Key, Version)]) -> Transaction {
        self.then(Operation::Scan { range: Box::new(range), found: found.into() })
    }

    /// Adds an element to a list.
    pub fn append(self, key: Key, element: Value) -> Transaction {
        self.then(Operation::Append { key, element })
    }

    /// Adds a read of a list.
    pub fn read_list(self, key: Key, elements: &[Value]) -> Transaction {
        self.then(Operation::ReadList { key, elements: elements.into() })
    }

    /// Adds a write of a register.
    pub fn write(self, key: Key, value: Value) -> Transaction {
        self.then(Operation::Write { key, value })
    }

    /// Adds a read of a register.
    pub fn read(self, key: Key, value: Option<Value>) -> Transaction {
        self.then(Operation::Read { key, value })
    }
}

/// What many transactions did. They are called T1, T2, … in the order of the history.
#[derive(Clone, Debug, Default)]
pub struct History {
    keys: Names,
    values: Names,
    transactions: Vec<Transaction>,
}

impl History {
    /// A history of nothing.
    pub fn new() -> History {
        History::default()
    }

    /// The key with this name.
    pub fn key(&mut self, name: impl Into<Name>) -> Key {
        Key(self.keys.number(name.into()))
    }

    /// The value with this name.
    pub fn value(&mut self, name: impl Into<Name>) -> Value {
        Value(self.values.number(name.into()))
    }

    /// What a key is called.
    pub fn key_name(&self, key: Key) -> &Name {
        self.keys.get(key.0)
    }

    /// What a value is called.
    pub fn value_name(&self, value: Value) -> &Name {
        self.values.get(value.0)
    }

    /// How many keys there are.
    pub fn keys(&self) -> usize {
        self.keys.len()
    }

    /// Adds a transaction; returns its place.
    pub fn push(&mut self, transaction: Transaction) -> usize {
        self.transactions.push(transaction);
        self.transactions.len() - 1
    }

    /// All transactions.
    pub fn transactions(&self) -> &[Transaction] {
        &self.transactions
    }

    /// All transactions, to be changed.
    pub fn transactions_mut(&mut self) -> &mut Vec<Transaction> {
        &mut self.transactions
    }

    /// In which way each key is used.
    ///
    /// # Errors
    /// [`Error::MixedKey`] if one is used in two ways.
    pub(crate) fn ways(&self) -> Result<Vec<Option<Way>>, Error> {
        let mut ways = vec![None; self.keys.len()];
        for (number, transaction) in self.transactions.iter().enumerate() {
            for operation in &transaction.operations {
                for key in operation.keys() {
                    let way = &mut ways[key.0 as usize];
                    if way.is_some_and(|way| way != operation.way()) {
                        let key = self.key_name(key).clone();
                        let transaction = Place::of(self, number);
                        return Err(Error::MixedKey { key, transaction });
                    }
                    *way = Some(operation.way());
                }
            }
        }
        Ok(ways)
    }
}

/// What the transaction at this place of the history is called.
pub(crate) fn label(transaction: usize) -> String {
    format!("T{}", transaction + 1)
}
