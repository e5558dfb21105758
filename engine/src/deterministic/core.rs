//! What decides: the sequencer and the scheduler, joined.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

use synod_sequencer::{BatchEncoder, Epoch, Log, Place, RequestRef, Sequencer, Settings};
use synod_storage::Timestamp;
use synod_txn::{Footprint, Scheduler, Sequence, Store};

use super::prefix::Prefix;
use super::{SequencingOptions, SequencingStats};
use crate::Result;
use crate::history::Recording;
use crate::procedure::{AnyJob, Position, Verdict};

/// How many transactions are looked at together, for each worker, to find some that can run at the same time. Where
/// most conflict, more are of little use; those with ranges are each compared with all others.
const WINDOW_PER_WORKER: usize = 16;

/// So many transactions are found ready ahead of each worker, if there are so many.
const READY_PER_WORKER: usize = 2;

/// A procedure on its way through the order.
#[derive(Clone)]
pub(crate) struct Scheduled {
    pub(crate) footprint: Arc<Footprint>,
    pub(crate) job: Arc<dyn AnyJob>,
    /// How often its footprint was found out; 0 if it was declared.
    pub(crate) reconnaissances: u32,
    /// Whether it comes out of a log, so that nobody waits for its answer.
    pub(crate) is_replayed: bool,
    pub(crate) position: Position,
}

impl Scheduled {
    /// Whether it hasn't been in the order before.
    pub(crate) fn is_new(&self) -> bool {
        self.reconnaissances <= 1
    }
}

impl AsRef<Footprint> for Placed {
    fn as_ref(&self) -> &Footprint {
        &self.scheduled.footprint
    }
}

/// A procedure in its place.
#[derive(Clone)]
pub(crate) struct Placed {
    pub(crate) at: Timestamp,
    pub(crate) scheduled: Scheduled,
}

/// A transaction that may run now.
pub(crate) struct Runnable {
    pub(crate) sequence: Sequence,
    pub(crate) place: Placed,
}

impl Runnable {
    pub(crate) fn footprint(&self) -> &Arc<Footprint> {
        &self.place.scheduled.footprint
    }
}

/// What became of a transaction that has run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Ended(Verdict),
    /// Its footprint was found out on a snapshot, and has changed since: it had no effect.
    Moved,
}

/// A transaction that has run.
pub(crate) struct Finished {
    pub(crate) runnable: Runnable,
    pub(crate) outcome: Outcome,
    /// By how much it has changed the state's hash.
    pub(crate) hash_change: u64,
    /// The hash of its answer, if anybody asks.
    pub(crate) answer_hash: u64,
    /// What is recorded of it. It ends when snapshots include it, and before it is answered.
    pub(crate) recording: Option<Box<Recording>>,
}

/// The sequencer and the scheduler.
pub(crate) struct Core {
    settings: Settings,
    sequencer: Sequencer,
    encoder: BatchEncoder,
    /// `None` for an engine in memory.
    log: Option<Arc<dyn Log>>,
    /// Behind the scheduler's window.
    arrived: VecDeque<Placed>,
    scheduler: Scheduler<Placed, u64>,
    prefix: Prefix,
    /// The number of the last epoch that came out of a log.
    last_epoch: u64,
    /// How many threads are running transactions.
    active: usize,
    /// Those who wait for an answer, and could run something.
    sleepers: Vec<Waker>,
    /// To be woken as soon as nothing is locked.
    served: Vec<Waker>,
    pauses: usize,
    /// The engine is being dropped.
    is_over: bool,
    /// The sum of the hashes of all answers, if anybody asks.
    answers_hash: u64,
    stats: SequencingStats,
}

impl Core {
    pub(crate) fn new(
        options: &SequencingOptions,
        log: Option<Arc<dyn Log>>,
        (epoch, newest): (u64, Timestamp),
    ) -> Self {
        Core {
            settings: options.epochs.clone(),
            sequencer: Sequencer::new(options.epochs.clone(), epoch + 1, newest),
            encoder: BatchEncoder::new(),
            log,
            arrived: VecDeque::new(),
            scheduler: Scheduler::new(WINDOW_PER_WORKER * options.workers.max(2)),
            prefix: Prefix::new(options.hashes_state, (epoch, newest)),
            last_epoch: epoch,
            active: 0,
            sleepers: Vec::new(),
            served: Vec::new(),
            pauses: 0,
            is_over: false,
            answers_hash: 0,
            stats: SequencingStats::default(),
        }
    }

    /// How far the order has been executed.
    pub(crate) fn prefix(&mut self) -> &mut Prefix {
        &mut self.prefix
    }

