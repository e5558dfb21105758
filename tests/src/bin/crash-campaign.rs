//! Crashes a workload at every operation that changes anything, and judges every recovery.
//!
//! ```text
//! cargo run --release -p synod-tests --bin crash-campaign -- --seed 1
//! ```
//!
//! Exit status 1 if a promise was not kept; the last lines say how to repeat that.

use std::process::ExitCode;
use std::time::Instant;

use synod_tests::campaign::run::{Counts, Scope, run};

const USAGE: &str =
    "usage: crash-campaign [--seed N] [--steps N] [--threads N] [--crashes N] [--sample PERCENT] \
                     [--point N] [--judges N] [--no-recovery-crashes]
  --seed     what the workload does follows from this (1)
  --steps    of each of the workload's threads (150)
  --threads  of the workload; points are only repeatable with one (1)
  --crashes  random ones of each point, besides those that leave nothing and everything (3)
  --sample   how many of a hundred points are looked at (100)
  --point    only this one
  --judges   threads that recover and judge (2)";

fn parse() -> Result<Scope, String> {
    let mut scope = Scope::default();
    let mut arguments = std::env::args().skip(1);
    while let Some(option) = arguments.next() {
        if option == "--no-recovery-crashes" {
            scope.crashes_recoveries = false;
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
            "--point" => scope.only_point = Some(number),
            "--judges" => scope.judges = number as usize,
            _ => return Err(format!("unknown option {option}")),
        }
    }
    Ok(scope)
}

fn main() -> ExitCode {
    let scope = match parse() {
        Ok(scope) => scope,
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
            ExitCode::SUCCESS
        }
        Err(failure) => {
            println!("{failure}");
            ExitCode::FAILURE
        }
    }
}
