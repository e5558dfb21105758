//! Checkpoints: the whole database in one file, so that the log before it can go.
//!
//! A checkpoint is what a snapshot at one timestamp sees, written while transactions go on. Nobody waits for
//! it: the snapshot holds back garbage, and nothing else. The order of its steps is what makes it safe:
//!
//! ```text
//! choose T ── flush the log up to T ── write tables ── sync ── rename ── sync directory ── remove old log
//!             └ the older checkpoint, with the log, is never behind this one ┘             └ oldest first
//! ```
//!
//! A new one is due when the log since the last has grown to the size of that one, and to a configured minimum.
//! So at a steady load each byte of log costs at most one more byte of checkpoint; see [`Options`] for the
//! bounds on space.
//!
//! [`Options`]: crate::Options

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde::Serialize;
use synod_storage::checkpoint::{
    CheckpointOptions, CheckpointReader, CheckpointWriter, list_checkpoints, remove_checkpoint,
};
use synod_storage::wal::{LogStart, Wal};
use synod_storage::{Error as StorageError, Home, Timestamp};

use crate::options::CheckpointSettings;
use crate::view::{Pace, View, ViewSource};
use crate::{Error, Result};

/// How long to wait after a failed checkpoint before the next attempt; doubles up to the maximum.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(60);

/// In the background, a checkpoint is written for so long at a time, and then rests for several times as long:
/// it takes a fifth of one processor. (A low priority would do on an idle machine; on a busy one it might never
/// get done.)
const WORK_AT_ONCE: Duration = Duration::from_millis(2);
const REST_FACTOR: u32 = 4;

/// However long a piece of work took, for instance because the disk was slow.
const REST_MAX: Duration = Duration::from_millis(50);

/// A checkpoint that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Checkpoint {
    /// It holds all commits up to here.
    pub timestamp: Timestamp,
    /// The records in it.
    pub records: u64,
    /// Its length in bytes.
    pub bytes: u64,
    /// The bytes of log that it has made superfluous, and that are gone.
    pub log_bytes_removed: u64,
    /// How long it took.
    pub duration: Duration,
}

/// What the checkpoints have come to.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct CheckpointStats {
    /// Checkpoints taken since the engine was opened.
    pub taken: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// Bytes written for them.
    pub bytes_written: u64,
    /// The newest one on disk.
    pub newest: Option<Timestamp>,
    /// Whether the background is taking one, or will as soon as it can.
    pub is_due: bool,
    /// How many there are on disk.
    pub kept: usize,
    /// Their length in bytes.
    pub kept_bytes: u64,
}

/// A whole checkpoint on disk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Installed {
    pub(crate) timestamp: Timestamp,
    pub(crate) log: LogStart,
    pub(crate) bytes: u64,
}

impl Installed {
    /// The checkpoints of a database that can be opened, the oldest first.
    pub(crate) fn list(home: &Home, up_to: Timestamp) -> synod_storage::Result<Vec<Installed>> {
        let mut installed = Vec::new();
        for (timestamp, path) in list_checkpoints(&**home.device(), home.directory())? {
            if timestamp > up_to {
                continue;
            }
            match CheckpointReader::open(home.device(), &path, Some(home.identity())) {
                Ok(reader) => {
                    installed.push(Installed {
                        timestamp,
                        log: reader.header().log,
                        bytes: reader.info().bytes,
                    });
                }
                Err(error @ StorageError::Corrupt { .. }) => {
                    tracing::warn!(%error, "an older checkpoint is damaged");
                }
                Err(error) => return Err(error),
            }
        }
        installed.reverse();
        Ok(installed)
    }
}

/// Takes checkpoints, one at a time, and removes what they make superfluous.
pub(crate) struct Checkpointer {
    home: Arc<Home>,
    source: ViewSource,
    settings: CheckpointSettings,
    /// Held by the one who takes a checkpoint.
    taking: Mutex<()>,
    state: Mutex<State>,
    /// The background's checkpoints stop when this is set.
    is_cancelled: AtomicBool,
    taken: AtomicU64,
    failed: AtomicU64,
    bytes_written: AtomicU64,
}

