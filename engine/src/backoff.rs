//! How long to wait before work is tried again.
//!
//! A wait is random, up to a bound that doubles with each attempt ("full jitter": Brooker, "Exponential backoff and
//! jitter", AWS Architecture Blog 2015). The first bound is about the time that one attempt takes: those who have
//! collided are then spread over a time in which some of them get through, and nobody waits for much longer than the
//! work itself. Such a wait is far shorter than the system's shortest sleep, so it is spent awake:
//!
//! ```text
//! attempt      ▓▓▓✗      ▓▓▓✗            ▓▓▓✗                          ▓▓▓✓
//! wait up to      ├──┤      ├─────┤         ├───────────┤  …
//!                 awake, giving up the processor         asleep from a tenth of a millisecond on
//! ```

use std::time::{Duration, Instant};

use synod_storage::sync::spin;

/// What the first attempt is taken to have taken: nobody looked at the clock.
const ATTEMPT_ASSUMED: Duration = Duration::from_micros(4);

/// An attempt that takes longer than this doesn't make the waits any longer.
const ATTEMPT_MAX: Duration = Duration::from_millis(1);

/// The longest wait.
const WAIT_MAX: Duration = Duration::from_millis(10);

/// From here on a wait is a sleep.
const SLEEP_FROM: Duration = Duration::from_micros(100);

/// The waits between the attempts at one piece of work.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    attempts: u32,
    /// The time that the quickest attempt took, as far as it is known.
    attempt: Option<Duration>,
    /// When the last wait ended.
    resumed: Option<Instant>,
}

impl Backoff {
    /// Waits after an attempt that has failed.
    pub(crate) fn wait(&mut self) {
        self.attempts += 1;
        let now = Instant::now();
        if let Some(resumed) = self.resumed {
            let attempt = now - resumed;
            self.attempt = Some(self.attempt.map_or(attempt, |quickest| quickest.min(attempt)));
        }
        let wait = self.bound().mul_f64(random_fraction());
        if wait >= SLEEP_FROM {
            std::thread::sleep(wait);
        } else {
            (0..).take_while(|_| now.elapsed() < wait).for_each(spin);
        }
        self.resumed = Some(Instant::now());
    }

    /// The longest that the next wait may be.
    fn bound(&self) -> Duration {
        let attempt = self.attempt.unwrap_or(ATTEMPT_ASSUMED).min(ATTEMPT_MAX);
        attempt.saturating_mul(1 << self.attempts.min(16)).min(WAIT_MAX)
    }
}

/// A random number from 0 to 1: the standard library's hasher keys are random, and differ for each hasher.
fn random_fraction() -> f64 {
    use std::hash::{BuildHasher, RandomState};
    (RandomState::new().hash_one(0u8) >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(attempts: u32, attempt_us: u64) -> Duration {
        let attempt = Some(Duration::from_micros(attempt_us));
        Backoff { attempts, attempt, resumed: None }.bound()
    }

    #[test]
    fn waits_begin_with_the_time_of_an_attempt_and_double() {
        assert_eq!(bound(1, 5), Duration::from_micros(10));
        assert_eq!(bound(4, 5), Duration::from_micros(80));
        assert_eq!(bound(2, 500), Duration::from_millis(2));
    }

    #[test]
    fn waits_are_bounded() {
        assert_eq!(bound(u32::MAX, 5), WAIT_MAX);
        assert_eq!(bound(1, 60_000_000), ATTEMPT_MAX * 2);
    }

    #[test]
    fn what_an_attempt_takes_is_learnt_from_the_quickest() {
        let mut backoff = Backoff::default();
        backoff.wait();
        assert_eq!(backoff.attempt, None, "nobody looked at the clock");
        backoff.wait();
        let first = backoff.attempt.unwrap();
        backoff.wait();
        assert!(backoff.attempt.unwrap() <= first);
    }

    #[test]
    fn random_numbers_fill_the_range() {
        let drawn: Vec<f64> = (0..100).map(|_| random_fraction()).collect();
        assert!(drawn.iter().all(|fraction| (0.0..=1.0).contains(fraction)));
        assert!(
            drawn.iter().any(|fraction| *fraction > 0.75) && drawn.iter().any(|fraction| *fraction < 0.25)
        );
    }
}
