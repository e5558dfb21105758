//! Fuzzing on stable: the corpus, and mutations of it that a fixed seed decides.

mod found;

use std::path::Path;

use synod_tests::fuzz::TARGETS;
use synod_tests::fuzz::exploration::{Exploration, corpus};
use synod_tests::memory::Metered;

#[global_allocator]
static ALLOCATOR: Metered = Metered;

/// Runs a target on what there is and on `mutations` others.
fn fuzz(name: &str, mutations: u64) {
    let target = TARGETS.iter().find(|target| target.name == name).unwrap();
    let mut exploration = Exploration::begin(*target, Path::new(env!("CARGO_TARGET_TMPDIR")));
    let inputs = corpus(&Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus"), target).unwrap();
    assert!(inputs.len() >= 5, "the corpus is missing");
    inputs.into_iter().for_each(|(file, input)| exploration.add(&file, input));
    exploration.explore(1, mutations, |_, _| {});
    // Otherwise one side of the code is hardly ever reached.
    let (fewest, Exploration { accepted, refused, .. }) = (mutations / 50, exploration);
    assert!(accepted >= fewest && refused >= fewest, "{accepted} inputs were accepted, {refused} refused");
}

#[test]
fn whatever_stands_in_a_log_does_no_harm() {
    fuzz("log", 2000);
}

#[test]
fn whatever_stands_in_a_batch_does_no_harm() {
    fuzz("batch", 5000);
}

#[test]
fn whatever_stands_in_a_checkpoint_does_no_harm() {
    fuzz("checkpoint", 4000);
}

#[test]
fn whatever_stands_in_a_note_does_no_harm() {
    fuzz("note", 2000);
}

#[test]
fn whatever_stands_in_a_dump_does_no_harm() {
    fuzz("dump", 5000);
}

#[test]
fn whatever_arguments_there_are_do_no_harm() {
    fuzz("arguments", 5000);
}
