//! Processes that are killed for real, in the middle of their work.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use synod::{Engine, Options};
use synod_bench::progress::Progress;
use synod_bench::tpcc::{Database, LoadOptions, Scale, consistency, load};
use synod_tests::kill::campaign::{Scope, run};
use synod_tests::kill::process::{kill_after, start};

/// A short campaign; the program `kill-campaign` makes a long one.
#[test]
fn killed_processes_keep_what_they_have_promised_and_leave_nothing_by_halves() {
    let directory = tempfile::tempdir().unwrap();
    let scope = Scope {
        seed: 20,
        kills: 8,
        longest: Duration::from_millis(150),
        recovery_percent: 40,
        program: env!("CARGO_BIN_EXE_kill-campaign").into(),
    };
    let counts = run(&scope, directory.path(), |_| {}).unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(counts.kills, 8);
    assert!(counts.judged > 0 && counts.tally.promised > 0, "nothing was judged: {counts}");
}

fn start_order_entry(home: &Path, round: u64) -> std::process::Child {
    let child = Path::new(env!("CARGO_BIN_EXE_crash_child"));
    start(child, &["tpcc", home.to_str().unwrap(), &round.to_string()]).unwrap()
}

#[test]
fn a_killed_order_entry_process_leaves_a_consistent_database() {
    let home = tempfile::tempdir().unwrap();
    let open = || Engine::open(home.path(), Options::new()).unwrap();
    let engine = open();
    let options = LoadOptions { scale: Scale::fraction(1, 0.0), threads: 2, seed: 1, durable: true };
    load(&engine, options, &AtomicBool::new(false), &mut Progress::hidden()).unwrap();
    engine.close().unwrap();
    let mut commits = 0;
    for round in 0..4 {
        let wait = Duration::from_millis(150 + 100 * round);
        assert_eq!(kill_after(start_order_entry(home.path(), round), "open", wait).unwrap(), "open\n");
        let engine = open();
        let database = Database::open(&engine).unwrap().expect("the population is there");
        let reports = consistency::check(&database, 2).unwrap();
        assert_eq!(reports.len(), 12);
        for report in &reports {
            assert!(report.holds(), "round {round}: {report:?}");
        }
        let history = engine.snapshot().unwrap().scan(&database.tables.history, ..).count();
        assert!(history >= commits, "payments were lost");
        commits = history;
    }
    let opening = 10 * 30;
    assert!(commits > opening + 20, "only {} payments survived", commits - opening);
}
