//! Crashes at the operations of a workload, and at those of its recoveries.

use synod_tests::campaign::run::{Scope, run};

#[test]
fn every_crash_of_a_short_workload_leaves_what_was_promised() {
    let scope = Scope { seed: 11, steps: 100, crashes_recoveries: false, ..Scope::default() };
    let counts = run(scope, |_| {}).unwrap_or_else(|failure| panic!("{failure}"));
    assert!(counts.points > 100, "{counts}");
    assert_eq!(counts.recoveries, 5 * counts.points, "{counts}");
    assert!(counts.most_commits > 40, "{counts}");
}

#[test]
fn so_do_crashes_of_some_of_its_recoveries() {
    let scope = Scope { seed: 12, steps: 100, sample_percent: 8, random_crashes: 1, ..Scope::default() };
    let counts = run(scope, |_| {}).unwrap_or_else(|failure| panic!("{failure}"));
    assert!(counts.crashes > 20 && counts.recovery_crashes > 500, "{counts}");
}

#[test]
fn and_crashes_while_several_threads_work() {
    let scope = Scope { seed: 13, steps: 60, threads: 3, sample_percent: 30, ..Scope::default() };
    let scope = Scope { crashes_recoveries: false, ..scope };
    let counts = run(scope, |_| {}).unwrap_or_else(|failure| panic!("{failure}"));
    assert!(counts.crashes > 100 && counts.most_commits > 60, "{counts}");
}
