//! Executing procedures in an order that is decided before they run.
//!
//! ```text
//!  submit ─► placed: numbered, stamped ─► window ─► ready ─► run ─► finished ─► passed
//!            └────── sequencer ──────┘    └──────── scheduler ──────────────────┘
//!            └─► batch of the open epoch ─► appended, when that ends ─► durable
//! ```
//!
//! All of this is one structure under one mutex ([`Core`]), which decides and does nothing; it is held for some hundred
//! nanoseconds a procedure. What it decides is done by whoever is there: a thread that waits for an answer runs what is
//! ready until the answer is there. So a lone client runs its own procedure, at once, and no thread is woken for it; with
//! many clients, each runs what comes next in the order, and whose it is doesn't matter. At most as many threads as there
//! are cores run procedures at a time; the others sleep. The engine's own threads step in only where nobody waits with a
//! thread: for futures, and for tickets that were dropped.
//!
//! What runs doesn't have to be in the log yet: an epoch is appended to it when it ends, which is, before all, when
//! somebody flushes the log. So epochs are short while answers have to be durable and there are few of them, and grow by
//! themselves otherwise.
//!
//! **The visible prefix.** Transactions finish in another order than that of their timestamps. Snapshots read at the
//! oracle's newest timestamp, and that is, in this mode, the timestamp up to which *all* have run. A snapshot has to include
//! all that was answered before it; so it may have to wait until what came earlier in the order has run as well.
//!
//! **Durability.** Running and flushing go on side by side; an answer waits for both, if it is to be durable. Whoever flushes
//! has the open epoch appended before. He does so with the right to flush in his hands, and locks the core for it; so
//! whoever has locked the core, and may need a flush, ends the epoch first.

mod background;
mod core;
mod local_log;
mod prefix;
mod replay;
mod session;
#[cfg(all(test, shuttle))]
mod shuttle_tests;

use std::sync::{Arc, Weak};

use crossbeam_utils::CachePadded;
use serde::Serialize;
use synod_sequencer::Settings;
use synod_storage::Timestamp;
use synod_storage::sync::{AtomicBool, AtomicU64, AtomicUsize, Condvar, Mutex, MutexGuard, Ordering, spin};
use synod_txn::{OpenBatch, Store};

use crate::{Engine, Error, Result};

use self::background::Helpers;
use self::core::Leftover;
pub(crate) use self::core::{Core, Scheduled};
use self::local_log::LocalLog;
pub(crate) use self::replay::Replayed;
pub use self::replay::ReplayedEpoch;
pub(crate) use self::session::Ahead;

/// How often a thread tries to lock the core before it may be put to sleep: some five microseconds, in which those who
/// have locked it are mostly done. parking_lot's mutex gives the processor up after half a microsecond, and whoever gets
/// it meanwhile waits for the core as well.
const LOOKS_AT_CORE: u32 = if cfg!(shuttle) { 0 } else { 100 };

/// How the deterministic mode works.
#[derive(Clone)]
pub(crate) struct SequencingOptions {
    pub(crate) epochs: Settings,
    /// How many threads run procedures at a time.
    pub(crate) workers: usize,
    pub(crate) hashes_state: bool,
    pub(crate) checks_determinism: bool,
    /// Whether all answers are hashed, for a replay to be compared with another one.
    pub(crate) hashes_answers: bool,
}

impl Default for SequencingOptions {
    fn default() -> Self {
        SequencingOptions {
            epochs: Settings::default(),
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            hashes_state: true,
            checks_determinism: false,
            hashes_answers: false,
        }
    }
}

/// What the deterministic mode has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SequencingStats {
    /// Epochs that have ended.
    pub epochs: u64,
    /// Procedures that committed.
    pub committed: u64,
    /// Procedures that rejected.
    pub rejected: u64,
    /// Procedures that were run on a snapshot to find their footprint.
    pub reconnaissances: u64,
    /// Procedures that went through the log again, because their footprint had changed.
    pub restarted: u64,
    /// The newest epoch that has ended and wholly run, and the hash of the state after it.
    pub newest_state: Option<(u64, u64)>,
}

