//! White-box histories: what an engine that records itself would write down.

use synod_checker::{History, Key, KeyRange, Level, Options, Transaction, Verdict, Version, check};

const UNBORN: Version = Version::UNBORN;

fn at(stamp: u64) -> Version {
    Version::at(stamp)
}

fn history<const N: usize>(keys: [&str; N], make: impl FnOnce([Key; N]) -> Vec<Transaction>) -> Verdict {
    let mut history = History::new();
    let keys = keys.map(|key| history.key(key));
    for transaction in make(keys) {
        history.push(transaction);
    }
    check(&history, &Options::default()).expect("makes sense")
}

fn names(verdict: &Verdict) -> Vec<String> {
    verdict.anomalies.iter().map(synod_checker::Anomaly::name).collect()
}

fn txn() -> Transaction {
    Transaction::committed()
}

/// Checks what was found, and the strongest levels that are satisfied.
fn expect(verdict: &Verdict, anomalies: &[&str], satisfied: &[Level]) {
    let texts: Vec<_> = verdict.anomalies.iter().map(synod_checker::Anomaly::explanation).collect();
    assert_eq!(names(verdict), anomalies, "{texts:#?}");
    let strongest = Level::ALL.into_iter().filter(|level| {
        let above = |other: &Level| other.below().contains(level) && verdict.satisfies(*other);
        verdict.satisfies(*level) && !Level::ALL.iter().any(above)
    });
    assert_eq!(strongest.collect::<Vec<_>>(), satisfied);
    assert!(verdict.is_exact);
}

#[test]
fn a_serial_history_is_strictly_serializable() {
    let verdict = history(["x", "y"], |[x, y]| {
        vec![
            txn().time(1, 2).put(x, at(1)).put(y, at(1)),
            txn().time(3, 4).get(x, at(1)).put(x, at(2)),
            txn().time(5, 6).get(x, at(2)).get(y, at(1)).scan(KeyRange::ALL, &[(x, at(2)), (y, at(1))]),
        ]
    });
    expect(&verdict, &[], &[Level::StrictSerializable]);
    assert_eq!((verdict.committed, verdict.not_told()), (3, None));
}

#[test]
fn lost_update() {
    let verdict = history(["x"], |[x]| {
        vec![
            txn().time(1, 2).put(x, at(1)),
            txn().time(3, 8).get(x, at(1)).put(x, at(2)),
            txn().time(4, 9).get(x, at(1)).put(x, at(3)),
        ]
    });
    expect(&verdict, &["G-single (lost update)"], &[Level::MonotonicAtomicView]);
    assert_eq!(
        verdict.anomalies[0].explanation(),
        "T3 overwrote x after T2 had written it: T2 comes before T3. Yet T3 read x as it was before T2 wrote it: \
         T3 comes before T2. So T2 and T3 would each have to come before the other. Lost update: T3 and T2 replaced \
         the same value, so that one change is lost."
    );
    assert!(verdict.anomalies[0].conclusion().starts_with("So T2 and T3 would"));
}

#[test]
fn write_skew() {
    let verdict = history(["x", "y"], |[x, y]| {
        vec![txn().get(x, UNBORN).put(y, at(1)), txn().get(y, UNBORN).put(x, at(2))]
    });
    expect(&verdict, &["G2-item (write skew)"], &[Level::StrongSnapshotIsolation]);
}

#[test]
fn write_skew_by_predicate() {
    let verdict = history(["a", "b"], |[a, b]| {
        let all = || KeyRange::half_open("a", "c");
        vec![txn().scan(all(), &[]).put(a, at(1)), txn().scan(all(), &[]).put(b, at(2))]
    });
    expect(&verdict, &["G2 (write skew)"], &[Level::RepeatableRead, Level::StrongSnapshotIsolation]);
}

#[test]
fn keys_outside_the_range_are_not_missed() {
    let verdict = history(["a", "c"], |[a, c]| {
        let range = || KeyRange::half_open("a", "c");
        vec![txn().scan(range(), &[]).put(a, at(1)), txn().scan(range(), &[]).put(c, at(2))]
    });
    expect(&verdict, &[], &[Level::StrictSerializable]);
}

#[test]
fn phantom() {
    let verdict = history(["a", "n"], |[a, n]| {
        vec![txn().put(a, at(1)).put(n, at(1)), txn().scan(KeyRange::closed("a", "b"), &[]).get(n, at(1))]
    });
    expect(&verdict, &["G-single-predicate (phantom)"], &[Level::RepeatableRead]);
}

