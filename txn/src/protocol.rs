//! What every concurrency-control mode offers: the seam between the engine and the protocols.

use std::any::Any;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use synod_storage::{Table, Timestamp, Version};

use crate::{Cursor, Durability, Mode, Result, WaitBell, Waiting};

/// How far transactions are kept apart (Adya, "Weak Consistency", MIT 1999; Berenson et al., "A Critique of
/// ANSI SQL Isolation Levels", SIGMOD 1995). Ordered from weakest to strongest, but for one pair: repeatable read
/// lets phantoms through and no write skew, a snapshot write skew and no phantoms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Isolation {
    /// Reads may return what others have written and not committed. Writes are still atomic and exclusive.
    ReadUncommitted,
    /// Reads return committed values only; reading twice may give two answers.
    ReadCommitted,
    /// What was read stays as it was; ranges may gain keys (phantoms).
    RepeatableRead,
    /// All reads are of one moment, the transaction's beginning; of two that change the same record at the same
    /// time, one is aborted.
    Snapshot,
    /// As if the transactions had run one after the other, in an order that respects real time.
    #[default]
    Serializable,
}

impl Isolation {
    /// All levels, weakest first.
    pub const ALL: [Isolation; 5] = [
        Self::ReadUncommitted,
        Self::ReadCommitted,
        Self::RepeatableRead,
        Self::Snapshot,
        Self::Serializable,
    ];
}

impl fmt::Display for Isolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Isolation::ReadUncommitted => "read-uncommitted",
            Isolation::ReadCommitted => "read-committed",
            Isolation::RepeatableRead => "repeatable-read",
            Isolation::Snapshot => "snapshot",
            Isolation::Serializable => "serializable",
        })
    }
}

impl FromStr for Isolation {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        Isolation::ALL.into_iter().find(|level| level.to_string() == text).ok_or_else(|| {
            format!(
                "unknown isolation level \"{text}\": use read-uncommitted, read-committed, repeatable-read, snapshot or serializable"
            )
        })
    }
}

/// What a transaction is begun with.
#[derive(Clone, Copy, Debug)]
pub struct BeginOptions {
    /// The isolation level.
    pub isolation: Isolation,
    /// How long a lock is waited for.
    pub lock_timeout: Duration,
    /// The age of the first attempt, for a retry: the older of two transactions wins where the policy
    /// goes by age. `None` for a first attempt.
    pub age: Option<u64>,
    /// At [`Isolation::Snapshot`]: find out at the commit whether the serializable level would have aborted the
    /// transaction, and note it.
    pub audit: bool,
}

/// What a read is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// To know the value.
    Read,
    /// To change the value afterwards.
    Update,
    /// To overwrite or delete it, whatever it is.
    Write,
}

/// What a write expects to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Anything, and nobody asks what: the answer may be either.
    Anything,
    /// Anything, and the answer is wanted: it is one more thing that the transaction has read.
    Told,
    /// No value under this key; otherwise [`Error::KeyExists`](crate::Error::KeyExists).
    Absent,
}

/// A point in a transaction that it can be rolled back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Savepoint {
    pub(crate) transaction: u64,
    pub(crate) serial: u64,
}

/// A commit that is in order and visible, and perhaps not yet durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitReceipt {
    /// The commit timestamp. For a transaction that wrote nothing: the newest one that it has read, or may
    /// have read the deletion of. When that is durable, so is all that was read.
    pub timestamp: Timestamp,
    /// Whether the transaction wrote anything.
    pub wrote: bool,
}

/// Receives what a transaction sees of a key: nothing at all, a value, or a tombstone.
pub type VisitKey<'a> = dyn FnMut(Option<Version<'_>>) + 'a;

/// Sees the version of each of several keys, in their order: the key's place among them, and its version.
pub type VisitNth<'a> = dyn FnMut(usize, Option<Version<'_>>) + 'a;

