//! The named workloads under every mode at every level: what they are about never happens where the level forbids it,
//! and happens where it doesn't; and the checker finds nothing against the level in any of them.

use synod::{Engine, Isolation, Mode, Options};
use synod_bench::history::checkable;
use synod_checker::{Options as Checking, check};
use synod_tests::histories::{bank, long_fork, monotonic, predicate, promise};

/// So many histories are made, whatever they show.
const HISTORIES: u64 = 12;

/// And at most so many, until what the level allows has happened.
const HISTORIES_MAX: u64 = 400;

/// A workload.
struct Workload {
    name: &'static str,
    /// Runs a history on an empty engine; returns how often its clients have seen what it is about.
    run: fn(&Engine, u64) -> u64,
    /// The weakest level at which nobody sees that.
    never_from: Isolation,
}

fn judge(workload: &Workload, mode: Mode, level: Isolation) {
    let is_forbidden = level >= workload.never_from;
    let name = workload.name;
    let (mut made, mut seen) = (0, 0);
    while made < HISTORIES || (seen == 0 && !is_forbidden) {
        assert!(made < HISTORIES_MAX, "{name}: {mode} at {level} never does what it is allowed to");
        made += 1;
        let options = Options::new().mode(mode).isolation(level).record_history(true);
        let engine = Engine::in_memory(options).unwrap();
        seen += (workload.run)(&engine, made);
        let verdict = check(&checkable(&engine.take_history()), &Checking::default()).unwrap();
        assert!(verdict.is_exact);
        if let Some(anomaly) = verdict.against(promise(level)).next() {
            panic!("{name}: {mode} at {level}, {made}: {}\n{}", anomaly.name(), anomaly.explanation());
        }
        assert!(
            seen == 0 || !is_forbidden,
            "{name}: {mode} at {level}, {made}: seen, and not by the checker"
        );
    }
    println!("{name}: {mode} at {level}: seen {seen} times in {made} histories");
}

fn judge_all(workload: &Workload) {
    for mode in Mode::INTERACTIVE {
        mode.levels().iter().for_each(|&level| judge(workload, mode, level));
    }
}

#[test]
fn bank_totals_are_right_from_repeatable_read_on() {
    judge_all(&Workload { name: "bank", run: bank::run, never_from: Isolation::RepeatableRead });
}

#[test]
fn readers_agree_on_the_order_of_writes_from_repeatable_read_on() {
    judge_all(&Workload { name: "long fork", run: long_fork::run, never_from: Isolation::RepeatableRead });
}

#[test]
fn serializable_numbers_rise_with_the_timestamps() {
    judge_all(&Workload { name: "monotonic", run: monotonic::run, never_from: Isolation::Serializable });
}

#[test]
fn serializable_transactions_see_no_phantoms() {
    judge_all(&Workload { name: "predicate", run: predicate::run, never_from: Isolation::Serializable });
}