/// The deterministic mode's part of an engine.
pub(crate) struct Executor {
    core: CachePadded<Mutex<Core>>,
    /// Signalled when submissions are taken again, and when nothing is in flight.
    resumed: Condvar,
    /// Signalled when an epoch has ended for which somebody waits.
    epoch_ended: Condvar,
    /// Whether there was something to run when the core was last let go: for those who wait awake, and shouldn't lock
    /// it again and again to find out.
    may_run: CachePadded<AtomicBool>,
    /// Whether fewer threads were running transactions then than may, as far as those know who didn't go on to run one: with
    /// no more threads than may, it never changes.
    may_enter: CachePadded<AtomicBool>,
    /// How many threads of a replay are running transactions, or clearing away behind them.
    replayers_at_work: AtomicUsize,
    /// The newest transaction that has run.
    newest_finished: CachePadded<AtomicU64>,
    reconnaissances: AtomicU64,
    pub(crate) options: SequencingOptions,
    pub(crate) helpers: Arc<Helpers>,
    log: Option<Arc<LocalLog>>,
}

impl Executor {
    pub(crate) fn new(store: &Arc<Store>, options: SequencingOptions) -> Arc<Self> {
        let log = store.log().map(|_| Arc::new(LocalLog::new(store.clone())));
        let core =
            Core::new(&options, log.clone().map(|log| log as _), (store.epoch(), store.oracle().last()));
        let executor = Arc::new(Executor {
            core: CachePadded::new(Mutex::new(core)),
            resumed: Condvar::new(),
            epoch_ended: Condvar::new(),
            may_run: CachePadded::default(),
            may_enter: CachePadded::new(AtomicBool::new(true)),
            replayers_at_work: AtomicUsize::new(0),
            newest_finished: CachePadded::default(),
            reconnaissances: AtomicU64::new(0),
            helpers: Arc::default(),
            log,
            options,
        });
        let appender: Weak<Self> = Arc::downgrade(&executor);
        store.append_before_flushes(appender);
        executor
    }

