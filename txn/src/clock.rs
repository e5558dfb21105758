//! Clocks: where timestamps come from.
//!
//! A clock doesn't say what time it is, but between which two instants true time lies (TrueTime; Corbett
//! et al., "Spanner", OSDI 2012, section 3). Whoever needs a timestamp that is surely not in the past
//! takes the latest bound.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// An interval that holds true time, in nanoseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// True time isn't before this.
    pub earliest: u64,
    /// True time isn't after this.
    pub latest: u64,
}

/// A source of time. It may step back; the [`Oracle`](crate::Oracle) above it never does.
pub trait Clock: Send + Sync {
    /// The interval that holds true time now.
    fn now(&self) -> Interval;
}

/// The operating system's clock, taken at its word: its intervals are single points. On one machine
/// that is enough; between machines it is not.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[inline]
    fn now(&self) -> Interval {
        // A system clock before 1970 counts as 1970: the oracle keeps timestamps increasing anyway.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64);
        Interval { earliest: now, latest: now }
    }
}

/// A clock that stands still until it is set, for tests. It can be set back.
#[derive(Debug, Default)]
pub struct ManualClock {
    now: AtomicU64,
    uncertainty: u64,
}

impl ManualClock {
    /// A clock that shows `now`, give or take `uncertainty`, both in nanoseconds.
    pub fn new(now: u64, uncertainty: u64) -> Self {
        ManualClock { now: AtomicU64::new(now), uncertainty }
    }

    /// Sets the time, forwards or back.
    pub fn set(&self, now: u64) {
        self.now.store(now, Ordering::SeqCst);
    }

    /// Moves the time forward.
    pub fn advance(&self, nanoseconds: u64) {
        self.now.fetch_add(nanoseconds, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Interval {
        let now = self.now.load(Ordering::SeqCst);
        Interval { earliest: now.saturating_sub(self.uncertainty), latest: now + self.uncertainty }
    }
}
