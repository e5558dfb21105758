//! The engine: tables, transactions, snapshots.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_utils::CachePadded;
use parking_lot::RwLock;
use synod_storage::Timestamp;
use synod_storage::wal::{FrameBuilder, SegmentInfo};
use synod_txn::{
    BeginOptions, ChainLink, CommitLog, Deterministic, Durability, Isolation, Mode, MultiVersion, Optimistic,
    Protocol, Store, StoreOptions, TwoPhaseLocking, WaitBell, Waiting,
};

use crate::background::Background;
use crate::checkpoint::Checkpointer;
use crate::deterministic::{Executor, Quiet};
use crate::directory::Directory;
use crate::history::{History, RecordedTransaction, Recording};
use crate::options::MergeFunction;
use crate::procedure::Library;
use crate::recovery::{Files, Recovered, RecoveryStats, recover};
use crate::transaction::{Body, Transaction};
use crate::view::{CatalogChanges, ViewSource};
use crate::{Audit, Checkpoint, Error, Options, Result, Snapshot, Stats, Table, TransactionOptions};

/// A database: named tables, and transactions on them. Cheap to clone; the database is closed when the last
/// clone, transaction and snapshot is gone.
#[derive(Clone)]
pub struct Engine {
    pub(crate) inner: Arc<Inner>,
}

/// What all handles share. When the last one goes, the threads stop first, the flusher with a last flush.
pub(crate) struct Inner {
    pub(crate) id: u64,
    /// `None` until the engine is open.
    background: Option<Background>,
    pub(crate) protocol: Box<dyn Protocol>,
    pub(crate) store: Arc<Store>,
    pub(crate) defaults: Defaults,
    pub(crate) merges: HashMap<String, Arc<MergeFunction>>,
    pub(crate) catalog_changes: Arc<CatalogChanges>,
    /// `None` for an engine in memory.
    pub(crate) checkpointer: Option<Arc<Checkpointer>>,
    recovery: Option<RecoveryStats>,
    /// `None` unless history is recorded.
    history: Option<Arc<History>>,
    /// The procedures that are known.
    pub(crate) library: Library,
    /// The tables, for procedures to find by name.
    pub(crate) directory: CachePadded<RwLock<Arc<Directory>>>,
    /// The version of `directory`, for those who needn't lock it.
    pub(crate) directory_version: AtomicU64,
    /// `None` unless the mode is the deterministic one.
    pub(crate) executor: Option<Arc<Executor>>,
    is_closed: AtomicBool,
}

/// What transactions get that don't choose for themselves.
#[derive(Clone, Copy)]
pub(crate) struct Defaults {
    pub(crate) isolation: Isolation,
    pub(crate) durability: Durability,
    lock_timeout: Duration,
    audit: bool,
}

static NEXT_ENGINE_ID: AtomicU64 = AtomicU64::new(1);

impl Engine {
    /// Opens the database in the directory `path`, or creates it there. Replays the log: everything that
    /// was durable is there again.
    ///
    /// # Errors
    /// If the database is open already, a file has an unknown format version, is damaged, or can't be read.
    pub fn open(path: impl AsRef<Path>, options: Options) -> Result<Self> {
        let recovered = recover(path.as_ref(), &options)?;
        Self::start(recovered, options)
    }

    /// A database that lives in memory only, and ends with its engine. Every durability level is as good as
    /// [`Durability::None`].
    pub fn in_memory(options: Options) -> Result<Self> {
        Self::start(Recovered::nothing(), options)
    }

    fn start(recovered: Recovered, options: Options) -> Result<Self> {
        let (executes_after, cutoff) = (recovered.executes_after, recovered.cutoff);
        let mut engine = Self::build(recovered, options);
        engine.resume_order(executes_after, cutoff)?;
        engine.start_threads()?;
        Ok(engine)
    }

