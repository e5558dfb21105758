//! The process that is killed: threads that commit at every level, with checkpoints and backups beside them.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use synod::{CommitHandle, Committed, Durability, Engine, Error};
use synod_bench::random::Random;

use super::said::Line;
use super::work::{Job, Name, THREADS, Tables, options, stream};
use crate::crash::workload::at_level;

/// Commits that a thread leaves unacknowledged at most.
const IN_FLIGHT_MAX: u64 = 12;

/// The number that stands for what a thread does between its transactions.
const STEPS: u64 = u64::MAX;

/// Why the load ends, if nobody kills it.
type Outcome = Result<(), Box<dyn std::error::Error + Send + Sync>>;

/// Which load it is.
#[derive(Clone, Copy, Debug)]
pub struct Load<'p> {
    /// The directory of the database.
    pub home: &'p Path,
    /// The directory of its backup.
    pub backup: &'p Path,
    /// What transactions do follows from this, and from their names.
    pub seed: u64,
    /// The part of their names that no other start of the process has.
    pub life: u64,
}

/// What the threads of the load share.
#[derive(Debug)]
struct Shared<'p> {
    load: Load<'p>,
    engine: Engine,
    tables: Tables,
    next_volatile: AtomicU64,
    must_stop: AtomicBool,
}

/// One thread of the load.
#[derive(Debug)]
struct Worker<'s> {
    shared: &'s Shared<'s>,
    thread: u64,
    random: Random,
    next_number: u64,
    /// What was committed and isn't known to be durable, the oldest first.
    in_flight: VecDeque<(Durability, CommitHandle)>,
    checkpoints: u64,
}

/// Says something to whoever has started this process. One write, so that the words of two threads don't mix.
fn say(line: Line) -> io::Result<()> {
    io::stdout().lock().write_all(format!("{line}\n").as_bytes())
}

impl Load<'_> {
    /// Opens the database, and works until the process is killed.
    ///
    /// # Errors
    /// If the engine fails, or nobody listens any more.
    pub fn run(self) -> Outcome {
        say(Line::Begun)?;
        let started = Instant::now();
        let engine = Engine::open(self.home, options(self.life))?;
        say(Line::Open(started.elapsed().as_micros() as u64))?;
        let tables = Tables::open(&engine)?;
        let shared = Shared {
            load: self,
            engine,
            tables,
            next_volatile: AtomicU64::new(0),
            must_stop: AtomicBool::new(false),
        };
        std::thread::scope(|scope| {
            let work = |thread| shared.work(thread);
            let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || work(thread))).collect();
            threads.into_iter().try_for_each(|thread| thread.join().expect("no thread panics"))
        })
    }
}

impl Shared<'_> {
    fn work(&self, thread: u64) -> Outcome {
        let mut worker = Worker {
            shared: self,
            thread,
            random: stream(self.load.seed, Name { life: self.load.life, thread, number: STEPS }),
            next_number: 0,
            in_flight: VecDeque::new(),
            checkpoints: 0,
        };
        let mut outcome = Ok(());
        while outcome.is_ok() && !self.must_stop.load(Ordering::Relaxed) {
            outcome = worker.step();
        }
        // Relaxed: it only asks the others to end.
        self.must_stop.store(true, Ordering::Relaxed);
        outcome
    }
}

impl Worker<'_> {
    fn step(&mut self) -> Outcome {
        match self.random.below(1000) {
            0..5 if self.thread == 0 => self.checkpoint(),
            5..10 if self.thread == 0 => self.back_up(),
            10..50 if self.thread == 0 => self.count_checkpoints(),
            50..60 => self.flush(),
            60..80 => Ok(self.write_volatile()?),
            _ => self.commit(),
        }
    }

    fn commit(&mut self) -> Outcome {
        let Shared { load, engine, tables, .. } = self.shared;
        let name = Name { life: load.life, thread: self.thread, number: self.next_number };
        let job = Job::new(load.seed, name);
        let Committed { handle, .. } =
            engine.transact_with(&at_level(job.level), |txn| tables.carry_out(txn, &job))?;
        self.next_number += 1;
        say(Line::Committed(self.thread, handle.timestamp()))?;
        self.in_flight.push_back((job.level, handle));
        let kept = self.random.below(IN_FLIGHT_MAX) as usize;
        while self.in_flight.len() > kept {
            self.wait_for_oldest()?;
        }
        Ok(())
    }

    fn wait_for_oldest(&mut self) -> Outcome {
        if let Some((level, handle)) = self.in_flight.pop_front() {
            let timestamp = handle.wait()?;
            if level.waits() {
                say(Line::Durable(timestamp))?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Outcome {
        let newest = self.in_flight.back().map(|(_, handle)| handle.timestamp());
        self.shared.engine.flush()?;
        self.in_flight.clear();
        Ok(newest.into_iter().try_for_each(|timestamp| say(Line::Durable(timestamp)))?)
    }

    /// Nothing is promised of this commit but that it is whole, if a checkpoint has it.
    fn write_volatile(&self) -> Result<(), Error> {
        let Shared { engine, tables, next_volatile, .. } = self.shared;
        // Relaxed: only uniqueness counts.
        let number = next_volatile.fetch_add(1, Ordering::Relaxed);
        let level = at_level(Durability::None);
        let Committed { handle, .. } =
            engine.transact_with(&level, |txn| tables.write_volatile(txn, number))?;
        handle.wait().map(|_| ())
    }

    fn checkpoint(&mut self) -> Outcome {
        let timestamp = self.shared.engine.checkpoint()?.timestamp;
        // It has nothing that the log could lose.
        say(Line::Durable(timestamp))?;
        self.count_checkpoints()
    }

    fn count_checkpoints(&mut self) -> Outcome {
        let taken = self.shared.engine.stats().checkpoints.map_or(0, |checkpoints| checkpoints.taken);
        if taken > self.checkpoints {
            self.checkpoints = taken;
            say(Line::Checkpoints(taken))?;
        }
        Ok(())
    }

    fn back_up(&self) -> Outcome {
        let Shared { load, engine, .. } = self.shared;
        let backup = engine.backup_to(load.backup)?;
        // Nor has this.
        say(Line::Durable(backup.timestamp))?;
        Ok(say(Line::BackedUp(backup.timestamp))?)
    }
}
