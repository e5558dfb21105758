//! The `synod` command: looks at databases, moves them, checks them, measures them.
//!
//! `synod dump` and `synod load` write and read the records of a database as text ([`dump`]), `synod stats`
//! shows what it holds, `synod verify` checks its files; `synod backup` and `synod restore` copy it. `synod
//! check` looks for anomalies in a history of transactions, and `synod anomalies` is a laboratory of them
//! ([`anomalies`]). `synod bench tpcc` loads and runs an order-entry workload after TPC-C and checks its data;
//! `synod bench micro` measures single operations; `synod bench ycsb`, `smallbank`, `bank`, `tatp` and `contention` run a
//! workload on all modes, and on other engines; `synod bench gc` looks at memory. `synod report` shows a measurement of several engines again, `synod compare` two of them side by side.
//!
//! Results go to standard output, progress and logs to standard error (`RUST_LOG` sets what is logged). The
//! exit status is 0 if all went well and every check passed, 1 if not, 2 for arguments that make no sense (and for
//! what `verify`, `check` and `compare` can't tell); 130 if Ctrl-C has ended a comparison of several engines early.

pub mod anomalies;
pub mod arguments;
mod commands;
pub mod dump;
mod error;
mod interrupt;
mod json;
mod meter;
mod output;
mod place;
mod render;

use arguments::{Arguments, Bench, Command, ContestArguments, WorkloadArguments};
use clap::Parser;
use commands::contest::Ending;
use std::fmt::Display;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

pub use error::{Error, Result};

/// The exit status of a check that can't be made, as of arguments that make no sense.
const CANNOT_TELL: u8 = 2;

/// The exit status that shells give a program that Ctrl-C has ended.
const INTERRUPTED: u8 = 130;

/// Does what the program's arguments say.
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match arguments.command {
        Command::Bench { bench: Bench::Tpcc(arguments) } => exit(commands::tpcc::run(&arguments)),
        Command::Bench { bench: Bench::Micro(arguments) } => exit(commands::micro::run(&arguments)),
        Command::Bench { bench: Bench::Ycsb(arguments) } => contest(&*arguments, &arguments.contest),
        Command::Bench { bench: Bench::SmallBank(arguments) } => contest(&*arguments, &arguments.contest),
        Command::Bench { bench: Bench::Bank(arguments) } => contest(&*arguments, &arguments.contest),
        Command::Bench { bench: Bench::Tatp(arguments) } => contest(&*arguments, &arguments.contest),
        Command::Bench { bench: Bench::Contention(arguments) } => contest(&*arguments, &arguments.contest),
        Command::Bench { bench: Bench::Gc(arguments) } => exit(commands::gc::run(&arguments)),
        Command::Bench { bench: Bench::Checkpoint(arguments) } => exit(commands::checkpoint::run(&arguments)),
        Command::Anomalies(arguments) => exit(commands::anomalies::run(&arguments)),
        Command::Dump(arguments) => exit(commands::dump::run(&arguments)),
        Command::Load(arguments) => exit(commands::load::run(&arguments)),
        Command::Stats(arguments) => exit(commands::stats::run(&arguments)),
        Command::Verify(arguments) => match commands::verify::run(&arguments) {
            Err(error) => failed(&error, ExitCode::from(CANNOT_TELL)),
            found => exit(found),
        },
        Command::Replay(arguments) => exit(commands::replay::run(&arguments)),
        Command::Check(arguments) => match commands::check::run(&arguments) {
            Err(error) => failed(&error, ExitCode::from(CANNOT_TELL)),
            found => exit(found),
        },
        Command::Compare(arguments) => match commands::compare::run(&arguments) {
            Err(error) => failed(&error, ExitCode::from(CANNOT_TELL)),
            found => exit(found),
        },
        Command::Report(arguments) => exit(commands::report::run(&arguments)),
        Command::Backup(arguments) => exit(commands::backup::backup(&arguments)),
        Command::Restore(arguments) => exit(commands::backup::restore(&arguments)),
    }
}

fn contest(workload: &impl WorkloadArguments, arguments: &ContestArguments) -> ExitCode {
    match commands::contest::run(workload, arguments) {
        Ok(Ending::Kept) => ExitCode::SUCCESS,
        Ok(Ending::Wrong) => ExitCode::FAILURE,
        Ok(Ending::Interrupted) => ExitCode::from(INTERRUPTED),
        Err(error) => failed(&error, ExitCode::FAILURE),
    }
}

/// The exit status for what a command answered; an error is shown.
fn exit(passed: Result<bool, impl Display>) -> ExitCode {
    match passed {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => failed(&error, ExitCode::FAILURE),
    }
}

fn failed(error: &impl Display, status: ExitCode) -> ExitCode {
    output::remark(&format!("error: {error}"));
    status
}
