//! This engine, in each of its modes.

use super::{About, Client, OpenOptions, Outcome, Row, Stop, TableNumber, Tally, Target, Txn, Work, copy};
use crate::error::{Error, Result};
use crate::put_rows::Rows;
use crate::workload::{Answer, Job, Touch};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::time::Instant;
use synod::{
    CommitHandle, Declaration, Durability, Engine, Executed, Isolation, Mode, Options, Procedure, Table,
    Ticket, TransactOptions, Transaction, TransactionOptions, View,
};

/// Makes the procedure known.
pub(crate) fn register(options: Options) -> Options {
    options.procedure::<RunJob>()
}

/// An open engine of ours.
pub struct SynodTarget {
    engine: Engine,
    tables: Vec<Table>,
    about: About,
    durability: Durability,
    in_flight: usize,
    options: TransactOptions,
}

impl SynodTarget {
    /// Opens one.
    ///
    /// # Errors
    ///
    /// If the mode lacks the level, or the engine can't be opened.
    pub fn open(mode: Mode, isolation: Isolation, place: &OpenOptions) -> Result<SynodTarget> {
        let options = Options::new().mode(mode).isolation(isolation).durability(place.durability);
        let engine = Engine::open(&place.directory, crate::register(options))?;
        let tables = place.tables.iter().map(|name| engine.table(name)).collect::<synod::Result<_>>()?;
        let about = about(mode, isolation, place.durability);
        let transaction = TransactionOptions::new().durability(place.durability);
        let options = TransactOptions { transaction, ..TransactOptions::default() };
        let (durability, in_flight) = (place.durability, place.in_flight);
        Ok(SynodTarget { engine, tables, about, durability, in_flight, options })
    }
}

/// The name under which a mode at a level appears: `mvcc`, `mvcc@snapshot`.
pub fn name_of(mode: Mode, isolation: Isolation) -> String {
    match isolation {
        Isolation::Serializable => mode.to_string(),
        weaker => format!("{mode}@{weaker}"),
    }
}

fn about(mode: Mode, isolation: Isolation, durability: Durability) -> About {
    let allows: &[&str] = match isolation {
        Isolation::Serializable => &[],
        Isolation::Snapshot => &["write skew"],
        Isolation::RepeatableRead => &["phantoms"],
        Isolation::ReadCommitted => &["lost updates", "fuzzy reads", "phantoms", "write skew"],
        Isolation::ReadUncommitted => {
            &["dirty reads", "lost updates", "fuzzy reads", "phantoms", "write skew"]
        }
    };
    let waits_for = match durability {
        Durability::None => "nothing: it isn't logged",
        Durability::Buffered => "nothing: the log is written and flushed behind",
        Durability::Group => "its log is flushed, together with that of others",
        Durability::Sync => "its log is flushed",
    };
    About {
        name: name_of(mode, isolation),
        engine: format!("synod {}", env!("CARGO_PKG_VERSION")),
        isolation: format!("strict {isolation}").replace("strict snapshot", "snapshot"),
        allows: allows.iter().map(ToString::to_string).collect(),
        durability: waits_for.to_string(),
        has_concurrent_writers: true,
        notes: match mode {
            Mode::Deterministic => vec!["transactions are procedures with declared footprints".to_string()],
            _ => vec![],
        },
    }
}

impl Target for SynodTarget {
    fn about(&self) -> &About {
        &self.about
    }

    fn client(&self) -> Result<Box<dyn Client + '_>> {
        Ok(Box::new(SynodClient { target: self, in_flight: VecDeque::new() }))
    }

    fn settle(&self) -> Result<()> {
        // What isn't logged needs no checkpoint that makes the log short.
        if self.durability != Durability::None {
            self.engine.checkpoint()?;
        }
        Ok(())
    }
}

/// One thread's use of an engine.
struct SynodClient<'t> {
    target: &'t SynodTarget,
    /// What was handed in and isn't answered, in that order, and when it was due.
    in_flight: VecDeque<(Pending, Instant)>,
}

