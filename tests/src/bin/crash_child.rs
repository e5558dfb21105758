//! A process for the crash tests to kill: `crash_child <tpcc|hold> <directory> [<round>]`.

use std::io::{Read, Write};
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use synod::{Durability, Engine, Isolation, Options};
use synod_bench::progress::Progress;
use synod_bench::tpcc::{Database, RunOptions};

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments[..] {
        ["tpcc", home, round] => run_tpcc(home, round),
        ["hold", home] => hold(home),
        _ => Err("usage: crash_child tpcc <directory> <round>, or hold <directory>".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn say(line: &str) -> Outcome {
    let mut stdout = std::io::stdout();
    stdout.write_all(line.as_bytes())?;
    Ok(stdout.flush()?)
}

/// Runs the order-entry workload on a loaded database until it is killed.
fn run_tpcc(home: &str, round: &str) -> Outcome {
    let engine = Engine::open(home, Options::new())?;
    let database = Database::open(&engine)?.ok_or("nothing is loaded")?;
    let options = RunOptions {
        threads: 3,
        duration: Duration::from_secs(60),
        mix: synod_bench::tpcc::Mix::default(),
        in_flight: 4,
        isolation: Isolation::Serializable,
        durability: Durability::Group,
        think: false,
        seed: round.parse()?,
    };
    say("open\n")?;
    synod_bench::tpcc::run(&database, &options, &AtomicBool::new(false), &mut Progress::hidden())?;
    Ok(())
}

/// Keeps the database open until its standard input ends.
fn hold(home: &str) -> Outcome {
    let _engine = Engine::open(home, Options::new())?;
    say("open\n")?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
