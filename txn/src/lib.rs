//! Transactions: clocks and timestamps, snapshots, durability, and the concurrency-control protocols.
//!
//! A [`Protocol`] decides which transaction may read or write what, and when; it works on the records of
//! `synod-storage`, whose control words it owns. Everything that the protocols share (the order of
//! commits, snapshots, the log, garbage) is a [`Store`].

mod abort;
mod batches;
pub mod clock;
mod commit_log;
mod cursor;
mod deterministic;
mod error;
mod garbage;
mod graveyard;
mod key_hash;
mod locking;
mod mode;
mod multi_version;
mod optimistic;
mod oracle;
mod protocol;
mod read_marks;
mod reads;
mod recent;
mod registry;
#[cfg(all(test, shuttle))]
mod shuttle_tests;
mod snapshot;
mod stats;
mod store;
mod together;
mod two_phase;
mod versions;
mod visibility;

pub use abort::{Abort, Change, DeadlockMember};
pub use batches::OpenBatch;
pub use commit_log::{CommitLog, Durability, DurabilityOptions};
pub use cursor::{Cursor, Direction, prefix_bounds};
pub use deterministic::{
    Deterministic, Execution, Footprint, FootprintError, Reconnaissance, Replaced, Scheduler, Sequence,
    stable_hash,
};
pub use error::{Error, Result};
pub use key_hash::key_hash;
pub use locking::{DeadlockPolicy, WaitBell, Waiting};
pub use mode::Mode;
pub use multi_version::MultiVersion;
pub use optimistic::Optimistic;
pub use oracle::Oracle;
pub use protocol::{
    ActiveTransaction, BeginOptions, CommitReceipt, Expect, Intent, Isolation, Protocol, Savepoint, Visit,
    VisitKey, VisitNth,
};
pub use registry::{Registry, TRANSACTIONS_MAX, TransactionId};
pub use snapshot::{SNAPSHOTS_MAX, Snapshot};
pub use stats::{AbortCounts, IsolationCounts, LevelCounts, TransactionCounts};
pub use store::{RecoveredGarbage, Store, StoreOptions};
pub use together::TOGETHER_MAX;
pub use two_phase::TwoPhaseLocking;
pub use versions::{ChainLink, DatedValue, VisitVersions, Writer};
