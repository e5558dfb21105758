//! The same log leads to the same state: with any number of threads, from any checkpoint, at any pace. And where it does
//! not, that is found out.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use synod::device::MemoryDevice;
use synod::{
    ChangeKind, Declaration, Engine, Error, Mode, Options, Position, Procedure, ReplayOptions, ReplaySummary,
    ReplayedEpoch, Result, Timestamp, View,
};
use synod_sequencer::Batch;
use synod_tests::crash::failure::in_time;
use synod_tests::deterministic::clients::run;
use synod_tests::deterministic::perform::number;
use synod_tests::deterministic::places::TABLES;
use synod_tests::deterministic::serial::State;
use synod_tests::deterministic::verdict::{Line, judge};
use synod_tests::deterministic::world::{contents, newest_hash, options, tables};

use crate::scripts::draw;

const HOME: &str = "/db";

const WORKERS: [usize; 4] = [1, 2, 4, 8];

fn open(device: &MemoryDevice, options: Options) -> Result<Engine> {
    let engine = Engine::open(Path::new(HOME), options.device(Arc::new(device.clone())))?;
    tables(&engine)?;
    Ok(engine)
}

/// A replay: the engine's contents, what it says of itself, and the epochs.
fn replay(
    device: &MemoryDevice,
    options: Options,
    how: ReplayOptions,
) -> Result<(State, ReplaySummary, Vec<ReplayedEpoch>)> {
    let mut epochs = Vec::new();
    let options = options.device(Arc::new(device.clone()));
    let replayed = Engine::replay(Path::new(HOME), options, how, |epoch| epochs.push(epoch))?;
    Ok((contents(&replayed.engine), replayed.summary, epochs))
}

const OLDEST: ReplayOptions = ReplayOptions { until: u64::MAX, from_newest_checkpoint: false };
const NEWEST: ReplayOptions = ReplayOptions { until: u64::MAX, from_newest_checkpoint: true };

/// The epochs of which the log says what the state was after them, and how many procedures it has.
fn told_by_log(engine: &Engine) -> (BTreeSet<u64>, u64) {
    let (mut told, mut requests) = (BTreeSet::new(), 0);
    let mut changes = engine.changes(Timestamp::MIN).unwrap();
    while let Some(change) = changes.try_next().unwrap() {
        if let ChangeKind::Batch(bytes) = change.kind {
            let batch = Batch::decode(&bytes).unwrap();
            told.extend(batch.header().verified.map(|state| state.epoch));
            requests += batch.len() as u64;
        }
    }
    (told, requests)
}

/// All epochs were heard of, in their order, and confirmed wherever the log tells of them.
fn check_epochs(epochs: &[ReplayedEpoch], told: &BTreeSet<u64>) {
    assert!(epochs.windows(2).all(|pair| pair[0].epoch + 1 == pair[1].epoch && pair[0].last < pair[1].last));
    for epoch in epochs {
        assert_eq!(epoch.is_confirmed, told.contains(&epoch.epoch).then_some(true), "{epoch:?}");
    }
}

/// Plays the scripts of a seed on an engine that begins with this state.
fn play(engine: &Engine, seed: u64, initial: &State) -> Line {
    let history = run(engine, &draw(seed, 4, 60), 1);
    judge(&history, initial).unwrap_or_else(|problem| panic!("{problem}"))
}

#[test]
fn any_number_of_threads_comes_to_the_same_state_and_the_same_answers() {
    in_time("replaying", || {
        let device = MemoryDevice::new();
        let engine = open(&device, options().workers(4)).unwrap();
        let line = play(&engine, 1, &State::new());
        let hash = newest_hash(&engine);
        engine.flush().unwrap();
        let (told, requests) = told_by_log(&engine);
        assert!(told.len() > 20, "the log hardly tells of any epoch");
        engine.close().unwrap();
        let mut answers = BTreeSet::new();
        for workers in WORKERS.into_iter().cycle().take(12) {
            let (state, summary, epochs) = replay(&device, options().workers(workers), OLDEST).unwrap();
            assert_eq!(state, *line.last());
            assert_eq!((summary.state_hash, summary.procedures), (hash, requests));
            assert_eq!(summary.checkpoint, None);
            check_epochs(&epochs, &told);
            answers.insert(summary.answers_hash);
        }
        assert_eq!(answers.len(), 1, "the answers differ");
        // Whoever runs them one after the other needs no locks of any kind.
        for mode in [Mode::TwoPhaseLocking, Mode::Optimistic, Mode::MultiVersion] {
            let (_, summary, _) = replay(&device, options().mode(mode).workers(1), OLDEST).unwrap();
            assert_eq!(summary.procedures, requests);
        }
        assert_eq!(contents(&open(&device, options()).unwrap()), *line.last());
    });
}