struct State {
    /// The oldest first.
    installed: Vec<Installed>,
    /// What the log's count of appended bytes was when the newest one was taken, less what was replayed
    /// when the database was opened.
    log_bytes_before: i128,
    /// When that was.
    last: Instant,
    /// After failures: not before this.
    retry: Option<(Instant, Duration)>,
}

impl Checkpointer {
    pub(crate) fn new(
        home: Arc<Home>,
        source: ViewSource,
        settings: CheckpointSettings,
        installed: Vec<Installed>,
        replayed_bytes: u64,
    ) -> Self {
        let log_bytes_before = -i128::from(replayed_bytes);
        let state = State { installed, log_bytes_before, last: Instant::now(), retry: None };
        Checkpointer {
            home,
            source,
            settings,
            taking: Mutex::new(()),
            state: Mutex::new(state),
            is_cancelled: AtomicBool::new(false),
            taken: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            bytes_written: AtomicU64::new(0),
        }
    }

    pub(crate) fn source(&self) -> &ViewSource {
        &self.source
    }

    pub(crate) fn home(&self) -> &Arc<Home> {
        &self.home
    }

    /// How it writes them.
    pub(crate) fn writing(&self) -> CheckpointOptions {
        self.settings.writing
    }

    fn wal(&self) -> &Wal {
        self.source.store.log().expect("only a database on disk has a checkpointer").wal()
    }

    /// Whether it's time for the background to take one.
    pub(crate) fn is_due(&self) -> bool {
        let state = self.state.lock();
        if state.retry.is_some_and(|(at, _)| Instant::now() < at) {
            return false;
        }
        let log_bytes = self.log_bytes(&state);
        let by_bytes = log_bytes >= self.due_at(&state);
        let by_time = self.settings.interval.is_some_and(|interval| state.last.elapsed() >= interval);
        by_bytes || by_time && log_bytes > 0
    }

    /// How much log there is since the newest checkpoint.
    fn log_bytes(&self, state: &State) -> i128 {
        i128::from(self.wal().stats().appended_bytes) - state.log_bytes_before
    }

    /// After so much log a checkpoint is due.
    fn due_at(&self, state: &State) -> i128 {
        let last_bytes = state.installed.last().map_or(0, |installed| installed.bytes);
        i128::from(self.settings.log_bytes.max(last_bytes))
    }

    /// The background's turn, if it is due. A failure is logged, counted, and tried again later.
    pub(crate) fn take_if_due(&self) {
        if !self.is_due() {
            return;
        }
        let began = Cell::new(Instant::now());
        match self.take(&|| self.pace(&began)) {
            Ok(checkpoint) => tracing::info!(?checkpoint, "took a checkpoint"),
            Err(Error::Closed) => {}
            Err(error) => {
                let mut state = self.state.lock();
                let wait = state.retry.map_or(RETRY_FIRST, |(_, wait)| (wait * 2).min(RETRY_MAX));
                state.retry = Some((Instant::now() + wait, wait));
                tracing::error!(%error, ?wait, "a checkpoint has failed; trying again later");
            }
        }
    }

    /// Lets others have the processor most of the time, unless the log has grown too long for that. `began` is
    /// when the work began, or was last interrupted.
    ///
    /// # Errors
    /// [`Error::Closed`] if the background's work is to end.
    fn pace(&self, began: &Cell<Instant>) -> Result<()> {
        if self.is_cancelled.load(Ordering::Relaxed) {
            return Err(Error::Closed);
        }
        let worked = began.get().elapsed();
        if worked >= WORK_AT_ONCE {
            let state = self.state.lock();
            let is_late = self.log_bytes(&state) >= 2 * self.due_at(&state);
            drop(state);
            if !is_late {
                std::thread::sleep((worked * REST_FACTOR).min(REST_MAX));
            }
            began.set(Instant::now());
        }
        Ok(())
    }

    /// Takes a checkpoint now, after any that is being taken.
    ///
    /// # Errors
    /// What `pace` says; whatever the disk says. The database is as it was.
    pub(crate) fn take(&self, pace: &Pace<'_>) -> Result<Checkpoint> {
        let _taking = self.taking.lock();
        pace()?;
        let taken = self.write_and_prune(pace);
        match &taken {
            Ok(checkpoint) => {
                self.taken.fetch_add(1, Ordering::Relaxed);
                self.bytes_written.fetch_add(checkpoint.bytes, Ordering::Relaxed);
            }
            Err(Error::Closed) => {}
            Err(_) => {
                self.failed.fetch_add(1, Ordering::Relaxed);
            }
        }
        taken
    }

