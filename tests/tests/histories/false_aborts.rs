//! The counting of false aborts, on histories of which it is known.

use std::cell::RefCell;
use std::collections::BTreeMap;

use synod::{Abort, Engine, Mode, Options, Table, Transaction, TransactionId};
use synod_tests::false_aborts::{Counts, Workload, judge, run};

struct Stage {
    engine: Engine,
    table: Table,
    aborts: RefCell<BTreeMap<TransactionId, Abort>>,
}

impl Stage {
    fn new() -> Stage {
        let engine = Engine::in_memory(Options::new().mode(Mode::MultiVersion).record_history(true)).unwrap();
        let table = engine.table("t").unwrap();
        let put =
            |txn: &Transaction| ["v", "w", "x", "y", "z"].iter().try_for_each(|key| txn.put(&table, key, ""));
        engine.transact(put).unwrap();
        Stage { engine, table, aborts: RefCell::default() }
    }

    fn begin(&self) -> Transaction {
        self.engine.begin(Default::default()).unwrap()
    }

    fn read(&self, txn: &Transaction, key: &str) {
        txn.get(&self.table, key).unwrap();
    }

    fn write(&self, txn: &Transaction, key: &str) {
        txn.put(&self.table, key, "").unwrap();
    }

    /// Commits a transaction that isn't allowed to.
    fn is_refused(&self, txn: Transaction) {
        let id = txn.id().unwrap();
        let abort = txn.commit().unwrap_err().abort().cloned().unwrap();
        self.aborts.borrow_mut().insert(id, abort);
    }

    fn counts(&self) -> Counts {
        judge(&self.engine.take_history(), &self.aborts.borrow()).unwrap()
    }
}

/// The history in the picture of [`synod_tests::false_aborts`]: T reads x, U overwrites it, R reads y and
/// commits after U, T overwrites y. `reads_x` says whether R has seen what U wrote, `is_late` whether it
/// began after U had ended.
fn picture(reads_x: bool, is_late: bool) -> Counts {
    let stage = Stage::new();
    let [t, u] = [stage.begin(), stage.begin()];
    let early = (!is_late).then(|| stage.begin());
    stage.read(&t, "x");
    stage.write(&u, "x");
    u.commit().unwrap();
    let r = early.unwrap_or_else(|| stage.begin());
    if reads_x {
        stage.read(&r, "x");
    }
    stage.read(&r, "y");
    stage.write(&r, "z");
    r.commit().unwrap();
    stage.write(&t, "y");
    stage.is_refused(t);
    stage.counts()
}

/// The first one has made the keys.
const ONE: Counts = Counts {
    committed: 3,
    conflicts: 0,
    unserializable: 1,
    in_data_cycle: 0,
    in_real_time_cycle: 0,
    in_no_cycle: 0,
};

#[test]
fn an_abort_that_prevents_a_cycle_is_no_false_one() {
    assert_eq!(picture(true, true), Counts { in_data_cycle: 1, ..ONE });
}

#[test]
fn a_cycle_may_need_real_time() {
    assert_eq!(picture(false, true), Counts { in_real_time_cycle: 1, ..ONE });
}

#[test]
fn an_abort_that_prevents_nothing_is_a_false_one() {
    assert_eq!(picture(false, false), Counts { in_no_cycle: 1, ..ONE });
}

/// T is as in the picture, and R is early, so T is in a cycle only if U leads to R. It would by way of F,
/// which has read what U wrote, and what R overwrote; but F was aborted itself, because of Q.
#[test]
fn a_cycle_by_way_of_another_that_was_aborted_is_none() {
    let stage = Stage::new();
    let [t, u, r, q] = [stage.begin(), stage.begin(), stage.begin(), stage.begin()];
    stage.read(&t, "x");
    stage.write(&u, "x");
    u.commit().unwrap();
    let f = stage.begin();
    ["x", "z"].iter().for_each(|key| stage.read(&f, key));
    stage.read(&r, "y");
    stage.write(&r, "z");
    r.commit().unwrap();
    stage.read(&q, "v");
    stage.write(&q, "w");
    q.commit().unwrap();
    stage.write(&f, "v");
    stage.is_refused(f);
    stage.write(&t, "y");
    stage.is_refused(t);
    let both = Counts { committed: 4, unserializable: 2, in_no_cycle: 2, ..ONE };
    assert_eq!(stage.counts(), both);
}

#[test]
fn of_three_that_skew_two_would_have_been_in_a_cycle_with_the_first() {
    let stage = Stage::new();
    let writers = ["x", "y", "z"].map(|key| (stage.begin(), key));
    for (txn, own) in &writers {
        ["x", "y", "z"].iter().filter(|key| *key != own).for_each(|key| stage.read(txn, key));
        stage.write(txn, own);
    }
    let [(first, _), (second, _), (third, _)] = writers;
    first.commit().unwrap();
    stage.is_refused(second);
    stage.is_refused(third);
    let two = Counts { committed: 2, unserializable: 2, in_data_cycle: 2, ..ONE };
    assert_eq!(stage.counts(), two);
}

#[test]
fn of_two_that_write_the_same_one_is_in_conflict() {
    let stage = Stage::new();
    let [one, other] = [stage.begin(), stage.begin()];
    stage.write(&one, "x");
    one.commit().unwrap();
    let id = other.id().unwrap();
    let abort = other.put(&stage.table, "x", "").unwrap_err().abort().cloned().unwrap();
    stage.aborts.borrow_mut().insert(id, abort);
    drop(other);
    assert_eq!(stage.counts(), Counts { committed: 2, conflicts: 1, unserializable: 0, ..ONE });
}

#[test]
fn each_transaction_of_random_histories_is_counted_once() {
    let workload =
        Workload { keys: 16, threads: 8, transactions: 20, reads: 4, writes: 2, readers_percent: 20 };
    let mut counts = Counts::default();
    (0..10).for_each(|seed| counts += run(&workload, seed).unwrap());
    assert_eq!(counts.committed + counts.conflicts + counts.unserializable, 10 * (8 * 20 + 1));
    let told_apart = counts.in_data_cycle + counts.in_real_time_cycle + counts.in_no_cycle;
    assert!(counts.unserializable > 0 && told_apart == counts.unserializable, "{counts:?}");
}
