//! What is measured: transactions, the data that they work on, and the rules that must hold afterwards.
//!
//! | workload | what it is like | what must hold |
//! | --- | --- | --- |
//! | [`ycsb`] | records read, updated and scanned by keys of some popularity | no update lost, no value torn |
//! | [`smallbank`] | customers with two accounts each, six kinds of transactions, hot customers | the money adds up |
//! | [`bank`] | transfers between accounts, and audits that add up all of them | the total is always the same |
//! | [`tatp`] | a telephone network's register: short reads, few writes, many look-ups in vain | rows agree with each other |
//!
//! A transaction is a value, a [`Job`]: drawn by a [`Generator`], run against any [`Txn`], and, as it is known
//! beforehand, also a procedure with a declared footprint.

mod balance;
pub mod bank;
mod popular;
mod rules;
pub mod smallbank;
pub mod tatp;
pub mod ycsb;

use crate::error::Result;
use crate::target::{Client, Stop, TableNumber, Txn};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;

/// A transaction of any workload.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Job {
    /// Of [`ycsb`].
    Ycsb(ycsb::Transaction),
    /// Of [`smallbank`].
    SmallBank(smallbank::Transaction),
    /// Of [`bank`].
    Bank(bank::Transaction),
    /// Of [`tatp`].
    Tatp(tatp::Transaction),
}

/// What a committed job has changed, as far as the rules ask for it. Sums over all answers are what the data must show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// By how much the quantity has changed that the workload adds up: increments, money.
    pub sum: i64,
    /// How many rows came, less those that went.
    pub rows: i64,
}

impl std::ops::AddAssign for Answer {
    fn add_assign(&mut self, other: Answer) {
        self.sum += other.sum;
        self.rows += other.rows;
    }
}

/// A key that a job may touch.
pub enum Touch<'k> {
    /// It is read.
    Read(TableNumber, &'k [u8]),
    /// It is written, and maybe read.
    Write(TableNumber, &'k [u8]),
    /// All keys from the first to the second, which isn't among them, are read; an empty one is none.
    ReadRange(TableNumber, &'k [u8], &'k [u8]),
}

impl Job {
    /// The names of the tables that it works on.
    pub fn tables(&self) -> &'static [&'static str] {
        match self {
            Job::Ycsb(_) => ycsb::TABLES,
            Job::SmallBank(_) => smallbank::TABLES,
            Job::Bank(_) => bank::TABLES,
            Job::Tatp(_) => tatp::TABLES,
        }
    }

    /// Runs it.
    ///
    /// # Errors
    ///
    /// If the transaction can't go on, or its rules refuse it.
    pub fn run(&self, txn: &mut dyn Txn) -> Result<Answer, Stop> {
        match self {
            Job::Ycsb(transaction) => transaction.run(txn),
            Job::SmallBank(transaction) => transaction.run(txn),
            Job::Bank(transaction) => transaction.run(txn),
            Job::Tatp(transaction) => transaction.run(txn),
        }
    }

    /// Whether it writes nothing, whatever happens.
    pub fn only_reads(&self) -> bool {
        match self {
            Job::Ycsb(transaction) => transaction.only_reads(),
            Job::SmallBank(transaction) => transaction.only_reads(),
            Job::Bank(transaction) => transaction.only_reads(),
            Job::Tatp(transaction) => transaction.only_reads(),
        }
    }

    /// Says all that it may touch; `false` if that isn't known beforehand.
    pub fn declare(&self, touch: &mut dyn FnMut(Touch<'_>)) -> bool {
        match self {
            Job::Ycsb(transaction) => transaction.declare(touch),
            Job::SmallBank(transaction) => transaction.declare(touch),
            Job::Bank(transaction) => transaction.declare(touch),
            Job::Tatp(transaction) => transaction.declare(touch),
        }
    }
}

/// Draws jobs, for one client.
pub trait Generator: Send {
    /// The next one.
    fn next(&mut self) -> Job;
}

/// What has happened to a target's data since it was loaded.
#[derive(Debug, Default)]
pub struct Past {
    /// The sum of all answers.
    pub answers: Answer,
    /// Jobs that have committed.
    pub committed: u64,
    /// A counter that generators of all clients share: keys inserted so far, say.
    pub counter: AtomicU64,
}

/// Takes a row: table, key, value.
pub type TakeRow<'r> = dyn FnMut(TableNumber, &[u8], &[u8]) + 'r;

/// For each rule its name, and what breaks it.
pub type Rules = BTreeMap<&'static str, Option<String>>;

/// A workload with its settings.
pub trait Workload: Sync {
    /// Its name: `ycsb-a`.
    fn name(&self) -> String;

    /// Its settings, in the order in which they are shown.
    fn settings(&self) -> Vec<(&'static str, String)>;

    /// The names of its tables.
    fn tables(&self) -> &'static [&'static str];

    /// How many rows there are at first.
    fn rows(&self) -> u64;

    /// Look-ups that a transaction needs at least, on average: what the bound of its speed is formed from.
    fn lookups(&self) -> f64;

    /// Hands the row with each of these numbers to `row`: table, key, value. Ascending by table and key.
    fn load(&self, numbers: std::ops::Range<u64>, row: &mut TakeRow<'_>);

    /// The jobs of a client, for a target with this past. `seed` is different for each client and run.
    fn generator<'p>(&'p self, past: &'p Past, seed: u64) -> Box<dyn Generator + 'p>;

    /// Checks the data against what has happened to it.
    fn check(&self, client: &mut dyn Client, past: &Past) -> Result<Rules>;
}
