//! The sequencer: puts requests into epochs, and so decides their order.
//!
//! **The problem.** If every replica, and every replay, runs the same transactions as if in the same order, all
//! come to the same state, and none has to ask another whether it may commit. So somebody has to say which
//! transactions there are and what their order is, before they run. Saying it for each by itself would cost a
//! round of the log each.
//!
//! **The idea** (Thomson et al., "Calvin", SIGMOD 2012, section 3.1): time is cut into epochs of 10 ms. What
//! arrives during an epoch is one batch, which goes into the log as a whole; the order within is that of arrival.
//!
//! ```text
//! arrivals   a   b     c       │  d                 │        (none)     │ e  f …
//! epoch      └── 7 ────────────┘  └── 8 ────────────┘                   └─ 9
//! timestamps 100 104   110        121                                   230 233
//! ```
//!
//! **What is added here.** A request has its place, and its timestamp, as soon as it comes, so it can be executed while
//! its epoch is still open; only the log has to wait for the end. A client that asks for its answer to be durable would
//! wait for it every time, though nobody else is there to share it with. So an epoch ends
//!
//! - as soon as somebody makes the log durable, whoever asks for that;
//! - when it is full: more would share nothing that isn't shared already, and wait longer;
//! - when it is an interval old, or the clock has stepped back by as much, since nobody knows then how old it is.
//!
//! An epoch begins with its first request: one without any would say nothing.
//!
//! **Timestamps** follow the order: a request has that of its coming, or of the nanosecond after the one before it, if
//! that is later.
//!
//! **A bound.** Requests that were submitted and haven't finished are counted; beyond a limit new ones are refused,
//! so that a queue that grows faster than it is worked off shows at its entrance.
//!
//! Left out: several sequencers, each with a part of every epoch, as Calvin has them.

use std::time::Duration;

use synod_storage::Timestamp;

use crate::Overloaded;

/// The longest interval, in nanoseconds: so the time from one request of an epoch to the next takes at most 32 bits.
pub const EPOCH_NS_MAX: u64 = u32::MAX as u64;

/// How requests are put into epochs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long an epoch stays open at most, as far as requests come; more than [`EPOCH_NS_MAX`] is taken for that.
    pub epoch_interval: Duration,
    /// How many requests make an epoch full.
    pub epoch_requests_max: usize,
    /// How many bytes of requests make an epoch full. It gets longer than that by at most one request.
    pub epoch_bytes_max: usize,
    /// How many requests may be in flight.
    pub in_flight_max: usize,
}

impl Default for Settings {
    /// 10 ms, as in Calvin; 1,000 requests, because what an epoch costs by itself (a frame: some
    /// hundred nanoseconds) is nothing beside so many; 8 MiB, which a disk takes in a few milliseconds; and 65,536
    /// in flight, about a second's work.
    fn default() -> Self {
        Settings {
            epoch_interval: Duration::from_millis(10),
            epoch_requests_max: 1_000,
            epoch_bytes_max: 8 << 20,
            in_flight_max: 65_536,
        }
    }
}

/// The place of a request in the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The number of its epoch.
    pub epoch: u64,
    /// How many of the epoch come before it.
    pub index: u32,
    /// Its timestamp.
    pub at: Timestamp,
}

/// An epoch that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epoch {
    /// Its number; each is one above that of the epoch before.
    pub number: u64,
    /// How many requests it has: at least one.
    pub requests: u32,
    /// The timestamp of the last of them.
    pub last: Timestamp,
}

/// Puts requests into epochs. Has no clock and no thread: whoever calls it says what time it is, in nanoseconds
/// since the Unix epoch, and does what it decides.
///
/// Before each [`submit`](Sequencer::submit) and [`readmit`](Sequencer::readmit) [`tick`](Sequencer::tick) is to be
/// called, with the same time; and [`end_epoch`](Sequencer::end_epoch) whenever the log is to have all that has come.
///
/// ```
/// use synod_sequencer::{Epoch, Place, Sequencer, Settings};
/// use synod_storage::Timestamp;
///
/// let mut sequencer = Sequencer::new(Settings::default(), 1, Timestamp(0));
/// assert_eq!(sequencer.submit(20, 1_000)?, Place { epoch: 1, index: 0, at: Timestamp(1_000) });
/// assert!(sequencer.tick(2_000).is_none(), "there may be more to come");
/// assert_eq!(sequencer.submit(20, 2_000)?, Place { epoch: 1, index: 1, at: Timestamp(2_000) });
/// let epoch = sequencer.end_epoch();
/// assert_eq!(epoch, Some(Epoch { number: 1, requests: 2, last: Timestamp(2_000) }));
/// # (0..2).for_each(|_| sequencer.finished());
/// # Ok::<(), synod_sequencer::Overloaded>(())
/// ```
///
/// **Invariant** Each place is given once; their order is that of the calls, and so is that of their timestamps, whatever
/// the clock does. Epochs follow each other, and none is empty.
#[derive(Debug)]
pub struct Sequencer {
    settings: Settings,
    /// The number of the open epoch, or of the next one.
    epoch: u64,
    /// How many requests it has.
    requests: u32,
    /// How many bytes they have.
    bytes: usize,
    /// When the first of them came.
    since_ns: u64,
    last: Timestamp,
    in_flight: usize,
}

