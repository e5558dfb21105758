//! Runs workloads on targets, and says what came of it.

pub mod report;