#[test]
fn a_replay_may_stop_after_any_epoch() {
    in_time("replaying parts", || {
        let device = MemoryDevice::new();
        let engine = open(&device, options().workers(2)).unwrap();
        let line = play(&engine, 2, &State::new());
        engine.close().unwrap();
        let (.., epochs) = replay(&device, options(), OLDEST).unwrap();
        for epoch in epochs.iter().step_by(7) {
            let how = ReplayOptions { until: epoch.epoch, ..OLDEST };
            let (state, summary, heard) = replay(&device, options().workers(3), how).unwrap();
            assert_eq!(summary.state_hash, epoch.hash);
            assert_eq!(state, *line.state_at(epoch.last));
            assert_eq!(heard.last().map(|heard| heard.epoch), Some(epoch.epoch));
        }
    });
}

#[test]
fn checkpoints_taken_at_any_moment_lead_to_the_same_state() {
    in_time("checkpoints", || {
        for seed in 0..4 {
            let device = MemoryDevice::new();
            let small = || options().log_segment_bytes(6000).checkpoints_kept(1 + seed as usize % 3);
            let mut initial = State::new();
            for round in 0..3 {
                let engine = open(&device, small().workers(3)).unwrap();
                let is_over = AtomicBool::new(false);
                let line = std::thread::scope(|scope| {
                    scope.spawn(|| {
                        while !is_over.load(Ordering::Relaxed) {
                            engine.checkpoint().unwrap();
                        }
                    });
                    let line = play(&engine, seed * 10 + round, &initial);
                    is_over.store(true, Ordering::Relaxed);
                    line
                });
                if round == 1 {
                    // Nothing comes behind this one; the next opening finds no epoch in the log.
                    engine.checkpoint().unwrap();
                }
                let hash = newest_hash(&engine);
                engine.close().unwrap();
                for how in [OLDEST, NEWEST] {
                    let replay = |workers| replay(&device, small().workers(workers), how).unwrap();
                    let ones: Vec<_> = WORKERS.map(replay).into();
                    for (state, summary, epochs) in &ones {
                        assert_eq!(state, line.last());
                        assert_eq!(summary.state_hash, hash);
                        assert_eq!(summary.answers_hash, ones[0].1.answers_hash);
                        assert!(epochs.windows(2).all(|pair| pair[0].epoch < pair[1].epoch));
                        assert!(epochs.iter().all(|epoch| epoch.is_confirmed != Some(false)));
                    }
                }
                initial = line.last().clone();
                assert_eq!(contents(&open(&device, small()).unwrap()), initial);
            }
        }
    });
}

/// From which number on [`Fickle`] does something else than it did.
static CHANGED_FROM: AtomicU64 = AtomicU64::new(u64::MAX);

/// Held by the test that changes what [`Fickle`] does.
static FICKLE: parking_lot::Mutex<()> = parking_lot::Mutex::new(());

/// Its code changes, its version doesn't.
#[derive(Serialize, Deserialize)]
struct Fickle(u64);

impl Procedure for Fickle {
    const NAME: &'static str = "fickle";
    type Output = u64;

    fn declare(&self, footprint: &mut Declaration<'_>) -> Result<()> {
        footprint.write(TABLES[0], "sum")
    }

    fn run(&self, view: &View<'_>) -> Result<u64> {
        let table = view.table(TABLES[0])?;
        let by = if self.0 >= CHANGED_FROM.load(Ordering::Relaxed) { 2 } else { 1 };
        let sum = number(view.get(table, "sum")?.as_deref()) + by;
        view.put(table, "sum", sum.to_le_bytes())?;
        Ok(sum)
    }
}