/// Receives the key of each record of a scan, and what the transaction sees of it: a value, or a tombstone.
pub type Visit<'a> = dyn FnMut(&[u8], Version<'_>) + 'a;

/// A concurrency-control protocol over a store.
///
/// **Invariant** Whatever the mode, at [`Isolation::Serializable`] the committed transactions are strictly
/// serializable: equivalent to running one at a time, in an order in which a transaction that begins after
/// another's commit returned comes after it.
pub trait Protocol: Send + Sync {
    /// Which one it is.
    fn mode(&self) -> Mode;

    /// Begins a transaction. An isolation level that the mode lacks is an error, never another level.
    fn begin(&self, options: &BeginOptions) -> Result<Box<dyn ActiveTransaction>>;

    /// Begins a transaction that is declared to write nothing, if at this level it takes more than a snapshot.
    fn begin_read_only(&self, isolation: Isolation) -> Result<Option<Box<dyn ActiveTransaction>>> {
        let _ = isolation;
        Ok(None)
    }

    /// Who waits for a lock, at one moment. Empty where nobody ever waits for longer than a commit takes.
    fn waiting(&self) -> Vec<Waiting> {
        Vec::new()
    }

    /// A bell that rings whenever a transaction begins to wait for a lock. Once there is one, it costs every wait
    /// another mutex.
    fn wait_bell(&self) -> Arc<WaitBell> {
        WaitBell::new()
    }
}

/// A running transaction. After an abort every operation returns that same abort. Dropping it aborts it.
pub trait ActiveTransaction: Any + Send {
    /// Reads one key; `visit` sees it in place, exactly once if this returns `Ok`.
    fn read(
        &mut self,
        table: &Arc<Table>,
        key: &[u8],
        intent: Intent,
        visit: &mut VisitKey<'_>,
    ) -> Result<()>;

    /// Reads [`TOGETHER_MAX`](crate::TOGETHER_MAX) keys or fewer, each as [`ActiveTransaction::read`] does, in their order;
    /// but looks them up side by side, where that helps.
    fn read_together(
        &mut self,
        table: &Arc<Table>,
        keys: &[&[u8]],
        intent: Intent,
        visit: &mut VisitNth<'_>,
    ) -> Result<()> {
        let mut read =
            |(nth, key): (usize, &&[u8])| self.read(table, key, intent, &mut |version| visit(nth, version));
        keys.iter().enumerate().try_for_each(&mut read)
    }

    /// Writes a value, or deletes with `None`. Returns whether there was a value before, if `expect` asks for it.
    fn write(&mut self, table: &Arc<Table>, key: &[u8], value: Option<&[u8]>, expect: Expect)
    -> Result<bool>;

    /// Delivers the next few records of a range, moves the cursor behind them, and marks it as done at the
    /// range's end. May deliver none before the end.
    fn scan(
        &mut self,
        table: &Arc<Table>,
        cursor: &mut Cursor,
        intent: Intent,
        visit: &mut Visit<'_>,
    ) -> Result<()>;

    /// A number that changes whenever the transaction writes or rolls back.
    fn write_count(&self) -> u64;

    /// Marks the present state of the transaction's writes.
    fn savepoint(&mut self) -> Result<Savepoint>;

    /// Undoes all writes since the savepoint, which stays valid; later ones don't. Locks are kept.
    fn rollback_to(&mut self, savepoint: Savepoint) -> Result<()>;

    /// Commits: when this returns, the effects are visible, and ordered in the log unless the level is
    /// [`Durability::None`]. Durability is waited for separately.
    fn commit(self: Box<Self>, durability: Durability) -> Result<CommitReceipt>;

    /// Undoes everything.
    fn abort(self: Box<Self>);

    /// The age to pass to the next attempt's [`BeginOptions`].
    fn age(&self) -> u64;

    /// The slot that names this transaction in its pending versions, if it can have any.
    fn slot(&self) -> Option<u16>;

    /// Why the engine has aborted this transaction, if it has.
    fn abort_reason(&self) -> Option<&crate::Abort>;
}
