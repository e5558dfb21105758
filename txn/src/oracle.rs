//! The timestamp oracle: unique, increasing commit timestamps.
//!
//! One word holds the last timestamp given out. The next one is the clock's latest bound, or the last
//! one plus a nanosecond if that is later; so timestamps increase even where the clock stands still or
//! steps back, and one compare-and-swap a commit is all that committers share.

use std::sync::Arc;

use crossbeam_utils::CachePadded;
use synod_storage::Timestamp;
use synod_storage::sync::{AtomicU64, Ordering};

use crate::clock::Clock;

/// Gives out commit timestamps.
///
/// **Invariant** No timestamp is given out twice, and each is greater than all that were given out, or
/// [observed](Oracle::observe), before.
pub struct Oracle {
    last: CachePadded<AtomicU64>,
    clock: Arc<dyn Clock>,
}

impl Oracle {
    /// An oracle whose timestamps will all be greater than `last`: the newest that was recovered.
    pub fn new(clock: Arc<dyn Clock>, last: Timestamp) -> Self {
        Oracle { last: CachePadded::new(AtomicU64::new(last.0)), clock }
    }

    /// A new timestamp.
    ///
    /// SeqCst: whoever then reads [`Oracle::last`] and sees this timestamp also sees what its taker
    /// announced before taking it; the commit order, snapshots and the watermark rest on that.
    #[inline]
    pub fn next(&self) -> Timestamp {
        let now = self.clock.now().latest;
        let mut last = self.last.load(Ordering::Relaxed);
        loop {
            let next = now.max(last + 1);
            match self.last.compare_exchange_weak(last, next, Ordering::SeqCst, Ordering::Relaxed) {
                Ok(_) => return Timestamp(next),
                Err(found) => last = found,
            }
        }
    }

    /// The newest timestamp given out or observed.
    #[inline]
    pub fn last(&self) -> Timestamp {
        Timestamp(self.last.load(Ordering::SeqCst))
    }

    /// The latest bound of the clock, or the newest timestamp, whichever is later.
    pub fn now(&self) -> Timestamp {
        Timestamp(self.clock.now().latest).max(self.last())
    }

    /// Makes all later timestamps greater than `timestamp`.
    pub fn observe(&self, timestamp: Timestamp) {
        self.last.fetch_max(timestamp.0, Ordering::SeqCst);
    }
}

impl std::fmt::Debug for Oracle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Oracle").field("last", &self.last()).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use super::*;
    use crate::clock::{ManualClock, SystemClock};

    #[test]
    fn timestamps_follow_the_clock_and_never_step_back_with_it() {
        let clock = Arc::new(ManualClock::new(1_000, 10));
        let oracle = Oracle::new(clock.clone(), Timestamp(5));
        assert_eq!(oracle.next(), Timestamp(1_010));
        assert_eq!(oracle.next(), Timestamp(1_011));
        clock.set(500);
        assert_eq!(oracle.next(), Timestamp(1_012));
        clock.set(2_000);
        assert_eq!(oracle.next(), Timestamp(2_010));
    }

    #[test]
    fn recovered_timestamps_are_never_repeated() {
        let oracle = Oracle::new(Arc::new(ManualClock::new(0, 0)), Timestamp(77));
        assert_eq!(oracle.next(), Timestamp(78));
        oracle.observe(Timestamp(100));
        oracle.observe(Timestamp(90));
        assert_eq!(oracle.next(), Timestamp(101));
    }

    #[test]
    fn threads_never_share_a_timestamp() {
        let oracle = Oracle::new(Arc::new(SystemClock), Timestamp::MIN);
        let mut all: Vec<Timestamp> = std::thread::scope(|scope| {
            let take = || {
                let taken: Vec<_> = (0..10_000).map(|_| oracle.next()).collect();
                assert!(taken.is_sorted_by(|a, b| a < b));
                taken
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(take)).collect();
            threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
        });
        all.sort();
        assert!(all.is_sorted_by(|a, b| a < b), "duplicate timestamps");
    }
}
