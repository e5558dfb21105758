//! How a transaction's work can end early.

use crate::error::Error;

/// Why the work of a transaction stopped before its commit.
#[derive(Debug)]
pub enum Failure {
    /// The terminal entered an item that doesn't exist: New-Order must roll back (clause 2.4.2.3). This is
    /// part of the workload and counts as completed.
    UnusedItem,
    /// Anything else. Aborts by the engine pass through here too, and the engine retries them.
    Error(Error),
}

impl From<synod::Error> for Failure {
    fn from(error: synod::Error) -> Self {
        Failure::Error(Error::Engine(error))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Error(error)
    }
}
