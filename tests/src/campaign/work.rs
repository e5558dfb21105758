//! Work of every kind that reaches the disk, recorded as it goes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use synod::device::Device;
use synod::{
    CommitHandle, Committed, Durability, Engine, Error, Options, Table, TransactOptions, Transaction,
    TransactionOptions,
};

use super::model::{COUNTERS, Commit, Effect, FIXED, LEDGER, PLAIN, Place, VOLATILE, add, ledger_key};
use super::record::{Event, Recorder, Stage};
use crate::random::Random;

/// Where the database is.
pub const HOME: &str = "/db";

/// Where its backup is.
pub const BACKUP: &str = "/backup";

/// Log files are left soon, so that the switch to the next one is seen often.
const SEGMENT_BYTES: u64 = 9000;

/// Commits that are left unacknowledged before all of them are waited for.
const IN_FLIGHT: usize = 4;

/// The names that tables come and go under.
const PASSING_NAMES: u64 = 2;

/// How the databases of the campaign are opened: nothing happens by the clock, everything by the work.
pub fn options(device: impl Device + 'static, retention: Duration) -> Options {
    Options::new()
        .device(Arc::new(device))
        .retention(retention)
        .checkpoint_log_bytes(u64::MAX)
        .log_segment_bytes(SEGMENT_BYTES)
        .flush_interval(Duration::from_secs(3600))
        .group_window(Duration::ZERO)
        .merge(COUNTERS, |_, old, operand| add(old, operand))
}

/// Work on one engine.
#[derive(Debug)]
pub struct Work {
    engine: Engine,
    tables: Vec<Table>,
    recorder: Arc<Recorder>,
    next_number: AtomicU64,
}

/// One thread's part of the work.
#[derive(Debug)]
struct Worker<'w> {
    work: &'w Work,
    random: Random,
    thread: u64,
    /// The tables that this thread has created, each with its place.
    passing: Vec<(Table, Place)>,
    lives: [u32; PASSING_NAMES as usize],
    in_flight: Vec<(u64, Durability, CommitHandle)>,
    last_logged: Option<u64>,
}

impl Work {
    /// Creates the fixed tables, or finds them. The first commit gets the number `first`.
    ///
    /// # Errors
    /// If the engine fails.
    pub fn begin(engine: &Engine, recorder: Arc<Recorder>, first: u64) -> Result<Self, Error> {
        let tables = FIXED.iter().map(|name| engine.table(name)).collect::<Result<_, _>>()?;
        recorder.note(Event::TablesAreThere);
        Ok(Work { engine: engine.clone(), tables, recorder, next_number: AtomicU64::new(first) })
    }

    /// Does `steps` steps in one thread. What they are follows from the seed and the thread's number.
    ///
    /// # Errors
    /// The first failure of the engine ends the work.
    pub fn run(&self, steps: u64, seed: u64, thread: u64) -> Result<(), Error> {
        let random = Random::new(seed.wrapping_mul(1000) + thread);
        let mut worker = Worker {
            work: self,
            random,
            thread,
            passing: Vec::new(),
            lives: [0; PASSING_NAMES as usize],
            in_flight: Vec::new(),
            last_logged: None,
        };
        (0..steps).try_for_each(|_| worker.step())?;
        worker.wait_for_all()
    }

    /// Commits at a level, with a little of everything.
    ///
    /// # Errors
    /// If the engine fails.
    pub fn commit_and_wait(&self, level: Durability, seed: u64) -> Result<Commit, Error> {
        let effects = effects_of(&mut Random::new(seed), level, None);
        let (commit, handle) = self.commit(level, effects, None)?;
        self.wait_for(commit.number, level, handle)?;
        Ok(commit)
    }

    fn commit(
        &self,
        level: Durability,
        mut effects: Vec<Effect>,
        passing: Option<&Table>,
    ) -> Result<(Commit, CommitHandle), Error> {
        // Relaxed: only uniqueness counts.
        let number = self.next_number.fetch_add(1, Ordering::Relaxed);
        if level != Durability::None {
            let line = level.to_string().into_bytes();
            effects.push(Effect::Put(Place::fixed(LEDGER), ledger_key(number), line));
        }
        let options = TransactOptions {
            transaction: TransactionOptions::new().durability(level),
            ..TransactOptions::default()
        };
        let Committed { handle, .. } = self.engine.transact_with(&options, |txn| {
            effects.iter().try_for_each(|effect| self.carry_out(txn, effect, passing))
        })?;
        let commit = Commit { number, timestamp: handle.timestamp(), level, effects };
        self.recorder.note(Event::Committed(commit.clone()));
        Ok((commit, handle))
    }

    fn carry_out(&self, txn: &Transaction, effect: &Effect, passing: Option<&Table>) -> Result<(), Error> {
        let table = |place: &Place| {
            let fixed = self.tables.iter().find(|table| table.name() == place.name);
            fixed.or(passing).expect("effects are on fixed tables and the one that was given")
        };
        match effect {
            Effect::Put(place, key, value) => txn.put(table(place), key, value),
            Effect::Delete(place, key) => txn.delete(table(place), key).map(|_| ()),
            Effect::DeleteRange(place, from, to) => {
                txn.delete_range(table(place), from.as_slice()..to.as_slice()).map(|_| ())
            }
            Effect::Merge(place, key, operand) => txn.merge(table(place), key, operand.to_le_bytes()),
        }
    }