#[test]
fn read_skew_and_what_vanishes_after_it_was_observed() {
    let writer = |x, y| txn().put(x, at(1)).put(y, at(1));
    let old_first = history(["x", "y"], |[x, y]| vec![writer(x, y), txn().get(x, UNBORN).get(y, at(1))]);
    expect(&old_first, &["G-single (read skew)"], &[Level::MonotonicAtomicView]);
    let new_first = history(["x", "y"], |[x, y]| vec![writer(x, y), txn().get(x, at(1)).get(y, UNBORN)]);
    expect(&new_first, &["OTV", "G-single (read skew)"], &[Level::ReadCommitted]);
}

#[test]
fn nonrepeatable_read() {
    let verdict = history(["x"], |[x]| vec![txn().put(x, at(1)), txn().get(x, UNBORN).get(x, at(1))]);
    expect(&verdict, &["G-single (non-repeatable read)"], &[Level::MonotonicAtomicView]);
}

#[test]
fn dirty_write() {
    let verdict = history(["x", "y"], |[x, y]| {
        vec![txn().put(x, at(1)).put(y, at(4)), txn().put(x, at(2)).put(y, at(3))]
    });
    expect(&verdict, &["G0"], &[]);
}

#[test]
fn circular_information_flow() {
    let verdict = history(["x", "y"], |[x, y]| {
        vec![txn().put(x, at(1)).get(y, at(2)), txn().put(y, at(2)).get(x, at(1))]
    });
    expect(&verdict, &["G1c"], &[Level::ReadUncommitted]);
}

#[test]
fn aborted_and_intermediate_reads() {
    let aborted = history(["x"], |[x]| vec![Transaction::aborted().put(x, at(9)), txn().get(x, at(9))]);
    expect(&aborted, &["G1a"], &[Level::ReadUncommitted]);
    let update =
        history(["x"], |[x]| vec![Transaction::aborted().put(x, at(9)), txn().get(x, at(9)).put(x, at(2))]);
    expect(&update, &["dirty update", "G1a"], &[Level::ReadUncommitted]);
    let second = Version { stamp: 1, step: 1 };
    let between = history(["x"], |[x]| vec![txn().put(x, at(1)).put(x, second), txn().get(x, at(1))]);
    expect(&between, &["G1b"], &[Level::ReadUncommitted]);
}

#[test]
fn long_fork() {
    let verdict = history(["x", "y"], |[x, y]| {
        vec![
            txn().put(x, at(1)),
            txn().put(y, at(2)),
            txn().get(x, at(1)).get(y, UNBORN),
            txn().get(x, UNBORN).get(y, at(2)),
        ]
    });
    expect(&verdict, &["G-nonadjacent (long fork)"], &[Level::MonotonicAtomicView]);
}

/// Fekete, O'Neil and O'Neil: a withdrawal with a penalty, a deposit, and a reader between them.
#[test]
fn read_only_transaction_anomaly() {
    let verdict = history(["checking", "savings"], |[x, y]| {
        vec![
            txn().time(1, 8).get(x, UNBORN).get(y, UNBORN).put(x, at(3)),
            txn().time(2, 3).get(y, UNBORN).put(y, at(2)),
            txn().time(4, 5).get(x, UNBORN).get(y, at(2)),
        ]
    });
    expect(&verdict, &["G2-item (read-only transaction anomaly)"], &[Level::StrongSnapshotIsolation]);
}

#[test]
fn own_writes_are_seen() {
    let put = |key| txn().put(key, at(1));
    let blind = history(["x"], |[x]| vec![put(x).get(x, UNBORN)]);
    expect(&blind, &["internal inconsistency"], &[Level::ReadUncommitted]);
    let missed = history(["x"], |[x]| vec![put(x).scan(KeyRange::ALL, &[])]);
    expect(&missed, &["internal inconsistency"], &[Level::ReadUncommitted]);
    let later = history(["x"], |[x]| vec![txn().get(x, at(1)).put(x, at(1))]);
    expect(&later, &["internal inconsistency"], &[Level::ReadUncommitted]);
    let fine = history(["x"], |[x]| {
        let second = Version { stamp: 1, step: 1 };
        vec![
            put(x)
                .get(x, at(1))
                .scan(KeyRange::ALL, &[(x, at(1))])
                .delete(x, second)
                .scan(KeyRange::ALL, &[]),
        ]
    });
    expect(&fine, &[], &[Level::StrictSerializable]);
}

#[test]
fn stale_reads_by_session_and_by_time() {
    let by_session =
        history(["x"], |[x]| vec![txn().session(1).put(x, at(1)), txn().session(1).get(x, UNBORN)]);
    expect(&by_session, &["G-single-session (stale read)"], &[Level::Serializable]);
    let by_time = history(["x"], |[x]| vec![txn().time(1, 2).put(x, at(1)), txn().time(3, 4).get(x, UNBORN)]);
    expect(&by_time, &["G-single-realtime (stale read)"], &[Level::StrongSessionSerializable]);
    let at_once = history(["x"], |[x]| vec![txn().time(1, 3).put(x, at(1)), txn().time(3, 4).get(x, UNBORN)]);
    expect(&at_once, &[], &[Level::StrictSerializable]);
}

