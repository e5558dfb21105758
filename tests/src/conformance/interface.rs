//! What holds of handles: threads, tables, levels, closing.

use synod::errors::TransactionError;
use synod::{Error, Isolation, LevelCounts, Timestamp, TransactionOptions};

use super::world::{fails_with, keys, options, unless_refused};
use super::{Mode, World};

/// Begun here, continued there, committed here.
pub fn a_transaction_moves_between_threads(mode: &Mode) {
    let world = World::with(mode, &["a", "b"]);
    let txn = world.begin(Isolation::Serializable);
    txn.put(&world.table, "a", "here").unwrap();
    let txn = std::thread::scope(|scope| {
        let continued = scope.spawn(|| {
            assert_eq!(world.get(&txn, "a").unwrap().as_deref(), Some("here"));
            txn.delete(&world.table, "b").unwrap();
            let savepoint = txn.savepoint().unwrap();
            txn.put(&world.table, "c", "there").unwrap();
            (txn, savepoint)
        });
        let (txn, savepoint) = continued.join().unwrap();
        txn.put(&world.table, "d", "undone").unwrap();
        txn.rollback_to(&savepoint).unwrap();
        txn
    });
    std::thread::scope(|scope| scope.spawn(|| txn.commit().unwrap()).join().unwrap());
    assert_eq!(world.keys(), ["a"]);
    let dropped = world.begin(Isolation::Serializable);
    dropped.put(&world.table, "a", "never").unwrap();
    std::thread::scope(|scope| scope.spawn(move || drop(dropped)).join().unwrap());
    assert_eq!(world.value("a").as_deref(), Some("here"));
    assert_eq!(world.engine.stats().transactions.running, 0);
}

/// Those who work on it get an error; snapshots from before go on.
pub fn a_dropped_table_ends_transactions_on_it(mode: &Mode) {
    let world = World::with(mode, &["a"]);
    let other = world.engine.table("other").unwrap();
    let snapshot = world.snapshot();
    let (reader, writer) = (world.begin(Isolation::Serializable), world.begin(Isolation::Serializable));
    reader.get(&world.table, "b").unwrap();
    writer.put(&world.table, "a", "").unwrap();
    writer.put(&other, "a", "").unwrap();
    assert!(world.engine.drop_table("t").unwrap());
    assert!(!world.engine.drop_table("t").unwrap(), "there's no such table any more");
    let is_dropped =
        |error: &Error| matches!(error, Error::Transaction(TransactionError::TableDropped { .. }));
    assert!(fails_with(reader.get(&world.table, "a"), is_dropped));
    assert!(fails_with(keys(reader.scan(&world.table, ..)), is_dropped));
    reader.get(&other, "b").unwrap();
    reader.commit().unwrap();
    assert!(fails_with(writer.put(&world.table, "b", ""), is_dropped));
    assert!(fails_with(writer.commit(), is_dropped));
    assert_eq!(world.engine.snapshot().unwrap().get(&other, "a").unwrap(), None);
    assert_eq!(snapshot.get(&world.table, "a").unwrap().as_deref(), Some(&b"a"[..]));
    let again = world.engine.table("t").unwrap();
    assert!(!snapshot.contains(&again, "a").unwrap(), "a new table of that name is empty");
    assert_eq!(world.engine.tables(), ["other", "t"]);
}

/// A transaction lets go of its locks after the last handle to their table is gone.
pub fn locks_outlive_a_dropped_table(mode: &Mode) {
    let world = World::with(mode, &[]);
    for round in 0..20 {
        let table = world.engine.table("short-lived").unwrap();
        let reader = world.begin(Isolation::Serializable);
        for key in 0..50u8 {
            assert_eq!(reader.get(&table, [key]).unwrap(), None);
        }
        world.engine.transact(|txn| txn.put(&world.table, "a", "")).unwrap();
        world.engine.drop_table("short-lived").unwrap();
        drop(table);
        // Other tables take the memory, if it was given back.
        let others: Vec<_> =
            (0..4).map(|other| world.engine.table(&format!("{round}-{other}")).unwrap()).collect();
        for other in &others {
            world.engine.transact(|txn| txn.put(other, "k", "v")).unwrap();
        }
        drop(reader);
        for other in &others {
            world.engine.transact(|txn| txn.put(other, "k", "w")).unwrap();
            assert_eq!(world.snapshot().get(other, "k").unwrap().as_deref(), Some(&b"w"[..]));
        }
    }
}

/// Never silently another level.
pub fn levels_that_the_mode_lacks_are_refused(mode: &Mode) {
    let world = World::with(mode, &[]);
    for level in Isolation::ALL {
        let begun = world.engine.begin(TransactionOptions::new().isolation(level));
        if mode.levels.contains(&level) {
            begun.unwrap().commit().unwrap();
        } else {
            let is_unsupported = |error: &Error| {
                matches!(error, Error::Transaction(TransactionError::UnsupportedIsolation { .. }))
            };
            assert!(fails_with(begun, is_unsupported));
        }
    }
}

