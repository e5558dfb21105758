//! `synod compare` and `synod report`: measurements that were made before.

#[path = "../../benches/tests/common/made_up.rs"]
mod made_up;
mod support;

use made_up::{large, runs, single, sweep};
use support::Place;
use synod_bench::driver::report::Report;

fn save(place: &Place, name: &str, report: &Report) {
    place.write(name, serde_json::to_string_pretty(report).expect("JSON"));
}

/// The line that begins with this name.
fn row(text: &str, name: &str) -> String {
    let line = text.lines().find(|line| line.split_whitespace().next() == Some(name));
    line.unwrap_or_else(|| panic!("no {name} in\n{text}")).to_owned()
}

#[test]
fn a_measurement_is_shown_again() {
    let place = Place::new();
    save(&place, "sweep.json", &sweep());
    let shown = place.succeeds("report sweep.json --html page.html --csv runs.csv");
    for expected in [
        "workload   ycsb-t",
        "varied     theta: 0.5, 0.99",
        "machine    Test Processor 3000, 2 cores; L (one look-up) 250 ns, F (one flush) 120 µs, an atomic addition 5.20 ns",
        "300,000 (294,000–309,000)",
        "aborts per 1,000",
        "latency p50",
        "33.3 (32.4–34.0) µs",
        "150 MiB",
        "RULES WERE BROKEN; what is fast and wrong has no figures\n  other@snapshot, theta = 0.99: money < 1,000",
        "theta = 0.99: mvcc is ahead",
    ] {
        assert!(shown.contains(expected), "no {expected:?} in\n{shown}");
    }
    assert_eq!(shown.matches("✗ BROKE A RULE").count(), 4, "in each table:\n{shown}");
    assert!(!shown.contains("40,000"), "it would have been this fast:\n{shown}");
    assert!(place.read("page.html").starts_with("<!DOCTYPE html>"));
    assert!(place.read("runs.csv").starts_with("workload,target,"));
}

#[test]
fn few_targets_have_columns_and_many_rows() {
    let place = Place::new();
    save(&place, "single.json", &single());
    let shown = place.succeeds("report single.json");
    assert!(
        row(&shown, "committed/s").contains("300,000 (294,000–309,000)   200,000 (196,000–206,000)"),
        "{shown}"
    );
    assert!(row(&shown, "serialization").contains("49.5"), "{shown}");
    let mut report = large();
    report.sweep = None;
    report.points.truncate(1);
    report.targets.iter_mut().for_each(|target| target.points.truncate(1));
    save(&place, "many.json", &report);
    let shown = place.succeeds("report many.json");
    assert!(row(&shown, "redb").contains("99,010 (97,030–101,980)"), "{shown}");
    save(&place, "large.json", &large());
    let shown = place.succeeds("report large.json");
    assert_eq!(row(&shown, "2pl").split_whitespace().nth(8), Some("90,000"), "{shown}");
}

#[test]
fn faster_slower_and_noise() {
    let place = Place::new();
    save(&place, "before.json", &sweep());
    let mut after = sweep();
    after.targets[0].points[0] = runs(200_000.0);
    after.targets[1].points[0] = runs(400_000.0);
    save(&place, "after.json", &after);
    let shown = place.succeeds("compare before.json after.json");
    let slower = row(&shown, "occ");
    assert!(
        slower.contains("300,000 → 200,000") && slower.contains(" 0.67 ×") && slower.ends_with("SLOWER "),
        "{shown}"
    );
    assert!(row(&shown, "mvcc").ends_with(" faster "), "{shown}");
    assert!(row(&shown, "other@snapshot").contains("~1.00 ×"), "{shown}");
    assert!(row(&shown, "other@snapshot").ends_with("no difference beyond the noise "), "{shown}");
    assert!(shown.contains("BREAKS A RULE as before"), "{shown}");
}

#[test]
fn too_much_slower_is_a_failure() {
    let place = Place::new();
    save(&place, "before.json", &sweep());
    let mut after = sweep();
    after.targets[0].points[0] = runs(200_000.0);
    save(&place, "after.json", &after);
    let answer = place.synod(["compare", "before.json", "after.json", "--fail-above", "30"]);
    assert_eq!(answer.status, Some(1), "{answer:?}");
    assert!(answer.shown.ends_with("WORSE by more than 30 %:\n  occ at 0.5: SLOWER\n"), "{answer:?}");
    place.succeeds("compare before.json after.json --fail-above 35");
    place.succeeds("compare before.json before.json --fail-above 0");
    assert_eq!(place.synod(["compare", "a", "b", "--fail-above", "-1"]).status, Some(2));
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let place = Place::new();
    save(&place, "before.json", &sweep());
    let mut other = sweep();
    other.settings[1].value = "sync".to_string();
    save(&place, "other.json", &other);
    let error = place.fails("compare before.json other.json", 2);
    assert!(
        error.contains("--anyway") && error.contains("  durability: group before, sync after\n"),
        "{error}"
    );
    let answer = place.synod(["compare", "before.json", "other.json", "--anyway"]);
    assert_eq!(answer.status, Some(0), "{answer:?}");
    assert!(answer.errors.contains("warning: the two don't measure the same"), "{answer:?}");
    save(&place, "single.json", &single());
    assert!(
        place.fails("compare before.json single.json", 2).contains("varied: theta before, nothing after")
    );
    let answer = place.synod(["compare", "before.json", "single.json", "--anyway"]);
    assert_eq!(answer.status, Some(2), "{answer:?}");
    assert!(answer.errors.contains("error: there is nothing to compare"), "{answer:?}");
}

#[test]
fn what_is_no_measurement_is_told() {
    let place = Place::new();
    let mut other = sweep();
    other.format = 77;
    save(&place, "other.json", &other);
    assert!(
        place
            .fails("compare other.json other.json", 2)
            .contains("has format 77, this program reads format 1")
    );
    place.write("text.json", "figures");
    assert!(place.fails("compare text.json text.json", 2).contains("text.json is not what"));
    place.write("tpcc.json", "{\"seed\": 1}");
    assert!(place.fails("report tpcc.json", 1).contains("it has no format and targets"));
    place.write("half.json", "{\"format\": 1, \"targets\": []}");
    assert!(place.fails("report half.json", 1).contains("missing field `version`"));
    let mut short = sweep();
    short.targets[1].points.pop();
    save(&place, "short.json", &short);
    assert!(place.fails("report short.json", 1).contains("target mvcc has figures for 1 points of 2"));
    assert!(place.fails("report missing.json", 1).contains("cannot read missing.json"));
}

#[test]
fn another_machine_is_a_warning_and_look_ups_are_shown() {
    let place = Place::new();
    save(&place, "before.json", &sweep());
    let mut after = sweep();
    after.machine.processor = "Test Processor 6000".to_string();
    after.machine.lookup_ns = 125.0;
    save(&place, "after.json", &after);
    let answer = place.synod(["compare", "before.json", "after.json"]);
    assert_eq!(answer.status, Some(0), "{answer:?}");
    assert!(answer.errors.starts_with("warning: the machines differ"), "{answer:?}");
    assert!(
        answer.errors.contains("processor: Test Processor 3000 before, Test Processor 6000 after"),
        "{answer:?}"
    );
    let row = row(&answer.shown, "occ");
    assert!(
        row.contains("~1.00 ×") && row.contains("0.03750 → 0.01875") && row.ends_with("SLOWER "),
        "{row}"
    );
}
