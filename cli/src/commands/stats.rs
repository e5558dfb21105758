//! `synod stats`.

use super::{PARTS, open_existing};
use crate::arguments::StatsArguments;
use crate::meter::Meter;
use crate::render::units::plural;
use crate::{Error, Result, render};
use serde::Serialize;
use std::io;
use std::path::Path;
use std::time::UNIX_EPOCH;
use synod::device::RealDevice;
use synod::{Engine, RecoveryStats, SegmentInfo, Timestamp};
use synod_storage::checkpoint::list_checkpoints;

/// What there is of a database.
#[derive(Debug, Serialize)]
pub(crate) struct StatsReport {
    /// The moment that the figures are of.
    pub(crate) timestamp: Timestamp,
    pub(crate) tables: Vec<TableReport>,
    pub(crate) log_segments: Vec<LogSegmentReport>,
    pub(crate) files: Vec<FileReport>,
    pub(crate) recovery: RecoveryReport,
}

/// What a table holds.
#[derive(Debug, Serialize)]
pub(crate) struct TableReport {
    pub(crate) name: String,
    pub(crate) records: u64,
    pub(crate) key_bytes: u64,
    pub(crate) value_bytes: u64,
}

/// A segment of the log that can be read.
#[derive(Debug, Serialize)]
pub(crate) struct LogSegmentReport {
    pub(crate) number: u64,
    /// Within the database's directory.
    pub(crate) path: String,
    /// Those that are in use: more are prepared in the newest one's file.
    pub(crate) bytes: u64,
    /// All its commits are later than this; nothing in the log's first segment.
    pub(crate) commits_after: Option<Timestamp>,
    /// Its last commit; nothing if it has none.
    pub(crate) commits_up_to: Option<Timestamp>,
}

/// A file of the database.
#[derive(Debug, Serialize)]
pub(crate) struct FileReport {
    /// Within the database's directory.
    pub(crate) path: String,
    pub(crate) kind: FileKind,
    pub(crate) bytes: u64,
    /// When it was written last.
    pub(crate) written: Option<Timestamp>,
    /// Of a checkpoint: it holds all commits up to here.
    pub(crate) commits_up_to: Option<Timestamp>,
}

/// What a file is there for, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FileKind {
    Checkpoint,
    /// One that an opening has found damaged, and set aside.
    DamagedCheckpoint,
    LogSegment,
    Other,
}

/// What opening the database took.
#[derive(Debug, Serialize)]
pub(crate) struct RecoveryReport {
    pub(crate) checkpoint: Option<Timestamp>,
    pub(crate) checkpoint_records: u64,
    pub(crate) checkpoint_bytes: u64,
    pub(crate) load_seconds: f64,
    pub(crate) damaged_checkpoints: usize,
    pub(crate) commits: u64,
    pub(crate) log_bytes: u64,
    pub(crate) replay_seconds: f64,
}

/// Shows what there is of a database.
pub(crate) fn run(arguments: &StatsArguments) -> Result<bool> {
    let engine = open_existing(&arguments.directory)?;
    let report = collect(&engine, &arguments.directory)?;
    engine.close()?;
    let text = match arguments.json {
        true => serde_json::to_string_pretty(&report).expect("numbers and names are JSON"),
        false => render::stats::page(&arguments.directory.display().to_string(), &report),
    };
    super::show(&text)?;
    Ok(true)
}

fn collect(engine: &Engine, directory: &Path) -> Result<StatsReport> {
    let recovery = engine.stats().recovery.unwrap_or_default().into();
    let snapshot = engine.snapshot()?;
    let mut meter = Meter::new();
    let mut tables = Vec::new();
    for name in engine.tables() {
        let table = engine.table(&name)?;
        let mut report = TableReport { name, records: 0, key_bytes: 0, value_bytes: 0 };
        let mut records = snapshot.scan(&table, ..);
        while let Some((key, value)) = records.next_ref()? {
            report.records += 1;
            report.key_bytes += key.len() as u64;
            report.value_bytes += value.len() as u64;
            meter.step(|| format!("counting table {:?}: {}", report.name, plural(report.records, "record")));
        }
        tables.push(report);
    }
    let timestamp = snapshot.timestamp();
    let log_segments = engine.log_segments().into_iter().map(LogSegmentReport::from).collect();
    Ok(StatsReport { timestamp, tables, log_segments, files: files(directory)?, recovery })
}

/// The files of the database's parts, by path.
fn files(directory: &Path) -> Result<Vec<FileReport>> {
    let checkpoints = list_checkpoints(&RealDevice, directory).map_err(synod::Error::from)?;
    let mut files = Vec::new();
    for part in PARTS {
        let part = directory.join(part);
        let failed = |source| Error::io("cannot list", &part, source);
        for entry in part.read_dir().map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let found = path.metadata().map_err(|source| Error::io("cannot look at", &path, source))?;
            let checkpoint = checkpoints.iter().find(|(_, checkpoint)| *checkpoint == path);
            files.push(FileReport {
                path: path.strip_prefix(directory).unwrap_or(&path).display().to_string(),
                kind: kind(&path, checkpoint.is_some()),
                bytes: found.len(),
                written: written(&found).ok(),
                commits_up_to: checkpoint.map(|(timestamp, _)| *timestamp),
            });
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn kind(path: &Path, is_checkpoint: bool) -> FileKind {
    match path.extension().and_then(|extension| extension.to_str()) {
        _ if is_checkpoint => FileKind::Checkpoint,
        Some("damaged") => FileKind::DamagedCheckpoint,
        Some("log") => FileKind::LogSegment,
        _ => FileKind::Other,
    }
}

fn written(file: &std::fs::Metadata) -> io::Result<Timestamp> {
    let since = file.modified()?.duration_since(UNIX_EPOCH).map_err(io::Error::other)?;
    Ok(Timestamp(since.as_nanos().min(u128::from(Timestamp::MAX.0)) as u64))
}

impl From<SegmentInfo> for LogSegmentReport {
    fn from(segment: SegmentInfo) -> Self {
        let SegmentInfo { number, previous_timestamp, last_timestamp, bytes } = segment;
        LogSegmentReport {
            number,
            path: segment.path().display().to_string(),
            bytes,
            commits_after: Some(previous_timestamp).filter(|at| *at != Timestamp::MIN),
            commits_up_to: Some(last_timestamp).filter(|at| *at != previous_timestamp),
        }
    }
}

impl From<RecoveryStats> for RecoveryReport {
    fn from(stats: RecoveryStats) -> Self {
        RecoveryReport {
            checkpoint: stats.checkpoint,
            checkpoint_records: stats.checkpoint_records,
            checkpoint_bytes: stats.checkpoint_bytes,
            load_seconds: stats.load_time.as_secs_f64(),
            damaged_checkpoints: stats.damaged_checkpoints,
            commits: stats.commits,
            log_bytes: stats.log_bytes,
            replay_seconds: stats.replay_time.as_secs_f64(),
        }
    }
}
