//! `synod bench ycsb` and the other workloads that compare targets, with little to do.

mod support;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use support::Place;
use synod_bench::peers::Peer;

/// All targets of `--mode all`.
const ALL: [&str; 5] = ["2pl", "occ", "mvcc@snapshot", "mvcc", "deterministic"];

/// The workloads, each with little data.
const WORKLOADS: [&str; 6] = [
    "ycsb --records 500",
    "smallbank --customers 500 --hot 10",
    "bank --accounts 200",
    "tatp --subscribers 200",
    "contention --records 500",
    "contention --records 500 --one-by-one",
];

/// As little time as there is.
const SHORT: &str = "--seconds 0.05 --warmup 0 --threads 2";

fn bench(place: &Place, arguments: &str) -> String {
    place.succeeds(&format!("bench {arguments}"))
}

/// The rows of a CSV file, without its header.
fn rows(place: &Place, file: &str) -> usize {
    place.read(file).lines().count() - 1
}

#[test]
fn every_workload_runs_on_all_modes_and_can_be_looked_at_again() {
    for workload in WORKLOADS {
        let place = Place::new();
        let files = "--json r.json --csv r.csv --html r.html";
        let shown = bench(&place, &format!("{workload} {SHORT} --repeat 2 --path data {files}"));
        let header = shown.lines().find(|line| line.split_whitespace().eq(ALL)).unwrap_or_default();
        assert!(!header.is_empty(), "{workload}: a column for each:\n{shown}");
        assert!(
            shown.starts_with("workload ") && shown.contains("\ntime       0.50 s at least, for 10 runs\n"),
            "{shown}"
        );
        assert!(shown.contains("committed/s") && !shown.contains("BROKE"), "{shown}");
        assert_eq!(rows(&place, "r.csv"), ALL.len() * 2, "{workload}");
        assert!(place.read("r.html").starts_with("<!DOCTYPE html>"), "{workload}");
        let again = place.succeeds("report r.json");
        let table = |text: &str| text[text.find("committed/s").expect("a table")..].to_owned();
        assert_eq!(table(&again), table(&shown), "{workload}");
        let compared = place.succeeds("compare r.json r.json --fail-above 0");
        assert!(ALL.iter().all(|mode| compared.contains(mode)), "{workload}: {compared}");
        assert_eq!(place.files("data").len(), 0, "{workload}: the databases are gone");
    }
}

#[test]
fn sweeps_have_a_row_for_each_value() {
    for (arguments, varied, values) in [
        ("ycsb --records 500 --sweep theta=0,0.9,1.2", "theta", &["0", "0.9", "1.2"][..]),
        ("contention --records 500 --sweep hot=5,50", "hot", &["5", "50"]),
        ("bank --accounts 100 --sweep audits=0,100", "audits", &["0", "100"]),
        ("smallbank --customers 300 --sweep threads=1,3", "threads", &["1", "3"]),
        ("tatp --subscribers 100 --sweep uniform=true,false", "uniform", &["true", "false"]),
    ] {
        let place = Place::new();
        let shown = bench(
            &place,
            &format!("{arguments} --seconds 0.05 --warmup 0 --repeat 1 --mode occ,2pl --csv r.csv"),
        );
        assert!(shown.contains(&format!("varied     {varied}: {}", values.join(", "))), "{shown}");
        for value in values {
            assert_eq!(
                shown.matches(&format!("\n {varied} = {value} ")).count(),
                4,
                "in each table: {shown}"
            );
        }
        assert_eq!(rows(&place, "r.csv"), 2 * values.len(), "{arguments}");
    }
}

