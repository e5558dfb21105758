//! Anomalies: what a history has that an isolation level may forbid, with its evidence.

mod explain;
mod kind;
mod pattern;

pub(crate) use explain::{evidence, explained, shortened};
pub use kind::{CycleKind, Family, Kind, Order, Pattern};

use crate::history::{Key, label};
use std::collections::BTreeMap;

/// Something that is wrong with a history.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Anomaly {
    /// Its name.
    pub kind: Kind,
    /// A well-known shape that it has.
    pub pattern: Option<Pattern>,
    /// The transactions in it: in the order of the cycle, or those that the text is about.
    pub transactions: Vec<Participant>,
    /// The edges of the cycle: the first one from the first transaction to the second one, the last one from the last
    /// transaction back to the first. Empty for what is no cycle.
    pub edges: Vec<Evidence>,
    /// The key that it is about; for a cycle, if it is about a single one.
    pub key: Option<String>,
    pub(crate) text: String,
    /// Where in the text the conclusion begins.
    pub(crate) conclusion: usize,
}

/// A transaction that is part of an anomaly.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Participant {
    /// Its place in the history.
    pub transaction: usize,
    /// What it is called: T1 is the first one of the history.
    pub label: String,
    /// What it did, in one line.
    pub summary: String,
    /// The line of the file that it was read from.
    pub line: Option<u64>,
}

/// Why one transaction comes before another.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Evidence {
    /// The one that comes before, by its place in [`Anomaly::transactions`].
    pub from: usize,
    /// The one that comes after, by its place in [`Anomaly::transactions`].
    pub to: usize,
    /// Which kind of edge it is.
    pub reason: Reason,
    /// The key; none for orders that clients see.
    pub key: Option<String>,
    /// A sentence without its full stop: what was observed.
    pub text: String,
}

/// The kinds of edges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Write–write: the other one replaces the version.
    Overwrites,
    /// Write–read: the other one reads the version.
    ReadBy,
    /// Write–read: the other one finds a key gone.
    MissedBy,
    /// Read–write: the other one replaces what was read.
    OverwrittenBy,
    /// Read–write: the other one writes what was not found in a range.
    InsertedBy,
    /// The other one comes later in the same session.
    Session,
    /// The other one begins later than this one ends.
    RealTime,
}

impl Reason {
    /// Its short name, as at the edge of a graph.
    pub fn short(self) -> &'static str {
        match self {
            Reason::Overwrites => "ww",
            Reason::ReadBy => "wr",
            Reason::MissedBy => "wr (predicate)",
            Reason::OverwrittenBy => "rw",
            Reason::InsertedBy => "rw (predicate)",
            Reason::Session => "session",
            Reason::RealTime => "real time",
        }
    }
}

impl Anomaly {
    /// What it is called, with its well-known shape: `G-single (lost update)`.
    pub fn name(&self) -> String {
        match self.pattern {
            Some(pattern) => format!("{} ({pattern})", self.kind),
            None => self.kind.to_string(),
        }
    }

    /// What happened, in words.
    pub fn explanation(&self) -> &str {
        &self.text
    }

    /// The end of the explanation: what follows from the edges. All of it for what is no cycle.
    pub fn conclusion(&self) -> &str {
        &self.text[self.conclusion..]
    }
}

/// What was found without looking for cycles: a few examples of each kind, and how many there are.
#[derive(Debug)]
pub(crate) struct Findings {
    examples: usize,
    pub(crate) counts: BTreeMap<Kind, u64>,
    pub(crate) found: Vec<Finding>,
}

/// Something that was found without looking for cycles.
#[derive(Debug)]
pub(crate) struct Finding {
    pub(crate) kind: Kind,
    pub(crate) transactions: Vec<u32>,
    pub(crate) key: Option<Key>,
    pub(crate) text: String,
}

impl Findings {
    pub(crate) fn new(examples: usize) -> Findings {
        Findings { examples, counts: BTreeMap::new(), found: Vec::new() }
    }

    /// Counts something, and keeps it if it is one of the first of its kind.
    pub(crate) fn add(
        &mut self,
        kind: Kind,
        transactions: &[u32],
        key: Option<Key>,
        text: impl FnOnce() -> String,
    ) {
        let count = self.counts.entry(kind).or_default();
        *count += 1;
        if *count <= self.examples as u64 {
            let mut transactions = transactions.to_vec();
            transactions.dedup();
            self.found.push(Finding { kind, transactions, key, text: text() });
        }
    }
}

/// "T1", "T1 and T2", "T1, T2 and T3".
pub(crate) fn list_of(transactions: &[u32]) -> String {
    let labels: Vec<String> = transactions.iter().map(|&number| label(number as usize)).collect();
    match &labels[..] {
        [] => String::new(),
        [one] => one.clone(),
        [some @ .., last] => format!("{} and {last}", some.join(", ")),
    }
}
