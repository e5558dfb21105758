//! Many transactions at once: beyond those that have bits in a control word, and as many as there can be.

use std::thread::scope;
use std::time::Duration;

use synod::errors::TransactionError;
use synod::{Abort, DeadlockPolicy, Error, SNAPSHOTS_MAX, TRANSACTIONS_MAX, Transaction, TransactionOptions};

use crate::stage::{Stage, abort_of};

fn stage(keys: &[&str]) -> Stage {
    Stage::new(DeadlockPolicy::Detect, keys)
}

#[test]
fn any_number_of_readers_share_a_record_and_a_gap_and_a_writer_waits_for_all() {
    let stage = stage(&["a", "k", "z"]);
    let readers: Vec<Transaction> = (0..60).map(|_| stage.begin_impatient(Duration::ZERO)).collect();
    for reader in &readers {
        stage.read(reader, "k").unwrap();
        assert_eq!(reader.scan(&stage.table, "j".."l").count(), 1);
    }
    let impatient = stage.begin_impatient(Duration::from_millis(1));
    assert!(matches!(abort_of(stage.put(&impatient, "k")), Abort::LockTimeout { .. }));
    let writer = stage.begin();
    let inserter = stage.begin();
    let waits = stage.engine.stats().transactions.lock_waits;
    scope(|scope| {
        stage.commit_beside(scope, writer, "k");
        stage.commit_beside(scope, inserter, "jj");
        stage.wait_for_waits(waits + 2);
        for reader in readers {
            assert_eq!(stage.keys(), "akz");
            reader.commit().unwrap();
        }
    });
    assert_eq!(stage.keys(), "ajjkz");
}

#[test]
fn a_gap_stays_closed_around_an_insertion_from_a_slot_without_bits() {
    let stage = stage(&["a", "z"]);
    let fillers: Vec<Transaction> = (0..30).map(|_| stage.begin_impatient(Duration::ZERO)).collect();
    let scanner = stage.begin();
    assert_eq!(scanner.scan(&stage.table, ..).count(), 2);
    stage.put(&scanner, "m").unwrap();
    for key in ["b", "n", "zz"] {
        let inserter = stage.begin_impatient(Duration::from_millis(1));
        assert!(matches!(abort_of(stage.put(&inserter, key)), Abort::LockTimeout { .. }), "{key}");
    }
    assert_eq!(scanner.scan(&stage.table, ..).count(), 3);
    scanner.commit().unwrap();
    drop(fillers);
    let last = stage.begin_impatient(Duration::ZERO);
    ["b", "n", "zz", "m"].iter().try_for_each(|key| stage.put(&last, key)).expect("all is free");
}

#[test]
fn two_hundred_threads_of_open_transactions_lose_nothing() {
    let stage = stage(&["shared"]);
    let all_have_read = std::sync::Barrier::new(200);
    scope(|scope| {
        for thread in 0..200u32 {
            let (stage, all_have_read) = (&stage, &all_have_read);
            scope.spawn(move || {
                let own = format!("own{thread:03}");
                let txn = stage.engine.begin(TransactionOptions::new()).unwrap();
                stage.read(&txn, "shared").unwrap();
                all_have_read.wait();
                drop(txn);
                let add = |txn: &Transaction| {
                    let old = txn.get_for_update(&stage.table, "shared")?.unwrap_or_default();
                    txn.put(&stage.table, "shared", [&old[..], b"."].concat())?;
                    txn.insert(&stage.table, &own, "")
                };
                stage.engine.transact(add).unwrap();
            });
        }
    });
    let snapshot = stage.engine.snapshot().unwrap();
    assert_eq!(snapshot.get(&stage.table, "shared").unwrap().unwrap().len(), "old".len() + 200);
    assert_eq!(snapshot.prefix(&stage.table, "own").count(), 200);
}

#[test]
fn slots_run_out_with_an_error_and_come_back() {
    let stage = stage(&[]);
    let begin = || stage.engine.begin(TransactionOptions::new());
    let mut open: Vec<Transaction> = (0..TRANSACTIONS_MAX).map(|_| begin().unwrap()).collect();
    assert!(matches!(begin(), Err(Error::Transaction(TransactionError::TooManyTransactions))));
    assert_eq!(stage.engine.stats().transactions.running, TRANSACTIONS_MAX as u64);
    let last = open.pop().unwrap();
    stage.put(&last, "from the last slot").unwrap();
    last.commit().unwrap();
    begin().unwrap();
    drop(open);
    let mut snapshots: Vec<_> = (0..SNAPSHOTS_MAX).map(|_| stage.engine.snapshot().unwrap()).collect();
    assert!(matches!(stage.engine.snapshot(), Err(Error::Transaction(TransactionError::TooManySnapshots))));
    snapshots.truncate(10);
    assert_eq!(stage.engine.snapshot().unwrap().scan(&stage.table, ..).count(), 1);
}
