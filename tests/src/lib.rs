//! Whole-system tests of the Synod transaction engine: what several of them share.

pub mod campaign;
pub mod conformance;
pub mod crash;
pub mod deterministic;
pub mod false_aborts;
pub mod fuzz;
pub mod histories;
pub mod kill;
pub mod memory;
pub mod random;
pub mod sabotage;
