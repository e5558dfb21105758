//! Group commit: who flushes the log, and who waits for whom.
//!
//! Committers append their frames to the log's buffers in memory, and are then in order and visible. What
//! is left is to wait until a flush has carried them to the disk, and one flush carries everyone:
//!
//! ```text
//! Sync      T1 ─ append ─ leads: write + fsync ────────────┐ done
//!           T2 ─── append ─ waits ─────────────────────────┴─ leads ──────┐ done
//!           T3 ───── append ─ waits ───────────────────────┴─ waits ──────┴ done
//! Group     T4 ─ append ─ waits for the flusher thread, which gathers company for a moment
//! Buffered  T5 ─ append ─ done; the flusher follows within its interval
//! ```
//!
//! A lone committer at `Sync` does its own I/O: handing it to another thread would cost up to a sixth of an
//! fsync. Locks are released before the wait (early lock release; DeWitt et al., "Implementation techniques
//! for main memory database systems", SIGMOD 1984): the log is in commit order, so whoever has read a commit
//! that isn't durable yet comes after it in the log, and can't be acknowledged before it.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Waker;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};
use serde::{Deserialize, Serialize};
use synod_storage::wal::Wal;
use synod_storage::{Error, Result, Timestamp};

/// What an acknowledged commit survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Durability {
    /// A crash of the machine. The committing thread flushes at once, together with all who wait.
    Sync,
    /// A crash of the machine. While other transactions are running, the flusher waits a moment for their
    /// company before it flushes, so that fewer flushes serve more commits.
    #[default]
    Group,
    /// Nothing yet when `commit` returns: the log is flushed in the background, within the flush
    /// interval. A crash loses at most what was committed since; what survives is a prefix of the
    /// commit order.
    Buffered,
    /// Nothing: the commit isn't logged. A later opening of the database has it only if a checkpoint was taken
    /// after it, and loses it with that checkpoint, should it be damaged. (A checkpoint is consistent: with such
    /// a commit it has all commits before it.)
    None,
}

impl Durability {
    /// All levels, strongest first.
    pub const ALL: [Durability; 4] = [Self::Sync, Self::Group, Self::Buffered, Self::None];

    /// Whether a commit at this level is acknowledged only when it is durable.
    pub fn waits(self) -> bool {
        matches!(self, Durability::Sync | Durability::Group)
    }
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Durability::Sync => "sync",
            Durability::Group => "group",
            Durability::Buffered => "buffered",
            Durability::None => "none",
        })
    }
}

impl FromStr for Durability {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        Durability::ALL
            .into_iter()
            .find(|level| level.to_string() == text)
            .ok_or_else(|| format!("unknown durability \"{text}\": use sync, group, buffered or none"))
    }
}

/// How the log is flushed.
#[derive(Clone, Copy, Debug)]
pub struct DurabilityOptions {
    /// How long the flusher gathers company for a `Group` commit.
    pub group_window: Duration,
    /// How often buffered commits are flushed.
    pub flush_interval: Duration,
}

impl Default for DurabilityOptions {
    fn default() -> Self {
        DurabilityOptions {
            group_window: Duration::from_micros(200),
            flush_interval: Duration::from_millis(20),
        }
    }
}

/// How many bytes may wait in one of the log's buffers before those who append to it must help to write
/// them. (A committer shares its buffer with the slots 32 apart from its own.)
const BUFFERED_BYTES_MAX: usize = 16 << 20;

/// The flusher doesn't wait for its interval once a buffer holds this much.
const BUFFERED_BYTES_EAGER: usize = 1 << 20;

/// The log and those who wait for it.
pub struct CommitLog {
    wal: Wal,
    options: DurabilityOptions,
    /// Every commit up to this timestamp is durable (or was made without durability).
    durable: AtomicU64,
    /// Held by the one who flushes.
    leader: Mutex<()>,
    waiting: Mutex<Waiting>,
    /// Signalled when a flush ends.
    flushed: Condvar,
    /// Whether `waiting` holds a failure.
    has_failed: AtomicBool,
    /// Somebody waits for the flusher.
    is_wanted: AtomicBool,
    flusher: Mutex<FlusherState>,
    flusher_wakes: Condvar,
}

