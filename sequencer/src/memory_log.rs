//! A log in memory: for engines without files, and for tests, which decide what is durable and what a crash takes.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};
use synod_storage::Timestamp;

use crate::log::{Batches, Log, LoggedBatch};
use crate::{Error, Result};

/// A log in memory.
///
/// ```
/// use synod_sequencer::{Log, MemoryLog};
/// use synod_storage::Timestamp;
///
/// let log = MemoryLog::new();
/// log.append(Timestamp(10), b"first")?;
/// log.append(Timestamp(20), b"second")?;
/// log.make_durable(Timestamp(10));
/// let survives = log.crash();
/// let found: Vec<_> = survives.read_after(Timestamp::MIN)?.collect::<Result<_, _>>()?;
/// assert_eq!((found.len(), &found[0].body[..]), (1, &b"first"[..]));
/// # Ok::<(), synod_sequencer::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct MemoryLog {
    state: Mutex<State>,
    /// Rung when something has become durable, and when the log has failed.
    more: Condvar,
}

#[derive(Clone, Debug, Default)]
struct State {
    batches: VecDeque<(Timestamp, Arc<[u8]>)>,
    /// The timestamp of the last batch ever appended.
    last: Timestamp,
    /// The timestamp of the last batch that is durable.
    durable: Timestamp,
    /// The timestamp of the last batch that was truncated.
    oldest: Timestamp,
    /// Whether each batch is durable as soon as it is there.
    is_durable_at_once: bool,
    has_failed: bool,
}

impl State {
    fn check(&self) -> Result<()> {
        if self.has_failed { Err(Error::Failed) } else { Ok(()) }
    }

    fn check_reaches_back_to(&self, asked: Timestamp) -> Result<()> {
        let oldest = self.oldest;
        if asked < oldest { Err(Error::Gone { asked, oldest }) } else { Ok(()) }
    }

    /// The first durable batch after `after`.
    fn next_after(&self, after: Timestamp) -> Option<LoggedBatch> {
        let index = self.batches.partition_point(|(last, _)| *last <= after);
        let (last, body) = self.batches.get(index).filter(|(last, _)| *last <= self.durable)?;
        Some(LoggedBatch { last: *last, body: body.to_vec() })
    }
}

impl MemoryLog {
    /// An empty log, of which nothing is durable unless [`make_durable`](MemoryLog::make_durable) says so.
    pub fn new() -> Self {
        MemoryLog::default()
    }

    /// An empty log in which everything is durable at once, as far as memory goes: a record of what was executed.
    pub fn durable_at_once() -> Self {
        MemoryLog {
            state: Mutex::new(State { is_durable_at_once: true, ..State::default() }),
            ..Self::default()
        }
    }

    /// Makes all batches up to a timestamp durable that have been appended so far.
    pub fn make_durable(&self, up_to: Timestamp) {
        let mut state = self.state.lock();
        let batches = state.batches.partition_point(|(last, _)| *last <= up_to);
        let reached = batches.checked_sub(1).map_or(Timestamp::MIN, |index| state.batches[index].0);
        if !state.has_failed {
            state.durable = state.durable.max(reached);
            self.more.notify_all();
        }
    }

    /// The log that is found after a crash: it has what was durable. This one has failed from now on, and tells that
    /// to those who wait.
    pub fn crash(&self) -> MemoryLog {
        let mut state = self.state.lock();
        let mut found = State { has_failed: false, last: state.durable, ..state.clone() };
        found.batches.retain(|(last, _)| *last <= state.durable);
        state.has_failed = true;
        self.more.notify_all();
        MemoryLog { state: Mutex::new(found), more: Condvar::new() }
    }
}

impl Log for MemoryLog {
    fn append(&self, last: Timestamp, batch: &[u8]) -> Result<()> {
        let mut state = self.state.lock();
        state.check()?;
        if last <= state.last {
            return Err(Error::OutOfOrder { timestamp: last, last: state.last });
        }
        state.batches.push_back((last, batch.into()));
        state.last = last;
        if state.is_durable_at_once {
            state.durable = last;
            self.more.notify_all();
        }
        Ok(())
    }

    fn read_after(&self, after: Timestamp) -> Result<Batches<'_>> {
        self.state.lock().check_reaches_back_to(after)?;
        let mut position = after;
        Ok(Box::new(std::iter::from_fn(move || {
            let state = self.state.lock();
            if let Err(gone) = state.check_reaches_back_to(position) {
                return Some(Err(gone));
            }
            let batch = state.next_after(position)?;
            position = batch.last;
            Some(Ok(batch))
        })))
    }

    fn durable(&self) -> Timestamp {
        self.state.lock().durable
    }

    fn wait_durable(&self, timestamp: Timestamp) -> Result<()> {
        let mut state = self.state.lock();
        while state.durable < timestamp {
            state.check()?;
            self.more.wait(&mut state);
        }
        Ok(())
    }

    fn truncate(&self, before: Timestamp) -> Result<()> {
        let mut state = self.state.lock();
        let durable = state.durable;
        while let Some((last, _)) = state.batches.pop_front_if(|(last, _)| *last < before && *last <= durable)
        {
            state.oldest = last;
        }
        Ok(())
    }
}