/// What was handed in.
enum Pending {
    /// It is over.
    Over(Outcome),
    /// It has committed, and may not be durable.
    Commit(CommitHandle, Answer),
    /// It has its place in the order, and may not have run.
    Procedure(Ticket<<RunJob as Procedure>::Output>),
}

impl Pending {
    fn wait(self) -> Result<Outcome> {
        match self {
            Pending::Over(outcome) => Ok(outcome),
            Pending::Commit(handle, answer) => {
                handle.wait()?;
                Ok(Outcome::Committed(answer))
            }
            Pending::Procedure(ticket) => executed(ticket.wait()),
        }
    }
}

fn executed(answer: synod::Result<Executed<<RunJob as Procedure>::Output>>) -> Result<Outcome> {
    match answer {
        Ok(executed) => executed.output.map(Outcome::Committed).map_err(Error::ProcedureFailed),
        Err(synod::Error::Rejected { .. }) => Ok(Outcome::Rejected),
        Err(error) => Err(error.into()),
    }
}

impl SynodClient<'_> {
    fn tables(&self) -> Tables<'_> {
        self.target.tables.iter().collect()
    }

    /// Runs a job that only reads, on a snapshot.
    fn query(&self, job: &Job, tally: &mut Tally) -> Result<Outcome> {
        let transaction = self.target.options.transaction.read_only();
        self.transact(job, &TransactOptions { transaction, ..self.target.options }, tally)?.wait()
    }

    /// Runs a job as it goes.
    fn transact(&self, job: &Job, options: &TransactOptions, tally: &mut Tally) -> Result<Pending> {
        let tables = self.tables();
        let outcome = self
            .target
            .engine
            .transact_with(options, |transaction| job.run(&mut Access { transaction, tables: &tables }));
        match outcome {
            Ok(committed) => {
                committed.aborts.iter().for_each(|abort| tally.count(abort.kind()));
                Ok(Pending::Commit(committed.handle, committed.value))
            }
            Err(Stop::Rejected(_)) => Ok(Pending::Over(Outcome::Rejected)),
            Err(Stop::Failed(error)) => Err(error),
            Err(Stop::Conflict(reason)) => unreachable!("the engine tries again by itself: {reason}"),
        }
    }
}

impl Client for SynodClient<'_> {
    fn attempt(&mut self, only_reads: bool, work: &mut Work<'_>) -> Result<(), Stop> {
        let options = match only_reads {
            true => self.target.options.transaction.read_only(),
            false => self.target.options.transaction,
        };
        let transaction = self.target.engine.begin(options)?;
        let worked = work(&mut Access { transaction: &transaction, tables: &self.tables() });
        if let Some(abort) = transaction.abort_reason() {
            return Err(Stop::Conflict(abort.kind()));
        }
        worked?;
        transaction.commit().map(drop).map_err(|error| match error.abort() {
            Some(abort) => Stop::Conflict(abort.kind()),
            None => error.into(),
        })
    }

    fn load(&mut self, rows: &[Row]) -> Result<()> {
        let mut batch = Rows::default();
        rows.iter().for_each(|(table, key, value)| batch.push(&self.target.tables[*table], key, value));
        batch.write(&self.target.engine, Durability::None)
    }

    fn execute(&mut self, job: &Job, tally: &mut Tally) -> Result<Outcome> {
        if job.only_reads() {
            self.query(job, tally)
        } else if self.target.engine.mode() == Mode::Deterministic {
            let procedure = RunJob(job.clone());
            executed(self.target.engine.execute_with(self.target.options.transaction, procedure))
        } else {
            self.transact(job, &self.target.options, tally)?.wait()
        }
    }

    fn submit(&mut self, job: &Job, due: Instant, tally: &mut Tally) -> Result<Option<(Outcome, Instant)>> {
        if self.target.in_flight == 1 {
            return self.execute(job, tally).map(|outcome| Some((outcome, due)));
        }
        let oldest = match self.in_flight.len() >= self.target.in_flight {
            true => self.take_in_flight()?,
            false => None,
        };
        let pending = if job.only_reads() {
            Pending::Over(self.query(job, tally)?)
        } else if self.target.engine.mode() == Mode::Deterministic {
            Pending::Procedure(
                self.target.engine.submit_with(self.target.options.transaction, RunJob(job.clone()))?,
            )
        } else {
            self.transact(job, &self.target.options, tally)?
        };
        self.in_flight.push_back((pending, due));
        Ok(oldest)
    }

    fn take_in_flight(&mut self) -> Result<Option<(Outcome, Instant)>> {
        let Some((pending, due)) = self.in_flight.pop_front() else { return Ok(None) };
        Ok(Some((pending.wait()?, due)))
    }
}

