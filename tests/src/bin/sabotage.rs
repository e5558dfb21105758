//! Breaks the engine in every way of a list, in a copy of the sources, and tells whether a test notices.
//!
//! ```text
//! cargo run --release -p synod-tests --bin sabotage
//! ```
//!
//! Exit status 1 if something was broken and no test failed. Takes a minute or so for each.

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Instant;

use synod_tests::sabotage::{MUTATIONS, Mutation, Suite, copy_sources, workspace};

const USAGE: &str = "usage: sabotage [--list] [--target DIRECTORY] [NUMBER ...]
  --list    only shows what would be broken
  --target  where to build; the next run can use it again (a temporary directory)
  NUMBER    only these, as --list numbers them";

/// What is run of what survives, the quick ones first, until one fails.
const OF_DURABILITY: &[&[&str]] = &[
    &["-p", "synod-storage", "--test", "checkpoint", "--test", "wal"],
    &[
        "-p",
        "synod-tests",
        "--test",
        "durability",
        "--test",
        "damage",
        "--test",
        "campaign",
        "--test",
        "crash",
        // The list's own test sees every change of the sources.
        "--",
        "--skip",
        "sabotage::",
    ],
];

/// What is run of the deterministic mode.
const OF_THE_DETERMINISTIC_MODE: &[&[&str]] =
    &[&["-p", "synod-tests", "--test", "deterministic"], &["-p", "synod-tests", "--test", "conformance"]];

/// A test that takes longer, the build included, waits for what the broken engine never does: that is noticed too.
const TIMEOUT_SECONDS: &str = "400";

/// What became of a mutation.
enum Outcome {
    /// A test has noticed: its name.
    Noticed(String),
    /// None has.
    Unnoticed,
    /// It can't be built.
    Broken(String),
}

struct Arguments {
    is_list: bool,
    target: Option<String>,
    chosen: Vec<usize>,
}

fn parse() -> Result<Arguments, String> {
    let mut arguments = Arguments { is_list: false, target: None, chosen: Vec::new() };
    let mut given = std::env::args().skip(1);
    while let Some(argument) = given.next() {
        match argument.as_str() {
            "--list" => arguments.is_list = true,
            "--target" => arguments.target = Some(given.next().ok_or("--target needs a directory")?),
            number => match number.parse() {
                Ok(number) if number < MUTATIONS.len() => arguments.chosen.push(number),
                _ => return Err(format!("{number}: no such number, and no such option")),
            },
        }
    }
    Ok(arguments)
}

fn test(suite: Suite, root: &Path, target: &Path) -> std::io::Result<Outcome> {
    let suite = match suite {
        Suite::Durability => OF_DURABILITY,
        Suite::Deterministic => OF_THE_DETERMINISTIC_MODE,
    };
    for tests in suite {
        let output = Command::new("timeout")
            .args([TIMEOUT_SECONDS, "cargo", "test", "--quiet"])
            .args(*tests)
            .current_dir(root)
            .env("CARGO_TARGET_DIR", target)
            .env("RUST_BACKTRACE", "0")
            .output()?;
        let said =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        if said.contains("could not compile") {
            let error = said.lines().find(|line| line.starts_with("error")).unwrap_or_default();
            return Ok(Outcome::Broken(error.to_owned()));
        }
        if !output.status.success() {
            return Ok(Outcome::Noticed(first_failure(&said).to_owned()));
        }
    }
    Ok(Outcome::Unnoticed)
}

/// The name of a test that failed, or else of one that hung.
fn first_failure(said: &str) -> &str {
    let failed = said.lines().find_map(|line| line.strip_prefix("---- ")?.strip_suffix(" stdout ----"));
    let hung = || {
        let line = said.lines().find_map(|line| Some(line.split_once(" has been running for over ")?.0))?;
        // What stands before it is the progress so far.
        Some(line.rsplit_once("test ").map_or(line, |(_, name)| name))
    };
    failed.or_else(hung).unwrap_or("a test that was stopped")
}

fn run(arguments: &Arguments) -> std::io::Result<bool> {
    let directory = tempfile::tempdir()?;
    let root = directory.path().join("sources");
    copy_sources(&workspace(), &root)?;
    let target = arguments.target.as_ref().map_or(directory.path().join("target"), Into::into);
    let mut is_well = true;
    for (number, mutation) in MUTATIONS.iter().enumerate() {
        if !arguments.chosen.is_empty() && !arguments.chosen.contains(&number) {
            continue;
        }
        let started = Instant::now();
        let text = mutation.apply(&root)?;
        let outcome = test(mutation.suite, &root, &target);
        std::fs::write(root.join(mutation.file), text)?;
        is_well &= report(number, mutation, &outcome?, started);
    }
    Ok(is_well)
}

fn report(number: usize, mutation: &Mutation, outcome: &Outcome, started: Instant) -> bool {
    let (verdict, is_well) = match (outcome, mutation.harmless) {
        (Outcome::Noticed(test), None) => (format!("noticed by {test}"), true),
        (Outcome::Noticed(test), Some(_)) => {
            (format!("noticed by {test}, though said to be harmless"), false)
        }
        (Outcome::Unnoticed, Some(reason)) => (format!("harmless: {reason}"), true),
        (Outcome::Unnoticed, None) => ("NOT NOTICED".to_owned(), false),
        (Outcome::Broken(error), _) => (format!("can't be built: {error}"), false),
    };
    println!("{number:3}  {}: {verdict} ({:.0} s)", mutation.name, started.elapsed().as_secs_f64());
    is_well
}

fn main() -> ExitCode {
    let arguments = match parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("{error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    if arguments.is_list {
        for (number, mutation) in MUTATIONS.iter().enumerate() {
            println!("{number:3}  {} ({})", mutation.name, mutation.file);
        }
        return ExitCode::SUCCESS;
    }
    match run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}