#[test]
fn an_open_loop_is_shown_as_such_and_in_flight_too() {
    let place = Place::new();
    let shown = bench(&place, &format!("ycsb --records 500 --mode occ --rate 2000 --repeat 1 {SHORT}"));
    assert!(shown.contains("load open loop, 2000 transactions a second"), "{shown}");
    assert!(shown.contains("In an open loop the processor time"), "{shown}");
    let shown = bench(
        &place,
        &format!("ycsb --records 500 --mode occ,deterministic --in-flight 8 --repeat 1 {SHORT}"),
    );
    assert!(shown.contains("in flight, each thread 8"), "{shown}");
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_is_made() {
    for (arguments, told) in [
        ("ycsb --mode hope", "unknown mode \"hope\""),
        ("ycsb --mode occ,occ", "occ at serializable is there twice"),
        ("ycsb --mode mvcc,mvcc@serializable", "mvcc at serializable is there twice"),
        ("ycsb --mode occ@snapshot", "occ has no level snapshot"),
        ("ycsb --mode none", "--mode none leaves nothing to measure"),
        ("ycsb --peer hope", "unknown engine \"hope\""),
        ("ycsb --threads 0", "0 is not in 1..=1024"),
        ("ycsb --threads 2,2", "2 is there twice"),
        ("ycsb --threads 1,2 --sweep theta=0,1", "one thing is varied at a time"),
        ("ycsb --threads 1 --sweep threads=1,2", "leave --threads out"),
        ("ycsb --sweep threads=1,2000", "\"2000\" is no number of threads from 1 to 1024"),
        ("ycsb --sweep threads=1,-1", "\"-1\" is no number of threads"),
        ("ycsb --sweep records=1,2", "records can't be varied here; what can: threads, theta, read"),
        ("ycsb --sweep theta=0,much", "\"much\" is no value of theta"),
        ("ycsb --sweep theta=0,3", "theta must be 0 to 2, not 3"),
        ("ycsb --sweep theta=0,NaN", "theta must be 0 to 2, not NaN"),
        ("ycsb --sweep theta=0,0", "0 is there twice"),
        ("ycsb --sweep read=50,101", "read is a percentage"),
        ("ycsb --sweep operations=0,1", "operations a transaction must be 1 to"),
        ("ycsb --hotspot 1,90 --sweep theta=0,1", "a --hotspot has no theta"),
        ("ycsb --hotspot 1,90 --theta 1", "cannot be used with"),
        ("ycsb --scan 10", "this workload has none: workload e has"),
        ("ycsb --workload a --sweep scan=1,10", "this workload has none: workload e has"),
        ("ycsb --workload a --blind", "this workload has none: f and t have"),
        ("ycsb --records 0", "records must be 1 to"),
        ("ycsb --records 99999999999999", "records must be 1 to"),
        ("ycsb --value-bytes 99999999", "the bytes of a value must be"),
        ("ycsb --seconds 0", "a number of seconds above 0 is needed"),
        ("ycsb --seconds 1e-300", "a number of seconds above 0 is needed"),
        ("ycsb --seconds NaN", "a number of seconds above 0 is needed"),
        ("ycsb --warmup -1", "unexpected argument"),
        ("ycsb --repeat 0", "0 is not in 1..=1000"),
        ("ycsb --rate 0", "a number from 0.01 to"),
        ("ycsb --rate 1e-300", "a number from 0.01 to"),
        ("ycsb --rate inf", "a number from 0.01 to"),
        ("ycsb --rate 10 --in-flight 2", "cannot be used with"),
        ("ycsb --in-flight 0", "0 is not in 1..=65536"),
        ("ycsb --json a --csv a", "--json and --csv name the same file"),
        ("bank --accounts 1", "accounts must be 2 to"),
        ("bank --audits 101", "the percent of audits must be"),
        ("smallbank --hot 1000000000", "hot"),
        ("smallbank --sweep hot-percent=0,200", "hot customers must be 0 to 100, not 200"),
        ("tatp --subscribers 0", "subscribers must be 1 to"),
        ("tatp --sweep uniform=perhaps", "\"perhaps\" is no value of uniform"),
        ("contention --of-them 11", "hot"),
        ("contention --rounds 2", "unexpected argument"),
    ] {
        let place = Place::new();
        let files =
            if arguments.contains("--json") { "" } else { " --json r.json --csv r.csv --html r.html" };
        let error = place.fails(&format!("bench {arguments} --path data{files}"), 2);
        assert!(error.contains(told), "{arguments}: {error}");
        assert_eq!(place.files(".").len(), 0, "{arguments}: nothing is made");
    }
}

#[test]
fn an_engine_that_is_not_built_in_is_refused() {
    if Peer::Redb.is_built() {
        return;
    }
    let place = Place::new();
    for arguments in ["--peer redb", "--mode none --peer redb", "--peer redb,redb"] {
        let error = place.fails(&format!("bench ycsb {arguments} --json r.json"), 2);
        assert!(error.contains("redb isn't built in: build with --features redb (or peers)"), "{error}");
    }
    assert_eq!(place.files(".").len(), 0);
}

#[test]
fn a_file_that_cannot_be_written_is_told_before_anything_runs() {
    for option in ["--json", "--csv", "--html"] {
        let place = Place::new();
        let others = ["--json", "--csv", "--html"].iter().filter(|other| **other != option);
        let others: String = others.map(|other| format!(" {other} {}.out", &other[2..])).collect();
        let arguments = format!("bench ycsb --records 500 --path data{others} {option} missing/file");
        let error = place.fails(&arguments, 1);
        assert!(error.starts_with("error: cannot write missing/file: "), "{error}");
        assert_eq!(place.files(".").len(), 0, "{option}: no empty files");
    }
    let place = Place::new();
    place.write("data", "a file");
    let error = place.fails("bench ycsb --records 500 --path data --json r.json", 1);
    assert!(error.contains("data"), "{error}");
    assert_eq!(place.files(".").len(), 1);
}

/// Starts `synod bench`.
fn start(place: &Place, arguments: &str) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_synod"));
    command.current_dir(place.path(".")).arg("bench").args(arguments.split(' '));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("the binary starts")
}

