//! One database under each mode in turn: whatever the mode, what is written is the same.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use synod::{
    Engine, Isolation, Mode, Options, Result, Snapshot, Table, Timestamp, Transaction, TransactionOptions,
    verify,
};
use synod_tests::random::Random;

/// Each mode opens what each other one has written, and what it has written itself.
const TURNS: [Mode; 8] = {
    use Mode::{MultiVersion, Optimistic, TwoPhaseLocking};
    [
        TwoPhaseLocking,
        Optimistic,
        MultiVersion,
        TwoPhaseLocking,
        MultiVersion,
        MultiVersion,
        Optimistic,
        TwoPhaseLocking,
    ]
};

/// Commits in each turn.
const COMMITS: usize = 12;

/// So many that they take several leaves of the index.
const KEYS: u64 = 400;

type State = BTreeMap<u64, u64>;

/// What the database should be.
struct Model {
    random: Random,
    state: State,
    /// The state after each commit.
    past: Vec<(Timestamp, State)>,
}

fn options(mode: Mode) -> Options {
    Options::new()
        .mode(mode)
        .retention(Duration::from_secs(3600))
        .log_segment_bytes(4000)
        .checkpoint_log_bytes(u64::MAX)
}

fn record(record: Result<(synod::Bytes, synod::Bytes)>) -> (u64, u64) {
    let number = |bytes: synod::Bytes| u64::from_be_bytes(bytes[..].try_into().unwrap());
    let (key, value) = record.unwrap();
    (number(key), number(value))
}

fn check_snapshot(snapshot: &Snapshot, table: &Table, state: &State) {
    let forward: Vec<_> = snapshot.scan(table, ..).map(record).collect();
    assert!(forward.iter().copied().eq(state.iter().map(|(&key, &value)| (key, value))), "{snapshot:?}");
    let backward: Vec<_> = snapshot.scan_rev(table, ..).map(record).collect();
    assert!(backward.iter().eq(forward.iter().rev()), "{snapshot:?}");
}

impl Model {
    /// What the database has now, at each level of the mode and by each way to read.
    fn check_present(&self, engine: &Engine, table: &Table) {
        check_snapshot(&engine.snapshot().unwrap(), table, &self.state);
        for &level in engine.mode().levels() {
            let txn = engine.begin(TransactionOptions::new().isolation(level)).unwrap();
            let scanned: State = txn.scan(table, ..).map(record).collect();
            assert_eq!(scanned, self.state, "{} at {level}", engine.mode());
            for key in 0..KEYS {
                let value = txn.get(table, key.to_be_bytes()).unwrap();
                let expected = self.state.get(&key).map(|value| value.to_be_bytes());
                assert_eq!(value.as_deref(), expected.as_ref().map(|value| &value[..]), "{key} at {level}");
            }
            txn.commit().unwrap();
        }
    }

    /// What it had after each commit so far.
    fn check_past(&self, engine: &Engine, table: &Table) {
        for (at, state) in &self.past {
            check_snapshot(&engine.snapshot_at(*at).unwrap(), table, state);
        }
    }

    /// Changes the database, by several transactions at each level of the mode.
    fn write(&mut self, engine: &Engine, table: &Table) {
        for number in 0..COMMITS {
            let levels = engine.mode().levels();
            let level: Isolation = levels[number % levels.len()];
            let begin = || engine.begin(TransactionOptions::new().isolation(level)).unwrap();
            let given_up = begin();
            _ = self.change(&given_up, table);
            given_up.abort();
            let txn = begin();
            self.state = self.change(&txn, table);
            self.past.push((txn.commit().unwrap(), self.state.clone()));
        }
    }

    /// Some changes; returns what they lead to.
    fn change(&mut self, txn: &Transaction, table: &Table) -> State {
        let mut state = self.state.clone();
        // At least one write, so that the commit has a timestamp of its own.
        for step in 0..2 + self.random.below(12) {
            let (key, value) = (self.random.below(KEYS), self.random.draw());
            match self.random.below(4) {
                0 if step > 0 => {
                    let was_there = txn.delete(table, key.to_be_bytes()).unwrap();
                    assert_eq!(was_there, state.remove(&key).is_some(), "{key}");
                }
                1 if step > 0 => {
                    let inserted = txn.insert(table, key.to_be_bytes(), value.to_be_bytes());
                    assert_eq!(inserted.is_err(), state.contains_key(&key), "{key}");
                    state.entry(key).or_insert(value);
                }
                _ => {
                    txn.put(table, key.to_be_bytes(), value.to_be_bytes()).unwrap();
                    state.insert(key, value);
                }
            }
        }
        state
    }
}

/// One opening, from the verification of the files to the close.
fn take_turn(path: &Path, mode: Mode, model: &mut Model, takes_checkpoint: bool) {
    let engine = Engine::open(path, options(mode)).unwrap();
    assert_eq!(engine.mode(), mode);
    let table = engine.table("t").unwrap();
    model.check_present(&engine, &table);
    model.check_past(&engine, &table);
    let before = (engine.snapshot().unwrap(), model.state.clone());
    model.write(&engine, &table);
    if takes_checkpoint {
        engine.checkpoint().unwrap();
        model.write(&engine, &table);
    }
    model.check_present(&engine, &table);
    model.check_past(&engine, &table);
    check_snapshot(&before.0, &table, &before.1);
    drop(before);
    engine.close().unwrap();
    let verification = verify(path, &options(mode)).unwrap();
    assert!(verification.damage.is_empty(), "{mode}: {:?}", verification.damage);
}

#[test]
fn each_mode_goes_on_where_the_others_have_left_off() {
    for seed in 1..=2 {
        let directory = tempfile::tempdir().unwrap();
        let mut model = Model { random: Random::new(seed), state: State::new(), past: Vec::new() };
        for (turn, mode) in TURNS.into_iter().enumerate() {
            // Every third opening finds a new checkpoint, the others more of the log.
            take_turn(directory.path(), mode, &mut model, turn % 3 == 1);
        }
    }
}