    /// An engine on what was recovered, without threads of its own.
    pub(crate) fn build(recovered: Recovered, options: Options) -> Self {
        let (log, files) = match recovered.files {
            Some(Files { home, wal, checkpoints, report }) => {
                let log = CommitLog::new(wal, recovered.newest_logged, options.flushing);
                (Some(log), Some((home, checkpoints, report)))
            }
            None => (None, None),
        };
        let store = Arc::new(Store::new(StoreOptions {
            catalog: recovered.catalog,
            recovered: recovered.newest,
            horizon: recovered.horizon,
            epoch: recovered.epoch,
            garbage: recovered.garbage,
            clock: options.clock,
            retention: options.retention,
            log,
        }));
        let catalog_changes = Arc::new(CatalogChanges::new(FrameBuilder::new()));
        let is_deterministic = options.mode == Mode::Deterministic;
        let protocol: Box<dyn Protocol> = match options.mode {
            Mode::TwoPhaseLocking => Box::new(TwoPhaseLocking::new(store.clone(), options.deadlock_policy)),
            Mode::MultiVersion => Box::new(MultiVersion::new(store.clone(), options.deadlock_policy)),
            Mode::Optimistic => Box::new(Optimistic::new(store.clone())),
            Mode::Deterministic => Box::new(Deterministic),
        };
        // Whatever the mode, procedures in the log are executed.
        let executes = is_deterministic || recovered.executes_after.is_some();
        let executor = executes.then(|| Executor::new(&store, options.sequencing));
        let recovery = files.as_ref().map(|(_, _, report)| *report);
        let checkpointer = files.map(|(home, installed, report)| {
            let source =
                ViewSource::new(&store, &catalog_changes, executor.as_ref().filter(|_| is_deterministic));
            Arc::new(Checkpointer::new(home, source, options.checkpoints, installed, report.log_bytes))
        });
        let inner = Inner {
            id: NEXT_ENGINE_ID.fetch_add(1, Ordering::Relaxed),
            background: None,
            protocol,
            store,
            defaults: Defaults {
                isolation: options.isolation,
                durability: options.durability,
                lock_timeout: options.lock_timeout,
                audit: options.audit,
            },
            merges: options.merges,
            catalog_changes,
            checkpointer,
            recovery,
            history: options.records_history.then(Arc::default),
            library: options.library,
            directory: CachePadded::default(),
            directory_version: AtomicU64::new(0),
            executor,
            is_closed: AtomicBool::new(false),
        };
        let engine = Engine { inner: Arc::new(inner) };
        engine.refresh_directory();
        engine
    }

    /// Notes what executing the log has taken.
    pub(crate) fn note_executed(&mut self, procedures: u64, took: Duration) {
        let inner = Arc::get_mut(&mut self.inner).expect("nobody else has the engine yet");
        if let Some(recovery) = &mut inner.recovery {
            recovery.procedures = procedures;
            recovery.replay_time += took;
        }
    }

    /// Starts what goes on in the background. Only now: whatever executes a log must have the tables for itself between
    /// its batches.
    pub(crate) fn start_threads(&mut self) -> Result<()> {
        let is_deterministic = self.mode() == Mode::Deterministic;
        let inner = Arc::get_mut(&mut self.inner).expect("nobody else has the engine yet");
        inner.executor = inner.executor.take().filter(|_| is_deterministic);
        let (store, mode) = (&inner.store, inner.protocol.mode());
        inner.background = Some(Background::start(store, mode, inner.checkpointer.as_ref())?);
        if let Some(executor) = &self.inner.executor {
            let (threads, interval) = (executor.options.workers, executor.options.epochs.epoch_interval);
            executor.helpers.start(&self.inner, threads, interval)?;
        }
        Ok(())
    }

    pub(crate) fn history(&self) -> Option<&Arc<History>> {
        self.inner.history.as_ref()
    }

