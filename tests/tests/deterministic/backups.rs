//! Backups that are taken, and brought up to date, while procedures are executed.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use synod::device::MemoryDevice;
use synod::{ChangeKind, Engine, Options, Timestamp, restore};
use synod_sequencer::Batch;
use synod_tests::crash::failure::in_time;
use synod_tests::deterministic::clients::run;
use synod_tests::deterministic::serial::State;
use synod_tests::deterministic::verdict::judge;
use synod_tests::deterministic::world::{contents, contents_at, options, tables};

use crate::scripts::draw;

const BACKUP: &str = "/backup";

fn on(device: &MemoryDevice) -> Options {
    options().device(Arc::new(device.clone())).log_segment_bytes(9000).workers(2)
}

fn copy_of(number: usize) -> String {
    format!("/copy {number}")
}

#[test]
fn a_backup_is_the_state_at_its_place_in_the_order() {
    in_time("backups", || {
        for seed in 0..3 {
            let device = MemoryDevice::new();
            let engine = Engine::open(Path::new("/db"), on(&device)).unwrap();
            tables(&engine).unwrap();
            let is_over = AtomicBool::new(false);
            let (history, backups) = std::thread::scope(|scope| {
                let copier = scope.spawn(|| {
                    let mut backups = Vec::new();
                    while !is_over.load(Ordering::Relaxed) || backups.is_empty() {
                        let backup = engine.backup_to(BACKUP).unwrap();
                        assert_eq!(backup.is_incremental, !backups.is_empty());
                        restore(BACKUP, copy_of(backups.len()), &on(&device)).unwrap();
                        backups.push(backup.timestamp);
                    }
                    backups
                });
                let history = run(&engine, &draw(seed, 4, 60), 1);
                is_over.store(true, Ordering::Relaxed);
                (history, copier.join().unwrap())
            });
            let line = judge(&history, &State::new()).unwrap_or_else(|problem| panic!("{problem}"));
            let last = engine.backup_to(BACKUP).unwrap();
            restore(BACKUP, copy_of(backups.len()), &on(&device)).unwrap();
            // Some of them, the last one among them.
            let all: Vec<_> = backups.into_iter().chain([last.timestamp]).enumerate().collect();
            for (number, at) in all.iter().rev().step_by(all.len().div_ceil(12)) {
                let copy = Engine::open(copy_of(*number), on(&device)).unwrap();
                let snapshot = copy.snapshot().unwrap();
                let reached = snapshot.timestamp();
                assert!(reached >= *at, "a backup of {at:?} comes as far as {reached:?}");
                assert_eq!(contents_at(&copy, &snapshot).unwrap(), *line.state_at(reached));
                drop(snapshot);
                // It is a database of its own.
                let more = run(&copy, &draw(seed + 100, 2, 4), 0);
                judge(&more, line.state_at(reached)).unwrap_or_else(|problem| panic!("{problem}"));
            }
            assert_eq!(contents(&engine), *line.last());
        }
    });
}

#[test]
fn whoever_follows_the_log_hears_of_every_procedure_once_and_in_its_order() {
    in_time("following the log", || {
        let device = MemoryDevice::new();
        let engine = Engine::open(Path::new("/db"), on(&device)).unwrap();
        tables(&engine).unwrap();
        let lists = draw(7, 4, 40);
        let handed_in = lists.iter().flatten().count();
        let mut changes = engine.changes(Timestamp::MIN).unwrap();
        let mut heard: Vec<(Timestamp, u64)> = Vec::new();
        std::thread::scope(|scope| {
            let clients = scope.spawn(|| run(&engine, &lists, 0));
            let mut is_over = false;
            loop {
                while let Some(change) = changes.try_next().unwrap() {
                    let ChangeKind::Batch(bytes) = change.kind else { continue };
                    let batch = Batch::decode(&bytes).unwrap();
                    assert_eq!(batch.last(), change.timestamp);
                    heard.extend(batch.requests().map(|(at, request)| (at, id_of(request.arguments))));
                }
                if is_over {
                    break;
                }
                is_over = clients.is_finished();
                if is_over {
                    engine.flush().unwrap();
                }
                std::thread::yield_now();
            }
            let history = clients.join().unwrap();
            assert!(heard.is_sorted_by_key(|(at, _)| *at));
            for record in &history.records {
                // One that was put in again is there once more, further back.
                let last = heard.iter().rfind(|(_, id)| *id == record.script.id);
                assert_eq!(last.map(|(at, _)| *at), record.at, "{:?}", record.script);
            }
        });
        let mut ids: Vec<u64> = heard.iter().map(|(_, id)| *id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), handed_in);
    });
}

/// The number of a script, from its encoded arguments, which begin with it.
fn id_of(arguments: &[u8]) -> u64 {
    let mut id = 0;
    for (index, byte) in arguments.iter().enumerate() {
        id |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            break;
        }
    }
    id
}