    fn write_and_prune(&self, pace: &Pace<'_>) -> Result<Checkpoint> {
        let started = Instant::now();
        let appended = self.wal().stats().appended_bytes;
        let view = View::open(&self.source)?;
        let mut state = self.state.lock();
        if let Some(newest) = state.installed.last()
            && newest.timestamp == view.timestamp()
        {
            // Nothing was committed since.
            let (timestamp, bytes) = (newest.timestamp, newest.bytes);
            (state.log_bytes_before, state.last) = (i128::from(appended), Instant::now());
            return Ok(Checkpoint {
                timestamp,
                records: 0,
                bytes,
                log_bytes_removed: 0,
                duration: started.elapsed(),
            });
        }
        drop(state);
        // The log first: whoever falls back to an older checkpoint must find there what is in this one.
        view.flush_log()?;
        let header = view.header(self.wal().start_after(view.timestamp()));
        let mut writer = CheckpointWriter::create(&self.home, header, self.settings.writing)?;
        view.write(&mut writer, pace)?;
        let info = writer.finish()?;
        drop(view);

        let installed = Installed { timestamp: info.timestamp, log: header.log, bytes: info.bytes };
        self.state.lock().installed.push(installed);
        let log_bytes_removed = self.prune();
        let mut state = self.state.lock();
        state.log_bytes_before = i128::from(appended);
        state.last = Instant::now();
        state.retry = None;
        drop(state);
        Ok(Checkpoint {
            timestamp: info.timestamp,
            records: info.records,
            bytes: info.bytes,
            log_bytes_removed,
            duration: started.elapsed(),
        })
    }

    /// Removes the checkpoints that are too many, and the log that the others don't need. What can't be
    /// removed now is tried again after the next checkpoint. Returns how much log is gone.
    fn prune(&self) -> u64 {
        let removed = self.remove_checkpoints().and_then(|()| match self.first_needed_segment() {
            Some(segment) => self.wal().remove_before(segment),
            None => Ok(0),
        });
        self.source.store.catalog().forget_dropped(self.wal().oldest_timestamp());
        removed.unwrap_or_else(|error| {
            tracing::warn!(%error, "an old checkpoint or log segment can't be removed");
            0
        })
    }

    fn remove_checkpoints(&self) -> synod_storage::Result<()> {
        let mut state = self.state.lock();
        while state.installed.len() > self.settings.kept {
            remove_checkpoint(&self.home, state.installed[0].timestamp)?;
            state.installed.remove(0);
        }
        Ok(())
    }

    /// The first segment that must be kept; `None` for all.
    fn first_needed_segment(&self) -> Option<u64> {
        let state = self.state.lock();
        if state.installed.len() < self.settings.kept {
            // The log from its beginning is what a damaged checkpoint would be replaced by.
            return None;
        }
        let mut needed = state.installed[0].log.segment;
        let mut bytes = 0;
        for segment in self.wal().segments().iter().rev() {
            if bytes >= self.settings.log_kept_bytes {
                break;
            }
            bytes += segment.bytes;
            needed = needed.min(segment.number);
        }
        Some(needed)
    }

    /// Stops the background's checkpoint, waits for any other, and lets none begin in the background.
    pub(crate) fn pause(&self) {
        self.cancel();
        drop(self.taking.lock());
    }

    /// Stops the background's checkpoint, without waiting for that.
    pub(crate) fn cancel(&self) {
        self.is_cancelled.store(true, Ordering::Relaxed);
    }

    /// Undoes [`Checkpointer::pause`].
    pub(crate) fn resume(&self) {
        self.is_cancelled.store(false, Ordering::Relaxed);
    }

    pub(crate) fn stats(&self) -> CheckpointStats {
        let is_due = self.is_due();
        let state = self.state.lock();
        CheckpointStats {
            taken: self.taken.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            bytes_written: self.bytes_written.load(Ordering::Relaxed),
            is_due,
            newest: state.installed.last().map(|installed| installed.timestamp),
            kept: state.installed.len(),
            kept_bytes: state.installed.iter().map(|installed| installed.bytes).sum(),
        }
    }
}