type Tables<'t> = smallvec::SmallVec<[&'t Table; 5]>;

/// A transaction of ours.
struct Access<'a> {
    transaction: &'a Transaction,
    tables: &'a [&'a Table],
}

impl Txn for Access<'_> {
    fn get(&mut self, table: TableNumber, key: &[u8], value: &mut Vec<u8>) -> Result<bool, Stop> {
        Ok(self.transaction.get_with(self.tables[table], key, |found| copy(found, value))?)
    }

    fn get_for_update(&mut self, table: TableNumber, key: &[u8], value: &mut Vec<u8>) -> Result<bool, Stop> {
        Ok(self.transaction.get_for_update_with(self.tables[table], key, |found| copy(found, value))?)
    }

    fn get_many(
        &mut self,
        table: TableNumber,
        keys: &[&[u8]],
        for_update: bool,
        each: &mut dyn FnMut(usize, Option<&[u8]>),
    ) -> Result<(), Stop> {
        let (transaction, table) = (self.transaction, self.tables[table]);
        match for_update {
            true => transaction.multi_get_for_update_with(table, keys, each)?,
            false => transaction.multi_get_with(table, keys, each)?,
        }
        Ok(())
    }

    fn put(&mut self, table: TableNumber, key: &[u8], value: &[u8]) -> Result<(), Stop> {
        Ok(self.transaction.put(self.tables[table], key, value)?)
    }

    fn delete(&mut self, table: TableNumber, key: &[u8]) -> Result<(), Stop> {
        self.transaction.delete(self.tables[table], key)?;
        Ok(())
    }

    fn scan(
        &mut self,
        table: TableNumber,
        from: &[u8],
        to: &[u8],
        each: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), Stop> {
        let mut scan = match to {
            [] => self.transaction.scan(self.tables[table], from..),
            to => self.transaction.scan(self.tables[table], from..to),
        };
        while let Some((key, value)) = scan.next_ref()? {
            if !each(key, value) {
                break;
            }
        }
        Ok(())
    }
}

/// A job as a procedure.
#[derive(Serialize, Deserialize)]
pub(crate) struct RunJob(Job);

impl Procedure for RunJob {
    const NAME: &'static str = "bench.job";

    /// What it has answered, or why it failed: then the run is void, and what it has written doesn't matter.
    type Output = std::result::Result<Answer, String>;

    fn declare(&self, footprint: &mut Declaration<'_>) -> synod::Result<()> {
        let names = self.0.tables();
        let tables: Tables<'_> =
            names.iter().map(|name| footprint.table(name)).collect::<synod::Result<_>>()?;
        let is_known = self.0.declare(&mut |touch| match touch {
            Touch::Read(table, key) => footprint.read_in(tables[table], key),
            Touch::Write(table, key) => footprint.write_in(tables[table], key),
            Touch::ReadRange(table, from, []) => footprint.read_range(tables[table], from..),
            Touch::ReadRange(table, from, to) => footprint.read_range(tables[table], from..to),
        });
        if !is_known {
            footprint.unknown();
        }
        Ok(())
    }

    fn run(&self, view: &View<'_>) -> synod::Result<Self::Output> {
        let names = self.0.tables();
        let tables: Tables<'_> = names.iter().map(|name| view.table(name)).collect::<synod::Result<_>>()?;
        match self.0.run(&mut Access { transaction: view, tables: &tables }) {
            Ok(answer) => Ok(Ok(answer)),
            Err(Stop::Rejected(reason) | Stop::Conflict(reason)) => Err(synod::Error::rejected(reason)),
            Err(Stop::Failed(Error::Engine(error))) => Err(error),
            Err(Stop::Failed(error)) => Ok(Err(error.to_string())),
        }
    }
}
