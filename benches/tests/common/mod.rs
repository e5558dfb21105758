//! A small database for tests.

use std::sync::atomic::AtomicBool;
use synod::{Engine, Mode, Options};
use synod_bench::progress::Progress;
use synod_bench::tpcc::{Database, LoadOptions, Scale, load};

/// The smallest scale: 100 items, 30 customers a district.
pub(crate) fn small(warehouses: u16) -> Scale {
    Scale::fraction(warehouses, 0.0)
}

/// Loads a population into `engine`.
pub(crate) fn load_into(engine: &Engine, scale: Scale, durable: bool) -> Database {
    let options = LoadOptions { scale, threads: 2, seed: 1, durable };
    load(engine, options, &AtomicBool::new(false), &mut Progress::hidden()).expect("the load succeeds")
}

/// Options under the deterministic mode, with the workload's procedures.
#[allow(dead_code, reason = "not every test needs them")]
pub(crate) fn deterministic() -> Options {
    synod_bench::register(Options::new().mode(Mode::Deterministic))
}

/// A loaded database in memory.
pub(crate) fn in_memory(scale: Scale) -> Database {
    let engine = Engine::in_memory(Options::new()).expect("an engine in memory");
    load_into(&engine, scale, false)
}
