//! Opening a database: the newest checkpoint, and the log behind it.
//!
//! ```text
//!  checkpoints/  40 ──── 70            a damaged 70 is set aside, and 40 is taken
//!  wal/        [ … 38 41 45 ][ 52 60 71 ][ 74 80 ✗ torn
//!                                    └─────────┴──► replayed, if 70 is whole
//! ```
//!
//! Both are the work of all cores: a checkpoint comes in units of blocks that are independent of each other
//! ([`load`]), and of the log each worker takes the keys that are its own ([`replay`]). Nobody else works on
//! the tables yet, so nothing needs a lock. Memory beyond the tables themselves is bounded: a few MiB a worker.
//!
//! Versions that the retention still covers are kept, with those that replaced them; older ones are freed at
//! once. Recovery writes nothing but what it must, the end of the log, and can be interrupted and repeated.

mod execute;
mod load;
mod replay;
mod restore;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use synod_storage::checkpoint::{CheckpointReader, list_checkpoints, set_aside};
use synod_storage::wal::{LogStart, WAL_DIRECTORY, Wal, reaches_back_to_beginning};
use synod_storage::{Catalog, Error, Home, Result, Timestamp};
use synod_txn::RecoveredGarbage;

pub(crate) use self::execute::ExecutedLog;
use crate::Options;
use crate::checkpoint::Installed;

/// A database as it was found.
pub(crate) struct Recovered {
    pub(crate) catalog: Catalog,
    /// The newest commit that is there.
    pub(crate) newest: Timestamp,
    /// The newest one in the log.
    pub(crate) newest_logged: Timestamp,
    /// The newest epoch of procedures in the checkpoint.
    pub(crate) epoch: u64,
    /// The oldest timestamp that can be read.
    pub(crate) horizon: Timestamp,
    pub(crate) garbage: Vec<RecoveredGarbage>,
    /// What there is on disk; `None` for a database in memory.
    pub(crate) files: Option<Files>,
    /// From the first batch of procedures on, the log is still to be executed: this is the timestamp before it.
    pub(crate) executes_after: Option<Timestamp>,
    pub(crate) cutoff: Cutoff,
}

/// A database's files, open.
pub(crate) struct Files {
    pub(crate) home: Arc<Home>,
    pub(crate) wal: Wal,
    /// The whole checkpoints that were found, the oldest first.
    pub(crate) checkpoints: Vec<Installed>,
    pub(crate) report: RecoveryStats,
}

/// What opening the database took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct RecoveryStats {
    /// The timestamp of the checkpoint that was loaded; `None` if there was none.
    pub checkpoint: Option<Timestamp>,
    /// The records loaded from it.
    pub checkpoint_records: u64,
    /// Its length in bytes.
    pub checkpoint_bytes: u64,
    /// How long loading it took.
    pub load_time: Duration,
    /// Newer checkpoints that were damaged, and set aside.
    pub damaged_checkpoints: usize,
    /// The commits replayed from the log.
    pub commits: u64,
    /// The procedures executed from the log.
    pub procedures: u64,
    /// The bytes of log read.
    pub log_bytes: u64,
    /// How long reading and replaying the log took.
    pub replay_time: Duration,
}

impl Recovered {
    /// An empty database that lives in memory.
    pub(crate) fn nothing() -> Self {
        let (newest, horizon) = (Timestamp::MIN, Timestamp::MIN);
        Recovered {
            catalog: Catalog::new(),
            newest,
            newest_logged: newest,
            epoch: 0,
            horizon,
            garbage: Vec::new(),
            files: None,
            executes_after: None,
            cutoff: Cutoff(Timestamp::MAX),
        }
    }
}

/// Up to which timestamp replaced versions are of no use to anyone, given the retention.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cutoff(Timestamp);

impl Cutoff {
    fn new(options: &Options) -> Self {
        if options.retention.is_zero() {
            return Cutoff(Timestamp::MAX);
        }
        let retention = options.retention.as_nanos().min(u128::from(u64::MAX)) as u64;
        Cutoff(Timestamp(options.clock.now().earliest.saturating_sub(retention)))
    }

    /// Whether a version that was replaced at `replaced` may still be read.
    fn keeps(self, replaced: Timestamp) -> bool {
        replaced > self.0
    }
}

/// Recovers the database in the directory, which is created if it is missing.
pub(crate) fn recover(path: &Path, options: &Options) -> Result<Recovered> {
    recover_from(Start::Newest, path, options)
}

/// Which checkpoint to begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// The newest one that is whole: the least is left to do.
    Newest,
    /// The oldest one, or none if the log goes back to its beginning: as much of the log as there is.
    Oldest,
}

/// Recovers the database in the directory, beginning with this checkpoint.
pub(crate) fn recover_from(start: Start, path: &Path, options: &Options) -> Result<Recovered> {
    let home = Home::open(options.device.clone(), path)?;
    crate::backup::adopt(&home)?;
    recover_home(home, start, options)
}

