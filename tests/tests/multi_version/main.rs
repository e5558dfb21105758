//! The serializable level over snapshots, step by step.

use synod::{Abort, Engine, Error, Isolation, Mode, Options, Table, Transaction, TransactionOptions};
use synod_tests::conformance::world::wait_until;

struct Stage {
    engine: Engine,
    table: Table,
}

impl Stage {
    fn with(keys: &[&str]) -> Stage {
        let engine = Engine::in_memory(Options::new().mode(Mode::MultiVersion)).unwrap();
        let table = engine.table("t").unwrap();
        let stage = Stage { engine, table };
        keys.iter().for_each(|key| stage.commit(key, Some("0")));
        stage
    }

    fn begin(&self) -> Transaction {
        self.engine.begin(TransactionOptions::new()).unwrap()
    }

    fn read_only(&self) -> Transaction {
        self.engine.begin(TransactionOptions::new().read_only()).unwrap()
    }

    /// Writes or deletes one key in a transaction of its own.
    fn commit(&self, key: &str, value: Option<&str>) {
        let txn = self.begin();
        match value {
            Some(value) => txn.put(&self.table, key, value).unwrap(),
            None => assert!(txn.delete(&self.table, key).unwrap()),
        }
        txn.commit().unwrap();
    }

    fn keys(&self, txn: &Transaction, from: &str, to: &str) -> usize {
        txn.scan(&self.table, from..to).map(Result::unwrap).count()
    }

    /// A transaction that has read x before somebody else overwrote it.
    fn begin_before_x(&self) -> Transaction {
        let txn = self.begin();
        txn.get(&self.table, "x").unwrap();
        self.commit("x", Some("1"));
        txn
    }

    /// Somebody finds nothing in a range, after x was overwritten.
    fn find_nothing(&self, from: &str, to: &str) {
        let txn = self.begin();
        assert_eq!(self.keys(&txn, from, to), 0);
        txn.put(&self.table, "reader", "").unwrap();
        txn.commit().unwrap();
    }
}

fn is_unserializable<T: std::fmt::Debug>(outcome: Result<T, Error>) -> bool {
    matches!(outcome.unwrap_err().abort(), Some(Abort::Unserializable { .. }))
}

#[test]
fn an_insertion_into_a_range_that_was_read_is_found_out() {
    let stage = Stage::with(&["x", "z"]);
    let late = stage.begin_before_x();
    stage.find_nothing("b", "d");
    late.put(&stage.table, "c", "").unwrap();
    assert!(is_unserializable(late.commit()));
}

#[test]
fn an_insertion_splits_a_gap_and_both_parts_stay_read() {
    let stage = Stage::with(&["x", "z"]);
    let late = stage.begin_before_x();
    stage.find_nothing("b", "d");
    stage.commit("d", Some("splits the gap"));
    late.put(&stage.table, "c", "").unwrap();
    assert!(is_unserializable(late.commit()));
}

#[test]
fn what_is_left_of_an_insertion_is_read_as_its_gap_was() {
    let stage = Stage::with(&["x", "z"]);
    let late = stage.begin_before_x();
    stage.find_nothing("b", "d");
    let undone = stage.begin();
    undone.put(&stage.table, "c", "").unwrap();
    undone.abort();
    // Now there is a record of this key, with nothing in it.
    late.put(&stage.table, "c", "").unwrap();
    assert!(is_unserializable(late.commit()));
}

#[test]
fn a_gap_stays_read_when_the_record_behind_it_has_left_the_index() {
    let stage = Stage::with(&["m", "x", "z"]);
    let snapshot = stage.engine.snapshot().unwrap();
    stage.commit("m", None);
    let late = stage.begin_before_x();
    stage.find_nothing("b", "d");
    drop(snapshot);
    // The old value of x stays, for the late transaction.
    wait_until("the deleted record is gone", || stage.engine.stats().garbage_records == 1);
    late.put(&stage.table, "c", "").unwrap();
    assert!(is_unserializable(late.commit()));
}

