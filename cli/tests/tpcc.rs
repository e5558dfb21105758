//! The binary, as a user runs it, on small populations.

use std::path::Path;
use std::process::{Command, Output};

/// All modes, in the order in which they take turns.
const MODES: [&str; 4] = ["2pl", "occ", "mvcc", "deterministic"];

/// Runs `synod bench tpcc` with a small population, for a short time.
fn tpcc(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_synod"))
        .args(["bench", "tpcc", "--scale", "0.01"])
        .args(if arguments.contains(&"--seconds") { &[][..] } else { &["--seconds", "0.5"] })
        .args(arguments)
        .output()
        .expect("the binary starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn path_text(path: &Path) -> &str {
    path.to_str().expect("a temporary path is plain text")
}

#[test]
fn a_run_in_memory_passes_and_says_so() {
    let output = tpcc(&["--in-memory", "--threads", "2"]);
    let shown = text(&output.stdout);
    assert!(output.status.success(), "{shown}{}", text(&output.stderr));
    for expected in [
        "not an audited TPC-C result",
        "in memory, without a log",
        "scaled down to 1,000 items, 30 customers a district",
        "new orders/min",
        "New-Order",
        "Stock-Level",
        "all 12 consistency conditions hold",
        "rules kept",
        "engine     serializable: ",
    ] {
        assert!(shown.contains(expected), "no \"{expected}\" in:\n{shown}");
    }
}

#[test]
fn by_default_the_database_is_durable_and_temporary() {
    let output = tpcc(&[]);
    let shown = text(&output.stdout);
    assert!(output.status.success(), "{shown}{}", text(&output.stderr));
    let line = shown.lines().find(|line| line.starts_with("database")).expect("the place is told");
    let place = line.split_whitespace().nth(1).expect("a path");
    assert!(line.contains("temporary, removed at the end"), "{line}");
    assert!(Path::new(place).is_absolute() && !Path::new(place).exists(), "{place} is gone");
    assert!(shown.contains("durability group"), "{shown}");
}

#[test]
fn a_kept_database_is_loaded_once_and_reused() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = path_text(directory.path());
    let json = directory.path().join("report.json");
    let loaded = tpcc(&["--path", path, "--warehouses", "2", "--load-only"]);
    assert!(loaded.status.success(), "{}", text(&loaded.stderr));
    assert!(text(&loaded.stdout).contains("all 12 consistency conditions hold"));

    let output = tpcc(&["--path", path, "--json", path_text(&json), "--durability", "sync", "--seed", "4"]);
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    let report: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&json).expect("written")).expect("valid JSON");
    assert_eq!(report["settings"]["scale"]["warehouses"], 2);
    assert_eq!(report["settings"]["durability"], "sync");
    assert!(report["load"].is_null(), "it was loaded before");
    assert!(report["run"]["new_orders_per_minute"].as_f64().is_some_and(|value| value > 0.0));
    assert!(report["run"]["fsyncs_per_commit"].as_f64().is_some_and(|value| value > 0.0));
    assert_eq!(report["passed"], true);
    assert_eq!(report["conditions"].as_array().map(Vec::len), Some(12));

    let mismatch = tpcc(&["--path", path, "--warehouses", "3"]);
    assert_eq!(mismatch.status.code(), Some(1));
    assert!(text(&mismatch.stderr).contains("has 2 warehouses"), "{}", text(&mismatch.stderr));
}

#[test]
fn contradictions_are_refused_before_anything_is_loaded() {
    for (arguments, reason) in [
        (&["--in-memory", "--durability", "sync"][..], "--in-memory has no log"),
        (&["--think", "--in-flight", "5"], "--think"),
        (&["--load-only"], "--path"),
        (&["--in-memory", "--path", "x"], "--path"),
        (&["--mix", "tea=5"], "not a share"),
        (&["--mode", "hope"], "mode"),
        (&["--deadlock", "hope"], "deadlock"),
        (&["--mode", "occ", "--isolation", "snapshot"], "occ has no level snapshot"),
        (&["--mode", "all", "--isolation", "repeatable-read"], "occ has no level repeatable-read"),
        (&["--mode", "deterministic", "--isolation", "snapshot"], "deterministic has no level snapshot"),
        (&["--mode", "all", "--path", "x", "--load-only"], "--mode all"),
        (&["--repeat", "2"], "--repeat"),
    ] {
        let output = tpcc(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(text(&output.stderr).contains(reason), "{arguments:?}: {}", text(&output.stderr));
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_restricted_mix_and_another_policy_run() {
    let output = tpcc(&["--in-memory", "--mix", "no=50,p=50", "--deadlock", "wound-wait"]);
    let shown = text(&output.stdout);
    assert!(output.status.success(), "{shown}{}", text(&output.stderr));
    assert!(shown.contains("mix no=50,p=50") && shown.contains("wound-wait"), "{shown}");
    assert!(!shown.contains("Delivery"), "{shown}");
}

#[test]
fn the_deterministic_mode_says_how_procedures_got_their_order() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (json, history) = (directory.path().join("report.json"), directory.path().join("history.edn"));
    let arguments = ["--mode", "deterministic", "--threads", "2", "--seconds", "0.2", "--in-flight", "8"];
    let output =
        tpcc(&[&arguments[..], &["--json", path_text(&json), "--history", path_text(&history)]].concat());
    let shown = text(&output.stdout);
    assert!(output.status.success(), "{shown}{}", text(&output.stderr));
    let order = shown.lines().find(|line| line.starts_with("order ")).expect("a line");
    for expected in ["an epoch", "a flush", "0 reconnaissances", "0 restarts"] {
        assert!(order.contains(expected), "no \"{expected}\" in: {order}");
    }
    assert!(shown.contains("all 12 consistency conditions hold") && !shown.contains("deadlocks"), "{shown}");
    let report: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&json).expect("written")).expect("valid JSON");
    let sequencing = &report["run"]["sequencing"];
    let of = |what: &str| sequencing[what].as_u64().expect(what);
    assert!(of("procedures") >= of("epochs") && of("epochs") > 0, "{sequencing}");
    assert!(report["run"]["kinds"].as_array().expect("kinds").iter().all(|kind| kind["retries"] == 0));

    let check = ["check", "--level", "strict-serializable", path_text(&history)];
    let checked = Command::new(env!("CARGO_BIN_EXE_synod")).args(check).output().expect("the binary starts");
    assert!(checked.status.success(), "{}", text(&checked.stdout));
    assert!(text(&checked.stdout).contains("satisfies strict serializable"), "{}", text(&checked.stdout));
}

