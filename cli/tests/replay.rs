//! `synod replay` on the log of a run of TPC-C: whoever executes it, the state is the same.

mod support;

use support::{Answer, Place};

/// Runs TPC-C in the deterministic mode, and leaves its database in `run/data`.
fn tpcc(place: &Place) {
    let line = "bench tpcc --scale 0.01 --mode deterministic --seconds 0.5 --path run";
    let answer = place.synod(line.split(' '));
    assert_eq!(answer.status, Some(0), "{answer:?}");
}

fn replay(place: &Place, arguments: &str) -> Answer {
    place.synod("replay run/data".split(' ').chain(arguments.split_whitespace()))
}

/// The hash of the state at the end, as it is shown.
fn state(answer: &Answer) -> String {
    assert_eq!(answer.status, Some(0), "{answer:?}");
    answer.shown.lines().last().and_then(|line| line.strip_prefix("state ")).expect("a state").to_owned()
}

#[test]
fn a_log_has_one_outcome() {
    let place = Place::new();
    tpcc(&place);
    let first = replay(&place, "");
    for expected in
        ["from the beginning of the log", " procedures in ", "as in the log", "with the state that the log"]
    {
        assert!(first.shown.contains(expected), "no \"{expected}\" in {first:?}");
    }
    let same = ["--threads 1", "--threads 4", "--mode 2pl --threads 1", "--from-newest-checkpoint"];
    for arguments in same {
        assert_eq!(state(&replay(&place, arguments)), state(&first), "{arguments}");
    }
    assert!(replay(&place, "--mode occ").shown.contains("as transactions of the mode occ"));
}

#[test]
fn a_part_of_a_log_has_a_state_of_its_own_and_a_table_can_be_dumped() {
    let place = Place::new();
    tpcc(&place);
    let all = replay(&place, "--epochs");
    let epochs: Vec<&str> = all.shown.lines().filter(|line| line.starts_with("epoch ")).collect();
    let middle = epochs[epochs.len() / 2];
    let number = middle.split_whitespace().nth(1).expect("a number");
    let part = replay(&place, &format!("--until {number}"));
    assert_ne!(state(&part), state(&all));
    assert!(middle.contains(&state(&part)), "{middle}: {part:?}");
    let dumped = replay(&place, "--dump warehouse");
    assert_eq!(dumped.status, Some(0), "{dumped:?}");
    assert!(
        dumped.shown.contains("\"synod_dump\":1") && dumped.shown.contains("\"records\":1"),
        "{dumped:?}"
    );
    assert!(dumped.errors.contains("state "), "{dumped:?}");
}

#[test]
fn what_is_no_database_is_told() {
    let place = Place::new();
    let answer = replay(&place, "");
    assert_eq!(answer.status, Some(1), "{answer:?}");
    assert!(answer.errors.contains("no Synod database"), "{answer:?}");
}
