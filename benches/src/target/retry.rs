//! Trying again, for engines that leave it to their users.

use super::{Client, Outcome, Stop, Tally};
use crate::error::{Error, Result};
use crate::random::Random;
use crate::workload::{Answer, Job};
use std::time::Duration;

/// After so many attempts a job counts as stuck.
const ATTEMPTS_MAX: u32 = 100_000;
/// The longest wait before another attempt is below this times two to the power of [`DOUBLINGS_MAX`].
const FIRST_WAIT: Duration = Duration::from_micros(2);
const DOUBLINGS_MAX: u32 = 9;

/// Waits between attempts: random ones, up to twice as long each time, from 2 µs to a millisecond.
#[derive(Debug)]
pub struct Backoff {
    random: Random,
    attempts: u32,
}

impl Backoff {
    /// The waits of one job.
    pub fn new(seed: u64) -> Backoff {
        Backoff { random: Random::new(seed, 0), attempts: 0 }
    }

    /// Waits. Short waits keep the processor: a sleep takes 60 µs at least.
    pub fn wait(&mut self) {
        let longest = FIRST_WAIT.as_nanos() as u64 * (1 << self.attempts.min(DOUBLINGS_MAX));
        self.attempts += 1;
        let wait = Duration::from_nanos(self.random.below(longest));
        if wait > Duration::from_micros(100) {
            std::thread::sleep(wait);
            return;
        }
        let started = std::time::Instant::now();
        while started.elapsed() < wait {
            std::thread::yield_now();
        }
    }
}

/// Attempts `job` until it has committed, or is rejected, or fails.
pub(super) fn until_done<C: Client + ?Sized>(
    client: &mut C,
    job: &Job,
    tally: &mut Tally,
) -> Result<Outcome> {
    let only_reads = job.only_reads();
    let mut answer = Answer::default();
    let mut backoff: Option<Backoff> = None;
    for attempt in 0..ATTEMPTS_MAX {
        match client.attempt(only_reads, &mut |txn| job.run(txn).map(|answered| answer = answered)) {
            Ok(()) => return Ok(Outcome::Committed(answer)),
            Err(Stop::Rejected(_)) => return Ok(Outcome::Rejected),
            Err(Stop::Failed(error)) => return Err(error),
            Err(Stop::Conflict(reason)) => tally.count(reason),
        }
        let place = std::ptr::from_ref(tally) as u64;
        backoff.get_or_insert_with(|| Backoff::new(place ^ u64::from(attempt))).wait();
    }
    Err(Error::Settings(format!("a transaction was given up {ATTEMPTS_MAX} times in a row")))
}
