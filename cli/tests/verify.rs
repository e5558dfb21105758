//! `synod verify`: every damage is found and told, and nothing is changed.

mod support;

use std::collections::BTreeMap;
use std::path::PathBuf;
use support::{Answer, Contents, Place, contents, flip, while_nothing_starts};
use synod::{Engine, Options};

/// A database with two checkpoints and a log, of commits that are synced one by one.
fn database(place: &Place) -> Contents {
    place.with_engine("db", |engine| {
        let table = engine.table("t").expect("created");
        for number in 0..60u32 {
            engine.transact(|txn| txn.put(&table, number.to_be_bytes(), [b'v'; 200])).expect("put");
            if number % 20 == 10 {
                engine.checkpoint().expect("taken");
            }
        }
    });
    place.contents("db")
}

fn verify(place: &Place) -> Answer {
    place.synod(["verify", "db"])
}

/// Checks that damage is found, and as many lines of it as there should be, which begin with these files.
fn is_damaged(place: &Place, files: &[&str]) -> Answer {
    let answer = verify(place);
    assert_eq!(answer.status, Some(1), "{answer:?}");
    let damage: Vec<_> = answer.shown.lines().filter(|line| line.starts_with("DAMAGE ")).collect();
    assert_eq!(damage.len(), files.len(), "{answer:?}");
    for (line, file) in damage.iter().zip(files) {
        assert!(line.starts_with(&format!("DAMAGE  db/{file}")) && line.contains(" at offset "), "{line}");
    }
    let places = if files.len() == 1 { "1 place".into() } else { format!("{} places", files.len()) };
    assert!(answer.shown.contains(&format!("db is DAMAGED: {places} in ")), "{answer:?}");
    answer
}

fn everything(place: &Place) -> BTreeMap<PathBuf, Vec<u8>> {
    let directories = ["db", "db/wal", "db/checkpoints"];
    let files = directories.iter().flat_map(|directory| place.files(directory)).filter(|path| path.is_file());
    files.map(|path| (path.clone(), std::fs::read(path).expect("readable"))).collect()
}

#[test]
fn a_whole_database_is_whole_and_stays_as_it_is() {
    let place = Place::new();
    database(&place);
    let before = everything(&place);
    let answer = verify(&place);
    assert_eq!(answer.status, Some(0), "{answer:?}");
    for expected in ["60 commits, 1 table change", "51 records of 1 table", "\ndb is whole\n"] {
        assert!(answer.shown.contains(expected), "no {expected:?} in {answer:?}");
    }
    assert!(everything(&place) == before);
}

#[test]
fn an_empty_database_is_whole() {
    let place = Place::new();
    place.put("db", &Contents::new());
    assert!(place.succeeds("verify db").ends_with("db is whole\n"));
}

#[test]
fn a_changed_byte_is_found_in_every_kind_of_file() {
    let place = Place::new();
    database(&place);
    let checkpoints = place.files("db/checkpoints");
    assert_eq!(checkpoints.len(), 2);
    for (file, offset, name) in [
        (&checkpoints[0], 5_000, "checkpoints/"),
        (&checkpoints[1], 100, "checkpoints/"),
        (&place.files("db/wal")[0], 100, "wal/"),
        (&place.files("db/wal")[0], 6_000, "wal/"),
        (&place.path("db/DATABASE"), 20, "DATABASE"),
    ] {
        flip(file, offset);
        is_damaged(&place, &[name]);
        flip(file, offset);
    }
    assert_eq!(verify(&place).status, Some(0), "all is as it was");
}

#[test]
fn all_damage_is_told_with_its_place_and_nothing_is_changed() {
    let place = Place::new();
    database(&place);
    let (checkpoints, log) = (place.files("db/checkpoints"), place.files("db/wal"));
    flip(&checkpoints[0], 5_000);
    flip(&checkpoints[1], 5_000);
    flip(&log[0], 6_000);
    let before = everything(&place);
    let answer = is_damaged(&place, &["checkpoints/", "checkpoints/", "wal/0000000000000001.log"]);
    assert!(answer.shown.contains("3 places in 3 files"), "{answer:?}");
    let line = answer.shown.lines().find(|line| line.contains("wal/")).expect("told");
    let offset = line.split("at offset ").nth(1).and_then(|rest| rest.split(':').next()).expect("an offset");
    let offset: usize = offset.parse().expect("a number");
    assert!((5_700..=6_000).contains(&offset), "the commit begins before the byte: {line}");
    assert!(everything(&place) == before);
}

#[test]
fn what_a_crash_leaves_is_a_remark() {
    let place = Place::new();
    let sample = database(&place);
    let found = while_nothing_starts(|| synod::verify(place.path("db"), &Options::new()).expect("checked"));
    let end = found.log.bytes as usize;
    let log = place.files("db/wal").remove(0);
    let mut bytes = std::fs::read(&log).expect("readable");
    bytes.resize(bytes.len().max(end + 100), 0);
    bytes[end..end + 100].fill(0xab);
    std::fs::write(&log, &bytes).expect("writable");
    let answer = verify(&place);
    assert_eq!(answer.status, Some(0), "{answer:?}");
    assert!(answer.shown.contains(&format!("ends at offset {end} with ")), "{answer:?}");
    assert!(
        answer.shown.starts_with("remark  db/wal/") && answer.shown.ends_with("db is whole\n"),
        "{answer:?}"
    );
    assert!(std::fs::read(&log).expect("readable") == bytes, "nothing was cut");
    assert_eq!(place.contents("db"), sample);
}

#[test]
fn missing_files_are_damage() {
    let lost = ["wal/0000000000000001.log", "wal", "checkpoints", "DATABASE"];
    for name in lost {
        let place = Place::new();
        database(&place);
        let path = place.path("db").join(name);
        match path.is_dir() {
            true => std::fs::remove_dir_all(&path).expect("removed"),
            false => std::fs::remove_file(&path).expect("removed"),
        }
        let answer = is_damaged(&place, &[name]);
        assert!(answer.shown.contains("missing"), "{answer:?}");
        assert!(!path.exists(), "{name} is not made anew");
    }
}

#[test]
fn what_cannot_be_told_is_neither_whole_nor_damaged() {
    let place = Place::new();
    std::fs::create_dir(place.path("empty")).expect("created");
    for name in ["missing", "empty"] {
        let error = place.fails(&format!("verify {name}"), 2);
        assert!(error.contains(&format!("there is no Synod database at {name}")), "{error}");
    }
    assert!(!place.path("missing").exists() && place.files("empty").is_empty());
    place.put("db", &contents(&[("t", &[])]));
    let open = Engine::open(place.path("db"), Options::new()).expect("opens");
    assert!(place.fails("verify db", 2).contains("already open"));
    drop(open);
    assert_eq!(place.synod(["verify"]).status, Some(2));
    assert_eq!(place.synod(["verify", "db", "--more"]).status, Some(2));
}
