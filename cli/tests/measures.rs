//! `synod bench micro`, `synod bench gc` and `synod bench checkpoint`, with little to do.

use std::process::{Command, Output};

fn bench(arguments: &str) -> Output {
    let output =
        Command::new(env!("CARGO_BIN_EXE_synod")).arg("bench").args(arguments.split_whitespace()).output();
    output.expect("the binary starts")
}

#[test]
fn micro_shows_every_measure() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let json = directory.path().join("micro.json");
    let arguments = format!("micro --records 2000 --rounds 1 --operations 1000 --json {}", json.display());
    let output = bench(&arguments);
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{shown}{}", String::from_utf8_lossy(&output.stderr));
    for expected in [
        "point read, snapshot",
        "mode 2pl",
        "10 reads, serializable",
        "durability none",
        "buffered",
        "scan of 100",
        "commits/fsync",
    ] {
        assert!(shown.contains(expected), "no \"{expected}\" in:\n{shown}");
    }
    let report: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&json).expect("written")).expect("valid JSON");
    let figures = report["figures"].as_array().expect("figures");
    assert_eq!(figures.len(), 15);
    let timed = figures.iter().filter(|figure| figure["unit"] != "bytes");
    assert!(
        timed.clone().all(|figure| figure["value"].as_f64().is_some_and(|value| value > 0.0)),
        "{report}"
    );
}

#[test]
fn micro_shows_all_modes_side_by_side() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let json = directory.path().join("micro.json");
    let arguments =
        format!("micro --mode all --records 2000 --rounds 2 --operations 1000 --json {}", json.display());
    let output = bench(&arguments);
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{shown}{}", String::from_utf8_lossy(&output.stderr));
    let header = shown.lines().find(|line| line.trim_start().starts_with("2pl")).expect("a header");
    assert_eq!(header.split_whitespace().collect::<Vec<_>>(), ["2pl", "occ", "mvcc", "deterministic"]);
    let row = shown.lines().find(|line| line.contains("10 reads, serializable")).expect("a row");
    assert_eq!(row.matches(" L").count(), 4, "{row}");
    let report: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&json).expect("written")).expect("valid JSON");
    let modes = report.as_array().expect("an entry for each mode");
    let names: Vec<_> = modes.iter().map(|mode| &mode["options"]["mode"]).collect();
    assert_eq!(names, ["2pl", "occ", "mvcc", "deterministic"]);
    assert!(modes.iter().all(|mode| mode["figures"].as_array().is_some_and(|figures| figures.len() == 15)));
}

#[test]
fn micro_shows_what_the_audit_costs() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let json = directory.path().join("audit.json");
    let output = bench(&format!(
        "micro --audit --records 2000 --rounds 3 --operations 1000 --json {}",
        json.display()
    ));
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{shown}{}", String::from_utf8_lossy(&output.stderr));
    for expected in
        ["mode mvcc", "snapshot, audited", "5 reads + 5 updates", "1.00 ×", "transactions audited"]
    {
        assert!(shown.contains(expected), "no \"{expected}\" in:\n{shown}");
    }
    let report: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&json).expect("written")).expect("valid JSON");
    let settings: Vec<_> = report["workloads"][1]["costs"]
        .as_array()
        .expect("costs")
        .iter()
        .map(|cost| &cost["setting"])
        .collect();
    assert_eq!(settings, ["snapshot", "audited_snapshot", "serializable"]);
    for wrong in ["--mode all", "--mode occ", "--history h.edn"] {
        assert_eq!(bench(&format!("micro --audit {wrong}")).status.code(), Some(2), "{wrong}");
    }
}

#[test]
fn gc_keeps_memory_flat() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let json = directory.path().join("gc.json");
    let output = bench(&format!("gc --updates 100000 --records 100 --threads 2 --json {}", json.display()));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("100,000 updates of 100 records by 2 threads"));
    let report: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&json).expect("written")).expect("valid JSON");
    let grown = report["resident_at_end_bytes"].as_u64().expect("a number")
        - report["resident_at_start_bytes"]
            .as_u64()
            .expect("a number")
            .min(report["resident_at_end_bytes"].as_u64().unwrap_or(0));
    // Kept for ever, 90,000 more versions of 100 bytes would take 9 MB and more.
    assert!(grown < 8 << 20, "{report}");
}

#[test]
fn checkpoint_shows_every_rate() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let json = directory.path().join("checkpoint.json");
    let output = bench(&format!(
        "checkpoint --records 3000 --rounds 1 --seconds 0.1 --path {} --json {}",
        directory.path().display(),
        json.display()
    ));
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{shown}{}", String::from_utf8_lossy(&output.stderr));
    for expected in ["write a checkpoint", "load it", "replay the log instead", "beside checkpoints"] {
        assert!(shown.contains(expected), "no \"{expected}\" in:\n{shown}");
    }
    let report: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&json).expect("written")).expect("valid JSON");
    assert!(report["checkpoint_bytes"].as_u64().expect("a number") > 3000 * 108, "{report}");
    for (what, rate) in [("write", "records_per_s"), ("load", "bytes_per_s"), ("replay", "bytes_per_s")] {
        assert!(report[what][rate].as_f64().is_some_and(|rate| rate > 0.0), "{report}");
    }
    let of_byte = |what: &str| report["write_cost"][what].as_f64().expect("a number");
    assert!(1.0 < of_byte("log") && of_byte("log") < of_byte("all"), "{report}");
    assert_eq!(std::fs::read_dir(directory.path()).expect("readable").count(), 1, "only the report is left");
}
