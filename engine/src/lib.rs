//! Synod: an embedded transaction engine.
//!
//! An [`Engine`] holds named, ordered tables of byte strings, in memory, with a log and checkpoints on disk.
//! Any number of threads run [`Transaction`]s on it at the same time; [`Snapshot`]s read a consistent past
//! state while others write.
//!
//! ```
//! use synod::{Engine, Options};
//!
//! # let directory = tempfile::tempdir().unwrap();
//! # let path = directory.path();
//! let engine = Engine::open(path, Options::new())?;
//! let accounts = engine.table("accounts")?;
//! engine.transact(|txn| {
//!     txn.put(&accounts, "ann", 70u64.to_be_bytes())?;
//!     txn.put(&accounts, "bob", 30u64.to_be_bytes())
//! })?;
//!
//! // Moves 20 from Ann to Bob, whatever others do meanwhile; tried again after a conflict.
//! engine.transact(|txn| {
//!     for (name, change) in [("ann", -20i64), ("bob", 20)] {
//!         let old = txn.get_for_update(&accounts, name)?.expect("opened above");
//!         let balance = u64::from_be_bytes(old[..].try_into().unwrap());
//!         txn.put(&accounts, name, balance.strict_add_signed(change).to_be_bytes())?;
//!     }
//!     Ok::<_, synod::Error>(())
//! })?;
//!
//! let bob = engine.snapshot()?.get(&accounts, "bob")?;
//! assert_eq!(bob.as_deref(), Some(&50u64.to_be_bytes()[..]));
//! # Ok::<(), synod::Error>(())
//! ```
//!
//! # Two kinds of failure
//!
//! An *abort* is the engine's way to solve a conflict: the transaction's effects are undone, and the same work
//! can be tried again. [`Engine::transact`] does that. Everything else is an *error*. [`Error::abort`] tells
//! which is which.

mod background;
mod backoff;
mod backup;
mod changes;
mod checkpoint;
mod commit_handle;
mod deterministic;
mod directory;
mod engine;
mod error;
mod history;
mod multi_get;
mod options;
mod procedure;
mod range;
mod recovery;
mod replay;
mod scan;
mod snapshot;
mod stats;
mod table;
mod transact;
mod transaction;
mod verify;
mod view;

pub use backup::{Backup, BackupState, Restored, restore};
pub use bytes::Bytes;
pub use changes::{Change, ChangeKind, Changes, Write};
pub use checkpoint::{Checkpoint, CheckpointStats};
pub use commit_handle::CommitHandle;
pub use deterministic::{ReplayedEpoch, SequencingStats};
pub use directory::TABLE_NAME_BYTES_MAX;
pub use engine::Engine;
pub use error::{Error, Result};
pub use history::{RecordedOutcome, RecordedStep, RecordedTransaction, RecordedVersion};
pub use options::{MergeFunction, Options, TransactionOptions};
pub use procedure::{Declaration, Executed, Position, Procedure, Ticket, View};
pub use range::KeyRange;
pub use recovery::RecoveryStats;
pub use replay::{ReplayOptions, ReplaySummary, Replayed};
pub use scan::{Scan, SnapshotScan};
pub use snapshot::Snapshot;
pub use stats::{Audit, LogStats, SnapshotStats, Stats};
pub use synod_storage::checkpoint::{CheckpointInfo, Compression};
pub use synod_storage::wal::{LogSummary, SegmentInfo};
pub use synod_storage::{Damage, KEY_BYTES_MAX, Timestamp, VALUE_BYTES_MAX, device};
pub use synod_txn::{
    Abort, AbortCounts, ChainLink, DeadlockMember, DeadlockPolicy, Durability, Isolation, IsolationCounts,
    LevelCounts, Mode, SNAPSHOTS_MAX, Savepoint, TRANSACTIONS_MAX, TransactionCounts, TransactionId,
    WaitBell, Waiting, Writer, clock,
};
pub use table::Table;
pub use transact::{Committed, TransactOptions};
pub use transaction::Transaction;
pub use verify::{Verification, verify};

/// Errors of the layers below, for those who match on them.
pub mod errors {
    pub use synod_storage::Error as StorageError;
    pub use synod_txn::Error as TransactionError;
}

/// The example in the README, compiled as a test.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct ReadmeExamples;
