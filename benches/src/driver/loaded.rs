//! A target with its data.

use super::plan::{Contestant, Plan};
use crate::error::{Error, Result};
use crate::machine;
use crate::progress::Progress;
use crate::target::{Client, OpenOptions, Row, Target};
use crate::units::count;
use crate::workload::{Past, Workload};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Rows of a batch while loading, at most.
const BATCH_ROWS: u64 = 1_000;
/// Bytes of a batch, about, if its rows are large.
const BATCH_BYTES: usize = 4 << 20;
/// A process that uses less of a processor than this is quiet.
const QUIET_SHARE: f64 = 0.1;
const QUIET_FOR: Duration = Duration::from_millis(40);
/// A process that isn't quiet after so long is measured all the same.
const QUIET_WAIT_MAX: Duration = Duration::from_secs(20);

/// A target, loaded.
pub(super) struct Loaded {
    pub(super) target: Box<dyn Target>,
    pub(super) past: Past,
    pub(super) load_seconds: f64,
    pub(super) memory_bytes: u64,
    directory: PathBuf,
}

impl Loaded {
    /// Opens a target and loads it.
    pub(super) fn new(
        contestant: &Contestant,
        plan: &Plan,
        stop: &AtomicBool,
        progress: &mut Progress,
    ) -> Result<Loaded> {
        let workload = &*plan.points[0].workload;
        let directory = plan.directory.join(&contestant.name);
        std::fs::create_dir_all(&directory)
            .map_err(|source| Error::io("cannot create", &directory, source))?;
        let before = machine::memory().resident_bytes;
        let target = (contestant.open)(&OpenOptions {
            directory: directory.clone(),
            tables: workload.tables().to_vec(),
            durability: plan.durability,
            threads: plan.threads(),
            in_flight: plan.in_flight,
        })?;
        let started = Instant::now();
        load(workload, &mut *target.client()?, stop, |rows| {
            progress.set(rows, || {
                format!("{}: loading, {} of {} rows", contestant.name, count(rows), count(workload.rows()))
            });
        })?;
        progress.set(0, || format!("{}: writing out what was loaded", contestant.name));
        target.settle()?;
        let load_seconds = started.elapsed().as_secs_f64();
        let memory_bytes = machine::memory().resident_bytes.saturating_sub(before);
        Ok(Loaded { target, past: Past::default(), load_seconds, memory_bytes, directory })
    }

    /// The bytes of its files.
    pub(super) fn database_bytes(&self) -> u64 {
        bytes_below(&self.directory)
    }
}

fn load(
    workload: &dyn Workload,
    client: &mut dyn Client,
    stop: &AtomicBool,
    mut show: impl FnMut(u64),
) -> Result<()> {
    let mut batch: Vec<Row> = Vec::new();
    // The first batch is one row, which shows how large they are.
    let (mut first, mut at_once, rows) = (0, 1, workload.rows());
    while first < rows {
        // Relaxed: the flag says nothing about other data.
        if stop.load(Ordering::Relaxed) {
            return Err(Error::Interrupted);
        }
        let end = rows.min(first + at_once);
        workload.load(first..end, &mut |table, key, value| batch.push((table, key.to_vec(), value.to_vec())));
        client.load(&batch)?;
        let bytes: usize = batch.iter().map(|(_, key, value)| key.len() + value.len()).sum();
        at_once = ((end - first) * BATCH_BYTES as u64 / bytes.max(1) as u64).clamp(1, BATCH_ROWS);
        batch.clear();
        first = end;
        show(first);
    }
    Ok(())
}

/// Waits until the threads that engines have in the background have come to rest.
pub(super) fn wait_until_quiet(stop: &AtomicBool) {
    let started = Instant::now();
    while started.elapsed() < QUIET_WAIT_MAX && !stop.load(Ordering::Relaxed) {
        let (cpu, moment) = (machine::process_cpu_time(), Instant::now());
        std::thread::sleep(QUIET_FOR);
        let used = machine::process_cpu_time().saturating_sub(cpu);
        if used.as_secs_f64() < QUIET_SHARE * moment.elapsed().as_secs_f64() {
            return;
        }
    }
}

/// The bytes of all files; those that an engine removes meanwhile, and their directories, have none.
fn bytes_below(directory: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(directory) else { return 0 };
    let bytes = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => bytes_below(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    };
    entries.flatten().map(bytes).sum()
}