#[test]
fn every_command_knows_the_procedures_in_the_log() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let at = |name: &str| path_text(&directory.path().join(name)).to_owned();
    let run = tpcc(&["--mode", "deterministic", "--seconds", "0.1", "--path", &at("tpcc")]);
    assert!(run.status.success(), "{}{}", text(&run.stdout), text(&run.stderr));
    for arguments in [
        format!("verify {}", at("tpcc/data")),
        format!("stats {}", at("tpcc/data")),
        format!("dump {} --output {}", at("tpcc/data"), at("all.dump")),
        format!("backup {} {}", at("tpcc/data"), at("backup")),
        format!("restore {} {}", at("backup"), at("restored")),
        format!("stats {}", at("restored")),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_synod")).args(arguments.split(' ')).output();
        let output = output.expect("the binary starts");
        assert!(output.status.success(), "{arguments}: {}{}", text(&output.stdout), text(&output.stderr));
    }
    // Under another mode, too, where what it did itself comes behind the procedures.
    for mode in ["2pl", "deterministic"] {
        let again = tpcc(&["--mode", mode, "--seconds", "0.1", "--path", &at("tpcc")]);
        assert!(again.status.success(), "{mode}: {}{}", text(&again.stdout), text(&again.stderr));
    }
}

#[test]
fn all_modes_run_on_equal_data_and_are_shown_side_by_side() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (json, databases) = (directory.path().join("report.json"), directory.path().join("databases"));
    let arguments = ["--mode", "all", "--repeat", "2", "--threads", "2", "--path", path_text(&databases)];
    let output = tpcc(&[&arguments[..], &["--seconds", "0.2", "--json", path_text(&json)]].concat());
    let shown = text(&output.stdout);
    assert!(output.status.success(), "{shown}{}", text(&output.stderr));
    let header = shown.lines().position(|line| words(line) == MODES).expect("a header");
    let rows: Vec<Vec<&str>> = shown.lines().skip(header).map(words).collect();
    for name in ["transactions/s", "new orders/min", "latency p95", "retries per 1,000 transactions"] {
        let row = rows.iter().find(|row| row.starts_with(&words(name))).expect(name);
        assert!(row.len() >= words(name).len() + MODES.len(), "{row:?}");
    }
    assert_eq!(
        shown.lines().filter(|line| line.contains("12 conditions hold")).count(),
        2 * MODES.len(),
        "{shown}"
    );
    assert_eq!(std::fs::read_dir(&databases).expect("it was made").count(), 0, "the databases are gone");

    let report: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&json).expect("written")).expect("valid JSON");
    let modes = report["modes"].as_array().expect("modes");
    assert_eq!(modes.iter().map(|mode| &mode["mode"]).collect::<Vec<_>>(), MODES);
    let runs: Vec<_> = modes.iter().flat_map(|mode| mode["runs"].as_array().expect("runs")).collect();
    assert_eq!((runs.len(), &report["passed"]), (2 * MODES.len(), &true.into()));
    for (run, mode) in runs.iter().zip(MODES.iter().flat_map(|mode| [*mode; 2])) {
        assert_eq!((&run["settings"]["mode"], &run["settings"]["seed"]), (&mode.into(), &1.into()));
        // Drawn from the seed and the load: equal only where both are, and where each run is its database's first.
        assert_eq!(run["run"]["constants"], runs[0]["run"]["constants"]);
        assert!(!run["load"].is_null(), "it was loaded anew");
    }
    assert!(modes[1]["medians"]["aborts_per_thousand"].get("deadlock").is_none(), "{report}");
}

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}
