//! Processes that are killed for real, in the middle of their work.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::channel;
use std::time::Duration;

use synod::{Engine, Options};
use synod_bench::progress::Progress;
use synod_bench::random::Random;
use synod_bench::tpcc::{Database, LoadOptions, Scale, consistency, load};
use synod_tests::crash::failure::PATIENCE;
use synod_tests::crash::transfers;

fn start(work: &str, home: &Path, round: u64) -> Child {
    Command::new(env!("CARGO_BIN_EXE_crash_child"))
        .args([work, home.to_str().unwrap(), &round.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Kills a child some milliseconds after it has opened the database; returns what it said until then.
fn kill_after(mut child: Child, milliseconds: u64) -> String {
    let mut stdout = child.stdout.take().unwrap();
    let (opened, is_open) = channel();
    let reader = std::thread::spawn(move || {
        let mut said = Vec::new();
        let mut chunk = [0; 4096];
        loop {
            let bytes = stdout.read(&mut chunk).unwrap();
            if bytes == 0 {
                return said;
            }
            said.extend_from_slice(&chunk[..bytes]);
            // Whoever waits for this has it after the first time.
            let _ = opened.send(());
        }
    });
    is_open.recv_timeout(PATIENCE).expect("the child opens the database");
    std::thread::sleep(Duration::from_millis(milliseconds));
    child.kill().unwrap();
    assert!(!child.wait().unwrap().success(), "it ended before it was killed");
    let said = reader.join().unwrap();
    // A line that the kill has cut off was not said.
    let whole = said.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    String::from_utf8(said[..whole].to_vec()).unwrap()
}

#[test]
fn a_killed_process_loses_no_acknowledged_transfer_and_no_money() {
    let home = tempfile::tempdir().unwrap();
    let mut random = Random::new(20, 0);
    let mut acknowledged = String::new();
    let mut lines = 0;
    for round in 0..20 {
        let said = kill_after(start("transfers", home.path(), round), random.between(0, 120));
        acknowledged += said.strip_prefix("open\n").expect("it has opened the database");
        let engine = transfers::open(home.path().to_str().unwrap()).unwrap();
        lines = transfers::check(&engine, acknowledged.lines()).unwrap();
    }
    let promised = acknowledged.lines().count();
    assert!(promised > 200, "only {promised} transfers were acknowledged");
    assert!(lines >= promised);
}

#[test]
fn a_killed_order_entry_process_leaves_a_consistent_database() {
    let home = tempfile::tempdir().unwrap();
    let engine = Engine::open(home.path(), Options::new()).unwrap();
    let options = LoadOptions { scale: Scale::fraction(1, 0.0), threads: 2, seed: 1, durable: true };
    load(&engine, options, &AtomicBool::new(false), &mut Progress::hidden()).unwrap();
    engine.close().unwrap();
    let mut commits = 0;
    for round in 0..4 {
        assert_eq!(kill_after(start("tpcc", home.path(), round), 150 + 100 * round), "open\n");
        let engine = Engine::open(home.path(), Options::new()).unwrap();
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