fn interrupt(child: &Child) {
    let process = libc::pid_t::try_from(child.id()).expect("a process number");
    // SAFETY: sends a signal to a process that was started above and not yet waited for.
    assert_eq!(unsafe { libc::kill(process, libc::SIGINT) }, 0);
}

/// Waits until something is so.
fn until(what: &str, is_so: impl Fn() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < Duration::from_secs(120), "not {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn bytes_below(directory: &Path) -> u64 {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let bytes = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => bytes_below(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    };
    entries.map(bytes).sum()
}

#[test]
fn ctrl_c_shows_what_was_measured_so_far() {
    let place = Place::new();
    let arguments =
        "ycsb --records 500 --mode occ,2pl --seconds 600 --warmup 0 --repeat 1 --threads 2 --path data";
    let mut child = start(&place, &format!("{arguments} --json r.json --csv r.csv"));
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.starts_with("time ")), "the header comes before the runs");
    let before = bytes_below(&place.path("data"));
    // What is committed is in the log.
    until("measuring", || bytes_below(&place.path("data")) > before + 50_000);
    interrupt(&child);
    let shown = lines.collect::<Vec<_>>().join("\n");
    let status = child.wait().expect("it ends");
    assert_eq!(status.code(), Some(130), "{shown}");
    assert!(shown.contains("It was ended before its time: later runs are missing."), "{shown}");
    assert!(shown.contains("occ commits "), "{shown}");
    assert_eq!(rows(&place, "r.csv"), 1);
    assert!(place.succeeds("report r.json").contains("ended before its time"));
    assert_eq!(place.files("data").len(), 0, "the databases are gone");
}

#[test]
fn ctrl_c_while_it_loads_leaves_nothing() {
    let place = Place::new();
    let mut child = start(&place, "ycsb --records 50000000 --mode occ --repeat 1 --path data --json r.json");
    until("loading", || {
        place.path("data").exists() && place.files("data").iter().any(|path| path.join("occ").exists())
    });
    interrupt(&child);
    let status = child.wait().expect("it ends");
    assert_eq!(status.code(), Some(130));
    let errors = std::io::read_to_string(child.stderr.take().expect("piped")).expect("text");
    assert_eq!(errors, "interrupted while loading: nothing was measured\n");
    assert_eq!(std::io::read_to_string(child.stdout.take().expect("piped")).expect("text"), "");
    assert_eq!((place.files("data").len(), place.files(".").len()), (0, 1), "the databases are gone");
}
