//! Loading a checkpoint: each worker takes the next unit of blocks, until there are none.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use synod_storage::checkpoint::{CheckpointReader, Unit, UnitBuffer, Versions};
use synod_storage::{Catalog, Result, Table, Timestamp, Version, VersionState};
use synod_txn::RecoveredGarbage;

use super::{Cutoff, restore};

/// Below so many units, a second thread would cost more than it brings.
const UNITS_PER_WORKER_MIN: usize = 2;

/// How often progress is logged.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);

/// What was loaded.
pub(super) struct Loaded {
    pub(super) catalog: Catalog,
    pub(super) garbage: Vec<RecoveredGarbage>,
}

/// Loads all tables of a checkpoint, on all cores.
pub(super) fn load(reader: &CheckpointReader, cutoff: Cutoff) -> Result<Loaded> {
    let catalog = Catalog::new();
    catalog.reserve_ids(reader.header().next_table);
    for (id, name) in reader.tables() {
        catalog.create(*id, name);
    }
    reader.dropped_tables().iter().for_each(|table| catalog.note_dropped(table.clone()));

    let units = reader.units();
    let next = AtomicUsize::new(0);
    let work = |reports: bool| {
        let mut logged = Instant::now();
        let mut worker = Worker { reader, catalog: &catalog, cutoff, garbage: Vec::new() };
        let mut buffer = UnitBuffer::default();
        loop {
            // Relaxed: only uniqueness counts.
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(unit) = units.get(index) else { break Ok(worker.garbage) };
            if reports && logged.elapsed() >= PROGRESS_INTERVAL {
                tracing::info!(unit = index, of = units.len(), "loading the checkpoint");
                logged = Instant::now();
            }
            if let Err(error) = worker.load(unit, &mut buffer) {
                // Nobody needs to go on.
                next.store(units.len(), Ordering::Relaxed);
                break Err(error);
            }
        }
    };
    let cores = available_parallelism().map_or(1, usize::from);
    let workers = cores.min(units.len() / UNITS_PER_WORKER_MIN).max(1);
    let garbage = std::thread::scope(|scope| -> Result<_> {
        let others: Vec<_> = (1..workers).map(|_| scope.spawn(|| work(false))).collect();
        let mut garbage = work(true)?;
        for other in others {
            garbage.extend(other.join().expect("loading doesn't panic")?);
        }
        Ok(garbage)
    })?;
    Ok(Loaded { catalog, garbage })
}

struct Worker<'a> {
    reader: &'a CheckpointReader,
    catalog: &'a Catalog,
    cutoff: Cutoff,
    garbage: Vec<RecoveredGarbage>,
}

impl Worker<'_> {
    fn load(&mut self, unit: &Unit, buffer: &mut UnitBuffer) -> Result<()> {
        let table = self.catalog.by_id(unit.table).expect("the reader has checked the units' tables");
        let (reader, garbage) = (self.reader, &mut self.garbage);
        let twice = || reader.damaged(unit, "a key is there twice");
        reader.read_unit(unit, buffer, &mut |key, versions| {
            load_record(&table, self.cutoff, key, versions, garbage).ok_or_else(twice)
        })
    }
}

/// Puts a record into its table; `None` if there is one with that key already.
fn load_record(
    table: &Table,
    cutoff: Cutoff,
    key: &[u8],
    versions: Versions<'_>,
    garbage: &mut Vec<RecoveredGarbage>,
) -> Option<()> {
    let Some((ripe_at, newest)) = versions.clone().next() else { return Some(()) };
    if newest.is_none() && !cutoff.keeps(ripe_at) {
        return Some(());
    }
    let guard = crossbeam_epoch::pin();
    let record = restore::insert(table, key, newest.map_or(0, <[u8]>::len), &guard)?;
    let mut last: Option<(Version<'_>, Timestamp)> = None;
    for (at, value) in versions {
        // Whatever a version that isn't kept has replaced isn't either.
        if last.is_some_and(|(_, newer)| !cutoff.keeps(newer)) {
            break;
        }
        // SAFETY: nobody else writes this key's versions.
        let version = unsafe { record.make_version(value, VersionState::Committed(at)) };
        match last {
            None => record.set_head(Some(version)),
            Some((newer, _)) => newer.set_next(Some(version)),
        }
        last = Some((version, at));
    }
    let has_past = last.is_some_and(|(oldest, _)| record.head() != Some(oldest));
    if has_past || newest.is_none() {
        restore::note_garbage((table, record), ripe_at, garbage);
    }
    Some(())
}
