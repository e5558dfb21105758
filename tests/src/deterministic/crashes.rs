//! Clients whose database may crash at any moment, and what must be found then.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use synod::device::{MemoryDevice, Survival};
use synod::{Durability, Engine, Error, Options, Result, Timestamp, TransactionOptions};

use super::clients::Record;
use super::script::{Outcome, Script};
use super::serial::{State, execute};
use super::witness::place_of;
use super::world::{contents_at, options, tables};
use crate::random::Random;

/// Where the database is on a memory device.
pub const HOME: &str = "/db";

/// Options for a database of small log segments on a device.
pub fn small_options(device: &MemoryDevice) -> Options {
    options().device(Arc::new(device.clone())).log_segment_bytes(9000)
}

/// What clients know.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// What was answered, durable or not.
    pub answered: Vec<(Script, Outcome)>,
    /// The numbers of those that were said to be durable.
    pub durable: Vec<u64>,
    /// What was handed in and not answered, or answered with a failure of the log.
    pub unknown: Vec<Script>,
}

impl Told {
    /// All scripts that may have been executed.
    pub fn scripts(&self) -> impl Iterator<Item = &Script> {
        self.answered.iter().map(|(script, _)| script).chain(&self.unknown)
    }
}

/// Hands in scripts by one thread for each list, at every durability level, until the log fails. A checkpoint is taken
/// after so many scripts of the first list.
///
/// # Errors
/// The first failure.
pub fn work(
    engine: &Engine,
    lists: &[Vec<Script>],
    checkpoint_every: usize,
    told: &Mutex<Told>,
) -> Result<()> {
    let failure = Mutex::new(None);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for (number, list) in lists.iter().enumerate() {
            let (failure, is_over) = (&failure, &is_over);
            scope.spawn(move || {
                for (index, script) in list.iter().enumerate() {
                    let done = hand_in(engine, script, told).and_then(|()| {
                        let is_time = number == 0 && (index + 1) % checkpoint_every == 0;
                        if is_time { engine.checkpoint().map(drop) } else { Ok(()) }
                    });
                    if let Err(error) = done {
                        failure.lock().get_or_insert(error);
                        is_over.store(true, Ordering::Relaxed);
                    }
                    if is_over.load(Ordering::Relaxed) {
                        return;
                    }
                }
            });
        }
    });
    failure.into_inner().map_or(Ok(()), Err)
}

fn hand_in(engine: &Engine, script: &Script, told: &Mutex<Told>) -> Result<()> {
    let level = *Random::new(script.id).pick(&[Durability::Sync, Durability::Group, Durability::Buffered]);
    told.lock().unknown.push(script.clone());
    let answer = engine.execute_with(TransactionOptions::new().durability(level), script.clone());
    let outcome = Outcome::of(answer.as_ref().map(|executed| executed.output.clone()).map_err(Clone::clone));
    if let Outcome::Failed(_) = outcome {
        return answer.map(drop);
    }
    let mut told = told.lock();
    told.unknown.retain(|other| other.id != script.id);
    told.answered.push((script.clone(), outcome));
    if level.waits() {
        told.durable.push(script.id);
    }
    Ok(())
}

/// Opens the database, and creates the tables if they aren't there.
///
/// # Errors
/// What the engine says.
pub fn open(device: &MemoryDevice) -> Result<Engine> {
    let engine = Engine::open(HOME, small_options(device))?;
    tables(&engine)?;
    Ok(engine)
}

/// What is found when a database is opened: up to where the order goes, and the state there.
///
/// # Panics
/// If it can't be opened.
pub fn found(device: &MemoryDevice) -> (Timestamp, State) {
    let engine =
        Engine::open(HOME, small_options(device)).unwrap_or_else(|error| panic!("unreadable: {error}"));
    let snapshot = engine.snapshot().expect("there are free snapshots");
    let state = contents_at(&engine, &snapshot).expect("a snapshot can be read");
    (snapshot.timestamp(), state)
}

/// A device after a crash, and what clients had been told before.
#[derive(Debug)]
pub struct Image {
    /// The device after the crash.
    pub device: MemoryDevice,
    /// The numbers of the scripts that were said to be durable before.
    pub durable: Vec<u64>,
}

impl Image {
    /// Crashes a device on which clients may be at work.
    pub fn take(device: &MemoryDevice, told: &Mutex<Told>, survival: Survival) -> Image {
        let durable = told.lock().durable.clone();
        Image { device: device.crash(survival), durable }
    }

    /// Opens the image and judges it: the state is that of all scripts up to some place in the order, run one after the
    /// other, and includes those that were said to be durable. `told` is what clients know in the end. Returns the records of the
    /// scripts that are there.
    ///
    /// # Panics
    /// If anything is missing that was promised, or there that can't be.
    pub fn judge(&self, told: &Told, initial: &State) -> Vec<Record> {
        let (reached, state) = found(&self.device);
        let mut placed: Vec<(Timestamp, &Script)> = told
            .scripts()
            .filter_map(|script| Some((place_of(script.id)?, script)))
            .filter(|(at, _)| *at <= reached)
            .collect();
        placed.sort_by_key(|(at, _)| *at);
        for id in &self.durable {
            assert!(
                placed.iter().any(|(_, script)| script.id == *id),
                "script {id} was durable, and is lost"
            );
        }
        let mut expected = initial.clone();
        let mut records = Vec::new();
        for (at, script) in placed {
            let outcome = execute(&mut expected, script, at);
            let answered = told.answered.iter().find(|(other, _)| other.id == script.id);
            if let Some((_, answered)) = answered {
                assert_eq!(*answered, outcome, "at {at:?}, {script:?}");
            }
            let script = script.clone();
            records.push(Record { script, began: 0, ended: 0, outcome, at: Some(at), position: None });
        }
        assert_eq!(state, expected, "the state is not that of the order up to {reached:?}");
        records
    }
}

/// Whether an error is one of the log, or of the disk below.
pub fn is_of_log(error: &Error) -> bool {
    crate::crash::failure::storage_error(error).is_some() || matches!(error, Error::Sequencer(_))
}
