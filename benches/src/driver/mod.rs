//! Runs a workload on several targets, and says what came of it.
//!
//! ```text
//!   load every target, each with the same rows
//!   for each repetition
//!     for each point of the sweep
//!       for each target, another one first each time      ◄ so that a slow minute of the machine hits all alike
//!         wait until the process is quiet                  ◄ compactions and checkpoints of the others are over
//!         run: warm up, measure                            ◄ closed loop, or open loop at a given rate
//!         check every rule of the workload                 ◄ a run that breaks one has no figures
//! ```
//!
//! In a *closed loop* each thread is one client, which waits for its answer before it asks again. In an *open loop*
//! transactions are due at random moments, so many a second, whatever the engine does; a latency counts from the moment
//! at which its transaction was due, so that a stall is seen by all who would have come meanwhile (Tene's "coordinated
//! omission"). What is due and not answered when the run ends has no latency: a target that can't keep up is named.
//!
//! A target that has broken a rule runs no more. If one fails, the report has what was measured until then.

pub mod change;
mod contest;
pub mod csv;
pub mod figures;
mod live;
mod loaded;
mod pace;
mod plan;
pub mod report;
mod run;
pub mod summary;

pub use contest::contest;
pub use plan::{Contestant, Open, Plan, PlannedPoint, RATE_MAX, RATE_MIN, THREADS_MAX};