#[derive(Default)]
struct Waiting {
    /// How many threads wait for a flush to end.
    sleepers: usize,
    wakers: Vec<(Timestamp, Waker)>,
    /// Those of them that are served, in commit order, and not woken yet.
    served: VecDeque<Waker>,
    /// Whether somebody is waking them.
    is_waking: bool,
    failure: Option<Error>,
}

#[derive(Default)]
struct FlusherState {
    is_asleep: bool,
    must_stop: bool,
}

impl CommitLog {
    /// A commit log on an opened WAL, which holds everything up to `recovered`.
    pub fn new(wal: Wal, recovered: Timestamp, options: DurabilityOptions) -> Self {
        CommitLog {
            wal,
            options,
            durable: AtomicU64::new(recovered.0),
            leader: Mutex::new(()),
            waiting: Mutex::default(),
            flushed: Condvar::new(),
            has_failed: AtomicBool::new(false),
            is_wanted: AtomicBool::new(false),
            flusher: Mutex::default(),
            flusher_wakes: Condvar::new(),
        }
    }

    /// The log itself.
    pub fn wal(&self) -> &Wal {
        &self.wal
    }

    /// Appends a frame in memory. Returns whether so much is buffered that the caller should
    /// [help](CommitLog::help_write) to write it.
    #[inline]
    pub(crate) fn append(&self, slot: u16, timestamp: Timestamp, frame: &[u8]) -> Result<bool> {
        Ok(self.is_long(self.wal.append(slot as usize, timestamp, frame)?))
    }

    /// As [`CommitLog::append`], for a batch of sequenced transactions, which isn't a frame yet. If it can't be appended
    /// the log has failed, since some of it may be visible.
    pub(crate) fn append_batch(&self, timestamp: Timestamp, body: &[u8]) -> Result<bool> {
        let appended = self.wal.append_batch(0, timestamp, body);
        let buffered = appended.inspect_err(|error| {
            self.fail(error.clone());
            // To tell those who wait. Not here: the caller may have locked something.
            self.want_flusher();
        })?;
        Ok(self.is_long(buffered))
    }

    /// Whether so much is buffered that somebody should help to write it.
    #[inline]
    fn is_long(&self, buffered: usize) -> bool {
        if buffered > BUFFERED_BYTES_EAGER {
            self.want_flusher();
        }
        buffered > BUFFERED_BYTES_MAX
    }

    /// Writes what is buffered to the file, without a sync. `bound` as in [`CommitLog::wait`].
    #[cold]
    pub(crate) fn help_write(&self, bound: impl Fn() -> Timestamp) {
        let leader = self.leader.lock();
        self.lead(&leader, false, &bound);
        drop(leader);
        // Somebody may have wanted to lead meanwhile, and a failure concerns all who wait.
        self.announce();
        // What was written isn't durable yet, and would no longer be found in the buffers.
        self.want_flusher();
    }

    /// Whether everything up to `timestamp` is durable, or can't become so any more.
    pub fn is_settled(&self, timestamp: Timestamp) -> bool {
        self.durable() >= timestamp || self.waiting.lock().failure.is_some()
    }

    /// Up to where the log is known to be durable.
    pub fn durable(&self) -> Timestamp {
        // Acquire: pairs with the release in `lead`.
        Timestamp(self.durable.load(Ordering::Acquire))
    }

