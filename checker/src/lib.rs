//! Finds isolation anomalies in histories of transactions, and explains them.
//!
//! A [`History`] says what transactions did: what they read, wrote, and when. [`check`] tells which isolation
//! levels it satisfies, from read uncommitted to strict serializable, and if not, why: each [`Anomaly`] has a name, the
//! transactions in it, and an explanation in words that anyone can check against the history.
//!
//! # The idea
//!
//! Whoever overwrites, reads or misses what somebody else wrote comes after, or before, that somebody. These
//! *dependencies* make a graph of transactions, Adya's direct serialization graph. If some order of the
//! transactions explains everything, all edges lead forward in it, so there is no cycle. A cycle is an anomaly, and
//! what its edges are made of says which levels forbid it:
//!
//! ```text
//!   T1 reads x, before T2 writes it          T1 ──rw──► T2
//!   T2 reads y, before T1 writes it          T1 ◄──rw── T2      write skew: snapshot isolation allows it,
//!                                                               serializable doesn't
//! ```
//!
//! # Sources
//!
//! - Adya, *Weak Consistency: A Generalized Theory and Optimistic Implementations for Distributed Transactions* (1999);
//!   Adya, Liskov and O'Neil, *Generalized Isolation Level Definitions* (ICDE 2000): the graph, the levels.
//! - Kingsbury and Alvaro, *Elle: Inferring Isolation Anomalies from Experimental Observations* (VLDB 2020): how to get
//!   the order of versions from what clients saw; sessions and real time as edges.
//! - Cerone and Gotsman, *Analysing Snapshot Isolation* (JACM 2018): which cycles snapshot isolation allows.
//! - Bailis and others, *Highly Available Transactions: Virtues and Limitations* (VLDB 2013): monotonic atomic view.
//! - Fekete, O'Neil and O'Neil, *A Read-Only Transaction Anomaly Under Snapshot Isolation* (SIGMOD Record 2004).

mod anomaly;
mod dependencies;
mod draw;
mod edn;
mod error;
mod graph;
mod history;
mod level;
mod observe;
mod verdict;

pub use anomaly::{Anomaly, CycleKind, Evidence, Family, Kind, Order, Participant, Pattern, Reason};
pub use dependencies::{dependencies, in_cycles};
pub use edn::{EdnError, EdnFault, read_edn, write_edn};
pub use error::{Error, NotTold, Place};
pub use history::{History, Key, KeyRange, Name, Operation, Outcome, Transaction, Value, Version};
pub use level::{Level, UnknownLevel};
pub use verdict::{LevelVerdict, Options, Verdict, check};
