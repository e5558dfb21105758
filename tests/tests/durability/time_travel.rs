//! Versions within the retention outlive checkpoints and restarts.

use std::sync::Arc;
use std::time::Duration;

use synod::clock::ManualClock;
use synod::device::{MemoryDevice, Survival};
use synod::errors::TransactionError;
use synod::{Engine, Error, Options, Timestamp};

use super::support::{HOME, contents_at, options, put};

const SECOND: u64 = 1_000_000_000;

struct Scene {
    device: MemoryDevice,
    clock: Arc<ManualClock>,
}

impl Scene {
    fn new() -> Scene {
        Scene { device: MemoryDevice::new(), clock: Arc::new(ManualClock::new(1000 * SECOND, 0)) }
    }

    fn options(&self, retention_seconds: u64) -> Options {
        options(&self.device).clock(self.clock.clone()).retention(Duration::from_secs(retention_seconds))
    }

    fn open(&self, retention_seconds: u64) -> Engine {
        Engine::open(HOME, self.options(retention_seconds)).unwrap()
    }

    /// Ten seconds of updates, one a second: key 1 gets the numbers `first` and following; every third time it is deleted.
    fn ten_updates(&self, engine: &Engine, first: u64) -> Vec<(Timestamp, Option<u64>)> {
        let table = engine.table("t").unwrap();
        (first..first + 10)
            .map(|value| {
                self.clock.advance(SECOND);
                if value % 3 == 0 {
                    let txn = engine.begin(Default::default()).unwrap();
                    txn.delete(&table, 1u64.to_be_bytes()).unwrap();
                    (txn.commit().unwrap(), None)
                } else {
                    (put(engine, &table, 1, value), Some(value))
                }
            })
            .collect()
    }

    fn check(engine: &Engine, history: &[(Timestamp, Option<u64>)]) {
        let table = engine.table("t").unwrap();
        for (at, value) in history {
            let seen = contents_at(&engine.snapshot_at(*at).unwrap(), &table);
            assert_eq!(seen.get(&1).copied(), *value, "at {at}");
        }
    }
}

#[test]
fn old_versions_come_back_from_the_log_and_from_checkpoints() {
    for checkpoint in [false, true] {
        let scene = Scene::new();
        let engine = scene.open(3600);
        let mut history = scene.ten_updates(&engine, 1);
        if checkpoint {
            engine.checkpoint().unwrap();
        }
        history.extend(scene.ten_updates(&engine, 11));
        Scene::check(&engine, &history);
        for _ in 0..2 {
            let scene = Scene { device: scene.device.crash(Survival::Nothing), clock: scene.clock.clone() };
            let engine = scene.open(3600);
            Scene::check(&engine, &history);
            engine.checkpoint().unwrap();
        }
    }
}

#[test]
fn what_is_older_than_the_retention_is_refused_after_a_restart() {
    let scene = Scene::new();
    let engine = scene.open(12);
    let history = scene.ten_updates(&engine, 1);
    engine.checkpoint().unwrap();
    let newer = scene.ten_updates(&engine, 11);
    drop(engine);
    let engine = scene.open(12);
    Scene::check(&engine, &newer);
    let error = engine.snapshot_at(history[2].0).unwrap_err();
    assert!(matches!(error, Error::Transaction(TransactionError::SnapshotTooOld { .. })), "{error}");
    drop(engine);
    // A shorter retention than before: less is loaded.
    let engine = scene.open(2);
    assert!(engine.snapshot_at(newer[2].0).is_err());
    Scene::check(&engine, &newer[9..]);
    drop(engine);
    // And a longer one doesn't bring back what a checkpoint without it has left out.
    let engine = scene.open(0);
    let table = engine.table("t").unwrap();
    put(&engine, &table, 2, 2);
    engine.checkpoint().unwrap();
    drop(engine);
    let engine = scene.open(3600);
    assert!(engine.snapshot_at(newer[5].0).is_err());
}

#[test]
fn recovered_versions_go_when_their_time_has_come() {
    let scene = Scene::new();
    let engine = scene.open(100);
    scene.ten_updates(&engine, 1);
    engine.checkpoint().unwrap();
    scene.ten_updates(&engine, 12);
    drop(engine);
    let engine = scene.open(100);
    assert_eq!(engine.stats().garbage_records, 1);
    let table = engine.table("t").unwrap();
    scene.clock.advance(200 * SECOND);
    put(&engine, &table, 2, 1);
    scene.clock.advance(200 * SECOND);
    put(&engine, &table, 3, 1);
    for _ in 0..500 {
        if engine.stats().garbage_records == 0 {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("old versions are never removed");
}
