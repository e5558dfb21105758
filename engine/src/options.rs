//! How an engine is opened, and how a transaction is begun.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use synod_storage::checkpoint::{CheckpointOptions, Compression};
use synod_storage::device::{Device, RealDevice};
use synod_storage::wal::WalOptions;
use synod_txn::clock::{Clock, SystemClock};
use synod_txn::{DeadlockPolicy, Durability, DurabilityOptions, Isolation, Mode};

use crate::deterministic::SequencingOptions;
use crate::procedure::{Library, Procedure};

/// Combines a key's old value (`None` if there's none) with an operand into its new value. A refusal is an
/// explanation for the caller of `merge`.
pub type MergeFunction = dyn Fn(&[u8], Option<&[u8]>, &[u8]) -> Result<Vec<u8>, String> + Send + Sync;

/// How an engine is opened.
///
/// ```
/// use std::time::Duration;
/// use synod::{DeadlockPolicy, Durability, Engine, Options};
///
/// let options = Options::new()
///     .durability(Durability::Buffered)
///     .deadlock_policy(DeadlockPolicy::WoundWait)
///     .retention(Duration::from_secs(60));
/// let engine = Engine::in_memory(options)?;
/// # Ok::<(), synod::Error>(())
/// ```
#[derive(Clone)]
pub struct Options {
    pub(crate) mode: Mode,
    pub(crate) durability: Durability,
    pub(crate) isolation: Isolation,
    pub(crate) lock_timeout: Duration,
    pub(crate) deadlock_policy: DeadlockPolicy,
    pub(crate) retention: Duration,
    pub(crate) flushing: DurabilityOptions,
    pub(crate) wal: WalOptions,
    pub(crate) checkpoints: CheckpointSettings,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) device: Arc<dyn Device>,
    pub(crate) merges: HashMap<String, Arc<MergeFunction>>,
    pub(crate) records_history: bool,
    pub(crate) audit: bool,
    pub(crate) library: Library,
    pub(crate) sequencing: SequencingOptions,
}

/// When checkpoints are taken, and what is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CheckpointSettings {
    pub(crate) log_bytes: u64,
    pub(crate) interval: Option<Duration>,
    pub(crate) kept: usize,
    pub(crate) writing: CheckpointOptions,
    pub(crate) log_kept_bytes: u64,
}

impl Default for CheckpointSettings {
    fn default() -> Self {
        CheckpointSettings {
            log_bytes: 256 << 20,
            interval: None,
            kept: 2,
            writing: CheckpointOptions::default(),
            log_kept_bytes: 0,
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Options {
            mode: Mode::default(),
            durability: Durability::default(),
            isolation: Isolation::default(),
            lock_timeout: Duration::from_secs(10),
            deadlock_policy: DeadlockPolicy::default(),
            retention: Duration::ZERO,
            flushing: DurabilityOptions::default(),
            wal: WalOptions::default(),
            checkpoints: CheckpointSettings::default(),
            clock: Arc::new(SystemClock),
            device: Arc::new(RealDevice),
            merges: HashMap::new(),
            records_history: false,
            audit: false,
            library: Library::default(),
            sequencing: SequencingOptions::default(),
        }
    }
}

impl Options {
    /// Two-phase locking, serializable transactions, group commit, deadlock detection, 10 s of lock timeout, no
    /// time travel.
    pub fn new() -> Self {
        Self::default()
    }

    /// How concurrent transactions are kept apart. Default: [`Mode::TwoPhaseLocking`]. The data are the same under
    /// all modes: a database that was written under one opens under any other.
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// The durability of transactions that don't choose one. Default: [`Durability::Group`].
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// The isolation level of transactions that don't choose one. Default: [`Isolation::Serializable`].
    pub fn isolation(mut self, isolation: Isolation) -> Self {
        self.isolation = isolation;
        self
    }

    /// How long transactions that don't choose otherwise wait for a lock. Default: 10 s. It is the way out
    /// for a thread that waits for a lock of a second transaction of its own.
    pub fn lock_timeout(mut self, timeout: Duration) -> Self {
        self.lock_timeout = timeout;
        self
    }

    /// What to do about deadlocks. Default: [`DeadlockPolicy::Detect`].
    pub fn deadlock_policy(mut self, policy: DeadlockPolicy) -> Self {
        self.deadlock_policy = policy;
        self
    }

