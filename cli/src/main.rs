//! The `synod` command.

use mimalloc::MiMalloc;
use std::process::ExitCode;
use synod_bench::allocations::Counting;

#[global_allocator]
static ALLOCATOR: Counting<MiMalloc> = Counting(MiMalloc);

fn main() -> ExitCode {
    synod_cli::run()
}