    /// Locks the core.
    pub(crate) fn core(&self) -> MutexGuard<'_, Core> {
        for _ in 0..LOOKS_AT_CORE {
            if let Some(core) = self.core.try_lock() {
                return core;
            }
            std::hint::spin_loop();
        }
        self.core.lock()
    }

    /// Whether there may be something to run.
    #[inline]
    pub(crate) fn may_run(&self) -> bool {
        // Relaxed: whoever needs to know locks the core.
        self.may_run.load(Ordering::Relaxed)
    }

    /// Whether a thread that has something to run may be let in to run it.
    #[inline]
    pub(crate) fn may_enter(&self) -> bool {
        // Relaxed: as above.
        self.may_enter.load(Ordering::Relaxed)
    }

    /// Lets the core go.
    #[inline]
    pub(crate) fn let_go(&self, core: MutexGuard<'_, Core>) {
        set(&self.may_enter, core.may_enter(self.options.workers));
        self.let_go_to_run(core);
    }

    /// Lets the core go, to run what was taken.
    #[inline]
    fn let_go_to_run(&self, core: MutexGuard<'_, Core>) {
        set(&self.may_run, core.has_work());
        drop(core);
    }

    pub(crate) fn count_reconnaissance(&self) {
        self.reconnaissances.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that a transaction has run, before anyone is told. One thread at a time: the one that has locked the core.
    fn has_finished(&self, at: Timestamp, _core: &mut Core) {
        // Relaxed: whoever has locked the core before has stored it.
        if at.0 > self.newest_finished.load(Ordering::Relaxed) {
            // Release: whoever is told, and opens a snapshot, sees it.
            self.newest_finished.store(at.0, Ordering::Release);
        }
    }

    /// Puts a job into the open epoch, and hands out the core, in which there is something to run now; `None` if the tables
    /// aren't those of this version any more.
    ///
    /// # Errors
    /// If as many are in flight as may be; if it is too long for the log.
    pub(crate) fn submit(
        &self,
        engine: &Engine,
        scheduled: Scheduled,
        arguments: &[u8],
        directory_version: u64,
    ) -> Result<Option<MutexGuard<'_, Core>>> {
        let store = &engine.inner.store;
        let now = store.oracle().now();
        let mut core = self.core();
        // One that is put in again is in flight: whoever has made others wait waits for it.
        while scheduled.is_new() && core.is_paused() {
            self.resumed.wait(&mut core);
        }
        // What is run isn't appended at once: it wouldn't be noticed.
        store.check_log()?;
        if !engine.is_current(directory_version) {
            return Ok(None);
        }
        core.submit(scheduled, arguments, now, store)?;
        Ok(Some(core))
    }

    /// Has somebody run what a thread leaves behind.
    fn pass_on(&self, leftover: Leftover) {
        match leftover {
            Leftover::Nothing => {}
            Leftover::For(sleeper) => sleeper.wake(),
            Leftover::ForAnyone => self.helpers.call(),
        }
    }

    /// Has somebody run what there is to run, if others don't.
    pub(crate) fn pass_on_what_is_left(&self) {
        let leftover = self.core().leftover();
        self.pass_on(leftover);
    }

    /// Writes the log, if so much of it is in memory that it has to be.
    fn help_write(&self, store: &Store) {
        if self.log.as_ref().is_some_and(|log| log.take_is_long()) {
            store.help_write();
        }
    }

    /// Ends the open epoch, and calls `look` at a moment at which all transactions of some epochs are visible, and none of
    /// later ones.
    ///
    /// # Errors
    /// What `look` says; if the log has failed, or the engine is dropped meanwhile.
    pub(crate) fn between_epochs<T>(&self, store: &Store, look: impl FnOnce() -> Result<T>) -> Result<T> {
        let mut core = self.core();
        // An epoch that the log hasn't taken never ends.
        store.check_log()?;
        core.end_epoch(store)?;
        if core.prefix().is_between_epochs() {
            return look();
        }
        core.prefix().wait_for_end();
        // In case nobody else runs what is left of the epoch.
        self.helpers.call_soon();
        while !core.prefix().is_between_epochs() && !core.is_over() {
            self.epoch_ended.wait(&mut core);
        }
        let seen = if core.prefix().is_between_epochs() { look() } else { Err(Error::Closed) };
        core.prefix().end_was_seen(store);
        seen
    }

    /// Ends the open epoch; what hasn't run stays as it is, and nobody waits for it.
    pub(crate) fn stop(&self, store: &Store) {
        self.helpers.stop();
        let mut core = self.core();
        // If that fails, the log has said so.
        _ = core.end_epoch(store);
        core.set_over();
        self.epoch_ended.notify_all();
    }

    /// The core, with nothing in flight and nobody submitting: for what has to be ordered among the epochs.
    pub(crate) fn quiesce(&self, engine: &Engine) -> Quiet<'_> {
        let mut core = self.core();
        core.pause();
        while !core.is_idle() {
            drop(core);
            let has_run = engine.run_ready(&|| false);
            core = self.core();
            if !has_run && !core.is_idle() {
                // Others are running the last ones, or are about to put one in again.
                self.resumed.wait_for(&mut core, std::time::Duration::from_millis(1));
            }
        }
        // If the log has failed, so does all that is done now and needs it.
        _ = core.end_epoch(&engine.inner.store);
        Quiet { executor: self, core }
    }

    /// Waits until everything that was answered is visible to snapshots.
    pub(crate) fn settle(&self, engine: &Engine) {
        let finished = Timestamp(self.newest_finished.load(Ordering::Acquire));
        let mut round = 0;
        while engine.inner.store.oracle().last() < finished {
            if !engine.run_ready(&|| engine.inner.store.oracle().last() >= finished) {
                spin(round);
                round += 1;
            }
        }
    }

    /// What was done so far. The open epoch ends, since the newest state is that at the end of one.
    pub(crate) fn stats(&self, store: &Store) -> SequencingStats {
        let mut core = self.core();
        _ = core.end_epoch(store);
        let mut stats = core.stats();
        drop(core);
        stats.reconnaissances = self.reconnaissances.load(Ordering::Relaxed);
        stats
    }
}

impl OpenBatch for Executor {
    fn append(&self) {
        let Some(log) = &self.log else { return };
        let mut round = 0;
        // Who has locked the core may be waiting for the caller, and has ended the epoch then.
        while log.has_open_batch() {
            if let Some(mut core) = self.core.try_lock() {
                _ = core.end_epoch(log.store());
                return;
            }
            spin(round);
            round += 1;
        }
    }
}

/// Stores what those read all the time who wait; only if it has changed, so that it stays in their caches.
#[inline]
fn set(flag: &AtomicBool, value: bool) {
    if flag.load(Ordering::Relaxed) != value {
        flag.store(value, Ordering::Relaxed);
    }
}

/// Nothing is in flight, and nothing is submitted, until this is dropped.
pub(crate) struct Quiet<'e> {
    executor: &'e Executor,
    pub(crate) core: MutexGuard<'e, Core>,
}

impl Quiet<'_> {
    /// Lets others go on, behind a timestamp that was used meanwhile.
    pub(crate) fn end_at(quiet: Option<Self>, timestamp: Timestamp) {
        if let Some(mut quiet) = quiet {
            quiet.core.skip_to(timestamp);
        }
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        self.core.resume();
        self.executor.resumed.notify_all();
    }
}
