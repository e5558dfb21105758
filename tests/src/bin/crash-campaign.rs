//! Crashes a workload at every operation that changes anything, and judges every recovery; then damages a closed
//! database in every way, and judges what becomes of it.
//!
//! ```text
//! cargo run --release -p synod-tests --bin crash-campaign -- --seed 1
//! ```
//!
//! Exit status 1 if a promise was not kept; the last lines say how to repeat that.

use std::process::ExitCode;
use std::time::Instant;

use synod_tests::campaign::damage::{LARGEST_ALLOCATION_BYTES, Original, try_all};
use synod_tests::campaign::run::{Counts, Scope, run};
use synod_tests::campaign::verdict::Flaw;
use synod_tests::memory::{Metered, largest_allocation, reset};

#[global_allocator]
static ALLOCATOR: Metered = Metered;

/// Progress is reported after so many changes.
const CHANGES_AT_ONCE: usize = 20_000;

const USAGE: &str =
    "usage: crash-campaign [--seed N] [--steps N] [--threads N] [--crashes N] [--sample PERCENT] \
                     [--point N] [--judges N] [--no-recovery-crashes] [--no-damage]
  --seed     what the workload does follows from this (1)
  --steps    of each of the workload's threads (150)
  --threads  of the workload; points are only repeatable with one (1)
  --crashes  random ones of each point, besides those that leave nothing and everything (3)
  --sample   how many of a hundred points are looked at (100)
  --point    only this one
  --judges   threads that recover and judge (2)
  --no-recovery-crashes, --no-damage   leave these out";

fn parse() -> Result<(Scope, bool), String> {
    let (mut scope, mut damages) = (Scope::default(), true);
    let mut arguments = std::env::args().skip(1);
    while let Some(option) = arguments.next() {
        if option == "--no-recovery-crashes" {
            scope.crashes_recoveries = false;
            continue;
        }
        if option == "--no-damage" {
            damages = false;
            continue;
        }
        let value = arguments.next().ok_or_else(|| format!("{option} needs a value"))?;
        let number: u64 = value.parse().map_err(|_| format!("{option}: {value} is no number"))?;
        match option.as_str() {
            "--seed" => scope.seed = number,
            "--steps" => scope.steps = number,
            "--threads" => scope.threads = number,
            "--crashes" => scope.random_crashes = number,
            "--sample" => scope.sample_percent = number,
            "--point" => (scope.only_point, damages) = (Some(number), false),
            "--judges" => scope.judges = number as usize,
            _ => return Err(format!("unknown option {option}")),
        }
    }
    Ok((scope, damages))
}

fn damage(scope: Scope, started: Instant) -> Result<(), Flaw> {
    let original = Original::make(scope.seed)?;
    let changes = original.changes()?;
    reset();
    let (mut counts, mut tried) = (Default::default(), 0);
    for some in changes.chunks(CHANGES_AT_ONCE) {
        counts = try_all(&original, some, scope.judges)? + counts;
        tried += some.len();
        eprintln!("{:4.0} s: {tried} of {} changes", started.elapsed().as_secs_f64(), changes.len());
    }
    println!("{counts}; {:.1} s", started.elapsed().as_secs_f64());
    let largest = largest_allocation();
    if largest > LARGEST_ALLOCATION_BYTES {
        return Err(Flaw(format!("{largest} bytes were asked for at once")));
    }
    Ok(())
}

fn main() -> ExitCode {
    let (scope, damages) = match parse() {
        Ok(parsed) => parsed,
        Err(error) => {
            eprintln!("{error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let started = Instant::now();
    let progress = |counts: &Counts| eprintln!("{:4.0} s: {counts}", started.elapsed().as_secs_f64());
    match run(scope, progress) {
        Ok(counts) => {
            println!("seed {}: {counts}; {:.1} s", scope.seed, started.elapsed().as_secs_f64());
        }
        Err(failure) => {
            println!("{failure}");
            return ExitCode::FAILURE;
        }
    }
    match if damages { damage(scope, started) } else { Ok(()) } {
        Ok(()) => ExitCode::SUCCESS,
        Err(flaw) => {
            println!("{flaw}\nrepeat with: --seed {}", scope.seed);
            ExitCode::FAILURE
        }
    }
}
