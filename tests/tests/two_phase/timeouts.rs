//! Lock timeouts.

use std::thread::scope;
use std::time::{Duration, Instant};

use synod::{Abort, DeadlockPolicy, TransactOptions, TransactionOptions};

use crate::stage::{Stage, abort_of};

fn stage(keys: &[&str]) -> Stage {
    Stage::new(DeadlockPolicy::Detect, keys)
}

#[test]
fn a_wait_ends_after_its_timeout_with_an_abort_that_is_not_retried() {
    let stage = stage(&["k"]);
    let holder = stage.begin();
    stage.put(&holder, "k").unwrap();
    let timeout = Duration::from_millis(30);
    let began = Instant::now();
    let waiter = stage.begin_impatient(timeout);
    let abort = abort_of(stage.put(&waiter, "k"));
    assert!(began.elapsed() >= timeout);
    let expected = Abort::LockTimeout { waited: timeout, table: "t".into(), key: Some(b"k".to_vec()) };
    assert_eq!(abort, expected);
    assert!(!abort.is_retryable());
    let options = TransactOptions {
        transaction: TransactionOptions::new().lock_timeout(Duration::from_millis(1)),
        ..TransactOptions::default()
    };
    let mut attempts = 0;
    let outcome = stage.engine.transact_with(&options, |txn| {
        attempts += 1;
        stage.put(txn, "k")
    });
    assert!(matches!(abort_of(outcome), Abort::LockTimeout { .. }));
    assert_eq!(attempts, 1);
    assert_eq!(stage.engine.stats().transactions.aborts.lock_timeout, 2);
    holder.commit().unwrap();
}

#[test]
fn those_behind_an_impatient_waiter_get_through_when_it_leaves() {
    let stage = stage(&["k"]);
    let reader = stage.begin();
    stage.read(&reader, "k").unwrap();
    let (impatient, late) = (stage.begin_impatient(Duration::from_millis(100)), stage.begin());
    scope(|scope| {
        let writing = stage.put_beside(scope, impatient, "k");
        stage.wait_for_waits(1);
        // Behind the writer; the first reader keeps its lock all the while.
        stage.read(&late, "k").unwrap();
        assert!(matches!(writing.refused(), Abort::LockTimeout { .. }));
    });
    reader.commit().unwrap();
}

#[test]
fn a_lock_granted_at_the_last_moment_is_never_left_behind() {
    let stage = stage(&["k"]);
    for round in 0..150 {
        let holder = stage.begin();
        stage.put(&holder, "k").unwrap();
        let waiter = stage.begin_impatient(Duration::from_micros(300));
        let waits = stage.engine.stats().transactions.lock_waits;
        scope(|scope| {
            let waiting = stage.put_beside(scope, waiter, "k");
            stage.wait_for_waits(waits + 1);
            // Aims at the moment when the wait ends, from both sides.
            let until = Instant::now() + Duration::from_micros(200 + round % 20 * 10);
            while Instant::now() < until {
                std::hint::spin_loop();
            }
            drop(holder);
            waiting.ended();
        });
        let next = stage.begin_impatient(Duration::ZERO);
        stage.put(&next, "k").unwrap_or_else(|error| panic!("round {round}: {error}"));
    }
}

#[test]
fn a_transaction_of_the_same_thread_is_waited_for_no_longer_than_the_timeout() {
    let stage = stage(&["k"]);
    let (first, second) = (stage.begin(), stage.begin_impatient(Duration::from_millis(5)));
    stage.put(&first, "k").unwrap();
    assert!(matches!(abort_of(stage.read(&second, "k")), Abort::LockTimeout { .. }));
    first.commit().unwrap();
}

#[test]
fn an_endless_timeout_is_possible() {
    let stage = stage(&["k"]);
    let holder = stage.begin();
    stage.put(&holder, "k").unwrap();
    let waiter = stage.begin_impatient(Duration::MAX);
    scope(|scope| {
        let waiting = stage.put_beside(scope, waiter, "k");
        stage.wait_for_waits(1);
        holder.commit().unwrap();
        waiting.granted().commit().unwrap();
    });
}