    /// Waits until everything up to `timestamp` is durable. `bound` gives the timestamp up to which all
    /// commits have been appended.
    ///
    /// # Errors
    /// If the log has failed, now or earlier: then the commit is visible, and may or may not survive.
    pub fn wait(&self, timestamp: Timestamp, level: Durability, bound: impl Fn() -> Timestamp) -> Result<()> {
        while self.durable() < timestamp {
            if level == Durability::Sync
                && let Some(leader) = self.leader.try_lock()
            {
                if self.durable() < timestamp {
                    self.lead(&leader, true, &bound);
                }
                drop(leader);
                self.announce();
            } else {
                let mut waiting = self.waiting.lock();
                if self.durable() < timestamp && waiting.failure.is_none() && !self.may_lead(level) {
                    if level == Durability::Group {
                        // In every round: a commit in flight may have kept the last flush from reaching
                        // this one. Under the lock, so that the flush asked for can't end unnoticed.
                        self.want_flusher();
                    }
                    waiting.sleepers += 1;
                    self.flushed.wait(&mut waiting);
                    waiting.sleepers -= 1;
                }
            }
            if self.durable() < timestamp
                && let Some(failure) = &self.waiting.lock().failure
            {
                return Err(failure.clone());
            }
        }
        Ok(())
    }

    /// Waits until more than `known` is durable, at most for `timeout`. Returns whether it is. Nobody is asked
    /// to flush: this is for those who follow the log, not for those who commit.
    pub fn wait_for_more(&self, known: Timestamp, timeout: Duration) -> bool {
        let deadline = Instant::now().checked_add(timeout);
        let mut waiting = self.waiting.lock();
        while self.durable() <= known {
            let timed_out = match deadline {
                Some(deadline) => self.flushed.wait_until(&mut waiting, deadline).timed_out(),
                None => {
                    self.flushed.wait(&mut waiting);
                    false
                }
            };
            if timed_out {
                return self.durable() > known;
            }
        }
        true
    }

    /// Whether somebody waits for a flush.
    pub(crate) fn is_awaited(&self) -> bool {
        let waiting = self.waiting.lock();
        waiting.sleepers > 0 || !waiting.wakers.is_empty()
    }

    fn may_lead(&self, level: Durability) -> bool {
        level == Durability::Sync && !self.leader.is_locked()
    }

    /// As [`CommitLog::wait`], for a future: `None` means that `waker` will be called.
    pub fn poll(&self, timestamp: Timestamp, waker: &Waker) -> Option<Result<()>> {
        let mut waiting = self.waiting.lock();
        if self.durable() >= timestamp {
            return Some(Ok(()));
        }
        if let Some(failure) = &waiting.failure {
            return Some(Err(failure.clone()));
        }
        if !waiting.wakers.iter().any(|(at, other)| *at == timestamp && other.will_wake(waker)) {
            waiting.wakers.push((timestamp, waker.clone()));
        }
        drop(waiting);
        self.want_flusher();
        None
    }

    /// Makes everything up to `timestamp` durable, and nothing less: one flush may fall short of it, while
    /// an earlier commit is still in flight. `bound` as in [`CommitLog::wait`].
    ///
    /// # Errors
    /// If the log has failed, now or earlier.
    pub fn flush(&self, timestamp: Timestamp, bound: impl Fn() -> Timestamp) -> Result<()> {
        self.check()?;
        self.wait(timestamp, Durability::Sync, bound)
    }

    /// Whether the log still works.
    ///
    /// # Errors
    /// If it doesn't.
    #[inline]
    pub fn check(&self) -> Result<()> {
        // Relaxed: a commit at the moment of the failure may come before it or after.
        if !self.has_failed.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.waiting.lock().failure.clone().map_or(Ok(()), Err)
    }

    /// One flush, by the holder of the leader lock. A failure is remembered for all.
    fn lead(&self, _leader: &parking_lot::MutexGuard<'_, ()>, sync: bool, bound: &impl Fn() -> Timestamp) {
        let bound = bound();
        match self.wal.flush(bound, sync) {
            Ok(_) if sync => {
                // Release: whoever sees it sees the flush's result.
                self.durable.fetch_max(bound.0, Ordering::Release);
            }
            Ok(_) => {}
            Err(error) => self.fail(error),
        }
    }

    /// The log has failed.
    fn fail(&self, error: Error) {
        tracing::error!(%error, "the log has failed; no more commits are accepted");
        self.waiting.lock().failure.get_or_insert(error);
        self.has_failed.store(true, Ordering::Relaxed);
    }