    /// Makes sure that nothing is in flight in the deterministic mode, and that nothing comes in, until what this returns
    /// is dropped.
    pub(crate) fn quiesce(&self) -> Option<Quiet<'_>> {
        self.inner.executor.as_ref().map(|executor| executor.quiesce(self))
    }

    /// Makes sure that a snapshot that is opened now has everything that was answered.
    fn settle(&self) {
        if let Some(executor) = &self.inner.executor {
            executor.settle(self);
        }
    }

    /// Begins a transaction. Most programs want [`Engine::transact`], which also commits and retries.
    ///
    /// ```
    /// use synod::{Engine, Options, TransactionOptions};
    ///
    /// let engine = Engine::in_memory(Options::new())?;
    /// let table = engine.table("t")?;
    /// let txn = engine.begin(TransactionOptions::new())?;
    /// txn.put(&table, "key", "value")?;
    /// txn.commit()?;
    /// # Ok::<(), synod::Error>(())
    /// ```
    pub fn begin(&self, options: TransactionOptions) -> Result<Transaction> {
        self.begin_aged(options, None)
    }

    /// Begins a transaction that is as old as `age` says: a retry.
    pub(crate) fn begin_aged(&self, options: TransactionOptions, age: Option<u64>) -> Result<Transaction> {
        self.check_open()?;
        let defaults = &self.inner.defaults;
        let durability = options.durability.unwrap_or(defaults.durability);
        let isolation = options.isolation.unwrap_or(defaults.isolation);
        // Before anything can be seen.
        let history = self.inner.history.as_ref();
        let recording = history.map(|history| Recording::begin(history, isolation));
        if options.read_only {
            self.settle();
            let body = match self.inner.protocol.begin_read_only(isolation)? {
                Some(active) => Body::ReadWrite(active),
                None => Body::ReadOnly(synod_txn::Snapshot::newest(&self.inner.store)?, Timestamp::MIN),
            };
            return Ok(Transaction::new(self.clone(), body, (isolation, durability), recording));
        }
        let active = self.inner.protocol.begin(&BeginOptions {
            isolation,
            lock_timeout: options.lock_timeout.unwrap_or(defaults.lock_timeout),
            age,
            audit: options.audit.unwrap_or(defaults.audit),
        })?;
        Ok(Transaction::new(self.clone(), Body::ReadWrite(active), (isolation, durability), recording))
    }

    /// A snapshot of the newest state: it includes every commit acknowledged so far, and perhaps some that
    /// are visible and not yet durable.
    pub fn snapshot(&self) -> Result<Snapshot> {
        self.check_open()?;
        self.settle();
        let snapshot = synod_txn::Snapshot::newest(&self.inner.store)?;
        Ok(Snapshot::new(self.clone(), snapshot))
    }

    /// A snapshot of the state as of `timestamp` (time travel), as far back as [`Options::retention`] goes.
    ///
    /// ```
    /// use std::time::Duration;
    /// use synod::{Engine, Options, TransactionOptions};
    ///
    /// let engine = Engine::in_memory(Options::new().retention(Duration::from_secs(60)))?;
    /// let table = engine.table("t")?;
    /// let put = |value| {
    ///     let txn = engine.begin(TransactionOptions::new())?;
    ///     txn.put(&table, "key", value)?;
    ///     txn.commit()
    /// };
    /// let first = put("old")?;
    /// put("new")?;
    /// assert_eq!(engine.snapshot_at(first)?.get(&table, "key")?.as_deref(), Some(&b"old"[..]));
    /// # Ok::<(), synod::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the timestamp lies in the future, or versions from then may be gone.
    pub fn snapshot_at(&self, timestamp: Timestamp) -> Result<Snapshot> {
        self.check_open()?;
        let last = self.inner.store.oracle().last();
        // What is in flight comes at or before that moment.
        let quiet = (timestamp > last).then(|| self.quiesce()).flatten();
        let snapshot = synod_txn::Snapshot::at(&self.inner.store, timestamp)?;
        Quiet::end_at(quiet, timestamp);
        Ok(Snapshot::new(self.clone(), snapshot))
    }

    /// What the engine has done and holds. Cost: a look at every transaction slot in use. Ends the open epoch of the
    /// deterministic mode.
    pub fn stats(&self) -> Stats {
        // First: it has something appended.
        let sequencing = self.inner.executor.as_ref().map(|executor| executor.stats(&self.inner.store));
        let mut stats = Stats::collect(self.mode(), &self.inner.store);
        stats.checkpoints = self.inner.checkpointer.as_ref().map(|checkpointer| checkpointer.stats());
        stats.recovery = self.inner.recovery;
        stats.sequencing = sequencing;
        stats
    }

    /// The concurrency-control mode.
    pub fn mode(&self) -> Mode {
        self.inner.protocol.mode()
    }

    /// What the audit of transactions at the snapshot level has found so far ([`Options::audit`]).
    ///
    /// ```
    /// use synod::{Engine, Isolation, Mode, Options, TransactionOptions};
    ///
    /// let options = Options::new().mode(Mode::MultiVersion).isolation(Isolation::Snapshot).audit(true);
    /// let engine = Engine::in_memory(options)?;
    /// let on_leave = engine.table("on leave")?;
    /// // Each doctor sees that the other one is there, and leaves.
    /// let ann = engine.begin(TransactionOptions::new())?;
    /// let bob = engine.begin(TransactionOptions::new())?;
    /// for (txn, own, other) in [(ann, "ann", "bob"), (bob, "bob", "ann")] {
    ///     if txn.get(&on_leave, other)?.is_none() {
    ///         txn.put(&on_leave, own, "")?;
    ///     }
    ///     txn.commit()?;
    /// }
    /// let audit = engine.audit();
    /// assert_eq!((audit.transactions, audit.unserializable), (2, 1));
    /// println!("{}", audit.examples[0].1);
    /// # Ok::<(), synod::Error>(())
    /// ```
    pub fn audit(&self) -> Audit {
        let counts = self.inner.store.counts();
        Audit {
            transactions: counts.audited,
            unserializable: counts.audited_unserializable,
            examples: self.inner.store.audit_examples(),
        }
    }

    /// Who waits for a lock at this moment. Stops all waiting and granting for as long as it takes to look.
    pub fn waiting(&self) -> Vec<Waiting> {
        self.inner.protocol.waiting()
    }

    /// A bell that rings whenever a transaction begins to wait for a lock; from the first call on. With
    /// [`Engine::waiting`] a program can tell that a transaction has come to a stand, without polling. Not made for
    /// production: it costs every wait another mutex.
    pub fn wait_bell(&self) -> Arc<WaitBell> {
        self.inner.protocol.wait_bell()
    }

    /// All versions of a key that there are, newest first, with who made them; also those that nobody has committed
    /// yet, and those that nobody can see any more and that aren't removed yet. To look at, not to rely upon.
    pub fn version_chain(&self, table: &Table, key: impl AsRef<[u8]>) -> Result<Vec<ChainLink>> {
        self.check_open()?;
        table.check_engine(self.inner.id)?;
        Ok(self.inner.store.version_chain(&table.inner, key.as_ref()))
    }

    /// What the transactions did that have ended since the last call, in the order in which they ended; nothing
    /// unless [`Options::record_history`] was chosen.
    ///
    /// ```
    /// use synod::{Engine, Options};
    ///
    /// let engine = Engine::in_memory(Options::new().record_history(true))?;
    /// let table = engine.table("t")?;
    /// engine.transact(|txn| txn.put(&table, "key", "value"))?;
    /// assert_eq!(engine.take_history().len(), 1);
    /// # Ok::<(), synod::Error>(())
    /// ```
    pub fn take_history(&self) -> Vec<RecordedTransaction> {
        self.inner.history.as_ref().map(|history| history.take()).unwrap_or_default()
    }

    /// The log's files that can be read, the oldest first; none for an engine in memory. Cost: a lock and a copy;
    /// no file is looked at.
    pub fn log_segments(&self) -> Vec<SegmentInfo> {
        self.inner.store.log().map_or_else(Vec::new, |log| log.wal().segments())
    }

    /// Takes a checkpoint now: the whole database as of one timestamp, in one file, so that the next opening
    /// need not replay the log before it, and that part of the log can go. Transactions go on meanwhile. The
    /// engine takes checkpoints by itself, as [`Options::checkpoint_log_bytes`] says; this is for moments that
    /// only the program knows of.
    ///
    /// Costs the time to write all records, some hundred nanoseconds each, and holds back garbage for so long.
    ///
    /// ```
    /// use synod::{Engine, Options};
    ///
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let path = directory.path();
    /// let engine = Engine::open(path, Options::new())?;
    /// let table = engine.table("t")?;
    /// engine.transact(|txn| txn.put(&table, "key", "value"))?;
    /// assert_eq!(engine.checkpoint()?.records, 1);
    /// # Ok::<(), synod::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NoLog`] for an engine in memory; whatever the disk says, for instance that it is full. Nothing is
    /// lost then: the checkpoints and the log are as they were.
    pub fn checkpoint(&self) -> Result<Checkpoint> {
        self.check_open()?;
        let checkpointer = self.inner.checkpointer.as_ref().ok_or(Error::NoLog)?;
        checkpointer.take(&|| Ok(()))
    }

    /// Makes everything committed so far durable, whatever level it was committed at (but not what was
    /// committed at [`Durability::None`]).
    pub fn flush(&self) -> Result<()> {
        let store = &self.inner.store;
        Ok(store.flush(store.oracle().last())?)
    }

    /// Flushes the log and closes the database: other handles answer [`Error::Closed`] from now on. Dropping
    /// the last handle closes, too, but can't report a failure.
    ///
    /// # Errors
    /// [`Error::InUse`] if transactions or snapshots are still open: nothing is closed then. If the flush
    /// fails, the engine is closed all the same.
    pub fn close(self) -> Result<()> {
        let store = &self.inner.store;
        // A checkpoint has snapshots of its own open.
        if let Some(checkpointer) = &self.inner.checkpointer {
            checkpointer.pause();
        }
        if !self.inner.is_closed.load(Ordering::Relaxed) {
            // What was submitted is executed, whether somebody waits for it or not.
            drop(self.quiesce());
        }
        let users = store.registry().running() + store.open_snapshots().0;
        if users > 0 {
            if let Some(checkpointer) = &self.inner.checkpointer {
                checkpointer.resume();
            }
            return Err(Error::InUse { users });
        }
        self.inner.is_closed.store(true, Ordering::Release);
        if let Some(executor) = &self.inner.executor {
            // They may hold a handle, and with it the database, for a moment longer than this one.
            executor.helpers.stop();
        }
        let flushed = self.flush();
        if Arc::strong_count(&self.inner) == 1 {
            tracing::debug!("closed");
        }
        flushed
    }

    pub(crate) fn check_open(&self) -> Result<()> {
        if self.inner.is_closed.load(Ordering::Relaxed) { Err(Error::Closed) } else { Ok(()) }
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("mode", &self.mode()).field("tables", &self.tables()).finish()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(executor) = &self.executor {
            // What was handed in and hasn't run is executed at the next opening.
            executor.stop(&self.store);
        }
        if let Some(background) = &mut self.background {
            background.stop();
        }
    }
}
