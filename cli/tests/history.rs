//! Histories of benchmarks: recorded, written, and judged by `synod check`.

mod support;

use support::Place;

const SMALL: &str = "bench tpcc --scale 0.01 --threads 2 --seconds 0.4";

/// What `synod check --json` says of a history, which has to satisfy the level.
fn verdict(place: &Place, file: &str, level: &str) -> serde_json::Value {
    let verdict = place.succeeds(&format!("check {file} --level {level} --json"));
    let verdict: serde_json::Value = serde_json::from_str(&verdict).expect("valid JSON");
    assert_eq!((&verdict["valid"], &verdict["exact"]), (&true.into(), &true.into()), "{verdict}");
    verdict
}

/// How many transactions have committed, and that they had to do with each other.
fn committed(verdict: &serde_json::Value) -> u64 {
    let committed = verdict["transactions"]["committed"].as_u64().expect("a number");
    assert!(verdict["edges"].as_u64().is_some_and(|edges| edges > committed), "{committed} are apart");
    committed
}

#[test]
fn a_history_satisfies_the_level_that_was_run() {
    let place = Place::new();
    for (mode, isolation, level) in [
        ("2pl", "serializable", "strict-serializable"),
        ("2pl", "read-committed", "read-committed"),
        ("mvcc", "snapshot", "strong-snapshot-isolation"),
        ("deterministic", "serializable", "strict-serializable"),
    ] {
        let file = format!("{mode}-{isolation}.edn");
        let shown =
            place.succeeds(&format!("{SMALL} --mode {mode} --isolation {isolation} --history {file}"));
        assert!(shown.contains(&format!("synod check {file} --level {level}")), "{shown}");
        let committed = committed(&verdict(&place, &file, level));
        assert!(shown.contains("steps") && committed > 100, "{committed} in {shown}");
    }
}

#[test]
fn each_mode_has_a_history_of_its_own() {
    let place = Place::new();
    place.succeeds(&format!("{SMALL} --in-memory --mode all --history run.edn"));
    place.succeeds("bench micro --mode all --records 500 --operations 500 --rounds 1 --history micro.edn");
    for mode in ["2pl", "occ", "mvcc", "deterministic"] {
        assert!(committed(&verdict(&place, &format!("run-{mode}.edn"), "strict-serializable")) > 100);
        // 4,000 deferred commits, 1,280 of 64 clients, and more.
        assert!(committed(&verdict(&place, &format!("micro-{mode}.edn"), "strict-serializable")) > 5_280);
    }
}

#[test]
fn what_can_have_no_history_is_refused() {
    let place = Place::new();
    for (arguments, reason) in [
        ("tpcc --path d --load-only --history h.edn", "--load-only runs no transactions"),
        ("tpcc --mode all --repeat 2 --history h.edn", "--history is of one run of each mode"),
        ("micro --history h.edn", "would record about 28,027,000 steps, and 2,000,000 are the most"),
    ] {
        let told = place.fails(&format!("bench {arguments}"), 2);
        assert!(told.contains(reason), "{arguments}: {told}");
    }
    place.succeeds(&format!("{SMALL} --path d --load-only"));
    let told = place.fails(&format!("{SMALL} --path d --history h.edn"), 1);
    assert!(told.contains("choose another path for --history"), "{told}");
    let told = place.fails(&format!("{SMALL} --history missing/h.edn"), 1);
    assert!(told.contains("missing/h.edn"), "{told}");
}
