//! The change feed: every commit once, in order, from the past into the future.

use std::time::Duration;

use synod::device::{Fault, MemoryDevice, Survival};
use synod::errors::StorageError;
use synod::{Change, ChangeKind, Changes, Durability, Engine, Error, Options, Timestamp, TransactionOptions};

use super::support::{HOME, SEGMENT_BYTES, open, options, put};

fn drain(changes: &mut Changes) -> Vec<Change> {
    std::iter::from_fn(|| changes.try_next().unwrap()).collect()
}

fn timestamps(changes: &[Change]) -> Vec<Timestamp> {
    changes.iter().map(|change| change.timestamp).collect()
}

#[test]
fn the_feed_has_every_commit_once_and_goes_on_from_any_position() {
    let device = MemoryDevice::new();
    let engine = open(&device);
    let table = engine.table("t").unwrap();
    let commits: Vec<Timestamp> = (0..200).map(|key| put(&engine, &table, key, key)).collect();
    engine.drop_table("t").unwrap();
    let mut changes = engine.changes(Timestamp::MIN).unwrap();
    let all = drain(&mut changes);
    assert!(matches!(&all[0].kind, ChangeKind::CreateTable(name) if **name == *"t"));
    assert!(matches!(&all[201].kind, ChangeKind::DropTable(name) if **name == *"t"));
    assert_eq!(timestamps(&all[1..201]), commits);
    let ChangeKind::Commit(writes) = &all[8].kind else { panic!("{:?}", all[8]) };
    assert_eq!((&*writes[0].table, &writes[0].key[..]), ("t", &7u64.to_be_bytes()[..]));
    assert_eq!(writes[0].value.as_ref().unwrap().len(), 100);
    for position in [0, 1, 57, 200, 201] {
        let rest = drain(&mut engine.changes(all[position].timestamp).unwrap());
        assert_eq!(rest, all[position + 1..]);
    }
    drop((engine, changes, table));
    let engine = open(&device.crash(Survival::Nothing));
    assert_eq!(drain(&mut engine.changes(Timestamp::MIN).unwrap()), all);
}

