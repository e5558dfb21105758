//! The `synod` command: benchmarks for the Synod transaction engine.
//!
//! `synod bench tpcc` loads and runs an order-entry workload after TPC-C and checks its data; `synod bench
//! micro` measures single operations; `synod bench gc` looks at memory. Results go to standard output,
//! progress and logs to standard error (`RUST_LOG` sets what is logged). The exit status is 0 if all went
//! well and every check passed, 1 if not, 2 for arguments that make no sense.

mod arguments;
mod commands;
mod interrupt;
mod json;
mod place;
mod render;

use arguments::{Arguments, Bench, Command};
use clap::Parser;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let Command::Bench { bench } = arguments.command;
    let passed = match bench {
        Bench::Tpcc(arguments) => commands::tpcc::run(&arguments),
        Bench::Micro(arguments) => commands::micro::run(&arguments),
        Bench::Gc(arguments) => commands::gc::run(&arguments),
    };
    match passed {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
