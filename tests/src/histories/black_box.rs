//! Black-box histories: what clients asked for and were answered, as text in EDN, and nothing that an engine says
//! of itself.
//!
//! ```text
//! {:type :invoke, :process 2, :f :txn, :value [[:append 1 6] [:r 0 nil]]}
//! {:type :ok, :process 2, :f :txn, :value [[:append 1 6] [:r 0 [5 2]]]}
//! ```
//!
//! The two workloads are those of Elle (Kingsbury and Alvaro, VLDB 2020): *list-append*, in which every read
//! shows in which order a list was written, and *rw-register*, in which reads show only what was written
//! last. Each value is written once. An appending is a merge, which reads and writes under one lock: at no
//! level is an element lost.

use std::fmt::Write;

use parking_lot::Mutex;
use synod::{Bytes, Engine, Options, Result, Table, Transaction, TransactionOptions};

use super::clients::{Client, THREADS, number, pause, together};

const TRANSACTIONS: u64 = 20;
const OPERATIONS_MAX: u64 = 4;

/// What keys hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Lists that are appended to.
    List,
    /// Registers that are overwritten.
    Register,
}

/// The options that an engine needs for lists: a merge function that appends.
pub fn options() -> Options {
    Options::new().merge("t", |_, old, operand| Ok([old.unwrap_or_default(), operand].concat()))
}

/// Runs a history on so many keys; returns it as EDN.
///
/// # Panics
/// If anything but an abort goes wrong.
pub fn run(engine: &Engine, kind: Kind, seed: u64, keys: u64) -> String {
    let table = engine.table("t").expect("a table is created");
    let events = Mutex::new(String::new());
    together(engine, seed, |client| {
        let mut process = Process { kind, keys, table: &table, events: &events, values: 0 };
        (0..TRANSACTIONS).for_each(|_| process.transaction(client));
        Vec::<()>::new()
    });
    events.into_inner()
}

/// An operation of the client.
#[derive(Clone, Copy, Debug)]
enum Operation {
    Read(u64),
    Write(u64, u64),
}

/// One client's side.
struct Process<'a> {
    kind: Kind,
    keys: u64,
    table: &'a Table,
    /// The events of all, in the order in which they happened.
    events: &'a Mutex<String>,
    /// How many values it has written.
    values: u64,
}

impl Process<'_> {
    /// Runs one transaction, once: another attempt would be another one, with other values.
    fn transaction(&mut self, client: &mut Client<'_>) {
        let operations: Vec<Operation> = self.draw(client);
        let asked = operations.iter().map(|operation| self.said(operation, "nil")).collect::<String>();
        self.note("invoke", client, &asked);
        match self.answers(client.engine, &operations) {
            Ok(answered) => self.note("ok", client, &answered),
            Err(error) if error.abort().is_some() => self.note("fail", client, &asked),
            Err(error) => panic!("{error}"),
        }
    }

    fn draw(&mut self, client: &mut Client<'_>) -> Vec<Operation> {
        let count = 1 + client.random.below(OPERATIONS_MAX);
        let mut operation = |_| {
            let key = client.random.below(self.keys);
            if client.random.below(2) == 0 {
                return Operation::Read(key);
            }
            self.values += 1;
            Operation::Write(key, self.values * THREADS + client.number)
        };
        (0..count).map(&mut operation).collect()
    }

    /// Appends an event. The lock makes the order of events that of real time.
    fn note(&self, what: &str, client: &Client<'_>, operations: &str) {
        let process = client.number;
        let mut events = self.events.lock();
        let event = format_args!("{{:type :{what}, :process {process}, :f :txn, :value [{operations}]}}");
        writeln!(events, "{event}").expect("a string can be written to");
    }

    /// Runs the operations and commits; returns them with what was read.
    fn answers(&self, engine: &Engine, operations: &[Operation]) -> Result<String> {
        let txn = engine.begin(TransactionOptions::new())?;
        let mut answered = String::new();
        for operation in operations {
            pause();
            let seen = self.run(&txn, *operation)?;
            answered += &self.said(operation, &seen);
        }
        pause();
        txn.commit()?;
        Ok(answered)
    }

    /// Runs an operation; returns what was read.
    fn run(&self, txn: &Transaction, operation: Operation) -> Result<String> {
        match (operation, self.kind) {
            (Operation::Read(key), _) => {
                let value = txn.get(self.table, key.to_be_bytes())?;
                Ok(value.map_or_else(|| "nil".to_owned(), |value| self.shown(&value)))
            }
            (Operation::Write(key, value), Kind::List) => {
                txn.merge(self.table, key.to_be_bytes(), value.to_le_bytes())?;
                Ok(String::new())
            }
            (Operation::Write(key, value), Kind::Register) => {
                txn.put(self.table, key.to_be_bytes(), value.to_le_bytes())?;
                Ok(String::new())
            }
        }
    }

    /// What a key holds, as EDN.
    fn shown(&self, value: &Bytes) -> String {
        let numbers = (0..value.len() / 8).map(|at| number(&value.slice(8 * at..8 * at + 8)).to_string());
        let numbers = numbers.collect::<Vec<_>>().join(" ");
        if self.kind == Kind::List { format!("[{numbers}]") } else { numbers }
    }

    /// An operation as EDN, with what was read.
    fn said(&self, operation: &Operation, seen: &str) -> String {
        match (operation, self.kind) {
            (Operation::Read(key), _) => format!("[:r {key} {seen}]"),
            (Operation::Write(key, value), Kind::List) => format!("[:append {key} {value}]"),
            (Operation::Write(key, value), Kind::Register) => format!("[:w {key} {value}]"),
        }
    }
}
