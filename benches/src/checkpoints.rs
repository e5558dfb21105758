//! What checkpoints cost, and what they save: how fast they are written and loaded, against replaying the log,
//! and how much the transactions beside them suffer.
//!
//! ```text
//! load ─► replay the log ─► checkpoints, alone ─► load the checkpoint ─► updates │ updates + checkpoints │ …
//! ```
//!
//! The updates run for as long without checkpoints as beside them, in turns, so that both see the same moods
//! of the machine. Beside them means that the engine's own background begins the next one when one is done.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

use serde::Serialize;
use synod::{Durability, Engine, Options, RecoveryStats, Table};

use crate::calibrate::median;
use crate::error::{Error, Result};
use crate::latency::Latencies;
use crate::machine;
use crate::progress::Progress;
use crate::random::Random;

/// Keys take this many bytes.
const KEY_BYTES: usize = 8;

/// Records loaded in one transaction.
const LOADED_AT_ONCE: u64 = 100;

/// Updates beside checkpoints go on until one is finished, but at most for so many windows.
const WINDOWS_MAX: u32 = 10;

/// At a steady load the log grows by so many times the length of a checkpoint before the next is taken.
const STEADY_FACTOR: u64 = 2;

/// So many checkpoints are waited for at a steady load, after the first.
const STEADY_CHECKPOINTS: u64 = 2;

/// How much is written at once when the disk is measured.
const DISK_PIECE_BYTES: usize = 1 << 20;

/// How to measure.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct CheckpointsOptions {
    /// Records in the database.
    pub records: u64,
    /// Bytes in each value.
    pub value_bytes: usize,
    /// Threads that update.
    pub threads: usize,
    /// How often everything is measured; the medians are reported.
    pub rounds: usize,
    /// How long the updates run each time, at least.
    pub window: Duration,
}

/// A rate of records, and what it comes to in bytes.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Rate {
    /// Records a second.
    pub records_per_s: f64,
    /// Records a second of processor time.
    pub records_per_cpu_s: f64,
    /// Bytes of the file, or files, a second.
    pub bytes_per_s: f64,
}

/// How the updates went.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Updates {
    /// Commits a second, of all threads together.
    pub commits_per_s: f64,
    /// The 99th percentile of a commit's latency, in nanoseconds.
    pub p99_ns: f64,
}

/// Bytes written for each byte of keys and values that are updated, at a steady load.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct WriteCost {
    /// To the log.
    pub log: f64,
    /// To the log and for checkpoints.
    pub all: f64,
    /// What `log × (1 + C / B)` comes to, where `C` is the length of a checkpoint, and `B` the bytes of log after which
    /// one is taken.
    pub predicted: f64,
}

/// What checkpoints cost, and what they save.
#[derive(Clone, Debug, Serialize)]
pub struct CheckpointsReport {
    /// What was done.
    pub options: CheckpointsOptions,
    /// The bytes of all keys and values.
    pub data_bytes: u64,
    /// The bytes of a checkpoint of them.
    pub checkpoint_bytes: u64,
    /// What the disk takes when as many bytes as a checkpoint has are written and synced, in bytes a second.
    pub disk_bytes_per_s: f64,
    /// Replaying the log of the load.
    pub replay: Rate,
    /// Writing checkpoints, with nothing else to do.
    pub write: Rate,
    /// Loading the checkpoint.
    pub load: Rate,
    /// Updates alone.
    pub alone: Updates,
    /// Updates beside checkpoints.
    pub beside: Updates,
    /// Checkpoints taken beside the updates.
    pub taken_beside: u64,
    /// What is written at a steady load.
    pub write_cost: WriteCost,
}

/// Measures in a new database, in a directory where there is nothing else.
///
/// # Errors
///
/// If an option is zero, or the engine or the disk fails.
pub fn measure(
    directory: &Path,
    options: CheckpointsOptions,
    progress: &mut Progress,
) -> Result<CheckpointsReport> {
    let CheckpointsOptions { records, value_bytes, threads, rounds, .. } = options;
    if records == 0 || threads == 0 || rounds == 0 || options.window.is_zero() {
        return Err(Error::Settings("records, threads, rounds and time must be above zero".to_string()));
    }
    let bench = Bench { directory, options: &options };
    progress.set(0, || "loading".to_string());
    bench.load()?;
    progress.set(0, || "replaying the log".to_string());
    let replay = bench.opening(|recovery| (recovery.replay_time, recovery.log_bytes))?;
    progress.set(0, || "writing checkpoints".to_string());
    let (write, checkpoint_bytes) = bench.write()?;
    let disk_bytes_per_s = bench.disk(checkpoint_bytes)?;
    progress.set(0, || "loading the checkpoint".to_string());
    let load = bench.opening(|recovery| (recovery.load_time, recovery.checkpoint_bytes))?;
    let (mut alone, mut beside, mut taken_beside) = (Vec::new(), Vec::new(), 0);
    for round in 0..rounds {
        progress.set(0, || format!("updates, round {} of {rounds}", round + 1));
        alone.push(bench.update(None)?.0);
        let (updates, taken) = bench.update(Some(Duration::from_millis(1)))?;
        beside.push(updates);
        taken_beside += taken;
    }
    progress.set(0, || "a steady load".to_string());
    let write_cost = bench.steady(checkpoint_bytes)?;
    let data_bytes = records * (KEY_BYTES + value_bytes) as u64;
    let (alone, beside) = (Updates::median_of(&alone), Updates::median_of(&beside));
    Ok(CheckpointsReport {
        data_bytes,
        checkpoint_bytes,
        disk_bytes_per_s,
        replay,
        write,
        load,
        alone,
        beside,
        taken_beside,
        write_cost,
        options,
    })
}

