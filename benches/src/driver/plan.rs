//! What is to be compared, and how.

use crate::error::{Error, Result};
use crate::peers::Peer;
use crate::target::{OpenOptions, SynodTarget, Target, name_of};
use crate::workload::Workload;
use std::path::PathBuf;
use std::time::Duration;
use synod::{Durability, Isolation, Mode};

/// The most threads of a run.
pub const THREADS_MAX: usize = 1_024;
/// The least and the most transactions a second of an open loop.
pub const RATE_MIN: f64 = 0.01;
/// See [`RATE_MIN`].
pub const RATE_MAX: f64 = 1e9;

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
        } else if self.rate.is_some_and(|rate| !(RATE_MIN..=RATE_MAX).contains(&rate)) {
            format!("the rate must be {RATE_MIN} to {RATE_MAX} a second")
        } else if self.points.iter().any(|point| point.workload.rows() != self.points[0].workload.rows()) {
            "all points need the same data".to_string()
        } else if let Some(twice) = self.twice() {
            format!("{twice} is there twice")
        } else {
            return Ok(());
        };
        Err(Error::Settings(problem))
    }

    /// A name that two have.
    fn twice(&self) -> Option<&str> {
        let mut names = std::collections::BTreeSet::new();
        self.contestants.iter().map(|contestant| &contestant.name[..]).find(|name| !names.insert(*name))
    }

    /// How many runs there are.
    pub fn runs(&self) -> u64 {
        self.points.len() as u64 * self.contestants.len() as u64 * u64::from(self.repetitions)
    }

    /// How long they take, without the waits for a quiet process between them, and the checks of the rules.
    pub fn estimate(&self) -> Duration {
        // Seconds as numbers: a long plan may not fit a duration.
        let seconds = self.runs() as f64 * (self.warmup.as_secs_f64() + self.duration.as_secs_f64());
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }

    /// The most threads of any run.
    pub(super) fn threads(&self) -> usize {
        self.points.iter().map(|point| point.threads).max().unwrap_or(1)
    }
}
