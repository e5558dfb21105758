//! `synod stats`: what a database holds, its files, and what opening it took.

mod support;

use serde_json::Value;
use support::{Contents, Place, contents, flip, while_nothing_starts};
use synod::{Engine, Options, TransactionOptions};

fn json(place: &Place, database: &str) -> Value {
    serde_json::from_str(&place.succeeds(&format!("stats {database} --json"))).expect("valid JSON")
}

#[test]
fn tables_are_counted() {
    let place = Place::new();
    place.put("db", &contents(&[("a", &[(b"k", b"12"), (b"l\xff", b"")]), ("empty \u{1b}", &[])]));
    let report = json(&place, "db");
    let expected = serde_json::json!([
        { "name": "a", "records": 2, "key_bytes": 3, "value_bytes": 2 },
        { "name": "empty \u{1b}", "records": 0, "key_bytes": 0, "value_bytes": 0 },
    ]);
    assert_eq!(report["tables"], expected);
    assert!(report["timestamp"].as_u64().is_some_and(|at| at > 1_700_000_000_000_000_000), "{report}");
    let page = place.succeeds("stats db");
    for expected in [" 2 tables ", " empty \\u{1b} ", "db, with all commits up to 20", "log segment"] {
        assert!(page.contains(expected), "no {expected:?} in\n{page}");
    }
}

#[test]
fn files_and_recovery_are_told() {
    let place = Place::new();
    let sample = contents(&[("t", &[(b"a", b"1"), (b"b", b"2")])]);
    place.put("db", &sample);
    let report = json(&place, "db");
    assert_eq!(report["recovery"]["checkpoint"], Value::Null);
    assert_eq!(report["recovery"]["commits"], 2);
    assert!(place.succeeds("stats db").contains("opened without a checkpoint, by replaying 2 commits"));

    let timestamp = place.with_engine("db", |engine| engine.checkpoint().expect("taken").timestamp);
    let report = json(&place, "db");
    let files = report["files"].as_array().expect("files");
    assert_eq!(files.len(), 2, "{report}");
    assert_eq!((&files[0]["kind"], &files[1]["kind"]), (&"checkpoint".into(), &"log_segment".into()));
    assert_eq!(files[0]["commits_up_to"], timestamp.0);
    for file in files {
        let path = place.path("db").join(file["path"].as_str().expect("a path"));
        assert_eq!(file["bytes"], path.metadata().expect("there").len());
        assert!(file["written"].as_u64().is_some_and(|at| at > 1_700_000_000_000_000_000), "{report}");
    }
    assert_eq!(report["recovery"]["checkpoint"], timestamp.0);
    assert_eq!(report["recovery"]["checkpoint_records"], 2);
    assert!(place.succeeds("stats db").contains("opened by loading the checkpoint of 20"));
    assert_eq!(place.contents("db"), sample);
}

#[test]
fn the_segments_of_the_log_are_told() {
    let place = Place::new();
    // Each commit fills a segment.
    let commits = while_nothing_starts(|| {
        let engine = Engine::open(place.path("db"), Options::new().log_segment_bytes(8_192)).expect("opens");
        let table = engine.table("t").expect("created");
        let commits = (0..3u8).map(|key| {
            let transaction = engine.begin(TransactionOptions::new()).expect("begun");
            transaction.put(&table, [key], [key; 3_000]).expect("put");
            transaction.commit().expect("committed").0
        });
        let commits: Vec<_> = commits.collect();
        engine.close().expect("closes");
        commits
    });
    let report = json(&place, "db");
    let segments = report["log_segments"].as_array().expect("segments");
    assert_eq!(segments.len(), 3, "{report}");
    for (index, segment) in segments.iter().enumerate() {
        assert_eq!(segment["number"], index + 1, "{report}");
        assert_eq!(segment["path"], report["files"][index]["path"], "{report}");
        let after = if index == 0 { Value::Null } else { commits[index - 1].into() };
        assert_eq!((&segment["commits_after"], &segment["commits_up_to"]), (&after, &commits[index].into()));
        let bytes = segment["bytes"].as_u64().expect("a number");
        assert!((7_000..8_000).contains(&bytes), "{report}");
    }
    let page = place.succeeds("stats db");
    for expected in [" wal/0000000000000003.log ", " the beginning   20", " 3 segments "] {
        assert!(page.contains(expected), "no {expected:?} in\n{page}");
    }
}

#[test]
fn a_checkpoint_that_was_damaged_is_told() {
    let place = Place::new();
    let sample = contents(&[("t", &[(b"a", b"1")])]);
    place.put("db", &sample);
    place.with_engine("db", |engine| engine.checkpoint().expect("taken"));
    flip(&place.files("db/checkpoints")[0], 100);
    let page = place.succeeds("stats db");
    for expected in ["1 newer checkpoint DAMAGED and set aside", "damaged checkpoint, set aside"] {
        assert!(page.contains(expected), "no {expected:?} in\n{page}");
    }
    assert_eq!(place.contents("db"), sample);
}

#[test]
fn an_empty_database_has_no_tables() {
    let place = Place::new();
    place.put("db", &Contents::new());
    assert_eq!(json(&place, "db")["tables"], Value::Array(Vec::new()));
    let page = place.succeeds("stats db");
    for expected in
        ["no tables", "db, with no commits", " wal/0000000000000001.log          4,096      no commits "]
    {
        assert!(page.contains(expected), "no {expected:?} in\n{page}");
    }
}

#[test]
fn nothing_is_created_by_looking() {
    let place = Place::new();
    assert!(place.fails("stats missing", 1).contains("there is no Synod database at missing"));
    assert!(!place.path("missing").exists());
}

#[test]
fn help_has_examples() {
    let place = Place::new();
    for command in ["stats", "verify", "backup", "restore"] {
        let help = place.succeeds(&format!("{command} --help"));
        assert!(help.contains("Example: ") && help.contains(&format!("\n  synod {command}")), "{help}");
    }
}