impl Updates {
    fn median_of(rounds: &[Updates]) -> Updates {
        let median_of = |what: fn(&Updates) -> f64| median(rounds.iter().map(what).collect());
        Updates {
            commits_per_s: median_of(|round| round.commits_per_s),
            p99_ns: median_of(|round| round.p99_ns),
        }
    }
}

struct Bench<'o> {
    directory: &'o Path,
    options: &'o CheckpointsOptions,
}

impl Bench<'_> {
    /// Opens the database, with checkpoints every so often or only on demand.
    fn open(&self, interval: Option<Duration>) -> Result<(Engine, Table)> {
        self.open_with(Options::new().checkpoint_log_bytes(u64::MAX).checkpoint_interval(interval))
    }

    fn open_with(&self, options: Options) -> Result<(Engine, Table)> {
        let options = options.durability(Durability::Buffered).checkpoints_kept(1);
        let engine = Engine::open(self.home(), options)?;
        let table = engine.table("records")?;
        Ok((engine, table))
    }

    fn home(&self) -> PathBuf {
        self.directory.join("data")
    }

    fn load(&self) -> Result<()> {
        let (engine, table) = self.open(None)?;
        let value = vec![1; self.options.value_bytes];
        for first in (0..self.options.records).step_by(LOADED_AT_ONCE as usize) {
            let last = (first + LOADED_AT_ONCE).min(self.options.records);
            engine.transact(|txn| {
                (first..last).try_for_each(|key| txn.put(&table, key.to_be_bytes(), &value))
            })?;
        }
        drop(table);
        Ok(engine.close()?)
    }

    /// Opens the database a few times. `part` says how long the part of interest took, and how many bytes
    /// it read.
    fn opening(&self, part: impl Fn(RecoveryStats) -> (Duration, u64)) -> Result<Rate> {
        let mut rates = Vec::new();
        for _ in 0..self.options.rounds {
            let before = machine::process_cpu_time();
            let (engine, table) = self.open(None)?;
            let cpu = machine::process_cpu_time() - before;
            drop(table);
            let (time, bytes) = part(engine.stats().recovery.unwrap_or_default());
            rates.push(self.rate(time, cpu, bytes));
            engine.close()?;
        }
        Ok(Rate::median_of(&rates))
    }

    fn write(&self) -> Result<(Rate, u64)> {
        let (engine, table) = self.open(None)?;
        let (mut rates, mut bytes) = (Vec::new(), 0);
        for round in 0..self.options.rounds as u64 {
            // Without a commit since the last one, there would be nothing to do.
            engine.transact(|txn| txn.put(&table, 0u64.to_be_bytes(), round.to_be_bytes()))?;
            let before = machine::process_cpu_time();
            let checkpoint = engine.checkpoint()?;
            rates.push(self.rate(
                checkpoint.duration,
                machine::process_cpu_time() - before,
                checkpoint.bytes,
            ));
            bytes = checkpoint.bytes;
        }
        drop(table);
        engine.close()?;
        Ok((Rate::median_of(&rates), bytes))
    }

    fn rate(&self, time: Duration, cpu: Duration, bytes: u64) -> Rate {
        let records = self.options.records as f64;
        Rate {
            records_per_s: records / time.as_secs_f64(),
            records_per_cpu_s: records / cpu.as_secs_f64(),
            bytes_per_s: bytes as f64 / time.as_secs_f64(),
        }
    }

    /// How many bytes a second the disk takes, of so many.
    fn disk(&self, bytes: u64) -> Result<f64> {
        let path = self.directory.join("disk");
        let rates = (0..self.options.rounds).map(|_| write_file(&path, bytes));
        let rates = rates.collect::<std::io::Result<Vec<f64>>>();
        let removed = std::fs::remove_file(&path);
        let rates = rates.map_err(|source| Error::io("cannot write", &path, source))?;
        removed.map_err(|source| Error::io("cannot remove", &path, source))?;
        Ok(median(rates))
    }

    /// Updates random records for a while; returns also how many checkpoints were taken beside.
    fn update(&self, interval: Option<Duration>) -> Result<(Updates, u64)> {
        let (engine, table) = self.open(interval)?;
        let started = Instant::now();
        let ((), latencies) = self.beside_updates(&engine, &table, |have_failed| {
            std::thread::sleep(self.options.window);
            while interval.is_some() && started.elapsed() < self.options.window * WINDOWS_MAX {
                if taken_by(&engine) > 0 || have_failed() {
                    break;
                }
                std::thread::sleep(self.options.window / 10);
            }
        })?;
        let commits_per_s = latencies.count() as f64 / started.elapsed().as_secs_f64();
        let taken = taken_by(&engine);
        drop(table);
        engine.close()?;
        Ok((Updates { commits_per_s, p99_ns: latencies.summary().p99_ns as f64 }, taken))
    }

    /// Updates random records, with a checkpoint whenever the log has grown by twice the length of one; looks at what
    /// is written from the end of one checkpoint to the end of the second after it.
    fn steady(&self, checkpoint_bytes: u64) -> Result<WriteCost> {
        let due_bytes = (checkpoint_bytes * STEADY_FACTOR).max(1);
        let (engine, table) = self.open_with(Options::new().checkpoint_log_bytes(due_bytes))?;
        let ((before, after), _) = self.beside_updates(&engine, &table, |have_failed| {
            let wait_for = |checkpoints| {
                while taken_by(&engine) < checkpoints && !have_failed() {
                    std::thread::sleep(Duration::from_millis(1));
                }
                Written::now(&engine)
            };
            (wait_for(1), wait_for(1 + STEADY_CHECKPOINTS))
        })?;
        drop(table);
        engine.close()?;
        let user_bytes = (after.commits - before.commits) * (KEY_BYTES + self.options.value_bytes) as u64;
        let of_user = |bytes: u64| bytes as f64 / user_bytes.max(1) as f64;
        let log = of_user(after.log - before.log);
        let checkpoints = of_user(after.checkpoints - before.checkpoints);
        let predicted = log * (1.0 + checkpoint_bytes as f64 / due_bytes as f64);
        Ok(WriteCost { log, all: log + checkpoints, predicted })
    }

    /// All threads update for as long as `meanwhile` takes, which can ask whether one has failed.
    fn beside_updates<T>(
        &self,
        engine: &Engine,
        table: &Table,
        meanwhile: impl FnOnce(&dyn Fn() -> bool) -> T,
    ) -> Result<(T, Latencies)> {
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let spawn = |thread| {
                let is_over = &is_over;
                scope.spawn(move || self.update_until(is_over, thread, engine, table))
            };
            let workers: Vec<_> = (0..self.options.threads as u64).map(spawn).collect();
            // Nobody else ends early.
            let has_failed = |worker: &ScopedJoinHandle<'_, _>| worker.is_finished();
            let outcome = meanwhile(&|| workers.iter().any(has_failed));
            // Relaxed: nothing depends on when exactly a thread sees it.
            is_over.store(true, Ordering::Relaxed);
            let mut latencies = Latencies::default();
            for worker in workers {
                latencies.merge(&worker.join().map_err(|panic| Error::panicked(&*panic))??);
            }
            Ok((outcome, latencies))
        })
    }

    fn update_until(
        &self,
        is_over: &AtomicBool,
        thread: u64,
        engine: &Engine,
        table: &Table,
    ) -> Result<Latencies> {
        let mut random = Random::new(1, thread);
        let mut latencies = Latencies::default();
        let value = vec![2; self.options.value_bytes];
        while !is_over.load(Ordering::Relaxed) {
            let key = random.below(self.options.records);
            let started = Instant::now();
            engine.transact(|txn| txn.put(table, key.to_be_bytes(), &value))?;
            latencies.record(started.elapsed());
        }
        Ok(latencies)
    }
}