    /// For how long replaced versions stay readable by [`snapshot_at`](crate::Engine::snapshot_at).
    /// Default: none. Costs the memory of all versions written within that time.
    pub fn retention(mut self, retention: Duration) -> Self {
        self.retention = retention;
        self
    }

    /// How long the flusher gathers company for a [`Durability::Group`] commit. Default: 200 µs.
    pub fn group_window(mut self, window: Duration) -> Self {
        self.flushing.group_window = window;
        self
    }

    /// How often [`Durability::Buffered`] commits are flushed: what a crash may lose. Default: 20 ms.
    pub fn flush_interval(mut self, interval: Duration) -> Self {
        self.flushing.flush_interval = interval;
        self
    }

    /// The size of a log file, in bytes. Default: 64 MiB.
    pub fn log_segment_bytes(mut self, bytes: u64) -> Self {
        self.wal.segment_bytes = bytes;
        self
    }

    /// A checkpoint is taken when the log has grown by so many bytes since the last one, and at least to the
    /// length of that one. Default: 256 MiB. `u64::MAX` leaves it to [`Engine::checkpoint`](crate::Engine::checkpoint).
    ///
    /// At a steady load each byte of log costs `min(1, C / B)` bytes of checkpoint, where `C` is the length of a
    /// checkpoint and `B` these bytes. With the default of two checkpoints kept, the log takes at most
    /// `2 × max(B, C)`, two segments, and what is committed while a checkpoint is written; the checkpoints take
    /// `3 × C` while one is written. In the background that takes a fifth of one processor, or, once the log has
    /// grown to twice the bytes at which it was due, as much as it can get.
    pub fn checkpoint_log_bytes(mut self, bytes: u64) -> Self {
        self.checkpoints.log_bytes = bytes;
        self
    }

    /// A checkpoint is also taken after so much time, if anything was committed. Default: never for that reason.
    pub fn checkpoint_interval(mut self, interval: Option<Duration>) -> Self {
        self.checkpoints.interval = interval;
        self
    }

    /// How many checkpoints are kept, at least one. Default: 2, each with the log behind it: if the newest one is
    /// damaged, the database opens with the one before.
    pub fn checkpoints_kept(mut self, checkpoints: usize) -> Self {
        self.checkpoints.kept = checkpoints.max(1);
        self
    }

    /// How checkpoints are compressed. Default: not at all.
    pub fn compression(mut self, compression: Compression) -> Self {
        self.checkpoints.writing.compression = compression;
        self
    }

    /// At least so many of the log's newest bytes are kept for [`Engine::changes`](crate::Engine::changes) and
    /// incremental backups, beyond what recovery needs. Default: 0.
    pub fn log_kept_bytes(mut self, bytes: u64) -> Self {
        self.checkpoints.log_kept_bytes = bytes;
        self
    }

    /// The merge function of a table, for [`Transaction::merge`](crate::Transaction::merge). It is called
    /// with the key, the old value and the operand, under an exclusive lock. It isn't stored: give it again
    /// at every opening.
    pub fn merge(
        mut self,
        table: impl Into<String>,
        merge: impl Fn(&[u8], Option<&[u8]>, &[u8]) -> Result<Vec<u8>, String> + Send + Sync + 'static,
    ) -> Self {
        self.merges.insert(table.into(), Arc::new(merge));
        self
    }

    /// Whether to audit transactions at [`Isolation::Snapshot`]: each is checked at its commit as if it were
    /// serializable, and commits whatever comes of it. [`Engine::audit`](crate::Engine::audit) tells what was found: how
    /// often, and with which keys, this program relies on more than a snapshot gives. Costs about what the serializable
    /// level does. Default: no.
    pub fn audit(mut self, audits: bool) -> Self {
        self.audit = audits;
        self
    }

    /// Whether to record what every transaction reads and writes, for [`Engine::take_history`]. For tests: it takes
    /// memory for each step until it is taken. Default: no. Snapshots aren't transactions, and aren't recorded.
    ///
    /// [`Engine::take_history`]: crate::Engine::take_history
    pub fn record_history(mut self, records: bool) -> Self {
        self.records_history = records;
        self
    }

