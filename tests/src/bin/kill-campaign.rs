//! Kills a process under load at random moments, over and over, and judges what it leaves.
//!
//! ```text
//! cargo run --release -p synod-tests --bin kill-campaign -- --kills 200 --seed 1
//! ```
//!
//! Exit status 1 if a promise was not kept; the directory with the files is kept then.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use synod_tests::kill::campaign::{Counts, Scope, run};
use synod_tests::kill::load::Load;

/// Progress is reported after so much time.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(2);

const USAGE: &str =
    "usage: kill-campaign [--kills N] [--seed N] [--longest MILLISECONDS] [--recoveries PERCENT] [--path DIR]
  --kills       how many processes (200)
  --seed        the work and the moments of the kills follow from this (1)
  --longest     a process works for up to so long (300)
  --recoveries  how many of a hundred kills are followed by one of the process that recovers (40)
  --path        where the temporary directory is created (that for temporary files)";

/// Runs the load; whoever has started this process kills it.
fn live(arguments: &[String]) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let [home, backup, seed, life] = arguments else { return Err(USAGE.into()) };
    Load { home: Path::new(home), backup: Path::new(backup), seed: seed.parse()?, life: life.parse()? }.run()
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<(Scope, PathBuf), String> {
    let program = std::env::current_exe().map_err(|error| format!("cannot find this program: {error}"))?;
    let longest = Duration::from_millis(300);
    let mut scope = Scope { seed: 1, kills: 200, longest, recovery_percent: 40, program };
    let mut path = std::env::temp_dir();
    while let Some(option) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{option} needs a value"))?;
        let number = || value.parse().map_err(|_| format!("{option}: {value} is no number"));
        match option.as_str() {
            "--kills" => scope.kills = number()?,
            "--seed" => scope.seed = number()?,
            "--longest" => scope.longest = Duration::from_millis(number()?),
            "--recoveries" => scope.recovery_percent = number()?.min(99),
            "--path" => path = PathBuf::from(value),
            _ => return Err(format!("unknown option {option}")),
        }
    }
    Ok((scope, path))
}

fn run_campaign(scope: &Scope, path: &Path) -> Result<(), String> {
    let directory = tempfile::Builder::new().prefix("synod-kills-").tempdir_in(path);
    let directory = directory.map_err(|error| format!("no directory in {}: {error}", path.display()))?;
    let started = Instant::now();
    let mut reported = Instant::now();
    let progress = |counts: &Counts| {
        if reported.elapsed() >= PROGRESS_INTERVAL {
            reported = Instant::now();
            eprintln!("{:4.0} s: {counts}", started.elapsed().as_secs_f64());
        }
    };
    match run(scope, directory.path(), progress) {
        Ok(counts) => {
            println!("seed {}: {counts}; {:.1} s", scope.seed, started.elapsed().as_secs_f64());
            Ok(())
        }
        Err(failure) => Err(format!("{failure}\nthe files are kept: {}", directory.keep().display())),
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [first, rest @ ..] = &arguments[..]
        && first == "child"
    {
        let outcome = live(rest);
        return outcome.map_or_else(|error| fail(&error.to_string(), 1), |()| ExitCode::SUCCESS);
    }
    let (scope, path) = match parse(arguments.into_iter()) {
        Ok(parsed) => parsed,
        Err(error) => return fail(&format!("{error}\n{USAGE}"), 2),
    };
    run_campaign(&scope, &path).map_or_else(|error| fail(&error, 1), |()| ExitCode::SUCCESS)
}

fn fail(message: &str, status: u8) -> ExitCode {
    eprintln!("{message}");
    ExitCode::from(status)
}