/// Handles don't mix.
pub fn tables_of_other_engines_are_refused(mode: &Mode) {
    let (world, stranger) = (World::with(mode, &[]), World::with(mode, &["a"]));
    let is_foreign = |error: &Error| matches!(error, Error::ForeignTable { .. });
    let txn = world.begin(Isolation::Serializable);
    assert!(fails_with(txn.get(&stranger.table, "a"), is_foreign));
    assert!(fails_with(txn.put(&stranger.table, "a", ""), is_foreign));
    assert!(fails_with(keys(txn.scan(&stranger.table, ..)), is_foreign));
    assert!(fails_with(txn.delete_range(&stranger.table, ..), is_foreign));
    assert!(fails_with(world.snapshot().get(&stranger.table, "a"), is_foreign));
    assert!(fails_with(keys(world.snapshot().scan(&stranger.table, ..)), is_foreign));
    txn.commit().unwrap();
}

/// Closing.
pub fn a_closed_engine_refuses_work(mode: &Mode) {
    let world = World::open(mode.in_memory(options()));
    let is_in_use = |error: &Error| matches!(error, Error::InUse { .. });
    let txn = world.begin(Isolation::Serializable);
    assert!(fails_with(world.engine.clone().close(), is_in_use));
    txn.commit().unwrap();
    let snapshot = world.snapshot();
    assert!(fails_with(world.engine.clone().close(), is_in_use));
    drop(snapshot);
    let other = world.engine.clone();
    world.engine.close().unwrap();
    let is_closed = |error: &Error| matches!(error, Error::Closed);
    assert!(fails_with(other.begin(TransactionOptions::new()), is_closed));
    assert!(fails_with(other.snapshot(), is_closed));
    assert!(fails_with(other.table("t"), is_closed));
}

/// Commit timestamps.
pub fn a_commit_that_wrote_nothing_tells_what_it_read(mode: &Mode) {
    let world = World::with(mode, &[]);
    let put = |key: &str| {
        let txn = world.begin(Isolation::Serializable);
        txn.put(&world.table, key, "").unwrap();
        txn.commit().unwrap()
    };
    let (first, second) = (put("a"), put("b"));
    assert!(first < second, "commit timestamps grow");
    let reader = world.begin(Isolation::Serializable);
    assert!(reader.contains(&world.table, "a").unwrap());
    assert_eq!(reader.commit().unwrap(), first);
    let reader = world.begin(Isolation::Serializable);
    assert_eq!(keys(reader.scan(&world.table, ..)).unwrap(), "ab");
    assert_eq!(reader.commit().unwrap(), second);
    assert_eq!(world.begin(Isolation::Serializable).commit().unwrap(), Timestamp::MIN);
}

/// Statistics.
pub fn transactions_are_counted_under_their_level(mode: &Mode) {
    let world = World::with(mode, &["a"]);
    for level in mode.levels_from(Isolation::ReadUncommitted) {
        let counts = || world.engine.stats().transactions;
        let before = counts();
        let (reader, writer) = (world.begin(level), world.begin(level));
        assert_eq!((reader.isolation(), writer.isolation()), (level, level));
        writer.put(&world.table, "b", "").unwrap();
        writer.commit().unwrap();
        reader.commit().unwrap();
        world.begin(level).abort();
        // Of two that mean to change the same record at least one is aborted, sooner or later.
        let two = [world.begin(level), world.begin(level)];
        let reads = two.each_ref().map(|txn| unless_refused(txn.get_for_update(&world.table, "a")));
        let committed = two.into_iter().zip(reads).filter(|(_, read)| read.is_some());
        let committed = committed.filter(|(txn, _)| unless_refused(txn.put(&world.table, "a", "")).is_some());
        let committed = committed.filter_map(|(txn, _)| unless_refused(txn.commit())).count() as u64;
        assert!(committed < 2, "both have changed it");
        let after = counts();
        let grown = after.by_isolation.since(&before.by_isolation);
        for other in Isolation::ALL {
            let LevelCounts { commits, rollbacks, aborts } = *grown.of(other);
            let expected = if other == level { (2 + committed, 1, 2 - committed) } else { (0, 0, 0) };
            assert_eq!((commits, rollbacks, aborts), expected, "at {other}, of what was done at {level}");
        }
        let sums = (after.commits - before.commits, after.rollbacks - before.rollbacks);
        assert_eq!((sums, grown.of(level).ended()), ((2 + committed, 1), 5));
    }
}