    /// Makes a procedure known, under its name and version. Give all of them at every opening: also in another mode, a
    /// database whose log has procedures can't be opened without their code.
    pub fn procedure<P: Procedure>(mut self) -> Self {
        self.library.add::<P>();
        self
    }

    /// How many threads run procedures at the same time in the deterministic mode; at least one. Default: as many as there
    /// are cores.
    pub fn workers(mut self, workers: usize) -> Self {
        self.sequencing.workers = workers.max(1);
        self
    }

    /// How long an epoch of the deterministic mode stays open at most: the first procedure to come later begins another
    /// one; at most 4.29 s. Whoever flushes the log ends it before. Also how long it may take until a procedure is executed
    /// for which nobody waits. Default: 10 ms.
    pub fn epoch_interval(mut self, interval: Duration) -> Self {
        self.sequencing.epochs.epoch_interval = interval;
        self
    }

    /// How many procedures an epoch has at most. Default: as [`Settings`](synod_sequencer::Settings) say.
    pub fn epoch_requests_max(mut self, requests: usize) -> Self {
        self.sequencing.epochs.epoch_requests_max = requests.max(1);
        self
    }

    /// How many procedures can be in flight: more are refused with [`Error::Overloaded`](crate::Error::Overloaded).
    pub fn procedures_in_flight_max(mut self, procedures: usize) -> Self {
        self.sequencing.epochs.in_flight_max = procedures.max(1);
        self
    }

    /// Whether the deterministic mode keeps a hash of the state, and puts it into the log, so that a replay can tell where
    /// it diverges. Default: yes.
    pub fn state_hash(mut self, hashes: bool) -> Self {
        self.sequencing.hashes_state = hashes;
        self
    }

    /// Whether the deterministic mode runs each procedure twice in its place, and answers
    /// [`Error::NotDeterministic`](crate::Error::NotDeterministic) if it has done two things. For tests. Default: no.
    pub fn check_determinism(mut self, checks: bool) -> Self {
        self.sequencing.checks_determinism = checks;
        self
    }

    /// Where time comes from. Default: the system clock.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Where files are. Default: the file system. For tests.
    pub fn device(mut self, device: Arc<dyn Device>) -> Self {
        self.device = device;
        self
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("mode", &self.mode)
            .field("durability", &self.durability)
            .field("isolation", &self.isolation)
            .field("lock_timeout", &self.lock_timeout)
            .field("deadlock_policy", &self.deadlock_policy)
            .field("retention", &self.retention)
            .field("flushing", &self.flushing)
            .field("checkpoints", &self.checkpoints)
            .finish_non_exhaustive()
    }
}

/// How a transaction is begun. What isn't set is as the engine's [`Options`] say.
///
/// ```
/// use std::time::Duration;
/// use synod::{Durability, Engine, Isolation, Options, TransactionOptions};
///
/// let engine = Engine::in_memory(Options::new())?;
/// let transaction = engine.begin(
///     TransactionOptions::new()
///         .isolation(Isolation::ReadCommitted)
///         .durability(Durability::Sync)
///         .lock_timeout(Duration::from_millis(50)),
/// )?;
/// # Ok::<(), synod::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TransactionOptions {
    pub(crate) isolation: Option<Isolation>,
    pub(crate) durability: Option<Durability>,
    pub(crate) lock_timeout: Option<Duration>,
    pub(crate) read_only: bool,
    pub(crate) audit: Option<bool>,
}

impl TransactionOptions {
    /// Everything as the engine's options say.
    pub fn new() -> Self {
        Self::default()
    }

    /// The isolation level.
    pub fn isolation(mut self, isolation: Isolation) -> Self {
        self.isolation = Some(isolation);
        self
    }

    /// What the commit survives once it is acknowledged.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = Some(durability);
        self
    }

    /// How long to wait for a lock.
    pub fn lock_timeout(mut self, timeout: Duration) -> Self {
        self.lock_timeout = Some(timeout);
        self
    }

    /// Whether it is audited, as [`Options::audit`] describes.
    pub fn audit(mut self, audits: bool) -> Self {
        self.audit = Some(audits);
        self
    }

    /// Reads a consistent snapshot: takes no locks and never waits. It includes all commits acknowledged before it
    /// began, and is strictly serializable; in the multi-version mode, at [`Isolation::Serializable`], that can cost
    /// an abort at its commit, and in no other case is it aborted. Writes are errors.
    pub fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }
}
