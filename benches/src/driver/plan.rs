//! What is to be compared, and how.

use crate::error::{Error, Result};
use crate::peers::Peer;
use crate::target::{OpenOptions, SynodTarget, Target, name_of};
use crate::workload::Workload;
use std::path::PathBuf;
use std::time::Duration;
use synod::{Durability, Isolation, Mode};

/// The most threads of a run.
pub(super) const THREADS_MAX: usize = 1_024;

/// Opens a target.
pub type Open = Box<dyn Fn(&OpenOptions) -> Result<Box<dyn Target>>>;

/// One that takes part.
pub struct Contestant {
    /// Its name, unique among all.
    pub name: String,
    /// How it is opened.
    pub open: Open,
}

impl Contestant {
    /// This engine, in a mode, at a level.
    pub fn synod(mode: Mode, isolation: Isolation) -> Contestant {
        Contestant {
            name: name_of(mode, isolation),
            open: Box::new(move |options| Ok(Box::new(SynodTarget::open(mode, isolation, options)?))),
        }
    }

    /// Another engine.
    pub fn peer(peer: Peer) -> Contestant {
        Contestant { name: peer.to_string(), open: Box::new(move |options| peer.open(options)) }
    }
}

/// One point of a sweep, or the only one.
pub struct PlannedPoint {
    /// The value of what is varied; empty if nothing is.
    pub value: String,
    /// Threads that run transactions.
    pub threads: usize,
    /// What they run. All points of a plan begin with the same data.
    pub workload: Box<dyn Workload>,
}

/// A comparison.
pub struct Plan {
    /// The command that asked for it.
    pub command: String,
    /// What is varied, if anything is.
    pub sweep: Option<String>,
    /// At least one.
    pub points: Vec<PlannedPoint>,
    /// At least one.
    pub contestants: Vec<Contestant>,
    /// When a commit is done.
    pub durability: Durability,
    /// How long each run is measured.
    pub duration: Duration,
    /// How long each runs before that.
    pub warmup: Duration,
    /// How often each target runs at each point.
    pub repetitions: u32,
    /// How many transactions each thread has in flight.
    pub in_flight: usize,
    /// Transactions a second that are due, of all threads together; none for a closed loop.
    pub rate: Option<f64>,
    /// Where the databases go, each into a directory of its own.
    pub directory: PathBuf,
    /// What all inputs follow from.
    pub seed: u64,
}

impl Plan {
    pub(super) fn check(&self) -> Result<()> {
        let problem = if self.points.is_empty() || self.contestants.is_empty() || self.repetitions == 0 {
            "there is nothing to run".to_string()
        } else if self.points.iter().any(|point| point.threads == 0 || point.threads > THREADS_MAX) {
            format!("threads must be 1 to {THREADS_MAX}")
        } else if self.duration.is_zero() {
            "a run must last longer than no time".to_string()
        } else if self.rate.is_some_and(|rate| !(rate > 0.0 && rate <= 1e9)) {
            "the rate must be above 0, and up to a billion a second".to_string()
        } else {
            return Ok(());
        };
        Err(Error::Settings(problem))
    }

    /// The most threads of any run.
    pub(super) fn threads(&self) -> usize {
        self.points.iter().map(|point| point.threads).max().unwrap_or(1)
    }
}
