//! Measures how many of the aborts that make the multi-version mode serializable are false, by contention.
//!
//! ```text
//! cargo run --release -p synod-tests --bin false-aborts -- --histories 1000
//! ```

use std::process::ExitCode;
use std::time::{Duration, Instant};

use synod_tests::false_aborts::{Counts, Workload, run};

/// Progress is reported after so much time.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(2);

const USAGE: &str =
    "usage: false-aborts [--keys N,N,...] [--histories N] [--seed N] [--threads N] [--transactions N]
                    [--reads N] [--writes N] [--readers PERCENT]
  --keys          a row for each of these numbers of keys (16,64,256,1024,4096)
  --histories     for each row (500)
  --seed          what the transactions do follows from this; how they interleave doesn't (1)
  --threads       run at the same time (8)
  --transactions  of each thread, for each history (50)
  --reads         keys that a transaction reads (6)
  --writes        keys that it writes (2)
  --readers       how many of a hundred transactions only read (20)";

struct Scope {
    keys: Vec<u64>,
    histories: u64,
    seed: u64,
    workload: Workload,
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Scope, String> {
    let workload =
        Workload { keys: 0, threads: 8, transactions: 50, reads: 6, writes: 2, readers_percent: 20 };
    let mut scope = Scope { keys: vec![16, 64, 256, 1024, 4096], histories: 500, seed: 1, workload };
    while let Some(option) = arguments.next() {
        if option == "--help" {
            return Err(String::new());
        }
        let value = arguments.next().ok_or_else(|| format!("{option} needs a value"))?;
        let number = |text: &str| match text.parse() {
            Ok(0) | Err(_) => Err(format!("{option}: {text} is no number above zero")),
            Ok(number) => Ok(number),
        };
        match option.as_str() {
            "--keys" => scope.keys = value.split(',').map(number).collect::<Result<_, _>>()?,
            "--histories" => scope.histories = number(&value)?,
            "--seed" => scope.seed = number(&value)?,
            "--threads" => scope.workload.threads = number(&value)?,
            "--transactions" => scope.workload.transactions = number(&value)?,
            "--reads" => scope.workload.reads = number(&value)?,
            "--writes" => scope.workload.writes = number(&value)?,
            "--readers" => {
                let percent = value.parse().ok().filter(|&percent: &u64| percent <= 100);
                scope.workload.readers_percent =
                    percent.ok_or_else(|| format!("--readers: {value} is no percentage"))?;
            }
            _ => return Err(format!("unknown option {option}")),
        }
    }
    Ok(scope)
}

/// Makes the histories of one row.
fn measure(scope: &Scope, keys: u64) -> Result<Counts, String> {
    let mut reported = Instant::now();
    let mut counts = Counts::default();
    for history in 0..scope.histories {
        let counted = run(&Workload { keys, ..scope.workload }, scope.seed + history);
        counts += counted.map_err(|error| format!("a history that makes no sense: {error}"))?;
        if reported.elapsed() >= PROGRESS_INTERVAL {
            reported = Instant::now();
            eprintln!("{keys} keys: {} of {} histories", history + 1, scope.histories);
        }
    }
    Ok(counts)
}

fn show(keys: u64, counts: &Counts) {
    let all = counts.committed + counts.conflicts + counts.unserializable;
    let percent = |part: u64, whole: u64| 100.0 * part as f64 / whole.max(1) as f64;
    println!(
        "{keys:6} {all:9} {:10.2} % {:12.2} % {:10} {:14} {:8} {:9.1} %",
        percent(counts.conflicts, all),
        percent(counts.unserializable, all),
        counts.in_data_cycle,
        counts.in_real_time_cycle,
        counts.in_no_cycle,
        percent(counts.in_no_cycle, counts.unserializable),
    );
}

fn run_all(scope: &Scope) -> Result<(), String> {
    println!(
        "{:>6} {:>9} {:>12} {:>14} {:>10} {:>14} {:>8} {:>11}",
        "keys", "attempts", "conflicts", "unserializable", "in a cycle", "by real time", "in none", "false"
    );
    scope.keys.iter().try_for_each(|&keys| measure(scope, keys).map(|counts| show(keys, &counts)))
}

fn main() -> ExitCode {
    let scope = match parse(std::env::args().skip(1)) {
        Ok(scope) => scope,
        Err(error) if error.is_empty() => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("{error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run_all(&scope) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
