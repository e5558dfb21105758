//! What is aborted hasn't happened, and an error isn't an abort.

use synod::{Error, Isolation, KEY_BYTES_MAX, Transaction, VALUE_BYTES_MAX};

use super::world::fails_with;
use super::{Mode, World};

fn write_everywhere(world: &World, txn: &Transaction) {
    let table = &world.table;
    txn.put(table, "a", "changed").unwrap();
    txn.put(table, "a", "changed twice").unwrap();
    txn.delete(table, "b").unwrap();
    txn.insert(table, "new", "").unwrap();
    txn.delete(table, "new").unwrap();
    txn.insert(table, "newer", "").unwrap();
    txn.delete_range(table, "c"..="d").unwrap();
    txn.merge(table, "e", "+").unwrap();
}

/// Aborted by hand; and the keys can be used at once.
pub fn an_abort_leaves_nothing(mode: &Mode) {
    for level in mode.levels_from(Isolation::ReadUncommitted) {
        let world = World::with(mode, &["a", "b", "c", "d", "e"]);
        let before = world.records();
        let txn = world.begin(level);
        write_everywhere(&world, &txn);
        txn.abort();
        assert_eq!(world.records(), before);
        let next = world.begin(level);
        assert_eq!(next.get(&world.table, "newer").unwrap(), None);
        write_everywhere(&world, &next);
        next.commit().unwrap();
        assert_eq!(world.keys(), ["a", "e", "newer"]);
        world.collect_garbage();
        assert_eq!(world.keys(), ["a", "e", "newer"]);
        assert_eq!(world.value("a").as_deref(), Some("changed twice"));
        assert_eq!(world.value("e").as_deref(), Some("e+"));
    }
}

/// Dropping is aborting.
pub fn a_dropped_transaction_is_undone(mode: &Mode) {
    let world = World::with(mode, &["a", "b", "c", "d", "e"]);
    let before = world.records();
    write_everywhere(&world, &world.begin(Isolation::Serializable));
    assert_eq!(world.records(), before);
    assert_eq!(world.engine.stats().transactions.running, 0);
}

/// Several layers of committed values.
pub fn an_abort_restores_what_was_there(mode: &Mode) {
    let world = World::with(mode, &["a"]);
    let kept = world.snapshot();
    for round in 0..5 {
        let value = format!("{round}");
        world.engine.transact(|txn| txn.put(&world.table, "a", &value)).unwrap();
        let txn = world.begin(Isolation::Serializable);
        txn.delete(&world.table, "a").unwrap();
        txn.put(&world.table, "a", "never").unwrap();
        txn.abort();
        assert_eq!(world.value("a"), Some(value));
    }
    assert_eq!(kept.get(&world.table, "a").unwrap().as_deref(), Some(&b"a"[..]));
}

/// `transact` hands the work's own error on, and commits nothing.
pub fn failed_work_is_undone(mode: &Mode) {
    #[derive(Debug)]
    enum Failure {
        Own,
        Engine(#[allow(dead_code)] Error),
    }
    impl From<Error> for Failure {
        fn from(error: Error) -> Self {
            Failure::Engine(error)
        }
    }
    let world = World::with(mode, &["a"]);
    let outcome = world.engine.transact(|txn| {
        txn.put(&world.table, "a", "never")?;
        Err::<(), _>(Failure::Own)
    });
    assert!(matches!(outcome, Err(Failure::Own)), "{outcome:?}");
    assert_eq!(world.value("a").as_deref(), Some("a"));
}

/// `insert`.
pub fn insertion_of_a_present_key_fails_and_the_transaction_goes_on(mode: &Mode) {
    for level in mode.levels_from(Isolation::ReadUncommitted) {
        let world = World::with(mode, &["a"]);
        let txn = world.begin(level);
        assert!(fails_with(txn.insert(&world.table, "a", "other"), Error::is_key_exists));
        txn.insert(&world.table, "b", "first").unwrap();
        assert!(fails_with(txn.insert(&world.table, "b", "second"), Error::is_key_exists));
        txn.delete(&world.table, "a").unwrap();
        txn.insert(&world.table, "a", "again").unwrap();
        txn.commit().unwrap();
        assert_eq!(world.value("a").as_deref(), Some("again"));
        assert_eq!(world.value("b").as_deref(), Some("first"));
    }
}

/// Lengths, and a merge that its function refuses.
pub fn wrong_arguments_fail_and_the_transaction_goes_on(mode: &Mode) {
    let refuse = |_: &[u8], _: Option<&[u8]>, _: &[u8]| Err("never".to_owned());
    let world = World::open(mode.in_memory(super::world::options().merge("t", refuse)));
    let other = world.engine.table("other").unwrap();
    let txn = world.begin(Isolation::Serializable);
    txn.put(&world.table, "a", "kept").unwrap();
    let is_storage_error = |error: &Error| {
        matches!(error, Error::Storage(_) | Error::Transaction(synod::errors::TransactionError::Storage(_)))
    };
    let long_key = vec![0; KEY_BYTES_MAX + 1];
    assert!(fails_with(txn.put(&world.table, &long_key, ""), is_storage_error));
    assert!(fails_with(txn.get(&world.table, &long_key), is_storage_error));
    assert!(fails_with(txn.put(&world.table, "b", vec![0; VALUE_BYTES_MAX + 1]), is_storage_error));
    assert!(fails_with(txn.merge(&world.table, "a", ""), |error| matches!(error, Error::MergeFailed { .. })));
    assert!(fails_with(txn.merge(&other, "a", ""), |error| matches!(error, Error::NoMergeFunction { .. })));
    txn.put(&world.table, &long_key[1..], "the longest key").unwrap();
    txn.commit().unwrap();
    assert_eq!(world.keys().len(), 2);
    assert_eq!(world.value("a").as_deref(), Some("kept"));
}
