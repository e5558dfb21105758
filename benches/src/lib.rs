//! Workloads, drivers and reports for the Synod transaction engine.
//!
//! What stands here measures the engine and judges the answer: a workload knows which rules it must keep,
//! counts what it really did, and checks the data afterwards. Nothing prints: each workload returns a report
//! (all of them `serde::Serialize`), and the `synod` command shows it.
//!
//! | module | what it is for |
//! | --- | --- |
//! | [`tpcc`] | the order-entry workload of the TPC-C specification: load, run, consistency, audit |
//! | [`micro`] | single operations, as multiples of what the machine itself charges |
//! | [`garbage`] | memory under endless updates of few records |
//! | [`calibrate`] | what the machine charges: one tree look-up, one flush of the disk |
//! | [`history`], [`recording`] | what an engine has recorded, for the checker |
//! | [`workload`] | transactions as values, the data they work on, and the rules that must hold: YCSB, SmallBank, bank, TATP |
//! | [`target`], [`peers`] | what workloads run on: this engine, and others |
//! | [`driver`] | runs a workload on several targets in turn, and says what came of it |
//! | [`html`] | such a comparison as a page with charts |
//! | [`random`], [`zipf`] | seeded randomness |
//! | [`latency`], [`machine`], [`progress`] | measuring and showing |
//! | [`units`], [`moment`] | numbers and dates for people |

pub mod allocations;
pub mod calibrate;
pub mod checkpoints;
pub mod driver;
pub mod error;
pub mod garbage;
pub mod history;
pub mod html;
pub mod latency;
pub mod machine;
pub mod micro;
pub mod moment;
pub mod peers;
pub mod progress;
mod put_rows;
pub mod random;
pub mod recording;
pub mod target;
pub mod tpcc;
pub mod units;
pub mod workload;
pub mod zipf;

pub use error::{Error, Result};

/// Makes all procedures of these workloads known: without them, a database whose log has some can't be opened.
pub fn register(options: synod::Options) -> synod::Options {
    target::register(micro::register(tpcc::register(options))).procedure::<put_rows::PutRows>()
}
