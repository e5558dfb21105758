//! Replaying the log on all cores.
//!
//! The log is read by one thread, in pieces of consecutive commits. Every worker gets every piece, walks
//! through all of its writes, and applies those whose keys are its own; so the writes to one key stay in their
//! order, and nothing has to be sorted or copied:
//!
//! ```text
//!              ┌──► worker 0: keys whose hash is even     a b a · · c
//! reader ─ pieces
//!              └──► worker 1: the others                  · · · d e ·
//! ```
//!
//! Walking past a write costs a few nanoseconds, applying it some hundred: what that takes is waiting for
//! memory, an index leaf, a record and a version, each a cache miss. So writes are looked up together, a few at
//! a time, and the misses on their versions overlap.
//!
//! Tables are created and dropped by the reader, ahead of the workers. That is harmless: nothing that comes
//! before a table's creation writes to it, and what came before its drop need not be applied any more.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{Scope, ScopedJoinHandle, available_parallelism};

use crossbeam_channel::{Sender, bounded};
use parking_lot::RwLock;
use synod_storage::wal::{Commits, Piece};
use synod_storage::{Catalog, Error, Record, Result, Table, TableId, Timestamp};
use synod_txn::{RecoveredGarbage, key_hash};

use super::{Cutoff, restore};

/// How many writes are looked up before the first of them is applied.
const BATCH: usize = 16;

/// How many pieces the reader may be ahead of a worker.
const PIECES_AHEAD: usize = 4;

/// Logs of up to so many pieces are replayed by the reader itself.
const PIECES_ALONE: usize = 1;

/// The tables that writes go to.
struct Tables {
    living: BTreeMap<TableId, Arc<Table>>,
    /// No table has had this number, nor one above it.
    next: TableId,
}

/// A replay under way.
pub(super) struct Replay<'scope, 'a> {
    catalog: &'a Catalog,
    tables: Arc<RwLock<Tables>>,
    cutoff: Cutoff,
    /// The directory of the log.
    log: PathBuf,
    /// Applies what comes before there are workers.
    alone: Applier,
    pieces: usize,
    workers: Vec<Worker<'scope>>,
    /// The timestamp of the last piece that was taken.
    last: Timestamp,
    /// There was a batch: what comes from there on has to be executed, in its order.
    has_met_batch: bool,
}

struct Worker<'scope> {
    pieces: Sender<Arc<Commits>>,
    thread: ScopedJoinHandle<'scope, Result<Vec<RecoveredGarbage>>>,
}

impl<'scope, 'a> Replay<'scope, 'a> {
    /// A replay onto the tables of a catalog.
    pub(super) fn new(catalog: &'a Catalog, cutoff: Cutoff, log: PathBuf) -> Self {
        let living = catalog.tables().into_iter().map(|table| (table.id(), table)).collect();
        let tables = Arc::new(RwLock::new(Tables { living, next: catalog.next_id() }));
        let alone =
            Applier { share: Share { index: 0, of: 1 }, tables: tables.clone(), cutoff, garbage: vec![] };
        let last = Timestamp::MIN;
        Replay {
            catalog,
            tables,
            cutoff,
            log,
            alone,
            pieces: 0,
            workers: Vec::new(),
            last,
            has_met_batch: false,
        }
    }

    /// The timestamp of the last piece before the first batch; `None` if there was no batch.
    pub(super) fn before_batches(&self) -> Option<Timestamp> {
        self.has_met_batch.then_some(self.last)
    }

    /// Takes the next piece of the log, unless there was a batch before.
    pub(super) fn take(&mut self, piece: Piece, scope: &'scope Scope<'scope, '_>) -> Result<()> {
        self.has_met_batch |= matches!(piece, Piece::Batch(_));
        if self.has_met_batch {
            return Ok(());
        }
        self.last = piece.last_timestamp();
        match piece {
            Piece::Commits(commits) => self.take_commits(commits, scope),
            Piece::CreateTable { table: id, name, .. } => {
                let mut tables = self.tables.write();
                // Numbers are given out in their order, and never again.
                if id != tables.next {
                    return Err(self.senseless(format!("table {} ({name}) is created out of turn", id.0)));
                }
                if self.catalog.by_name(&name).is_some() {
                    return Err(self.senseless(format!("table {} ({name}) is created a second time", id.0)));
                }
                tables.living.insert(id, self.catalog.create(id, &name));
                tables.next = self.catalog.next_id();
                Ok(())
            }
            Piece::DropTable { table: id, timestamp } => {
                self.catalog.remove(id, timestamp);
                self.tables.write().living.remove(&id);
                Ok(())
            }
            // From here on the log is executed, with the store that it needs.
            Piece::Batch(_) => unreachable!("it is told from the other pieces before"),
        }
    }

