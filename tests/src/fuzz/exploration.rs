//! Fuzzing without a fuzzer: mutations of what there is, as a seed decides.

use std::collections::BTreeSet;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;

use super::mutation::mutate;
use super::{INPUT_BYTES_MAX, Outcome, Target};
use crate::random::Random;

/// A target, and the inputs that others are made of.
#[derive(Debug)]
pub struct Exploration<'p> {
    target: Target,
    inputs: Vec<Vec<u8>>,
    outcomes: BTreeSet<Outcome>,
    /// Where an input that fails is kept.
    failures: &'p Path,
    /// How many inputs were accepted.
    pub accepted: u64,
    /// How many were refused.
    pub refused: u64,
}

impl<'p> Exploration<'p> {
    /// Runs a target on its seeds.
    ///
    /// # Panics
    /// If one fails.
    pub fn begin(target: Target, failures: &'p Path) -> Self {
        let (inputs, outcomes) = (Vec::new(), BTreeSet::new());
        let mut begun = Exploration { target, inputs, outcomes, failures, accepted: 0, refused: 0 };
        for (number, seed) in (target.seeds)().into_iter().enumerate() {
            begun.add(&format!("seed-{number}"), seed);
        }
        begun
    }

    /// Runs it on an input, of which others are made from then on.
    ///
    /// # Panics
    /// If it fails, or is too long.
    pub fn add(&mut self, name: &str, input: Vec<u8>) {
        let outcomes = self.run(name, &input);
        assert!(!outcomes.is_empty(), "{name} is too long");
        self.outcomes.extend(outcomes);
        self.inputs.push(input);
    }

    /// Runs it on so many mutations. Those that end as none before did are kept as inputs for others, and shown.
    ///
    /// # Panics
    /// If one fails.
    pub fn explore(&mut self, seed: u64, mutations: u64, mut show: impl FnMut(&Outcome, &[u8])) {
        let mut random = Random::new(seed);
        for number in 0..mutations {
            let mut input = mutate(&mut random, &self.inputs);
            input.truncate(INPUT_BYTES_MAX);
            let outcomes = self.run(&format!("{seed}-{number}"), &input);
            for outcome in outcomes {
                if self.outcomes.insert(outcome.clone()) {
                    show(&outcome, &input);
                    self.inputs.push(input.clone());
                }
            }
        }
    }

    /// Runs it on an input; one that fails is kept in a file.
    fn run(&mut self, name: &str, input: &[u8]) -> Vec<Outcome> {
        let outcomes = catch_unwind(AssertUnwindSafe(|| self.target.run(input))).unwrap_or_else(|panic| {
            let path = self.failures.join(format!("{}-{name}", self.target.name));
            match std::fs::write(&path, input) {
                Ok(()) => eprintln!("it fails with the input in {}", path.display()),
                Err(error) => eprintln!("it fails with {input:?}; cannot write {}: {error}", path.display()),
            }
            resume_unwind(panic)
        });
        let accepted = outcomes.iter().filter(|outcome| **outcome == Outcome::Accepted).count() as u64;
        self.accepted += accepted;
        self.refused += outcomes.len() as u64 - accepted;
        outcomes
    }
}

/// The inputs of a target in a corpus, by name. There may be none.
///
/// # Errors
/// If they can't be read.
pub fn corpus(directory: &Path, target: &Target) -> io::Result<Vec<(String, Vec<u8>)>> {
    let folder = directory.join(target.name);
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let mut inputs = Vec::new();
    for file in std::fs::read_dir(&folder)? {
        let file = file?;
        inputs.push((file.file_name().to_string_lossy().into_owned(), std::fs::read(file.path())?));
    }
    inputs.sort();
    Ok(inputs)
}
