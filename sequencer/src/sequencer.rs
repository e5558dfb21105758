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
//! arrivals   a b   c       │ d                 │        (none)     │ e f …
//! epoch      └── 7 ────────┘ └── 8 ────────────┘                   └── 9
//! timestamps 100 101 102     103                                   230 231
//! ```
//!
//! **What is added here.** A client that waits for each answer before it asks again would wait for the epoch's end
//! every time, though nobody else is there to share it with. So an epoch is also closed
//!
//! - as soon as those who execute have nothing to do: a lone client's request is an epoch by itself at once, and
//!   under load, when there is always something to do, epochs grow by themselves;
//! - when it is full: more would share nothing that isn't shared already, and wait longer;
//! - when the clock has stepped back, since nobody knows then how old it is.
//!
//! An epoch without requests is never closed: it would say nothing.
//!
//! **Timestamps** follow the order: those of an epoch are consecutive nanoseconds from the time of its closing on,
//! later if earlier ones have reached that far.
//!
//! **A bound.** Requests that were submitted and haven't finished are counted; beyond a limit new ones are refused,
//! so that a queue that grows faster than it is worked off shows at its entrance.
//!
//! Left out: several sequencers, each with a part of every epoch, as Calvin has them.

use std::time::Duration;

use synod_storage::Timestamp;

use crate::Overloaded;

/// How requests are put into epochs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long an epoch stays open at most, once a request is in it.
    pub epoch_interval: Duration,
    /// How many requests make an epoch full.
    pub epoch_requests_max: usize,
    /// How many bytes of requests make an epoch full. It gets longer than that by at most one request.
    pub epoch_bytes_max: usize,
    /// How many requests may be in flight.
    pub in_flight_max: usize,
}

impl Default for Settings {
    /// 10 ms, as in Calvin; 1,000 requests, because what an epoch costs by itself (a frame, a hand-over, a wake-up:
    /// some microseconds) is little beside so many; 8 MiB, which a disk takes in a few milliseconds; and 65,536
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

/// A closed epoch: at least one request, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Epoch<R> {
    /// Its number; each is one above that of the epoch before.
    pub number: u64,
    /// The timestamp of the first request. The next one has the next nanosecond, and so on.
    pub first: Timestamp,
    /// The requests, in the order in which they take effect.
    pub requests: Vec<R>,
}

impl<R> Epoch<R> {
    /// The timestamp of the last request.
    pub fn last(&self) -> Timestamp {
        Timestamp(self.first.0 + self.requests.len() as u64 - 1)
    }
}

/// Puts requests into epochs. Has no clock and no thread: whoever calls it says what time it is, in nanoseconds
/// since the Unix epoch, and does what it decides.
///
/// After each [`submit`](Sequencer::submit) and [`readmit`](Sequencer::readmit), whenever those who execute run out
/// of work, and at [`due_ns`](Sequencer::due_ns), [`tick`](Sequencer::tick) is to be called:
///
/// ```
/// use synod_sequencer::{Sequencer, Settings};
/// use synod_storage::Timestamp;
///
/// let mut sequencer = Sequencer::new(Settings::default(), 1, Timestamp(0));
/// sequencer.submit("transfer", 20, 1_000).map_err(|(_, refused)| refused)?;
/// assert!(sequencer.tick(1_000, false).is_none(), "there may be more to come");
/// let epoch = sequencer.tick(2_000, true).expect("nothing else is to be done");
/// assert_eq!((epoch.number, epoch.first, epoch.requests), (1, Timestamp(2_000), vec!["transfer"]));
/// # sequencer.finished(1);
/// # Ok::<(), synod_sequencer::Overloaded>(())
/// ```
///
/// **Invariant** Each request is in exactly one epoch for each time it was submitted or readmitted, and the order of
/// all is that of these calls. Timestamps increase from one request to the next, whatever the clock does.
#[derive(Debug)]
pub struct Sequencer<R> {
    settings: Settings,
    /// The requests of the epoch that is open.
    open: Vec<R>,
    /// Memory for those of the next one.
    spare: Vec<R>,
    /// The bytes of those in `open`.
    open_bytes: usize,
    /// When the first of them came.
    open_since_ns: u64,
    next_epoch: u64,
    last: Timestamp,
    in_flight: usize,
}

impl<R> Sequencer<R> {
    /// A sequencer whose first epoch has the number `next_epoch` and timestamps above `last`.
    pub fn new(settings: Settings, next_epoch: u64, last: Timestamp) -> Self {
        Sequencer {
            settings,
            open: Vec::new(),
            spare: Vec::new(),
            open_bytes: 0,
            open_since_ns: 0,
            next_epoch,
            last,
            in_flight: 0,
        }
    }

