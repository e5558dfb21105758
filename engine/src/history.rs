//! Recording what transactions did, for a checker to judge.
//!
//! An engine that records ([`Options::record_history`](crate::Options::record_history)) notes of every transaction
//! what it read, which version that was, and what it wrote. Since the order of versions is that of their commit
//! timestamps, a checker can tell exactly what depends on what.

use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use synod_storage::{Timestamp, Version, VersionState};
use synod_txn::{Cursor, Isolation, Savepoint, TransactionId};

/// What a transaction saw of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordedVersion {
    /// Nothing was there.
    Nothing,
    /// What the transaction itself had written.
    Own,
    /// What was committed at this time: a value, or a deletion.
    Committed(Timestamp),
    /// A value that another transaction had written, and not committed yet; `None` for a deletion.
    Uncommitted(Option<Bytes>),
}

/// A step of a transaction, and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordedStep {
    /// A key was read.
    Get {
        /// The table.
        table: String,
        /// The key.
        key: Bytes,
        /// What was seen.
        version: RecordedVersion,
    },
    /// A range was read: one step of a scan, as far as it went.
    Scan {
        /// The table.
        table: String,
        /// Where the range begins.
        lower: Bound<Bytes>,
        /// Where it ends.
        upper: Bound<Bytes>,
        /// What was seen there, deletions included.
        found: Vec<(Bytes, RecordedVersion)>,
    },
    /// A key was written, or deleted with `None`.
    Put {
        /// The table.
        table: String,
        /// The key.
        key: Bytes,
        /// The value.
        value: Option<Bytes>,
    },
}

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordedOutcome {
    /// It committed; at this time, if it wrote anything.
    Committed(Option<Timestamp>),
    /// It did not.
    Aborted,
}

/// What one transaction did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedTransaction {
    /// Its name, as in aborts and in [`Engine::audit`](crate::Engine::audit); none if it read a snapshot and nobody
    /// noticed it.
    pub id: Option<TransactionId>,
    /// The thread that began it, as a number. A procedure of the deterministic mode has a number of its own: a thread
    /// that hands in several doesn't say in which order they are to take effect.
    pub session: u64,
    /// Its isolation level.
    pub isolation: Isolation,
    /// A moment before it began. Moments are counted, not measured.
    pub begin: u64,
    /// A moment after its outcome was known.
    pub end: u64,
    /// How it ended.
    pub outcome: RecordedOutcome,
    /// What it did and was not rolled back. An insertion or a deletion is recorded as a write only, not as the
    /// look that it takes at what was there before.
    pub steps: Vec<RecordedStep>,
}

/// All that was recorded and not taken yet.
#[derive(Debug, Default)]
pub(crate) struct History {
    moments: AtomicU64,
    ended: Mutex<Vec<RecordedTransaction>>,
}

impl History {
    /// A moment later than all before.
    pub(crate) fn moment(&self) -> u64 {
        // SeqCst: who sees an effect of a transaction takes a later moment than its beginning.
        self.moments.fetch_add(1, Ordering::SeqCst) + 1
    }

    pub(crate) fn take(&self) -> Vec<RecordedTransaction> {
        std::mem::take(&mut self.ended.lock())
    }
}

/// The recording of a transaction that is running; boxed, since most aren't recorded, and are moved about all the same.
pub(crate) struct Recording {
    history: Arc<History>,
    transaction: RecordedTransaction,
    savepoints: Vec<(Savepoint, usize)>,
}

impl Recording {
    pub(crate) fn begin(history: &Arc<History>, isolation: Isolation) -> Box<Self> {
        Self::begun_at(history, history.moment(), session(), isolation)
    }

    /// Of a procedure that was handed in at an earlier moment.
    pub(crate) fn of_procedure(history: &Arc<History>, submitted: u64) -> Box<Self> {
        Self::begun_at(history, submitted, new_session(), Isolation::Serializable)
    }

    fn begun_at(history: &Arc<History>, begin: u64, session: u64, isolation: Isolation) -> Box<Self> {
        let transaction = RecordedTransaction {
            id: None,
            session,
            isolation,
            begin,
            end: 0,
            outcome: RecordedOutcome::Aborted,
            steps: Vec::new(),
        };
        Box::new(Recording { history: history.clone(), transaction, savepoints: Vec::new() })
    }

    pub(crate) fn named(&mut self, id: Option<TransactionId>) {
        self.transaction.id = id;
    }

    pub(crate) fn get(&mut self, table: &synod_storage::Table, key: &[u8], version: RecordedVersion) {
        let (table, key) = (table.name().to_owned(), Bytes::copy_from_slice(key));
        self.transaction.steps.push(RecordedStep::Get { table, key, version });
    }

    pub(crate) fn put(&mut self, table: &synod_storage::Table, key: &[u8], value: Option<&[u8]>) {
        let (table, key) = (table.name().to_owned(), Bytes::copy_from_slice(key));
        let value = value.map(Bytes::copy_from_slice);
        self.transaction.steps.push(RecordedStep::Put { table, key, value });
    }

    /// Records a step of a scan, which has moved the cursor from `before` to `after`.
    pub(crate) fn scan(
        &mut self,
        table: &synod_storage::Table,
        (before, after): (&Cursor, &Cursor),
        found: Vec<(Bytes, RecordedVersion)>,
    ) {
        let (lower, upper) = before.covered_until(after);
        let copy = |bound: Bound<&[u8]>| bound.map(Bytes::copy_from_slice);
        let (lower, upper) = (copy(lower), copy(upper));
        self.transaction.steps.push(RecordedStep::Scan {
            table: table.name().to_owned(),
            lower,
            upper,
            found,
        });
    }

    pub(crate) fn savepoint(&mut self, savepoint: Savepoint) {
        self.savepoints.push((savepoint, self.transaction.steps.len()));
    }

    /// Forgets the writes since a savepoint; what was read stays read.
    pub(crate) fn rollback_to(&mut self, savepoint: Savepoint) {
        let Some(&(_, kept)) = self.savepoints.iter().find(|(known, _)| *known == savepoint) else { return };
        let mut position = 0;
        self.transaction.steps.retain(|step| {
            position += 1;
            position <= kept || !matches!(step, RecordedStep::Put { .. })
        });
    }

    pub(crate) fn committed(&mut self, at: Option<Timestamp>) {
        self.transaction.outcome = RecordedOutcome::Committed(at);
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.transaction.end = self.history.moment();
        let steps = std::mem::take(&mut self.transaction.steps);
        let ended = RecordedTransaction { steps, ..self.transaction };
        self.history.ended.lock().push(ended);
    }
}

/// What a version is to a transaction whose own slot is `own`.
pub(crate) fn recorded(version: Option<Version<'_>>, own: Option<u16>) -> RecordedVersion {
    match version.map(|version| (version.state(), version.value())) {
        None => RecordedVersion::Nothing,
        Some((VersionState::Committed(at), _)) => RecordedVersion::Committed(at),
        Some((VersionState::Pending { slot, .. }, _)) if own == Some(slot) => RecordedVersion::Own,
        Some((VersionState::Pending { .. }, value)) => {
            RecordedVersion::Uncommitted(value.map(Bytes::copy_from_slice))
        }
    }
}

/// This thread's number.
fn session() -> u64 {
    thread_local! {
        static SESSION: u64 = new_session();
    }
    SESSION.with(|session| *session)
}

/// A number that no thread and no procedure has.
fn new_session() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
