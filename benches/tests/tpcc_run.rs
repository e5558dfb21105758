//! Whole runs on small databases: whatever threads and lock policies do, the data stay consistent, and the
//! counters of the run agree with the rows it left behind.

mod common;

use common::{deterministic, in_memory, load_into, small};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use synod::{DeadlockPolicy, Durability, Engine, Isolation, Options, SequencingStats, Stats};
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
fn procedures_keep_the_data_consistent() {
    for (threads, in_flight) in [(1, 1), (4, 1), (4, 16)] {
        let engine = Engine::in_memory(deterministic()).expect("an engine");
        let database = load_into(&engine, small(2), false);
        let result = run_and_check(&database, &RunOptions { threads, in_flight, ..options() });
        for kind in Kind::ALL {
            assert!(result.statistics.of(kind).committed > 0, "no {}", kind.name());
        }
        let count = |what: fn(&SequencingStats) -> u64| {
            let of = |stats: &Stats| what(&stats.sequencing.expect("of the deterministic mode"));
            of(&result.stats_after) - of(&result.stats_before)
        };
        let all = &result.statistics;
        assert_eq!(count(|stats| stats.rejected), all.of(Kind::NewOrder).rolled_back);
        let committed = all.of(Kind::NewOrder).committed + all.of(Kind::Payment).committed;
        let deliveries = all.of(Kind::Delivery).committed;
        assert_eq!(count(|stats| stats.committed), committed + 10 * deliveries);
        assert_eq!(
            count(|stats| stats.reconnaissances) + count(|stats| stats.restarted),
            0,
            "all is declared"
        );
    }
}

#[test]
fn each_procedure_does_the_same_twice() {
    let engine = Engine::in_memory(deterministic().check_determinism(true)).expect("an engine");
    let database = load_into(&engine, small(1), false);
    run_and_check(&database, &RunOptions { threads: 2, in_flight: 4, ..options() });
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
        let run = RunOptions { durability, in_flight, duration: Duration::from_millis(300), ..options() };
        survives_closing_and_opening(directory.path(), &[Options::new(), Options::new()], &run);
    }
}

#[test]
fn procedures_survive_closing_and_opening_under_any_mode() {
    for (durability, in_flight) in [(Durability::Sync, 1), (Durability::Group, 16), (Durability::Buffered, 4)]
    {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let run = RunOptions { durability, in_flight, duration: Duration::from_millis(200), ..options() };
        let in_other_mode = synod_bench::register(Options::new());
        let all = [deterministic(), deterministic(), in_other_mode, deterministic()];
        survives_closing_and_opening(directory.path(), &all, &run);
    }
}

/// Loads a database under the first of the options, runs, and goes on with it under each of the others.
fn survives_closing_and_opening(directory: &Path, all: &[Options], run: &RunOptions) {
    let mut entered = None;
    for options in all {
        let engine = Engine::open(directory, options.clone()).expect("an engine");
        let database = match entered {
            None => load_into(&engine, small(2), true),
            Some(_) => Database::open(&engine).expect("readable").expect("loaded"),
        };
        assert_eq!(database.scale, small(2));
        assert!(entered.is_none_or(|entered| entered == orders_entered(&database)), "{}", run.durability);
        run_and_check(&database, run);
        entered = Some(orders_entered(&database));
        drop(database);
        engine.close().expect("nobody uses it");
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
