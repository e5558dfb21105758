//! Snapshots: a state that stays, and includes what it should.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use synod::clock::ManualClock;
use synod::errors::TransactionError;
use synod::{Error, Isolation, Snapshot, Timestamp, TransactionOptions};

use super::world::{Records, fails_with, options, records};
use super::{Mode, World};

fn all(world: &World, snapshot: &Snapshot) -> Records {
    records(snapshot.scan(&world.table, ..)).unwrap()
}

/// Updates, deletions, insertions; every snapshot is read again at the end.
pub fn a_snapshot_stays_while_others_write_and_collect_garbage(mode: &Mode) {
    let world = World::with(mode, &["a", "b", "c", "d"]);
    let mut taken: Vec<(Snapshot, Records)> = Vec::new();
    for round in 0..30u32 {
        let work = |txn: &synod::Transaction| {
            txn.put(&world.table, "a", format!("{round}"))?;
            txn.delete(&world.table, ["b", "c", "d"][round as usize % 3])?;
            txn.put(&world.table, ["c", "d", "b"][round as usize % 3], format!("{round}"))?;
            txn.put(&world.table, format!("e{}", round % 7), format!("{round}"))?;
            txn.delete_range(&world.table, format!("e{}", (round + 3) % 7)..="e6".to_owned())
        };
        world.engine.transact(work).unwrap();
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
        let mut backward = records(snapshot.scan_rev(&world.table, ..)).unwrap();
        backward.reverse();
        assert_eq!(backward, *before);
        assert!(before.iter().all(|(key, value)| {
            snapshot.get(&world.table, key).unwrap().as_deref() == Some(value.as_bytes())
        }));
    }
    assert_eq!(world.engine.stats().snapshots.open, taken.len());
    drop(taken);
    let last = world.records();
    world.collect_garbage();
    assert_eq!(world.records(), last);
}

/// Beside a writer that says how far it has come.
pub fn a_snapshot_has_all_that_was_acknowledged(mode: &Mode) {
    let world = World::with(mode, &[]);
    let (acknowledged, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 1..=300u64 {
                let work = |txn: &synod::Transaction| {
                    txn.put(&world.table, "x", number.to_be_bytes())?;
                    txn.put(&world.table, "y", number.to_be_bytes())
                };
                world.engine.transact(work).unwrap();
                acknowledged.store(number, Ordering::SeqCst);
            }
            is_over.store(true, Ordering::SeqCst);
        });
        while !is_over.load(Ordering::SeqCst) {
            let least = acknowledged.load(Ordering::SeqCst);
            let snapshot = world.snapshot();
            let read = |key| {
                let value = snapshot.get(&world.table, key).unwrap();
                value.map_or(0, |value| u64::from_be_bytes(value[..].try_into().unwrap()))
            };
            let (x, y) = (read("x"), read("y"));
            assert!(x == y && x >= least, "{least} acknowledged, {x} and {y} seen");
        }
    });
}

/// Read-only transactions.
pub fn read_only_transactions_read_one_state_and_write_nothing(mode: &Mode) {
    let world = World::with(mode, &["a"]);
    let reader = world.engine.begin(TransactionOptions::new().read_only()).unwrap();
    let writer = world.begin(Isolation::Serializable);
    writer.put(&world.table, "a", "new").unwrap();
    assert_eq!(world.get(&reader, "a").unwrap().as_deref(), Some("a"), "it doesn't wait");
    let written_at = writer.commit().unwrap();
    assert_eq!(world.get(&reader, "a").unwrap().as_deref(), Some("a"));
    assert_eq!(records(reader.scan(&world.table, ..)).unwrap(), [("a".to_owned(), "a".to_owned())]);
    let is_read_only = |error: &Error| matches!(error, Error::Transaction(TransactionError::ReadOnly));
    assert!(fails_with(reader.put(&world.table, "a", ""), is_read_only));
    assert!(fails_with(reader.insert(&world.table, "b", ""), is_read_only));
    assert!(fails_with(reader.delete(&world.table, "a"), is_read_only));
    assert!(fails_with(reader.delete_range(&world.table, ..), is_read_only));
    assert!(fails_with(reader.savepoint(), is_read_only));
    assert!(reader.commit().unwrap() < written_at);
    let reader = world.engine.begin(TransactionOptions::new().read_only()).unwrap();
    assert_eq!(world.get(&reader, "a").unwrap().as_deref(), Some("new"));
    assert_eq!(reader.commit().unwrap(), written_at, "the newest commit that it has read");
}

/// Time travel, on a clock that is moved by hand.
pub fn the_past_can_be_read_within_the_retention(mode: &Mode) {
    const SECOND: u64 = 1_000_000_000;
    let clock = Arc::new(ManualClock::new(SECOND, 0));
    let retention = Duration::from_secs(60);
    let world = World::open(mode.in_memory(options().clock(clock.clone()).retention(retention)));
    let mut history: Vec<(Timestamp, Records)> = Vec::new();
    for round in 0..100u32 {
        clock.advance(SECOND);
        let txn = world.begin(Isolation::Serializable);
        txn.put(&world.table, format!("k{}", round % 4), format!("{round}")).unwrap();
        txn.delete(&world.table, format!("k{}", (round + 2) % 4)).unwrap();
        let at = txn.commit().unwrap();
        history.push((at, world.records()));
    }
    let now = clock_of(&world);
    for (at, expected) in &history {
        match world.engine.snapshot_at(*at) {
            Ok(snapshot) => assert_eq!(all(&world, &snapshot), *expected, "at {at}"),
            Err(_) => assert!(now.0 - at.0 > 60 * SECOND, "{at} is within the retention"),
        }
        let between = Timestamp(at.0 + SECOND / 2);
        if between <= now && now.0 - between.0 < 60 * SECOND {
            assert_eq!(all(&world, &world.engine.snapshot_at(between).unwrap()), *expected);
        }
    }
    clock.advance(1000 * SECOND);
    world.collect_garbage();
    assert!(world.engine.snapshot_at(history[0].0).is_err());
    assert_eq!(world.records(), history[99].1);
}

fn clock_of(world: &World) -> Timestamp {
    world.snapshot().timestamp()
}

/// Without retention there is only the present.
pub fn the_past_and_the_future_are_refused(mode: &Mode) {
    let world = World::with(mode, &["a"]);
    let past = world.snapshot().timestamp();
    world.fill(&["b"]);
    let is_too_old =
        |error: &Error| matches!(error, Error::Transaction(TransactionError::SnapshotTooOld { .. }));
    let is_ahead =
        |error: &Error| matches!(error, Error::Transaction(TransactionError::SnapshotInFuture { .. }));
    assert!(fails_with(world.engine.snapshot_at(past), is_too_old));
    let now = world.snapshot().timestamp();
    assert!(fails_with(world.engine.snapshot_at(Timestamp(now.0 + 3_600_000_000_000)), is_ahead));
    let present = world.engine.snapshot_at(now).unwrap();
    world.fill(&["c"]);
    assert_eq!(all(&world, &present).len(), 2);
    let kept = world.snapshot();
    world.fill(&["d"]);
    drop(kept);
    assert_eq!(world.engine.stats().snapshots.open, 1);
}