#[test]
fn deletions_open_gaps() {
    let all = || KeyRange::ALL;
    // Whoever deletes comes before the scan that misses the key; whoever writes it again comes after.
    let verdict = history(["x", "y"], |[x, y]| {
        vec![
            txn().put(x, at(1)),
            txn().get(x, at(1)).delete(x, at(2)).get(y, at(5)),
            txn().scan(all(), &[(x, at(1))]),
            txn().scan(KeyRange::closed("x", "x"), &[(x, at(2))]).put(y, at(5)),
        ]
    });
    expect(&verdict, &["G1c"], &[Level::ReadUncommitted]);
    assert!(
        verdict.anomalies[0].explanation().contains("did not find x, which T2 had deleted"),
        "{verdict:#?}"
    );
    // Without the tombstone nobody knows whether it was seen before T1 or after T2, so nothing is wrong.
    let unknown = history(["x", "y"], |[x, y]| {
        vec![
            txn().put(x, at(1)),
            txn().get(x, at(1)).delete(x, at(2)).get(y, at(5)),
            txn().scan(KeyRange::closed("x", "x"), &[]).put(y, at(5)),
        ]
    });
    expect(&unknown, &[], &[Level::StrictSerializable]);
    // But it is before T3 whichever it was.
    let before = history(["x"], |[x]| {
        vec![
            txn().put(x, at(1)),
            txn().delete(x, at(2)),
            txn().time(1, 2).put(x, at(3)),
            txn().time(3, 4).scan(all(), &[]),
        ]
    });
    expect(&before, &["G-single-predicate-realtime (stale read)"], &[Level::StrongSessionSerializable]);
}

#[test]
fn what_was_there_before_the_history_needs_no_writer() {
    let verdict =
        history(["x"], |[x]| vec![txn().get(x, at(5)).put(x, at(7)), txn().get(x, at(5)).put(x, at(8))]);
    expect(&verdict, &["G-single (lost update)"], &[Level::MonotonicAtomicView]);
    let garbage = history(["x"], |[x]| vec![txn().put(x, at(7)), txn().get(x, at(8))]);
    expect(&garbage, &["unwritten read"], &[]);
    let two = history(["x"], |[x]| vec![txn().get(x, at(5)), txn().get(x, at(6)), txn().put(x, at(7))]);
    expect(&two, &["unwritten read"], &[]);
    let born = history(["x"], |[x]| vec![txn().get(x, UNBORN), txn().get(x, at(6)), txn().put(x, at(7))]);
    expect(&born, &["unwritten read"], &[]);
}

#[test]
fn unknown_outcomes_count_when_they_are_seen() {
    let unseen = history(["x"], |[x]| vec![Transaction::unknown().get(x, UNBORN).put(x, at(1))]);
    assert_eq!((unseen.unknown, unseen.unknown_seen), (1, 0));
    assert!(unseen.not_told().is_some());
    let seen = history(["x", "y"], |[x, y]| {
        vec![
            Transaction::unknown().get(y, UNBORN).put(x, at(1)),
            txn().get(x, at(1)).put(x, at(2)),
            Transaction::unknown().get(x, UNBORN).put(y, at(3)),
            txn().get(y, at(3)),
        ]
    });
    assert_eq!(seen.unknown_seen, 2);
    expect(&seen, &["G2-item (write skew)"], &[Level::StrongSnapshotIsolation]);
    // Who was seen by somebody who was seen took effect, too.
    let by_another = history(["x", "y"], |[x, y]| {
        let unknown = Transaction::unknown;
        vec![unknown().put(x, at(1)), unknown().get(x, at(1)).put(y, at(2)), txn().get(y, at(2))]
    });
    assert_eq!((by_another.unknown, by_another.unknown_seen), (2, 2));
}

#[test]
fn histories_that_make_no_sense_are_refused() {
    let mut twice = History::new();
    let x = twice.key("x");
    twice.push(txn().put(x, at(1)));
    twice.push(txn().put(x, at(1)));
    let error = check(&twice, &Options::default()).expect_err("twice the same version").to_string();
    assert_eq!(error, "T2 makes version @1 of x, which is not new: versions must be unique");
    let mut mixed = History::new();
    let x = mixed.key("x");
    let one = mixed.value(1);
    mixed.push(txn().put(x, at(1)));
    mixed.push(txn().append(x, one));
    assert!(
        check(&mixed, &Options::default())
            .expect_err("mixed")
            .to_string()
            .starts_with("T2 uses x in another way")
    );
}