    fn wait_for(&self, number: u64, level: Durability, handle: CommitHandle) -> Result<(), Error> {
        handle.wait()?;
        if matches!(level, Durability::Sync | Durability::Group) {
            self.recorder.note(Event::IsDurable(number));
        }
        Ok(())
    }
}

impl Worker<'_> {
    fn step(&mut self) -> Result<(), Error> {
        match self.random.below(100) {
            0..8 => self.change_tables(),
            8..12 => self.flush(),
            12..16 => self.checkpoint(),
            // There is one backup, and one at a time works on it.
            16..19 if self.thread == 0 => self.back_up(),
            _ => self.commit(),
        }
    }

    fn checkpoint(&self) -> Result<(), Error> {
        let timestamp = self.work.engine.checkpoint()?.timestamp;
        self.work.recorder.note(Event::Checkpointed(timestamp));
        Ok(())
    }

    fn back_up(&self) -> Result<(), Error> {
        let timestamp = self.work.engine.backup_to(BACKUP)?.timestamp;
        self.work.recorder.note(Event::BackedUp(timestamp));
        Ok(())
    }

    fn commit(&mut self) -> Result<(), Error> {
        let level = *self.random.pick(&Durability::ALL);
        let chosen = match self.passing.len() as u64 {
            0 => None,
            tables => Some(self.random.below(tables) as usize),
        };
        let passing = chosen.map(|index| &self.passing[index]);
        let effects = effects_of(&mut self.random, level, passing.map(|(_, place)| place));
        let (commit, handle) = self.work.commit(level, effects, passing.map(|(table, _)| table))?;
        if commit.is_logged() {
            self.last_logged = Some(commit.number);
        }
        self.in_flight.push((commit.number, level, handle));
        if self.in_flight.len() >= IN_FLIGHT || self.random.below(100) < 40 {
            self.wait_for_all()?;
        }
        Ok(())
    }

    fn wait_for_all(&mut self) -> Result<(), Error> {
        for (number, level, handle) in self.in_flight.drain(..) {
            self.work.wait_for(number, level, handle)?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        let covered = self.last_logged;
        self.work.engine.flush()?;
        // With this one, all before it: what survives is a prefix.
        covered.into_iter().for_each(|number| self.work.recorder.note(Event::IsDurable(number)));
        Ok(())
    }

    /// Creates a table, or drops the one of that name.
    fn change_tables(&mut self) -> Result<(), Error> {
        let slot = self.random.below(PASSING_NAMES) as usize;
        let name = format!("passing {}.{slot}", self.thread);
        let note = |place: &Place, stage| self.work.recorder.note(Event::Table(place.clone(), stage));
        match self.passing.iter().position(|(_, place)| place.name == name) {
            Some(index) => {
                let (_, place) = self.passing.remove(index);
                note(&place, Stage::Dropping);
                assert!(self.work.engine.drop_table(&name)?, "the table {name} is there");
                note(&place, Stage::Dropped);
            }
            None => {
                let place = Place { name, life: self.lives[slot] };
                self.lives[slot] += 1;
                note(&place, Stage::Creating);
                let table = self.work.engine.table(&place.name)?;
                note(&place, Stage::Created);
                self.passing.push((table, place));
            }
        }
        Ok(())
    }
}

/// A key that many commits write to.
fn key_of(random: &mut Random) -> Vec<u8> {
    format!("key {:02}", random.below(20)).into_bytes()
}

/// Mostly short; now and then one that makes its commit span some sectors.
fn value_of(random: &mut Random) -> Vec<u8> {
    let length = match random.below(10) {
        0 => 0,
        1 => 600 + random.below(1500),
        _ => 1 + random.below(60),
    };
    let byte = random.draw() as u8;
    (0..length).map(|index| byte.wrapping_add(index as u8)).collect()
}

/// What a commit is to do.
fn effects_of(random: &mut Random, level: Durability, passing: Option<&Place>) -> Vec<Effect> {
    let mut effects = Vec::new();
    if level == Durability::None {
        let place = Place::fixed(VOLATILE);
        // Unique, so that each of these commits leads to a state of its own.
        let value = random.draw().to_be_bytes().to_vec();
        effects.push(Effect::Put(place.clone(), key_of(random), value));
        effects.push(Effect::Delete(place, key_of(random)));
        return effects;
    }
    for _ in 0..=random.below(4) {
        let place = match passing {
            Some(place) if random.below(3) == 0 => place.clone(),
            _ => Place::fixed(PLAIN[random.below(2) as usize]),
        };
        effects.push(match random.below(12) {
            0..5 => Effect::Put(place, key_of(random), value_of(random)),
            5..7 => Effect::Delete(place, key_of(random)),
            7 => {
                let (one, other) = (key_of(random), key_of(random));
                Effect::DeleteRange(place, one.clone().min(other.clone()), one.max(other))
            }
            _ => Effect::Merge(Place::fixed(COUNTERS), key_of(random), random.below(1000)),
        });
    }
    effects
}