impl Sequencer {
    /// A sequencer whose first epoch has the number `next_epoch` and timestamps above `last`.
    pub fn new(settings: Settings, next_epoch: u64, last: Timestamp) -> Self {
        Sequencer { settings, epoch: next_epoch, requests: 0, bytes: 0, since_ns: 0, last, in_flight: 0 }
    }

    /// Whether a request would be taken now, for those who want to know before they prepare one.
    ///
    /// # Errors
    /// [`Overloaded`] if not.
    pub fn admit(&self) -> Result<(), Overloaded> {
        let (in_flight, limit) = (self.in_flight, self.settings.in_flight_max);
        if in_flight < limit { Ok(()) } else { Err(Overloaded { in_flight, limit }) }
    }

    /// Gives a request of so many bytes its place, behind all others. Costs a few instructions.
    ///
    /// # Errors
    /// [`Overloaded`] if as many as allowed are in flight.
    ///
    /// # Panics
    /// As [`Sequencer::next_timestamp`].
    pub fn submit(&mut self, bytes: usize, now_ns: u64) -> Result<Place, Overloaded> {
        self.admit()?;
        self.in_flight += 1;
        Ok(self.place(bytes, now_ns))
    }

    /// Gives a request another place that couldn't be executed in the one it had. It is never refused, and counts as one
    /// request in flight still.
    ///
    /// # Panics
    /// If there can't be such a request. As [`Sequencer::next_timestamp`].
    pub fn readmit(&mut self, bytes: usize, now_ns: u64) -> Place {
        assert!(self.in_flight > 0, "a request is readmitted that isn't in flight");
        self.place(bytes, now_ns)
    }

    fn place(&mut self, bytes: usize, now_ns: u64) -> Place {
        let at = self.next_timestamp(now_ns);
        if self.requests == 0 {
            self.since_ns = now_ns;
        }
        let place = Place { epoch: self.epoch, index: self.requests, at };
        self.requests += 1;
        self.bytes += bytes;
        self.last = at;
        place
    }

    /// The timestamp that a request gets which comes now.
    ///
    /// # Panics
    /// If the clock shows a time, or so many timestamps have been given out, that none is left before [`Timestamp::MAX`],
    /// which is in the year 2116.
    #[inline]
    pub fn next_timestamp(&self, now_ns: u64) -> Timestamp {
        let at = Timestamp(now_ns.max(self.last.0 + 1));
        assert!(at < Timestamp::MAX, "timestamps have run out");
        at
    }

    /// Whether the open epoch is to end.
    fn is_due(&self, now_ns: u64) -> bool {
        let interval_ns = u64::try_from(self.settings.epoch_interval.as_nanos()).unwrap_or(u64::MAX);
        let is_full = self.requests as usize >= self.settings.epoch_requests_max
            || self.bytes >= self.settings.epoch_bytes_max
            || self.requests == u32::MAX;
        // Those who come at the same time may say so in either order.
        let is_old = now_ns.abs_diff(self.since_ns) >= interval_ns.min(EPOCH_NS_MAX);
        self.requests > 0 && (is_full || is_old)
    }

    /// Ends the open epoch, if it is full, or old.
    pub fn tick(&mut self, now_ns: u64) -> Option<Epoch> {
        if self.is_due(now_ns) { self.end_epoch() } else { None }
    }

    /// Ends the open epoch, if anything is in it.
    pub fn end_epoch(&mut self) -> Option<Epoch> {
        let epoch = Epoch { number: self.epoch, requests: self.requests, last: self.last };
        if epoch.requests == 0 {
            return None;
        }
        self.epoch += 1;
        (self.requests, self.bytes) = (0, 0);
        Some(epoch)
    }

    /// A request has come to its end, and is in flight no more.
    ///
    /// # Panics
    /// If none was in flight.
    pub fn finished(&mut self) {
        assert!(self.in_flight > 0, "a request has finished that wasn't in flight");
        self.in_flight -= 1;
    }

    /// Makes all timestamps to come greater than `timestamp`, which somebody else has used. No epoch is open.
    ///
    /// # Panics
    /// If one is.
    pub fn skip_to(&mut self, timestamp: Timestamp) {
        assert_eq!(self.requests, 0, "timestamps are skipped between epochs");
        self.last = self.last.max(timestamp);
    }

    /// How many requests were submitted and haven't finished.
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }
}
