//! Snapshots, the past, and what survives.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use synod::device::{MemoryDevice, Survival};
use synod::{Durability, Engine, Options, Snapshot, TransactionOptions};

use super::super::world::{Records, records, text};
use super::super::{Mode, World};
use super::edit::{Edit, End};
use super::{options, world_with};

fn all(world: &World, snapshot: &Snapshot) -> Records {
    records(snapshot.scan(&world.table, ..)).unwrap()
}

/// Updates, deletions, insertions; every snapshot is read again at the end.
pub fn a_snapshot_stays_while_procedures_write_and_garbage_is_collected(mode: &Mode) {
    let world = world_with(mode, &["a", "b", "c", "d"]);
    let mut taken: Vec<(Snapshot, Records)> = Vec::new();
    for round in 0..30usize {
        let (gone, new) = (["b", "c", "d"][round % 3], ["c", "d", "b"][round % 3]);
        let value = round.to_string();
        let edit =
            Edit::new().put("a", &value).delete(gone).put(new, &value).put(format!("e{}", round % 7), value);
        let tickets = [
            world.engine.submit(edit.clone()).unwrap(),
            world.engine.submit(edit.undeclared().delete("e3")).unwrap(),
        ];
        tickets.into_iter().for_each(|ticket| drop(ticket.wait().unwrap()));
        if round % 3 == 0 {
            let snapshot = world.snapshot();
            taken.push((snapshot.clone(), all(&world, &snapshot)));
        }
        if round % 10 == 9 {
            // Lets go of some in the middle, so that garbage between the others can be collected.
            taken.remove(taken.len() / 2);
        }
    }
    for (snapshot, before) in &taken {
        assert_eq!(all(&world, snapshot), *before, "at {}", snapshot.timestamp());
    }
    drop(taken);
    let last = world.records();
    world.collect_garbage();
    assert_eq!(world.records(), last);
}

/// Beside writers that say how far they have come.
pub fn a_snapshot_has_all_that_was_answered(mode: &Mode) {
    let world = world_with(mode, &[]);
    let (answered, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 1..=300u64 {
                let edit = Edit::new().put("x", number.to_string()).put("y", number.to_string());
                world.engine.execute(edit).unwrap();
                answered.store(number, Ordering::SeqCst);
            }
            is_over.store(true, Ordering::SeqCst);
        });
        scope.spawn(|| {
            while !is_over.load(Ordering::SeqCst) {
                world.engine.execute(Edit::new().put("z", "").end(End::Reject)).unwrap_err();
            }
        });
        while !is_over.load(Ordering::SeqCst) {
            let least = answered.load(Ordering::SeqCst);
            let snapshot = world.snapshot();
            let read = |key| {
                let value = snapshot.get(&world.table, key).unwrap();
                value.map_or(0, |value| text(value).parse().unwrap())
            };
            let (x, y): (u64, u64) = (read("x"), read("y"));
            assert!(x == y && x >= least, "{least} was answered, {x} and {y} are seen");
            assert_eq!(read("z"), 0, "what was rejected is seen");
        }
    });
}

/// The past as of an answer's timestamp is what it was when the answer was given, from several threads.
pub fn each_answer_is_at_its_timestamp(mode: &Mode) {
    let retained = options().retention(Duration::from_secs(3600));
    let world = World::open(mode.in_memory(retained));
    let mut answers: Vec<_> = std::thread::scope(|scope| {
        let writer = |thread: usize| {
            let engine = &world.engine;
            move || {
                let execute = |round| {
                    let executed = engine.execute(Edit::new().put("k", format!("{thread} {round}"))).unwrap();
                    (executed.timestamp, format!("{thread} {round}"), executed.output)
                };
                let answers: Vec<_> = (0..20).map(execute).collect();
                assert!(answers.is_sorted_by_key(|(at, ..)| *at), "timestamps grow");
                answers
            }
        };
        let threads: Vec<_> = (0..3).map(|thread| scope.spawn(writer(thread))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    answers.sort();
    let mut before = None;
    for (at, written, seen) in answers {
        assert_eq!(seen, [before.clone()], "at {at}");
        let snapshot = world.engine.snapshot_at(at).unwrap();
        assert_eq!(snapshot.get(&world.table, "k").unwrap().map(text), Some(written.clone()), "at {at}");
        before = Some(written);
    }
}

fn open_on(mode: &Mode, device: &MemoryDevice, options: Options) -> World {
    let options = (mode.choose)(options.device(Arc::new(device.clone())));
    World::open(Engine::open(Path::new("/database"), options).expect("the database opens"))
}

/// Whatever an answer waited for is there again, what is there is a prefix, and the order goes on.
pub fn acknowledged_answers_survive_a_crash(mode: &Mode) {
    for (level, seed) in Durability::ALL.into_iter().zip(1..) {
        let device = MemoryDevice::new();
        let world = open_on(mode, &device, options());
        let options_of_one = TransactionOptions::new().durability(level);
        for round in 0..30u8 {
            let edit = Edit::new().put(format!("k{round:02}"), "").put("newest", round.to_string());
            world.engine.execute_with(options_of_one, edit).unwrap();
        }
        let crashed = device.crash(Survival::Random { seed });
        drop(world);
        let world = open_on(mode, &crashed, options());
        let mut keys = world.keys();
        let newest = world.value("newest").map(|newest| newest.parse::<usize>().unwrap());
        keys.retain(|key| key != "newest");
        assert_eq!(keys, (0..keys.len()).map(|round| format!("k{round:02}")).collect::<Vec<_>>(), "{level}");
        assert_eq!(newest.map_or(0, |newest| newest + 1), keys.len(), "{level}: half of a procedure");
        if level.waits() {
            assert_eq!(keys.len(), 30, "{level}");
        }
        let seen = world.engine.execute(Edit::new().put("newest", "")).unwrap().output;
        assert_eq!(seen, [newest.map(|newest| newest.to_string())]);
    }
}

/// Within the retention, replaced versions are there after a reopening.
pub fn the_past_outlives_a_reopening(mode: &Mode) {
    let device = MemoryDevice::new();
    let open = || open_on(mode, &device, options().retention(Duration::from_secs(3600)));
    let mut history = Vec::new();
    for round in 0..3 {
        let world = open();
        for value in [format!("{round} first"), format!("{round} second")] {
            let executed = world.engine.execute(Edit::new().put("k", &value)).unwrap();
            assert!(history.last().is_none_or(|(at, _)| *at < executed.timestamp), "timestamps go on");
            history.push((executed.timestamp, value));
        }
        for (at, value) in &history {
            let snapshot = world.engine.snapshot_at(*at).unwrap();
            assert_eq!(snapshot.get(&world.table, "k").unwrap().map(text).as_ref(), Some(value));
        }
        let World { engine, table } = world;
        drop(table);
        engine.close().unwrap();
    }
}