#[test]
fn deletions_and_several_writes_are_told_apart() {
    let engine = open(&MemoryDevice::new());
    let (a, b) = (engine.table("a").unwrap(), engine.table("b").unwrap());
    let before = engine.snapshot().unwrap().timestamp();
    engine.transact(|txn| txn.put(&a, "x", "1").and_then(|()| txn.put(&b, "y", ""))).unwrap();
    engine.transact(|txn| txn.delete(&a, "x")).unwrap();
    let changes = drain(&mut engine.changes(before).unwrap());
    let writes: Vec<Vec<_>> = changes
        .iter()
        .map(|change| match &change.kind {
            ChangeKind::Commit(writes) => {
                writes.iter().map(|w| (&*w.table, &w.key[..], w.value.as_deref())).collect()
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(writes[0], [("a", &b"x"[..], Some(&b"1"[..])), ("b", b"y", Some(b""))]);
    assert_eq!(writes[1], [("a", &b"x"[..], None)]);
}

#[test]
fn a_live_feed_delivers_what_concurrent_writers_commit() {
    let engine = open(&MemoryDevice::new());
    let table = engine.table("t").unwrap();
    let before = engine.snapshot().unwrap().timestamp();
    const COMMITS: u64 = 300;
    std::thread::scope(|scope| {
        let follower = scope.spawn(|| {
            let mut changes = engine.changes(before).unwrap();
            let mut seen = Vec::new();
            while seen.len() < 3 * COMMITS as usize {
                let change =
                    changes.next_timeout(Duration::from_secs(20)).unwrap().expect("the writers go on");
                seen.push(change.timestamp);
            }
            seen
        });
        let writers: Vec<_> = (0..3u64)
            .map(|thread| {
                let (engine, table) = (&engine, &table);
                scope.spawn(move || {
                    let levels = [Durability::Sync, Durability::Group, Durability::Buffered];
                    let commit = |step: u64| {
                        let options = TransactionOptions::new().durability(levels[(step % 3) as usize]);
                        let txn = engine.begin(options).unwrap();
                        txn.put(table, (thread * COMMITS + step).to_be_bytes(), [7; 50]).unwrap();
                        txn.commit().unwrap()
                    };
                    (0..COMMITS).map(commit).collect::<Vec<_>>()
                })
            })
            .collect();
        let mut committed: Vec<_> = writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect();
        committed.sort();
        assert_eq!(follower.join().unwrap(), committed);
    });
}

#[test]
fn what_is_not_durable_is_not_delivered() {
    let device = MemoryDevice::new();
    let engine = Engine::open(HOME, options(&device).flush_interval(Duration::from_secs(3600))).unwrap();
    let table = engine.table("t").unwrap();
    let before = engine.snapshot().unwrap().timestamp();
    let txn = engine.begin(TransactionOptions::new().durability(Durability::Buffered)).unwrap();
    txn.put(&table, "a", "1").unwrap();
    txn.commit().unwrap();
    let mut changes = engine.changes(before).unwrap();
    assert_eq!(changes.next_timeout(Duration::from_millis(30)).unwrap(), None);
    engine.flush().unwrap();
    assert!(changes.try_next().unwrap().is_some());
}

#[test]
fn a_consumer_that_asks_for_what_is_gone_is_told_so() {
    let device = MemoryDevice::new();
    let engine = Engine::open(HOME, options(&device).checkpoints_kept(1)).unwrap();
    let table = engine.table("t").unwrap();
    let mut late = engine.changes(Timestamp::MIN).unwrap();
    for key in 0..200 {
        put(&engine, &table, key, key);
    }
    engine.checkpoint().unwrap();
    let newest = put(&engine, &table, 1, 1);
    let gone = |error| match error {
        Error::Storage(StorageError::Gone { oldest, .. }) => oldest,
        error => panic!("{error}"),
    };
    let oldest = gone(engine.changes(Timestamp::MIN).unwrap_err());
    let rest = drain(&mut engine.changes(oldest).unwrap());
    assert_eq!(rest.last().unwrap().timestamp, newest);
    // One that was there before may have the first segment still open, and then falls behind.
    let error = loop {
        match late.try_next() {
            Ok(Some(_)) => {}
            Ok(None) => panic!("commits were passed over"),
            Err(error) => break error,
        }
    };
    gone(error);
}

#[test]
fn more_of_the_log_is_kept_if_asked_for() {
    let device = MemoryDevice::new();
    let kept = 3 * SEGMENT_BYTES;
    let engine = Engine::open(HOME, options(&device).checkpoints_kept(1).log_kept_bytes(kept)).unwrap();
    let table = engine.table("t").unwrap();
    let commits: Vec<_> = (0..400).map(|key| put(&engine, &table, key, key)).collect();
    engine.checkpoint().unwrap();
    // A commit takes about 150 bytes.
    let after = commits[400 - 30];
    assert_eq!(drain(&mut engine.changes(after).unwrap()).len(), 29);
    assert!(engine.changes(commits[10]).is_err());
}

#[test]
fn a_failed_log_and_a_closed_engine_end_the_wait() {
    let device = MemoryDevice::new();
    let engine = open(&device);
    let table = engine.table("t").unwrap();
    let mut changes = engine.changes(engine.snapshot().unwrap().timestamp()).unwrap();
    device.inject(Fault::Sync(1));
    assert!(engine.transact(|txn| txn.put(&table, "a", "1")).is_err());
    let error = changes.next_timeout(Duration::from_secs(20)).unwrap_err();
    assert!(matches!(error, Error::Storage(StorageError::Poisoned { .. })), "{error}");

    let engine = open(&MemoryDevice::new());
    let mut changes = engine.changes(Timestamp::MIN).unwrap();
    let waiting = std::thread::spawn(move || changes.next().is_none());
    engine.close().unwrap();
    assert!(waiting.join().unwrap());
    assert!(matches!(Engine::in_memory(Options::new()).unwrap().changes(Timestamp::MIN), Err(Error::NoLog)));
}
