//! Whole runs on small databases: whatever threads and lock policies do, the data stay consistent, and the
//! counters of the run agree with the rows it left behind.

mod common;

use common::{in_memory, load_into, small};
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use synod::{DeadlockPolicy, Durability, Engine, Isolation, Options};
use synod_bench::progress::Progress;
use synod_bench::tpcc::consistency::{self, ConditionReport};
use synod_bench::tpcc::driver::RunResult;
use synod_bench::tpcc::rows::District;
use synod_bench::tpcc::{Database, Kind, Mix, RunOptions, audit, run};

fn options() -> RunOptions {
    RunOptions {
        threads: 4,
        duration: Duration::from_millis(700),
        mix: Mix::STANDARD,
        in_flight: 1,
        isolation: Isolation::Serializable,
        durability: Durability::None,
        think: false,
        seed: 3,
    }
}

/// Runs, checks the twelve conditions and the counters.
fn run_and_check(database: &Database, options: &RunOptions) -> RunResult {
    let before = (orders_entered(database), payments_taken(database));
    let stop = AtomicBool::new(false);
    let result = run(database, options, &stop, &mut Progress::hidden()).expect("the run succeeds");
    let reports = consistency::check(database, 2).expect("the check runs");
    assert!(reports.iter().all(ConditionReport::holds), "{reports:#?}");
    let statistics = &result.statistics;
    assert!(statistics.completed() > 0, "nothing was done");
    assert_eq!(orders_entered(database) - before.0, statistics.of(Kind::NewOrder).committed);
    assert_eq!(payments_taken(database) - before.1, statistics.of(Kind::Payment).committed);
    result
}

/// How many order numbers all districts have given out.
fn orders_entered(database: &Database) -> u64 {
    let snapshot = database.engine.snapshot().expect("a snapshot");
    let rows = snapshot.scan(&database.tables.district, ..).map(|row| row.expect("readable").1);
    rows.map(|row| u64::from(District::parse(&row).expect("a district").next_order() - 1)).sum()
}

/// How many rows HISTORY has.
fn payments_taken(database: &Database) -> u64 {
    database.engine.snapshot().expect("a snapshot").scan(&database.tables.history, ..).count() as u64
}

#[test]
fn every_deadlock_policy_keeps_the_data_consistent() {
    for policy in
        [DeadlockPolicy::Detect, DeadlockPolicy::WoundWait, DeadlockPolicy::WaitDie, DeadlockPolicy::NoWait]
    {
        let engine = Engine::in_memory(Options::new().deadlock_policy(policy)).expect("an engine");
        let database = load_into(&engine, small(1), false);
        let result = run_and_check(&database, &options());
        for kind in Kind::ALL {
            assert!(result.statistics.of(kind).committed > 0, "{policy}: no {}", kind.name());
        }
    }
}

#[test]
fn rows_changed_under_update_locks_are_safe_at_weaker_levels_too() {
    for isolation in [Isolation::ReadCommitted, Isolation::RepeatableRead] {
        let database = in_memory(small(1));
        run_and_check(&database, &RunOptions { isolation, ..options() });
    }
}

#[test]
fn several_warehouses_keep_the_rules_of_the_audit() {
    let database = in_memory(small(3));
    let options = RunOptions { threads: 2, duration: Duration::from_secs(2), ..options() };
    let result = run_and_check(&database, &options);
    let items = audit::audit(&result.statistics, options.mix, database.scale);
    assert!(items.iter().any(|item| item.name.contains("another warehouse")));
    let failing: Vec<_> = items.iter().filter(|item| !item.passes()).collect();
    assert!(failing.is_empty(), "{failing:#?}");
}

#[test]
fn a_restricted_mix_runs_nothing_else() {
    let database = in_memory(small(1));
    let mix = "no=1,p=1".parse().expect("a mix");
    let options = RunOptions { mix, duration: Duration::from_millis(300), ..options() };
    let result = run_and_check(&database, &options);
    for kind in [Kind::OrderStatus, Kind::Delivery, Kind::StockLevel] {
        assert_eq!(result.statistics.of(kind).committed, 0);
    }
}

#[test]
fn every_durability_level_survives_closing_and_opening() {
    for (durability, in_flight) in
        [(Durability::Sync, 1), (Durability::Group, 1), (Durability::Group, 16), (Durability::Buffered, 1)]
    {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let open = || Engine::open(directory.path(), Options::new()).expect("an engine");
        let engine = open();
        let database = load_into(&engine, small(2), true);
        let options = RunOptions { durability, in_flight, duration: Duration::from_millis(300), ..options() };
        run_and_check(&database, &options);
        let entered = orders_entered(&database);
        drop(database);
        engine.close().expect("nobody uses it");

        let engine = open();
        let database = Database::open(&engine).expect("readable").expect("loaded");
        assert_eq!((database.scale, orders_entered(&database)), (small(2), entered), "{durability}");
        run_and_check(&database, &options);
    }
}

#[test]
fn the_stop_flag_ends_a_run() {
    let database = in_memory(small(1));
    let stop = AtomicBool::new(true);
    let options = RunOptions { duration: Duration::from_secs(1_000), ..options() };
    let result = run(&database, &options, &stop, &mut Progress::hidden()).expect("the run succeeds");
    assert!(result.ended_early);
}

#[test]
fn terminals_that_think_do_little() {
    let database = in_memory(small(1));
    let options = RunOptions { think: true, duration: Duration::from_millis(200), ..options() };
    let stop = AtomicBool::new(false);
    let result = run(&database, &options, &stop, &mut Progress::hidden()).expect("the run succeeds");
    // Even the fastest card takes two seconds of keying.
    assert_eq!(result.statistics.completed(), 0);
    assert!(result.elapsed < Duration::from_secs(2), "{:?}", result.elapsed);
}
