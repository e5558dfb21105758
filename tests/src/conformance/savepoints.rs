//! Savepoints: a part of a transaction can be undone.

use synod::{Isolation, Savepoint, Transaction};

use super::world::{fails_with, records};
use super::{Mode, World};

fn contents(world: &World, txn: &Transaction) -> String {
    let all = records(txn.scan(&world.table, ..)).unwrap();
    all.into_iter().map(|(key, value)| format!("{key}={value} ")).collect::<String>().trim_end().to_owned()
}

/// Inner ones are undone with outer ones; an outer one can be used again.
pub fn savepoints_nest(mode: &Mode) {
    let world = World::with(mode, &["a"]);
    let txn = world.begin(Isolation::Serializable);
    let put = |key: &str, value: &str| txn.put(&world.table, key, value).unwrap();
    let outer = txn.savepoint().unwrap();
    put("a", "1");
    let inner = txn.savepoint().unwrap();
    put("a", "2");
    put("b", "2");
    txn.rollback_to(&inner).unwrap();
    assert_eq!(contents(&world, &txn), "a=1");
    put("b", "3");
    txn.rollback_to(&inner).unwrap();
    assert_eq!(contents(&world, &txn), "a=1", "the savepoint stays valid");
    put("c", "4");
    txn.rollback_to(&outer).unwrap();
    assert_eq!(contents(&world, &txn), "a=a");
    assert!(txn.rollback_to(&inner).is_err(), "it was made after the one that was rolled back to");
    put("d", "5");
    txn.commit().unwrap();
    assert_eq!(world.keys(), ["a", "d"]);
}

/// Puts, insertions, deletions, deleted ranges, merges.
pub fn a_rollback_undoes_every_kind_of_write(mode: &Mode) {
    for level in mode.levels_from(Isolation::ReadUncommitted) {
        let world = World::with(mode, &["a", "b", "c"]);
        let table = &world.table;
        let txn = world.begin(level);
        txn.put(table, "d", "before").unwrap();
        let savepoint = txn.savepoint().unwrap();
        let before = contents(&world, &txn);
        for _ in 0..3 {
            txn.put(table, "a", "1").unwrap();
            txn.insert(table, "e", "1").unwrap();
            txn.delete(table, "e").unwrap();
            txn.insert(table, "e", "2").unwrap();
            txn.merge(table, "d", "+").unwrap();
            assert_eq!(txn.delete_range(table, "b"..="c").unwrap(), 2);
            txn.put(table, "b", "1").unwrap();
            txn.rollback_to(&savepoint).unwrap();
            assert_eq!(contents(&world, &txn), before);
        }
        txn.commit().unwrap();
        assert_eq!(world.keys(), ["a", "b", "c", "d"]);
        world.collect_garbage();
        assert_eq!(world.keys(), ["a", "b", "c", "d"]);
    }
}

/// One key, written before, between and after savepoints.
pub fn values_replaced_after_a_savepoint_come_back(mode: &Mode) {
    for undone in 0..5 {
        let world = World::with(mode, &["k"]);
        let watcher = world.snapshot();
        let txn = world.begin(Isolation::Serializable);
        let mut savepoints: Vec<(Savepoint, Option<String>)> = Vec::new();
        for step in 0..5 {
            savepoints.push((txn.savepoint().unwrap(), world.get(&txn, "k").unwrap()));
            if step == 2 {
                txn.delete(&world.table, "k").unwrap();
            } else {
                txn.put(&world.table, "k", format!("{step}")).unwrap();
                txn.put(&world.table, "k", format!("{step}!")).unwrap();
            }
        }
        let (savepoint, expected) = &savepoints[undone];
        txn.rollback_to(savepoint).unwrap();
        assert_eq!(world.get(&txn, "k").unwrap(), *expected);
        txn.commit().unwrap();
        assert_eq!(world.value("k"), *expected);
        assert_eq!(watcher.get(&world.table, "k").unwrap().as_deref(), Some(&b"k"[..]));
    }
}

/// Errors, not aborts.
pub fn foreign_and_outlived_savepoints_are_refused(mode: &Mode) {
    let world = World::with(mode, &[]);
    let (first, second) = (world.begin(Isolation::Serializable), world.begin(Isolation::Serializable));
    let savepoint = first.savepoint().unwrap();
    let own = second.savepoint().unwrap();
    second.put(&world.table, "a", "").unwrap();
    assert!(fails_with(second.rollback_to(&savepoint), |_| true));
    first.commit().unwrap();
    let third = world.begin(Isolation::Serializable);
    third.savepoint().unwrap();
    assert!(fails_with(third.rollback_to(&savepoint), |_| true), "a savepoint of an ended transaction");
    second.rollback_to(&own).unwrap();
    second.commit().unwrap();
    assert!(world.keys().is_empty());
}
