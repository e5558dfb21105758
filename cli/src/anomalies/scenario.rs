//! What a scenario says: rows, steps, what would be an anomaly, and what is expected.

use std::collections::BTreeSet;
use std::fmt;

use synod::{Isolation, Mode};
use synod_checker::Kind;

/// A key with its table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The table.
    pub table: String,
    /// The key.
    pub key: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.table, self.key)
    }
}

/// A script: what some transactions do, in the order in which it is issued.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What the file is called, without its ending.
    pub name: String,
    /// One line for people.
    pub title: String,
    /// The comment at the file's beginning.
    pub comment: Vec<String>,
    /// What is there before.
    pub rows: Vec<(Place, i64)>,
    /// What is done.
    pub steps: Vec<Step>,
    /// How many transactions there are: T1, T2, …
    pub transactions: usize,
    /// What would be an anomaly.
    pub question: Question,
    /// What is expected.
    pub expectations: Vec<Expectation>,
}

/// One step of one transaction.
#[derive(Clone, Debug)]
pub struct Step {
    /// Whose it is: 0 for T1.
    pub transaction: usize,
    /// What it does.
    pub operation: Operation,
    /// The same as it is written in the file, without the transaction's name.
    pub text: String,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Begins the transaction.
    Begin,
    /// Reads a key.
    Get(Place),
    /// Reads a key that is to be written.
    GetForUpdate(Place),
    /// Writes a value.
    Put(Place, i64),
    /// Writes what the transaction has read last of this key, and so much more.
    Add(Place, i64),
    /// Writes a value where there is none.
    Insert(Place, i64),
    /// Deletes a key.
    Delete(Place),
    /// Reads a range.
    Scan(Range, Filter),
    /// Reads a range, and deletes what passes the filter.
    DeleteWhere(Range, Filter),
    /// Reads a range, and writes so much more to what passes the filter.
    AddWhere(Range, i64, Filter),
    /// Commits.
    Commit,
    /// Rolls back.
    Abort,
}

impl Operation {
    /// Whether the transaction is over after this.
    pub(crate) fn ends(&self) -> bool {
        matches!(self, Operation::Commit | Operation::Abort)
    }

    /// The key that it is about, if it is about one.
    pub(crate) fn place(&self) -> Option<&Place> {
        match self {
            Operation::Get(place)
            | Operation::GetForUpdate(place)
            | Operation::Put(place, _)
            | Operation::Add(place, _)
            | Operation::Insert(place, _)
            | Operation::Delete(place) => Some(place),
            _ => None,
        }
    }
}

/// Keys of a table: all, or from one to another, both included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    /// The table.
    pub table: String,
    /// The first and the last key, in the order of bytes.
    pub keys: Option<(String, String)>,
}

/// Which of the values that were read are meant. The engine knows nothing of it: it reads the whole range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    /// All.
    All,
    /// Those that are this.
    Equals(i64),
    /// Those that are less.
    Less(i64),
    /// Those that are more.
    More(i64),
    /// Those that, divided by the first, leave the second.
    Remainder(i64, i64),
}

impl Filter {
    /// Whether a value is meant.
    pub(crate) fn passes(self, value: i64) -> bool {
        match self {
            Filter::All => true,
            Filter::Equals(wanted) => value == wanted,
            Filter::Less(limit) => value < limit,
            Filter::More(limit) => value > limit,
            Filter::Remainder(divisor, rest) => value.checked_rem_euclid(divisor) == Some(rest),
        }
    }
}

/// How it is decided whether the anomaly has happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// The checker finds one of these in the history.
    Found(Vec<Kind>),
    /// All of these are true.
    When(Vec<Condition>),
}

/// Something that is true of a run, or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// A transaction committed.
    Committed(usize),
    /// A transaction did not commit.
    Aborted(usize),
    /// A transaction has read this, at some time.
    Read {
        /// Which one.
        transaction: usize,
        /// What it read.
        place: Place,
        /// What it found there.
        value: Option<i64>,
    },
}

/// What is expected of a mode at a level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// The mode.
    pub mode: Mode,
    /// The level.
    pub level: Isolation,
    /// What should come of it.
    pub outcome: Outcome,
}

/// What a mode makes of a scenario.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// The anomaly has happened.
    Allowed,
    /// It has not; nobody was aborted, nobody waited.
    Prevented,
    /// It has not; somebody had to wait.
    Waits,
    /// It has not; somebody was aborted, for these reasons.
    Aborts(BTreeSet<String>),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Allowed => f.write_str("allowed"),
            Outcome::Prevented => f.write_str("prevented"),
            Outcome::Waits => f.write_str("waits"),
            Outcome::Aborts(reasons) => {
                let reasons: Vec<&str> = reasons.iter().map(String::as_str).collect();
                write!(f, "aborts: {}", reasons.join(", "))
            }
        }
    }
}

impl Scenario {
    /// What is expected of a mode at a level, if the file says it.
    pub fn expected(&self, mode: Mode, level: Isolation) -> Option<&Outcome> {
        let is_meant = |expectation: &&Expectation| (expectation.mode, expectation.level) == (mode, level);
        self.expectations.iter().find(is_meant).map(|expectation| &expectation.outcome)
    }

    /// The steps' numbers, in the order of the file.
    pub fn order(&self) -> Vec<usize> {
        (0..self.steps.len()).collect()
    }

    /// The keys that the scenario names.
    pub(crate) fn places(&self) -> BTreeSet<Place> {
        let rows = self.rows.iter().map(|(place, _)| place);
        rows.chain(self.steps.iter().filter_map(|step| step.operation.place())).cloned().collect()
    }
}
