//! Threads that commit numbered transactions at every level, and create and drop tables in between.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use synod::device::Device;
use synod::{
    CommitHandle, Committed, Durability, Engine, Error, Options, Table, TransactOptions, TransactionOptions,
};
use synod_bench::random::Random;

use super::history::{Commit, Recorder, Stage, TABLES, ledger_key, value_of, writes_of};

/// Where the database is on a memory device.
pub const HOME: &str = "/db";

/// Commits that a thread leaves unacknowledged before it waits for all of them.
const IN_FLIGHT: usize = 4;

/// Options for a database of small log segments on a device.
pub fn small_options(device: impl Device + 'static) -> Options {
    Options::new().device(Arc::new(device)).log_segment_bytes(9000)
}

/// A transaction's options at a level.
pub fn at_level(level: Durability) -> TransactOptions {
    TransactOptions { transaction: TransactionOptions::new().durability(level), ..TransactOptions::default() }
}

/// Work on one engine.
#[derive(Debug)]
pub struct Workload<'r> {
    engine: Engine,
    tables: Vec<Table>,
    recorder: &'r Recorder,
    next_number: AtomicU64,
}

impl<'r> Workload<'r> {
    /// Creates the fixed tables, or finds them. The first transaction gets the number `first`.
    pub fn begin(engine: &Engine, recorder: &'r Recorder, first: u64) -> Result<Self, Error> {
        let tables = TABLES.iter().map(|name| engine.table(name)).collect::<Result<_, _>>()?;
        recorder.note(|history| history.has_tables = true);
        Ok(Workload { engine: engine.clone(), tables, recorder, next_number: AtomicU64::new(first) })
    }

    /// Runs `steps` steps of one thread; what they are follows from the seed.
    ///
    /// # Errors
    /// The first failure of the engine ends the work.
    pub fn run(&self, steps: u64, seed: u64) -> Result<(), Error> {
        let mut random = Random::new(seed, 0);
        let mut passing: Option<Table> = None;
        let mut in_flight = Vec::new();
        for step in 0..steps {
            if random.percent(12) {
                match passing.take() {
                    Some(table) => self.drop_passing(&table)?,
                    None => passing = Some(self.create_passing(&format!("passing {seed} {step}"))?),
                }
            }
            let level = Durability::ALL[random.below(4) as usize];
            let (number, handle) = self.commit(level, passing.as_ref())?;
            in_flight.push((number, level, handle));
            if random.percent(40) || in_flight.len() >= IN_FLIGHT {
                self.wait_for(in_flight.drain(..))?;
            }
        }
        self.wait_for(in_flight.drain(..))
    }

    /// Commits one transaction at a level, which is recorded, and not yet acknowledged.
    pub fn commit(&self, level: Durability, passing: Option<&Table>) -> Result<(u64, CommitHandle), Error> {
        // Relaxed: only uniqueness counts.
        let number = self.next_number.fetch_add(1, Ordering::Relaxed);
        let passing = passing.filter(|_| level != Durability::None);
        let Committed { handle, .. } = self.engine.transact_with(&at_level(level), |txn| {
            for (name, key, value) in writes_of(number, level) {
                let table = self.table(name);
                match value {
                    Some(value) => txn.put(table, key, value)?,
                    None => txn.delete(table, key).map(|_| ())?,
                }
            }
            if let Some(table) = passing {
                txn.put(table, ledger_key(number), value_of(number))?;
            }
            Ok::<_, Error>(())
        })?;
        let passing = passing.map(|table| table.name().to_string());
        let commit = Commit { number, timestamp: handle.timestamp(), level, passing };
        self.recorder.note(|history| history.commits.push(commit));
        Ok((number, handle))
    }

    /// Waits for commits, and records which of them are durable.
    pub fn wait_for(
        &self,
        handles: impl Iterator<Item = (u64, Durability, CommitHandle)>,
    ) -> Result<(), Error> {
        for (number, level, handle) in handles {
            handle.wait()?;
            if matches!(level, Durability::Sync | Durability::Group) {
                self.recorder.note(|history| {
                    history.durable.insert(number);
                });
            }
        }
        Ok(())
    }

    fn table(&self, name: &str) -> &Table {
        self.tables.iter().find(|table| table.name() == name).expect("all tables were opened")
    }

    fn create_passing(&self, name: &str) -> Result<Table, Error> {
        self.note_stage(name, Stage::Creating);
        let table = self.engine.table(name)?;
        self.note_stage(name, Stage::Created);
        Ok(table)
    }

    fn drop_passing(&self, table: &Table) -> Result<(), Error> {
        self.note_stage(table.name(), Stage::Dropping);
        assert!(self.engine.drop_table(table.name())?, "the table was there");
        self.note_stage(table.name(), Stage::Dropped);
        Ok(())
    }

    fn note_stage(&self, name: &str, stage: Stage) {
        self.recorder.note(|history| {
            history.passing.insert(name.to_string(), stage);
        });
    }
}