    fn take_commits(&mut self, commits: Commits, scope: &'scope Scope<'scope, '_>) -> Result<()> {
        self.pieces += 1;
        if self.pieces <= PIECES_ALONE {
            return self.alone.apply(&commits);
        }
        if self.workers.is_empty() {
            let of = available_parallelism().map_or(1, usize::from);
            self.workers = (0..of).map(|index| self.start_worker(Share { index, of }, scope)).collect();
        }
        let commits = Arc::new(commits);
        for worker in &self.workers {
            if worker.pieces.send(commits.clone()).is_err() {
                // It has failed; `finish` says why.
                return Err(self.senseless("the log's commits can't be applied".to_owned()));
            }
        }
        Ok(())
    }

    fn start_worker(&self, share: Share, scope: &'scope Scope<'scope, '_>) -> Worker<'scope> {
        let (pieces, mine) = bounded::<Arc<Commits>>(PIECES_AHEAD);
        let mut applier =
            Applier { share, tables: self.tables.clone(), cutoff: self.cutoff, garbage: Vec::new() };
        let thread = scope.spawn(move || {
            for commits in mine {
                applier.apply(&commits)?;
            }
            Ok(applier.garbage)
        });
        Worker { pieces, thread }
    }

    /// The log is whole, and still makes no sense.
    fn senseless(&self, reason: String) -> Error {
        Error::Corrupt { path: self.log.clone(), offset: 0, reason }
    }

    /// Waits until all that was taken is applied.
    pub(super) fn finish(self) -> Result<Vec<RecoveredGarbage>> {
        let mut garbage = self.alone.garbage;
        for Worker { pieces, thread } in self.workers {
            drop(pieces);
            garbage.extend(thread.join().expect("replaying doesn't panic")?);
        }
        Ok(garbage)
    }
}

/// Which keys a worker applies.
#[derive(Clone, Copy)]
struct Share {
    index: usize,
    of: usize,
}

impl Share {
    #[inline]
    fn has(self, table: TableId, key: &[u8]) -> bool {
        self.of == 1 || (key_hash(table, key) >> 32) as usize % self.of == self.index
    }
}

/// Applies one worker's share of the commits.
struct Applier {
    share: Share,
    tables: Arc<RwLock<Tables>>,
    cutoff: Cutoff,
    garbage: Vec<RecoveredGarbage>,
}

/// A write, and the record that it goes to, if there is one already.
#[derive(Clone, Copy)]
struct Found<'a> {
    table: &'a Table,
    at: Timestamp,
    key: &'a [u8],
    value: Option<&'a [u8]>,
    record: Option<Record<'a>>,
}

impl Applier {
    fn apply(&mut self, commits: &Commits) -> Result<()> {
        let tables = self.tables.clone();
        let tables = tables.read();
        let guard = crossbeam_epoch::pin();
        let mut batch = [None; BATCH];
        let mut taken = 0;
        for (index, (at, writes)) in commits.iter().enumerate() {
            for (id, key, value) in writes {
                if !self.share.has(id, key) {
                    continue;
                }
                let table = match tables.living.get(&id) {
                    Some(table) => &**table,
                    // Dropped: a transaction that ran beside the drop may have committed after it.
                    None if id < tables.next => continue,
                    None => {
                        let (path, offset) = commits.place(index);
                        let reason =
                            format!("the commit at {at} writes to table {}, which was never created", id.0);
                        return Err(Error::Corrupt { path, offset, reason });
                    }
                };
                let record = table.index().get(key, &guard);
                batch[taken] = Some(Found { table, at, key, value, record });
                taken += 1;
                if taken == BATCH {
                    self.restore(&batch[..taken], &guard);
                    taken = 0;
                }
            }
        }
        self.restore(&batch[..taken], &guard);
        Ok(())
    }

    fn restore(&mut self, batch: &[Option<Found<'_>>], guard: &crossbeam_epoch::Guard) {
        fetch_versions(batch);
        for Found { table, at, key, value, record } in batch.iter().flatten().copied() {
            restore::write((table, key, value), record, (at, self.cutoff), &mut self.garbage, guard);
        }
    }
}

/// Gets the versions that are about to be replaced into the cache, all at the same time.
fn fetch_versions(batch: &[Option<Found<'_>>]) {
    let versions = batch.iter().flatten().filter_map(|found| found.record?.head());
    black_box(versions.map(|version| version.value().map_or(0, <[u8]>::len)).sum::<usize>());
}