    /// Whether a request would be taken now, for those who want to know before they prepare one.
    ///
    /// # Errors
    /// [`Overloaded`] if not.
    pub fn admit(&self) -> Result<(), Overloaded> {
        let (in_flight, limit) = (self.in_flight, self.settings.in_flight_max);
        if in_flight < limit { Ok(()) } else { Err(Overloaded { in_flight, limit }) }
    }

    /// Puts a request of so many bytes into the open epoch, behind all others. Costs a push onto a vector.
    ///
    /// # Errors
    /// [`Overloaded`], with the request, if as many as allowed are in flight.
    pub fn submit(&mut self, request: R, bytes: usize, now_ns: u64) -> Result<(), (R, Overloaded)> {
        if let Err(refused) = self.admit() {
            return Err((request, refused));
        }
        self.in_flight += 1;
        self.push(request, bytes, now_ns);
        Ok(())
    }

    /// Puts a request into the open epoch that was in an earlier one, and hasn't finished, since it could not be
    /// executed there. It is never refused, and counts as one request in flight still.
    ///
    /// # Panics
    /// If there can't be such a request.
    pub fn readmit(&mut self, request: R, bytes: usize, now_ns: u64) {
        assert!(self.in_flight > self.open.len(), "a request is readmitted that isn't in flight");
        self.push(request, bytes, now_ns);
    }

    fn push(&mut self, request: R, bytes: usize, now_ns: u64) {
        if self.open.is_empty() {
            self.open_since_ns = now_ns;
        }
        self.open.push(request);
        self.open_bytes += bytes;
    }

    /// Whether the open epoch is to be closed.
    pub fn is_due(&self, now_ns: u64, workers_are_idle: bool) -> bool {
        let is_full = self.open.len() >= self.settings.epoch_requests_max
            || self.open_bytes >= self.settings.epoch_bytes_max;
        let is_old = self.due_ns().is_some_and(|due_ns| now_ns >= due_ns) || now_ns < self.open_since_ns;
        !self.open.is_empty() && (workers_are_idle || is_full || is_old)
    }

    /// When the open epoch is to be closed at the latest; `None` while there is nothing in it.
    pub fn due_ns(&self) -> Option<u64> {
        let interval_ns = u64::try_from(self.settings.epoch_interval.as_nanos()).unwrap_or(u64::MAX);
        (!self.open.is_empty()).then(|| self.open_since_ns.saturating_add(interval_ns))
    }

    /// Closes the open epoch, if [it is due](Sequencer::is_due).
    ///
    /// # Panics
    /// If the clock shows a time, or so many timestamps have been given out, that there is no room before
    /// [`Timestamp::MAX`], which is in the year 2116.
    pub fn tick(&mut self, now_ns: u64, workers_are_idle: bool) -> Option<Epoch<R>> {
        if !self.is_due(now_ns, workers_are_idle) {
            return None;
        }
        let next = std::mem::take(&mut self.spare);
        let requests = std::mem::replace(&mut self.open, next);
        self.open_bytes = 0;
        let first = now_ns.max(self.last.0 + 1);
        assert!(first < Timestamp::MAX.0 - requests.len() as u64, "timestamps have run out");
        let epoch = Epoch { number: self.next_epoch, first: Timestamp(first), requests };
        self.next_epoch += 1;
        self.last = epoch.last();
        Some(epoch)
    }

    /// Takes back the memory of an epoch's requests, for those of another one.
    pub fn reuse(&mut self, mut requests: Vec<R>) {
        requests.clear();
        self.spare = requests;
    }

    /// So many requests of closed epochs have come to their end, and are in flight no more.
    ///
    /// # Panics
    /// If there aren't so many.
    pub fn finished(&mut self, requests: usize) {
        let closed = self.in_flight - self.open.len();
        assert!(requests <= closed, "{requests} requests have finished, but {closed} were being executed");
        self.in_flight -= requests;
    }

    /// Makes all timestamps to come greater than `timestamp`, which somebody else has used. The open epoch comes
    /// behind it.
    pub fn skip_to(&mut self, timestamp: Timestamp) {
        self.last = self.last.max(timestamp);
    }

    /// How many requests were submitted and haven't finished.
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// How many requests are in the open epoch.
    pub fn open_requests(&self) -> usize {
        self.open.len()
    }

    /// The last timestamp that was given out, or [skipped](Sequencer::skip_to).
    pub fn last(&self) -> Timestamp {
        self.last
    }

    /// The number of the open epoch.
    pub fn next_epoch(&self) -> u64 {
        self.next_epoch
    }
}