    /// Goes on behind what was replayed, up to `newest`.
    pub(crate) fn end_replay(&mut self, newest: Timestamp) {
        self.sequencer = Sequencer::new(self.settings.clone(), self.last_epoch + 1, newest);
    }

    /// Gives a procedure its place in the order, where it can be run. `arguments` are as the log has them, if there is a log.
    ///
    /// # Errors
    /// [`Error::Overloaded`] if it is new and too many are in flight; if it doesn't fit into the log.
    pub(crate) fn submit(
        &mut self,
        mut scheduled: Scheduled,
        arguments: &[u8],
        now: Timestamp,
        store: &Store,
    ) -> Result<()> {
        let is_new = scheduled.is_new();
        if is_new {
            self.sequencer.admit()?;
        }
        let ended = self.sequencer.tick(now.0);
        self.close(ended, store)?;
        let bytes = self.encode(&scheduled, arguments, self.sequencer.next_timestamp(now.0))?;
        let Place { epoch, index, at } = match is_new {
            true => self.sequencer.submit(bytes, now.0)?,
            false => self.sequencer.readmit(bytes, now.0),
        };
        if index == 0 {
            store.begin_batch(at);
            self.prefix.begin(epoch, at);
        }
        scheduled.position = Position { epoch, index };
        self.arrived.push_back(Placed { at, scheduled });
        Ok(())
    }

    /// Adds a request to the batch of the open epoch, if there is a log. Returns how long it is.
    fn encode(&mut self, scheduled: &Scheduled, arguments: &[u8], at: Timestamp) -> Result<usize> {
        if self.log.is_none() {
            return Ok(0);
        }
        let mut footprint = None;
        if scheduled.reconnaissances > 0 {
            let mut found = Vec::new();
            scheduled.footprint.encode(&mut found);
            footprint = Some(found);
        }
        let (procedure, version) = (scheduled.job.name(), scheduled.job.version());
        let request = RequestRef { procedure, version, arguments, footprint: footprint.as_deref() };
        Ok(self.encoder.push(at, &request)?)
    }

    /// A request that was in flight isn't any more: it can't be put in again.
    pub(crate) fn give_up(&mut self) {
        self.sequencer.finished();
    }

    /// Ends the open epoch, if anything is in it, and appends it to the log, if there is one.
    ///
    /// # Errors
    /// If the log has failed. Nothing of the epoch survives then, although some of it may have run.
    pub(crate) fn end_epoch(&mut self, store: &Store) -> Result<()> {
        let ended = self.sequencer.end_epoch();
        self.close(ended, store)
    }

    /// Appends an epoch to the log, if one has ended.
    fn close(&mut self, ended: Option<Epoch>, store: &Store) -> Result<()> {
        let Some(epoch) = ended else { return Ok(()) };
        self.stats.epochs += 1;
        if let Some(log) = &self.log {
            let batch = self.encoder.finish(epoch.number, self.prefix.newest_state());
            let appended = log.append(epoch.last, batch);
            self.encoder.begin();
            appended?;
        }
        self.prefix.end(epoch.last, store);
        Ok(())
    }

    /// Takes in an epoch out of a log.
    pub(crate) fn take_logged(&mut self, number: u64, last: Timestamp, places: Vec<Placed>, store: &Store) {
        self.last_epoch = number;
        let Some(first) = places.first().map(|place| place.at) else { return };
        self.prefix.begin(number, first);
        self.prefix.end(last, store);
        self.arrived.extend(places);
    }

    /// How many have their place, and haven't run or wait for others to.
    pub(crate) fn backlog(&self) -> usize {
        self.arrived.len() + self.scheduler.window()
    }

    /// Whether a thread may be let in to run transactions: not enough are at it.
    pub(crate) fn may_enter(&self, workers: usize) -> bool {
        self.active < workers
    }

    /// Lets a thread run transactions, unless enough are at it.
    pub(crate) fn enter(&mut self, workers: usize) -> bool {
        let may = self.may_enter(workers);
        self.active += usize::from(may);
        may
    }

    /// A thread that was let in has gone. Returns whom to wake, if there is more to do than others will.
    pub(crate) fn leave(&mut self) -> Leftover {
        self.active -= 1;
        self.leftover()
    }

    /// Whom to wake, if there is more to do than others will.
    pub(crate) fn leftover(&mut self) -> Leftover {
        match (self.has_work(), self.sleepers.pop()) {
            (false, sleeper) => {
                self.sleepers.extend(sleeper);
                Leftover::Nothing
            }
            (true, Some(sleeper)) => Leftover::For(sleeper),
            (true, None) => Leftover::ForAnyone,
        }
    }

