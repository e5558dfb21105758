//! Statistics.

use std::time::Duration;

use metrics::{counter, gauge};
use serde::Serialize;
use synod_storage::wal::WalStats;
use synod_txn::{Abort, Isolation, Mode, Store, TransactionCounts, TransactionId};

use crate::{CheckpointStats, RecoveryStats, SequencingStats};

/// What an engine has done since it was opened, and what it holds.
#[derive(Clone, Debug, Serialize)]
pub struct Stats {
    /// The concurrency-control mode.
    pub mode: Mode,
    /// Read-write transactions.
    pub transactions: TransactionCounts,
    /// Open snapshots, read-only transactions among them.
    pub snapshots: SnapshotStats,
    /// The log; `None` for an engine in memory.
    pub log: Option<LogStats>,
    /// Checkpoints; `None` for an engine in memory.
    pub checkpoints: Option<CheckpointStats>,
    /// What opening the database took; `None` for an engine in memory.
    pub recovery: Option<RecoveryStats>,
    /// What the deterministic mode has done; `None` in the others.
    pub sequencing: Option<SequencingStats>,
    /// How many tables there are.
    pub tables: usize,
    /// How many records wait for old versions to be removed, or to be removed themselves.
    pub garbage_records: usize,
}

/// Open snapshots.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct SnapshotStats {
    /// How many are open.
    pub open: usize,
    /// How far the oldest one's timestamp lies back: versions replaced since then are kept.
    pub oldest_age: Option<Duration>,
}

/// What the log has done since the engine was opened.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct LogStats {
    /// Commits and catalog changes appended.
    pub frames: u64,
    /// The bytes that they take.
    pub bytes: u64,
    /// Bytes appended and not yet written to the file.
    pub buffered_bytes: u64,
    /// Times that the buffers were written out.
    pub flushes: u64,
    /// Times that the file was synced.
    pub fsyncs: u64,
    /// Files written to.
    pub segments: u64,
}

impl From<WalStats> for LogStats {
    fn from(stats: WalStats) -> Self {
        LogStats {
            frames: stats.frames,
            bytes: stats.appended_bytes,
            buffered_bytes: stats.buffered_bytes,
            flushes: stats.flushes,
            fsyncs: stats.fsyncs,
            segments: stats.segments,
        }
    }
}

/// What an audit has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// Transactions that were audited.
    pub transactions: u64,
    /// Those among them that the serializable level would have aborted.
    pub unserializable: u64,
    /// The newest of those, up to 64, the oldest first: each with the abort that it would have got, which names what
    /// it had read, who changed that, and what it overwrote.
    pub examples: Vec<(TransactionId, Abort)>,
}

impl Stats {
    pub(crate) fn collect(mode: Mode, store: &Store) -> Self {
        let (open, oldest) = store.open_snapshots();
        let now = store.oracle().now();
        let age = |at: synod_storage::Timestamp| Duration::from_nanos(now.0.saturating_sub(at.0));
        Stats {
            mode,
            transactions: store.counts(),
            snapshots: SnapshotStats { open, oldest_age: oldest.map(age) },
            log: store.log().map(|log| log.wal().stats().into()),
            checkpoints: None,
            recovery: None,
            sequencing: None,
            tables: store.catalog().tables().len(),
            garbage_records: store.garbage_records(),
        }
    }

    /// Hands the numbers to the `metrics` facade: nothing happens unless the program installed a recorder.
    pub(crate) fn publish(&self) {
        for (reason, count) in self.transactions.aborts.by_reason() {
            counter!("synod_aborts", "reason" => reason).absolute(count);
        }
        for level in Isolation::ALL {
            let ended = self.transactions.by_isolation.of(level);
            for (outcome, count) in
                [("commit", ended.commits), ("rollback", ended.rollbacks), ("abort", ended.aborts)]
            {
                let level = level.to_string();
                counter!("synod_transactions", "isolation" => level, "outcome" => outcome).absolute(count);
            }
        }
        counter!("synod_commits").absolute(self.transactions.commits);
        counter!("synod_lock_waits").absolute(self.transactions.lock_waits);
        gauge!("synod_running_transactions").set(self.transactions.running as f64);
        gauge!("synod_open_snapshots").set(self.snapshots.open as f64);
        gauge!("synod_oldest_snapshot_seconds")
            .set(self.snapshots.oldest_age.unwrap_or_default().as_secs_f64());
        gauge!("synod_garbage_records").set(self.garbage_records as f64);
        if let Some(log) = &self.log {
            counter!("synod_log_bytes").absolute(log.bytes);
            counter!("synod_log_fsyncs").absolute(log.fsyncs);
        }
    }
}