fn recover_home(home: Arc<Home>, start: Start, options: &Options) -> Result<Recovered> {
    let cutoff = Cutoff::new(options);
    let mut report = RecoveryStats::default();
    let started = Instant::now();
    let base = match start {
        Start::Newest => newest_whole_checkpoint(&home, cutoff, &mut report)?,
        Start::Oldest => oldest_checkpoint(&home, cutoff, &mut report)?,
    };
    report.load_time = started.elapsed();

    let started = Instant::now();
    let mut garbage = base.garbage;
    let log = home.directory().join(WAL_DIRECTORY);
    let (wal, found, before_batches) = std::thread::scope(|scope| {
        let mut replay = replay::Replay::new(&base.catalog, cutoff, log);
        let opened =
            Wal::open(&home, options.wal.clone(), base.start, &mut |piece| replay.take(piece, scope));
        let before_batches = replay.before_batches();
        // A worker's failure is the reason for the log's, if there are both.
        garbage.extend(replay.finish()?);
        opened.map(|(wal, found)| (wal, found, before_batches))
    })
    // A log that doesn't reach back far enough is the consequence, a damaged checkpoint the cause.
    .map_err(|error| match base.damaged.first() {
        Some((_, damage)) if matches!(error, Error::Corrupt { .. }) => damage.clone(),
        _ => error,
    })?;
    report.replay_time = started.elapsed();
    (report.commits, report.log_bytes) = (found.commits, found.log_bytes);
    // Only now: an opening that fails changes nothing.
    for (damaged, _) in &base.damaged {
        set_aside(&home, damaged)?;
    }
    garbage.sort_unstable_by_key(|entry| entry.ripe_at);

    let newest_logged = found.last_timestamp.max(base.newest);
    let executes_after = before_batches.map(|before| before.max(base.newest));
    let newest = executes_after.unwrap_or(newest_logged);
    let horizon = if options.retention.is_zero() { newest } else { base.horizon.max(cutoff.0).min(newest) };
    tracing::info!(path = %home.directory().display(), newest = newest.0, ?report, "recovered");
    let files = Files { home, wal, checkpoints: base.installed, report };
    Ok(Recovered {
        catalog: base.catalog,
        newest,
        newest_logged,
        epoch: base.epoch,
        horizon,
        garbage,
        files: Some(files),
        executes_after,
        cutoff,
    })
}

/// What the log is replayed on.
struct Base {
    catalog: Catalog,
    start: LogStart,
    newest: Timestamp,
    epoch: u64,
    horizon: Timestamp,
    garbage: Vec<RecoveredGarbage>,
    /// The checkpoint that was loaded and those before it, the oldest first.
    installed: Vec<Installed>,
    /// Newer ones, and what is wrong with them.
    damaged: Vec<(PathBuf, Error)>,
}

/// Loads the oldest checkpoint; none if the log goes back to its beginning.
fn oldest_checkpoint(home: &Home, cutoff: Cutoff, report: &mut RecoveryStats) -> Result<Base> {
    let mut listed = list_checkpoints(&**home.device(), home.directory())?;
    if reaches_back_to_beginning(&**home.device(), &home.directory().join(WAL_DIRECTORY))? {
        listed.clear();
    }
    listed.drain(..listed.len().saturating_sub(1));
    load_first_whole(home, &listed, cutoff, report)
}

/// Loads the newest checkpoint that is whole. None at all is an empty database, with a log from its beginning.
fn newest_whole_checkpoint(home: &Home, cutoff: Cutoff, report: &mut RecoveryStats) -> Result<Base> {
    let listed = list_checkpoints(&**home.device(), home.directory())?;
    load_first_whole(home, &listed, cutoff, report)
}

fn load_first_whole(
    home: &Home,
    listed: &[(Timestamp, PathBuf)],
    cutoff: Cutoff,
    report: &mut RecoveryStats,
) -> Result<Base> {
    let mut damaged = Vec::new();
    for (timestamp, path) in listed {
        let opened = CheckpointReader::open(home.device(), path, Some(home.identity()));
        let loaded = opened.and_then(|reader| Ok((load::load(&reader, cutoff)?, reader)));
        let (loaded, reader) = match loaded {
            Ok(loaded) => loaded,
            Err(error @ Error::Corrupt { .. }) => {
                tracing::error!(%error, "a checkpoint is damaged; trying the one before it");
                damaged.push((path.clone(), error));
                continue;
            }
            Err(error) => return Err(error),
        };
        let (header, info) = (reader.header(), reader.info());
        report.checkpoint = Some(*timestamp);
        (report.checkpoint_records, report.checkpoint_bytes) = (info.records, info.bytes);
        report.damaged_checkpoints = damaged.len();
        return Ok(Base {
            catalog: loaded.catalog,
            start: header.log,
            newest: header.timestamp,
            epoch: header.epoch,
            horizon: header.horizon,
            garbage: loaded.garbage,
            installed: Installed::list(home, *timestamp)?,
            damaged,
        });
    }
    report.damaged_checkpoints = damaged.len();
    Ok(Base {
        catalog: Catalog::new(),
        start: LogStart::default(),
        newest: Timestamp::MIN,
        epoch: 0,
        horizon: Timestamp::MIN,
        garbage: Vec::new(),
        installed: Vec::new(),
        damaged,
    })
}
