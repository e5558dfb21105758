//! The deterministic mode as a protocol: it has no transactions that read and write as they go.

use crate::protocol::{ActiveTransaction, BeginOptions, Protocol};
use crate::{Error, Mode, Result};

/// The deterministic mode. Its transactions are procedures, which whoever has the log hands to a
/// [`Scheduler`](super::Scheduler); all else is answered with an error.
#[derive(Clone, Copy, Debug, Default)]
pub struct Deterministic;

impl Protocol for Deterministic {
    fn mode(&self) -> Mode {
        Mode::Deterministic
    }

    fn begin(&self, options: &BeginOptions) -> Result<Box<dyn ActiveTransaction>> {
        self.mode().check(options.isolation)?;
        Err(Error::NeedsProcedure)
    }
}