#[test]
fn a_procedure_that_has_changed_is_found_at_the_first_epoch_that_differs() {
    let _only = FICKLE.lock();
    let device = MemoryDevice::new();
    let fickle = || options().procedure::<Fickle>();
    let engine = open(&device, fickle()).unwrap();
    let positions: Vec<Position> =
        (0..20).map(|number| engine.execute(Fickle(number)).unwrap().position.unwrap()).collect();
    let before = contents(&engine);
    engine.close().unwrap();
    for changed_from in [0, 1, 7, 18] {
        CHANGED_FROM.store(changed_from, Ordering::Relaxed);
        let epoch = positions[changed_from as usize].epoch;
        let is_found = |error: Error| match error {
            Error::Diverged { epoch: found, expected, found: other } => found == epoch && expected != other,
            error => panic!("{error}"),
        };
        for workers in WORKERS {
            assert!(is_found(replay(&device, fickle().workers(workers), OLDEST).unwrap_err()));
        }
        for mode in [Mode::Deterministic, Mode::MultiVersion] {
            assert!(is_found(open(&device, fickle().mode(mode)).unwrap_err()), "{mode}");
        }
        // Until then nothing is wrong.
        let how = ReplayOptions { until: epoch - 1, ..OLDEST };
        assert_eq!(replay(&device, fickle(), how).unwrap().1.procedures, changed_from);
    }
    CHANGED_FROM.store(u64::MAX, Ordering::Relaxed);
    assert_eq!(contents(&open(&device, fickle()).unwrap()), before, "nothing was changed by all this");
}

#[test]
fn what_has_changed_behind_a_checkpoint_is_found_too() {
    let _only = FICKLE.lock();
    let device = MemoryDevice::new();
    let fickle = || options().procedure::<Fickle>();
    let engine = open(&device, fickle()).unwrap();
    (0..5).for_each(|number| _ = engine.execute(Fickle(number)).unwrap());
    engine.checkpoint().unwrap();
    let next = engine.execute(Fickle(5)).unwrap().position.unwrap();
    engine.execute(Fickle(6)).unwrap();
    engine.close().unwrap();
    CHANGED_FROM.store(5, Ordering::Relaxed);
    for how in [OLDEST, NEWEST] {
        let error = replay(&device, fickle(), how).unwrap_err();
        assert!(matches!(error, Error::Diverged { epoch, .. } if epoch == next.epoch), "{error}");
    }
    // Whatever lies before the checkpoint isn't executed.
    CHANGED_FROM.store(0, Ordering::Relaxed);
    assert!(matches!(open(&device, fickle()), Err(Error::Diverged { epoch, .. }) if epoch == next.epoch));
    CHANGED_FROM.store(u64::MAX, Ordering::Relaxed);
    assert!(open(&device, fickle()).is_ok());
}

/// Depends on what it mustn't depend on.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Careless {
    /// Answers what time it is.
    AnswersTime,
    /// Writes what time it is.
    WritesTime,
    /// Writes what comes first in a hash map.
    WritesOrder,
    /// Rejects by chance.
    RejectsByChance,
}

/// What an enquirer into the time is told: a later one each time.
static TIME: AtomicU64 = AtomicU64::new(0);

impl Procedure for Careless {
    const NAME: &'static str = "careless";
    type Output = u64;

    fn run(&self, view: &View<'_>) -> Result<u64> {
        let table = view.table(TABLES[0])?;
        let time = TIME.fetch_add(1, Ordering::Relaxed);
        match self {
            Careless::AnswersTime => return Ok(time),
            Careless::WritesTime => view.put(table, "time", time.to_le_bytes())?,
            Careless::WritesOrder => {
                // Of 64 keys, the same order comes twice in a row with a probability of 1 to 64!.
                let map: HashMap<u64, ()> = (0..64).map(|key| (key, ())).collect();
                let order: Vec<u8> = map.keys().flat_map(|key| key.to_le_bytes()).collect();
                view.put(table, "order", order)?;
            }
            Careless::RejectsByChance if time.is_multiple_of(2) => return Err(Error::rejected("by chance")),
            Careless::RejectsByChance => {}
        }
        Ok(0)
    }
}

#[test]
fn a_procedure_that_is_not_deterministic_is_caught_when_it_is_checked() {
    let engine = Engine::in_memory(options().procedure::<Careless>().check_determinism(true)).unwrap();
    tables(&engine).unwrap();
    for (careless, expected) in [
        (Careless::AnswersTime, "has answered"),
        (Careless::WritesTime, "has written"),
        (Careless::WritesOrder, "has written"),
        (Careless::RejectsByChance, "has answered"),
    ] {
        let error = engine.execute(careless).unwrap_err();
        assert!(
            matches!(error, Error::NotDeterministic { procedure: "careless", what } if what == expected),
            "{careless:?}: {error}"
        );
        assert_eq!(contents(&engine).len(), 0, "{careless:?} has left something");
    }
}

#[test]
fn procedures_that_are_deterministic_are_not_accused() {
    in_time("checking determinism", || {
        for workers in WORKERS {
            let options = options().workers(workers).check_determinism(true);
            let engine = Engine::in_memory(options).unwrap();
            tables(&engine).unwrap();
            let line = play(&engine, workers as u64, &State::new());
            assert_eq!(contents(&engine), *line.last());
        }
    });
}