    /// Wakes all whom the last flush has served, and those who may lead the next one.
    fn announce(&self) {
        let mut waiting = self.waiting.lock();
        let durable = self.durable();
        let failed = waiting.failure.is_some();
        let mut served: Vec<_> =
            waiting.wakers.extract_if(.., |(timestamp, _)| failed || *timestamp <= durable).collect();
        served.sort_by_key(|(timestamp, _)| *timestamp);
        waiting.served.extend(served.into_iter().map(|(_, waker)| waker));
        let is_all = waiting.wakers.is_empty();
        self.flushed.notify_all();
        drop(waiting);
        if !is_all {
            // A commit in flight has kept the flush from reaching them; nobody else would ask for another.
            self.want_flusher();
        }
        self.wake_served();
    }

    /// Wakes who is served, in commit order, unless somebody is at it: then it is left to them.
    fn wake_served(&self) {
        let mut waiting = self.waiting.lock();
        if std::mem::replace(&mut waiting.is_waking, true) {
            return;
        }
        while let Some(waker) = waiting.served.pop_front() {
            // A waker is the program's code. It may come back here; and its panic is its own, and must not end
            // the flusher.
            MutexGuard::unlocked(&mut waiting, || {
                if catch_unwind(AssertUnwindSafe(|| waker.wake())).is_err() {
                    tracing::error!("a waker of a commit handle has panicked");
                }
            });
        }
        waiting.is_waking = false;
    }

    /// Makes sure that the flusher flushes soon.
    pub fn want_flusher(&self) {
        // The load spares a cache line that everybody shares; a swap that finds `true` has a successor
        // in the flusher's own swap, which comes before it looks at the buffers.
        if self.is_wanted.load(Ordering::SeqCst) || self.is_wanted.swap(true, Ordering::SeqCst) {
            return;
        }
        if self.flusher.lock().is_asleep {
            self.flusher_wakes.notify_one();
        }
    }

    /// The flusher thread's work; returns after [`CommitLog::stop_flusher`]. `bound` as in [`CommitLog::wait`];
    /// `has_open_batch` tells whether asking for it will have something appended.
    pub fn run_flusher(&self, bound: impl Fn() -> Timestamp, has_open_batch: impl Fn() -> bool) {
        loop {
            let must_stop = self.sleep(&has_open_batch);
            if self.is_wanted.load(Ordering::SeqCst) && !must_stop && !self.options.group_window.is_zero() {
                std::thread::sleep(self.options.group_window);
            }
            // Before the buffers are looked at: who appends and asks from now on is served next time.
            self.is_wanted.swap(false, Ordering::SeqCst);
            if self.check().is_ok() {
                let leader = self.leader.lock();
                self.lead(&leader, true, &bound);
            }
            // Also a failure that somebody else has found.
            self.announce();
            if must_stop {
                self.close();
                return;
            }
        }
    }

    /// Leaves the note in the log that all of it is durable.
    fn close(&self) {
        if self.check().is_ok()
            && let Err(error) = self.wal.close()
        {
            tracing::error!(%error, "the log could not be closed");
        }
    }

    /// Sleeps until somebody wants a flush, or the interval is over and something is buffered. Returns
    /// whether it's time to stop.
    fn sleep(&self, has_open_batch: &impl Fn() -> bool) -> bool {
        let mut state = self.flusher.lock();
        state.is_asleep = true;
        let mut interval_is_over = false;
        loop {
            let is_overdue = interval_is_over && (self.wal.buffered_bytes() > 0 || has_open_batch());
            if state.must_stop || self.is_wanted.load(Ordering::SeqCst) || is_overdue {
                break;
            }
            interval_is_over =
                self.flusher_wakes.wait_for(&mut state, self.options.flush_interval).timed_out();
        }
        state.is_asleep = false;
        state.must_stop
    }

    /// Makes [`CommitLog::run_flusher`] return, after a last flush. Nobody may append any more.
    pub fn stop_flusher(&self) {
        self.flusher.lock().must_stop = true;
        self.flusher_wakes.notify_one();
    }
}
