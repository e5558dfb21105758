//! One database under the deterministic mode and all others in turn: each goes on where the others have left off.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use synod::device::{MemoryDevice, Survival};
use synod::{Engine, Mode, Options, Timestamp, Transaction, verify};
use synod_tests::crash::failure::in_time;
use synod_tests::deterministic::clients::run;
use synod_tests::deterministic::perform::number;
use synod_tests::deterministic::places::{FEW_KEYS, key};
use synod_tests::deterministic::script::{Outcome, Script};
use synod_tests::deterministic::serial::{State, execute};
use synod_tests::deterministic::verdict::judge;
use synod_tests::deterministic::witness::place_of;
use synod_tests::deterministic::world::{contents, contents_at, options, tables};
use synod_tests::random::Random;

use crate::scripts::draw;

const HOME: &str = "/db";

/// Each mode opens what each other one has written.
const TURNS: [Mode; 14] = {
    use Mode::{Deterministic, MultiVersion, Optimistic, TwoPhaseLocking};
    [
        TwoPhaseLocking,
        Deterministic,
        Optimistic,
        MultiVersion,
        Deterministic,
        Deterministic,
        MultiVersion,
        TwoPhaseLocking,
        Deterministic,
        Optimistic,
        Deterministic,
        TwoPhaseLocking,
        MultiVersion,
        Deterministic,
    ]
};

struct World {
    device: MemoryDevice,
    retention: Duration,
    random: Random,
    state: State,
    /// What the state was at some moments.
    past: Vec<(Timestamp, State)>,
}

impl World {
    fn open(&self, mode: Mode) -> Engine {
        let options: Options = options()
            .mode(mode)
            .workers(2)
            .retention(self.retention)
            .log_segment_bytes(6000)
            .device(Arc::new(self.device.clone()));
        let engine = Engine::open(Path::new(HOME), options).unwrap();
        assert_eq!(engine.mode(), mode);
        tables(&engine).unwrap();
        engine
    }

    fn check(&self, engine: &Engine) {
        assert_eq!(contents(engine), self.state, "{}", engine.mode());
        if !self.retention.is_zero() {
            for (at, state) in &self.past {
                let snapshot = engine.snapshot_at(*at).unwrap();
                assert_eq!(contents_at(engine, &snapshot).unwrap(), *state, "{} at {at:?}", engine.mode());
            }
        }
    }

    /// Transactions that read and write as they go.
    fn transact(&mut self, engine: &Engine) {
        let tables = tables(engine).unwrap();
        for _ in 0..8 {
            let mut state = self.state.clone();
            let steps: Vec<_> = (0..1 + self.random.below(5))
                .map(|_| {
                    let (table, place) =
                        (self.random.below(2) as u8, self.random.below(u64::from(FEW_KEYS)) as u8);
                    (table, key(place), (self.random.below(4) > 0).then_some(self.random.below(64)))
                })
                .collect();
            let work = |transaction: &Transaction| {
                steps.iter().try_for_each(|(table, key, value)| {
                    let table = &tables[usize::from(*table)];
                    match value {
                        Some(value) => transaction.put(table, key, value.to_le_bytes()),
                        None => transaction.delete(table, key).map(drop),
                    }
                })
            };
            for (table, key, value) in &steps {
                match value {
                    Some(value) => state.insert((*table, key.clone()), value.to_le_bytes().to_vec()),
                    None => state.remove(&(*table, key.clone())),
                };
            }
            engine.transact(work).unwrap();
            self.state = state;
        }
    }

    /// Procedures: in the deterministic mode by several clients, else one after the other.
    fn execute(&mut self, engine: &Engine, seed: u64) {
        let lists = draw(seed, 3, 12);
        if engine.mode() == Mode::Deterministic {
            let history = run(engine, &lists, 1);
            self.state =
                judge(&history, &self.state).unwrap_or_else(|problem| panic!("{problem}")).last().clone();
            return;
        }
        for script in lists.iter().flatten() {
            let answer = engine.execute(script.clone()).map(|executed| executed.output);
            let now = place_of(script.id).unwrap();
            // In the other modes nobody declares anything.
            let script =
                Script { declares: synod_tests::deterministic::script::Declares::Unknown, ..script.clone() };
            assert_eq!(Outcome::of(answer), execute(&mut self.state, &script, now), "{}", engine.mode());
        }
    }

    fn take_turn(&mut self, turn: u64, mode: Mode) {
        let engine = self.open(mode);
        self.check(&engine);
        if mode != Mode::Deterministic {
            self.transact(&engine);
        }
        self.execute(&engine, turn * 2);
        if turn % 3 == 1 {
            engine.checkpoint().unwrap();
            self.execute(&engine, turn * 2 + 1);
        }
        if turn % 4 == 2 {
            // A table comes and goes.
            let passing = engine.table("passing").unwrap();
            assert!(engine.drop_table(passing.name()).unwrap());
        }
        let now = engine.snapshot().unwrap();
        self.past.push((now.timestamp(), self.state.clone()));
        drop(now);
        self.check(&engine);
        engine.close().unwrap();
        // A crash after the close takes nothing.
        self.device = self.device.crash(Survival::Nothing);
        let verification = verify(Path::new(HOME), &options().device(Arc::new(self.device.clone()))).unwrap();
        assert!(verification.damage.is_empty(), "{mode}: {:?}", verification.damage);
    }
}

fn take_all_turns(retention: Duration, seed: u64) {
    in_time("openings under all modes", move || {
        let (device, random) = (MemoryDevice::new(), Random::new(seed));
        let mut world = World { device, retention, random, state: State::new(), past: Vec::new() };
        for (turn, mode) in (seed * 100..).zip(TURNS) {
            world.take_turn(turn, mode);
        }
        assert!(world.state.values().any(|value| number(Some(value)) > 0));
    });
}

#[test]
fn each_mode_goes_on_where_the_others_have_left_off() {
    (0..2).for_each(|seed| take_all_turns(Duration::ZERO, seed));
}

#[test]
fn the_past_is_kept_by_each_mode_for_the_others() {
    (2..4).for_each(|seed| take_all_turns(Duration::from_secs(3600), seed));
}