#[test]
fn antidependencies_that_lead_nowhere_abort_nobody() {
    let stage = Stage::with(&["x", "y", "z"]);
    // It reads what is overwritten, and overwrites what nobody has read.
    let pivot = stage.begin_before_x();
    pivot.put(&stage.table, "y", "1").unwrap();
    pivot.commit().unwrap();
    // It overwrites what was read, and reads what nobody overwrites.
    let reader = stage.begin();
    reader.get(&stage.table, "z").unwrap();
    stage.commit("z", Some("1"));
    reader.commit().unwrap();
    assert_eq!(stage.engine.stats().transactions.aborts.unserializable, 0);
}

#[test]
fn of_two_writers_of_one_record_the_first_wins() {
    for isolation in [Isolation::Snapshot, Isolation::Serializable] {
        let stage = Stage::with(&["x"]);
        let txn = stage.engine.begin(TransactionOptions::new().isolation(isolation)).unwrap();
        txn.get(&stage.table, "x").unwrap();
        stage.commit("x", Some("first"));
        let abort = txn.put(&stage.table, "x", "second").unwrap_err();
        match abort.abort() {
            Some(Abort::WriteConflict { change }) => assert_eq!(change.key, b"x"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn readers_wait_for_no_writer_and_abort_none() {
    let stage = Stage::with(&["x"]);
    let writer = stage.begin();
    writer.put(&stage.table, "x", "1").unwrap();
    let reader = stage.begin();
    assert_eq!(reader.get(&stage.table, "x").unwrap().as_deref(), Some(&b"0"[..]));
    writer.commit().unwrap();
    assert_eq!(reader.get(&stage.table, "x").unwrap().as_deref(), Some(&b"0"[..]));
    reader.commit().unwrap();
}

#[test]
fn a_read_only_transaction_is_aborted_only_by_the_anomaly() {
    let stage = Stage::with(&["checking", "savings"]);
    let withdrawal = stage.begin();
    for account in ["savings", "checking"] {
        withdrawal.get(&stage.table, account).unwrap();
    }
    stage.commit("savings", Some("20"));
    let (unlucky, safe) = (stage.read_only(), stage.read_only());
    for account in ["savings", "checking"] {
        unlucky.get(&stage.table, account).unwrap();
    }
    withdrawal.put(&stage.table, "checking", "-11").unwrap();
    withdrawal.commit().unwrap();
    safe.get(&stage.table, "savings").unwrap();
    safe.commit().unwrap();
    assert!(is_unserializable(unlucky.commit()));
}

#[test]
fn an_audit_lets_write_skew_through_and_names_it() {
    let options = Options::new().mode(Mode::MultiVersion).isolation(Isolation::Snapshot).audit(true);
    let engine = Engine::in_memory(options).unwrap();
    let table = engine.table("t").unwrap();
    let stage = Stage { engine, table };
    ["x", "y", "z"].iter().for_each(|key| stage.commit(key, Some("0")));
    let both = [stage.begin(), stage.begin()];
    for (txn, mine) in both.iter().zip(["x", "y"]) {
        for key in ["x", "y"] {
            txn.get(&stage.table, key).unwrap();
        }
        txn.put(&stage.table, mine, "1").unwrap();
    }
    let unaudited = stage.engine.begin(TransactionOptions::new().audit(false)).unwrap();
    unaudited.put(&stage.table, "z", "1").unwrap();
    unaudited.commit().unwrap();
    both.into_iter().for_each(|txn| _ = txn.commit().unwrap());
    let audit = stage.engine.audit();
    assert_eq!((audit.transactions, audit.unserializable), (5, 1));
    match &audit.examples[..] {
        [(_, Abort::Unserializable { change, overwritten, .. })] => {
            assert_eq!((&change.key[..], overwritten.as_deref()), (&b"x"[..], Some(&b"y"[..])));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(stage.engine.stats().transactions.aborts, Default::default());
}