    /// Whether there is something to run, or may be as soon as somebody asks.
    pub(crate) fn has_work(&self) -> bool {
        self.scheduler.ready() > 0 || self.scheduler.has_room() && !self.arrived.is_empty()
    }

    /// Takes the next transaction that can run; none if there isn't any at the moment. One at a time: whoever waits for it
    /// is ready the sooner.
    pub(crate) fn take(&mut self) -> Option<Runnable> {
        // Enough for everybody who is at work: only what is looked at can be found ready.
        while self.scheduler.ready() < READY_PER_WORKER * self.active && self.scheduler.has_room() {
            let Some(place) = self.arrived.pop_front() else { break };
            self.scheduler.admit(place.at, place);
        }
        self.scheduler.next_ready().map(|(sequence, place)| Runnable { sequence, place })
    }

    /// Takes note of a transaction that has run. Returns whether those have to be told who wait for an epoch's end.
    pub(crate) fn finish(&mut self, finished: &Finished, store: &Store) -> bool {
        let was_held = self.prefix.is_held();
        let prefix = &mut self.prefix;
        self.scheduler.finish(finished.runnable.sequence, finished.hash_change, |at, change| {
            prefix.advance(at, change, store);
        });
        // Before anyone is told that something has run.
        store.oracle().observe(prefix.visible());
        let is_held = prefix.is_held();
        // One that has moved is in flight until it has been put in again.
        if finished.outcome != Outcome::Moved && !finished.runnable.place.scheduled.is_replayed {
            self.sequencer.finished();
        }
        is_held && !was_held
    }

    /// Tells whoever waits what has become of a procedure.
    pub(crate) fn answer(&mut self, Finished { runnable, outcome, answer_hash, .. }: &Finished) {
        self.answers_hash = self.answers_hash.wrapping_add(*answer_hash);
        match outcome {
            Outcome::Ended(Verdict::Commit) => self.stats.committed += 1,
            Outcome::Ended(Verdict::Reject) => self.stats.rejected += 1,
            Outcome::Moved => {
                self.stats.restarted += 1;
                return;
            }
        }
        let Placed { at, scheduled } = &runnable.place;
        self.served.extend(scheduled.job.publish(*at));
    }

    /// Whom to wake once nothing is locked.
    pub(crate) fn take_served(&mut self) -> Vec<Waker> {
        std::mem::take(&mut self.served)
    }

    /// Whether a thread could run something if it were let in.
    pub(crate) fn could_run(&self, workers: usize) -> bool {
        self.may_enter(workers) && self.has_work()
    }

    pub(crate) fn add_sleeper(&mut self, sleeper: Waker) {
        self.sleepers.push(sleeper);
    }

    /// Whether it still slept, as far as is known here, and wasn't called to run something.
    pub(crate) fn remove_sleeper(&mut self, sleeper: &Waker) -> bool {
        let position = self.sleepers.iter().position(|other| other.will_wake(sleeper));
        position.map(|position| self.sleepers.remove(position)).is_some()
    }

    /// Whether nothing was submitted that hasn't run, or has to run again, or isn't visible yet.
    pub(crate) fn is_idle(&self) -> bool {
        // What comes out of a log isn't counted as in flight.
        self.backlog() == 0 && self.sequencer.in_flight() == 0 && !self.prefix.is_held()
    }

    /// The engine is being dropped: nobody runs anything any more.
    pub(crate) fn set_over(&mut self) {
        self.is_over = true;
    }

    pub(crate) fn is_over(&self) -> bool {
        self.is_over
    }

    pub(crate) fn pause(&mut self) {
        self.pauses += 1;
    }

    pub(crate) fn resume(&mut self) {
        self.pauses -= 1;
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.pauses > 0
    }

    /// No timestamp up to this one will be given out any more. Nothing is in flight.
    pub(crate) fn skip_to(&mut self, timestamp: Timestamp) {
        self.sequencer.skip_to(timestamp);
        self.prefix.skip_to(timestamp);
    }

    /// The hashes of the state, and of the answers.
    pub(crate) fn hashes(&self) -> (u64, u64) {
        (self.prefix.hash(), self.answers_hash)
    }

    pub(crate) fn stats(&self) -> SequencingStats {
        let newest_state = self.prefix.newest_state().map(|state| (state.epoch, state.hash));
        SequencingStats { newest_state, ..self.stats }
    }
}

/// What a thread leaves behind.
pub(crate) enum Leftover {
    Nothing,
    /// There is more to do, and somebody who waits could do it.
    For(Waker),
    /// There is more to do, and nobody sleeps who could do it.
    ForAnyone,
}
