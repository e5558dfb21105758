//! Fuzzing on stable, for as long as one likes: mutations of the corpus, as a seed decides.
//!
//! ```text
//! cargo run --release -p synod-tests --bin fuzz -- --target log --mutations 100000 --seed 2
//! ```
//!
//! With `--grow` the corpus gets an input for each way to be refused that none of its inputs has shown.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use synod_tests::fuzz::exploration::{Exploration, corpus};
use synod_tests::fuzz::{Outcome, TARGETS, Target};
use synod_tests::memory::Metered;

#[global_allocator]
static ALLOCATOR: Metered = Metered;

const USAGE: &str = "usage: fuzz [--target NAME] [--mutations N] [--seed N] [--corpus DIR] [--grow yes]
  --target     log, checkpoint, note, dump or arguments (all)
  --mutations  of each target (10,000)
  --seed       what is tried follows from this (1)
  --corpus     the directory with the inputs (tests/corpus)
  --grow       whether what is new goes there (no)";

/// New inputs of at most so many bytes go into the corpus.
const KEPT_BYTES_MAX: usize = 12 << 10;

/// Names have at most so many characters.
const NAME_MAX: usize = 80;

struct Scope {
    target: Option<String>,
    mutations: u64,
    seed: u64,
    corpus: PathBuf,
    grows: bool,
}

fn parse() -> Result<Scope, String> {
    let corpus = PathBuf::from("tests/corpus");
    let mut scope = Scope { target: None, mutations: 10_000, seed: 1, corpus, grows: false };
    let mut arguments = std::env::args().skip(1);
    while let Some(option) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{option} needs a value"))?;
        let number = || value.parse().map_err(|_| format!("{option}: {value} is no number"));
        match option.as_str() {
            "--target" => scope.target = Some(value),
            "--mutations" => scope.mutations = number()?,
            "--seed" => scope.seed = number()?,
            "--corpus" => scope.corpus = PathBuf::from(value),
            "--grow" => scope.grows = value == "yes",
            _ => return Err(format!("unknown option {option}")),
        }
    }
    Ok(scope)
}

fn explore(scope: &Scope, target: &Target) -> Result<(), String> {
    let failed = |error| format!("{}: {error}", scope.corpus.display());
    let mut exploration = Exploration::begin(*target, Path::new("."));
    let mut kept = Ok(());
    let mut keep = |name: &str, input: &[u8]| {
        if scope.grows && input.len() <= KEPT_BYTES_MAX && kept.is_ok() {
            kept = write(&scope.corpus.join(target.name), name, input);
        }
    };
    for (number, seed) in (target.seeds)().into_iter().enumerate() {
        keep(&format!("seed-{number}"), &seed);
    }
    for (name, input) in corpus(&scope.corpus, target).map_err(failed)? {
        exploration.add(&name, input);
    }
    exploration.explore(scope.seed, scope.mutations, |outcome, input| {
        println!("{}: {outcome:?}", target.name);
        keep(&name_of(outcome), input);
    });
    let Exploration { accepted, refused, .. } = exploration;
    println!("{}: {accepted} inputs accepted, {refused} refused", target.name);
    kept.map_err(failed)
}

/// The name of an input that ends so.
fn name_of(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Accepted => "accepted".to_string(),
        Outcome::Refused(reason) => {
            let reason = reason.strip_prefix("is damaged at offset ").unwrap_or(reason);
            reason.to_lowercase().replace(' ', "-").replace('\'', "").chars().take(NAME_MAX).collect()
        }
    }
}

fn write(folder: &Path, name: &str, input: &[u8]) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    std::fs::write(folder.join(name), input)
}

fn main() -> ExitCode {
    let scope = match parse() {
        Ok(scope) => scope,
        Err(error) => {
            eprintln!("{error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let is_meant = |target: &&Target| scope.target.as_ref().is_none_or(|name| name == target.name);
    match TARGETS.iter().filter(is_meant).try_for_each(|target| explore(&scope, target)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