/// How many checkpoints were taken since the engine was opened.
fn taken_by(engine: &Engine) -> u64 {
    engine.stats().checkpoints.map_or(0, |checkpoints| checkpoints.taken)
}

/// What an engine has written so far.
struct Written {
    commits: u64,
    log: u64,
    checkpoints: u64,
}

impl Written {
    fn now(engine: &Engine) -> Written {
        let stats = engine.stats();
        Written {
            commits: stats.transactions.commits,
            log: stats.log.map_or(0, |log| log.bytes),
            checkpoints: stats.checkpoints.map_or(0, |checkpoints| checkpoints.bytes_written),
        }
    }
}

impl Rate {
    fn median_of(rates: &[Rate]) -> Rate {
        let median_of = |what: fn(&Rate) -> f64| median(rates.iter().map(what).collect());
        Rate {
            records_per_s: median_of(|rate| rate.records_per_s),
            records_per_cpu_s: median_of(|rate| rate.records_per_cpu_s),
            bytes_per_s: median_of(|rate| rate.bytes_per_s),
        }
    }
}

/// Writes a new file and syncs it; returns the rate in bytes a second.
fn write_file(path: &Path, bytes: u64) -> std::io::Result<f64> {
    let started = Instant::now();
    let file = File::create(path)?;
    let piece = vec![3; DISK_PIECE_BYTES];
    for offset in (0..bytes).step_by(DISK_PIECE_BYTES) {
        let length = (bytes - offset).min(DISK_PIECE_BYTES as u64) as usize;
        file.write_all_at(&piece[..length], offset)?;
    }
    file.sync_data()?;
    Ok(bytes as f64 / started.elapsed().as_secs_f64())
}
