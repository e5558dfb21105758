//! What decides: the sequencer and the scheduler, joined.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

use synod_sequencer::{BatchEncoder, BatchHeader, Log, RequestRef, Sequencer, Settings, StateHash};
use synod_storage::Timestamp;
use synod_txn::{Footprint, Scheduler, Sequence, Store};

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

impl AsRef<Footprint> for Place {
    fn as_ref(&self) -> &Footprint {
        &self.scheduled.footprint
    }
}

/// A procedure in its place.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) at: Timestamp,
    pub(crate) scheduled: Scheduled,
}

/// A transaction that may run now.
pub(crate) struct Runnable {
    pub(crate) sequence: Sequence,
    pub(crate) place: Place,
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

/// An epoch that hasn't wholly run.
struct RunningEpoch {
    number: u64,
    first: Timestamp,
    last: Timestamp,
}

/// The sequencer and the scheduler.
pub(crate) struct Core {
    settings: Settings,
    sequencer: Sequencer<Scheduled>,
    encoder: BatchEncoder,
    /// `None` for an engine in memory.
    log: Option<Arc<dyn Log>>,
    /// Numbered and stamped, and not in the scheduler's window yet.
    closed: VecDeque<Place>,
    scheduler: Scheduler<Place, u64>,
    epochs: VecDeque<RunningEpoch>,
    /// The number of the last epoch that came out of a log.
    last_epoch: u64,
    /// All transactions up to here have run.
    executed: Timestamp,
    /// The last epoch of which that is so.
    passed_epoch: u64,
    /// How many wait for an epoch's end.
    waiting_for_end: usize,
    /// The end of an epoch, beyond which nothing becomes visible until those have seen it.
    held_at: Option<Timestamp>,
    /// How many threads are running transactions.
    active: usize,
    /// Those who wait for an answer, and could run something.
    sleepers: Vec<Waker>,
    /// To be woken as soon as nothing is locked.
    served: Vec<Waker>,
    pauses: usize,
    hashes_state: bool,
    /// The hash of the state up to the executed prefix.
    hash: u64,
    /// The sum of the hashes of all answers, if anybody asks.
    answers_hash: u64,
    newest_state: Option<StateHash>,
    /// What becomes of each epoch, for a replay.
    replayed: Option<super::replay::Replayed>,
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
            closed: VecDeque::new(),
            scheduler: Scheduler::new(WINDOW_PER_WORKER * options.workers.max(2)),
            epochs: VecDeque::new(),
            last_epoch: epoch,
            executed: newest,
            passed_epoch: epoch,
            waiting_for_end: 0,
            held_at: None,
            active: 0,
            sleepers: Vec::new(),
            served: Vec::new(),
            pauses: 0,
            hashes_state: options.hashes_state,
            hash: 0,
            answers_hash: 0,
            newest_state: None,
            replayed: None,
            stats: SequencingStats::default(),
        }
    }

    /// The state is another one, without a procedure's doing. Nothing is in flight.
    pub(crate) fn set_hash(&mut self, hash: u64) {
        self.hash = hash;
        self.newest_state = None;
    }

    /// Goes on behind what was replayed, up to `newest`.
    pub(crate) fn end_replay(&mut self, newest: Timestamp) {
        self.sequencer = Sequencer::new(self.settings.clone(), self.last_epoch + 1, newest);
    }

    /// Puts a procedure into the open epoch. `arguments` are as the log has them, if there is a log.
    ///
    /// # Errors
    /// [`Error::Overloaded`] if it is new and too many are in flight; if it doesn't fit into the log.
    pub(crate) fn submit(&mut self, scheduled: Scheduled, arguments: &[u8], now: Timestamp) -> Result<()> {
        let is_new = scheduled.is_new();
        if is_new {
            self.sequencer.admit()?;
        }
        let mut bytes = 0;
        if self.log.is_some() {
            let mut footprint = None;
            if scheduled.reconnaissances > 0 {
                let mut found = Vec::new();
                scheduled.footprint.encode(&mut found);
                footprint = Some(found);
            }
            bytes = self.encoder.push(&RequestRef {
                procedure: scheduled.job.name(),
                version: scheduled.job.version(),
                arguments,
                footprint: footprint.as_deref(),
            })?;
        }
        match is_new {
            true => self.sequencer.submit(scheduled, bytes, now.0).map_err(|(_, overloaded)| overloaded)?,
            false => self.sequencer.readmit(scheduled, bytes, now.0),
        }
        self.close_if_due(false, now);
        Ok(())
    }

    /// A request that was in flight isn't any more: it can't be put in again.
    pub(crate) fn give_up(&mut self) {
        self.sequencer.finished(1);
    }

    /// Closes the open epoch, if anything is in it.
    pub(crate) fn close_open(&mut self, now: Timestamp) {
        self.close_if_due(true, now);
    }

    /// Closes the open epoch, if it is time.
    fn close_if_due(&mut self, somebody_is_idle: bool, now: Timestamp) {
        let Some(epoch) = self.sequencer.tick(now.0, somebody_is_idle) else { return };
        let (number, first, last) = (epoch.number, epoch.first, epoch.last());
        self.stats.epochs += 1;
        if let Err(error) = self.append(number, (first, last)) {
            // None of them has happened, and none will.
            for scheduled in epoch.requests {
                scheduled.job.fail(error.clone());
                self.sequencer.finished(1);
                self.served.extend(scheduled.job.publish(last));
            }
            return;
        }
        self.epochs.push_back(RunningEpoch { number, first, last });
        let mut requests = epoch.requests;
        for (index, mut scheduled) in requests.drain(..).enumerate() {
            scheduled.position = Position { epoch: number, index: index as u32 };
            self.closed.push_back(Place { at: Timestamp(first.0 + index as u64), scheduled });
        }
        self.sequencer.reuse(requests);
    }

    /// Appends an epoch to the log, if there is one.
    fn append(&mut self, epoch: u64, (first, last): (Timestamp, Timestamp)) -> Result<()> {
        let Some(log) = &self.log else { return Ok(()) };
        let header = BatchHeader { epoch, first, verified: self.newest_state };
        let appended = log.append(last, self.encoder.finish(&header));
        self.encoder.begin();
        Ok(appended?)
    }

    /// Takes in an epoch out of a log.
    pub(crate) fn take_logged(&mut self, number: u64, last: Timestamp, places: Vec<Place>) {
        self.last_epoch = number;
        let Some(first) = places.first().map(|place| place.at) else { return };
        self.epochs.push_back(RunningEpoch { number, first, last });
        self.closed.extend(places);
    }

    /// How many have their place, and haven't run or wait for others to.
    pub(crate) fn backlog(&self) -> usize {
        self.closed.len() + self.scheduler.window()
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

    /// Whether there is something to run, or will be as soon as somebody asks.
    pub(crate) fn has_work(&self) -> bool {
        self.scheduler.ready() > 0
            || self.scheduler.has_room() && (!self.closed.is_empty() || self.sequencer.open_requests() > 0)
    }

    /// Takes the next transaction that can run; none if there isn't any at the moment. One at a time: whoever waits for it
    /// is ready the sooner.
    pub(crate) fn take(&mut self, store: &Store) -> Option<Runnable> {
        // Enough for everybody who is at work: only what is looked at can be found ready.
        while self.scheduler.ready() < READY_PER_WORKER * self.active && self.scheduler.has_room() {
            if self.closed.is_empty() && self.sequencer.open_requests() > 0 {
                self.close_if_due(true, store.oracle().now());
            }
            let Some(place) = self.closed.pop_front() else { break };
            self.scheduler.admit(place.at, place);
        }
        self.scheduler.next_ready().map(|(sequence, place)| Runnable { sequence, place })
    }

    /// Takes note of a transaction that has run. Returns whether those have to be told who wait for an epoch's end.
    pub(crate) fn finish(&mut self, finished: &Finished, store: &Store) -> bool {
        let was_held = self.held_at.is_some();
        let (hash, epochs, executed) = (&mut self.hash, &mut self.epochs, &mut self.executed);
        let (newest_state, replayed) = (&mut self.newest_state, &mut self.replayed);
        let (hashes_state, held_at) = (self.hashes_state, &mut self.held_at);
        let passed_epoch = &mut self.passed_epoch;
        let is_awaited = self.waiting_for_end > 0;
        self.scheduler.finish(finished.runnable.sequence, finished.hash_change, |at, change| {
            *executed = at;
            *hash = hash.wrapping_add(change);
            let Some(epoch) = epochs.pop_front_if(|epoch| epoch.last == at) else { return };
            *passed_epoch = epoch.number;
            if held_at.is_none() {
                store.note_epoch(epoch.number);
                *held_at = is_awaited.then_some(at);
            }
            if hashes_state {
                *newest_state = Some(StateHash { epoch: epoch.number, hash: *hash });
            }
            if let Some(replayed) = replayed {
                replayed.passed(epoch.number, at, *hash);
            }
        });
        // Before anyone is told that something has run.
        store.oracle().observe(self.held_at.unwrap_or(self.executed));
        // One that has moved is in flight until it has been put in again.
        if finished.outcome != Outcome::Moved && !finished.runnable.place.scheduled.is_replayed {
            self.sequencer.finished(1);
        }
        self.held_at.is_some() && !was_held
    }

    /// Whether the newest visible transaction is the last one of its epoch.
    pub(crate) fn is_between_epochs(&self) -> bool {
        self.held_at.is_some() || self.epochs.front().is_none_or(|epoch| self.executed < epoch.first)
    }

    /// Makes the visible prefix stop at the end of the epoch that is running.
    pub(crate) fn wait_for_end(&mut self) {
        self.waiting_for_end += 1;
    }

    /// Whoever has waited for the end of an epoch has seen it.
    pub(crate) fn end_was_seen(&mut self, store: &Store) {
        self.waiting_for_end -= 1;
        if self.waiting_for_end == 0 && self.held_at.take().is_some() {
            store.note_epoch(self.passed_epoch);
            store.oracle().observe(self.executed);
        }
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
        let Place { at, scheduled } = &runnable.place;
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

    /// Whether nothing was submitted that hasn't run, or has to run again.
    pub(crate) fn is_idle(&self) -> bool {
        // What comes out of a log isn't counted as in flight.
        self.backlog() == 0 && self.sequencer.in_flight() == 0
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
        self.executed = self.executed.max(timestamp);
    }

    pub(crate) fn replayed(&mut self) -> &mut Option<super::replay::Replayed> {
        &mut self.replayed
    }

    /// The hashes of the state, and of the answers.
    pub(crate) fn hashes(&self) -> (u64, u64) {
        (self.hash, self.answers_hash)
    }

    pub(crate) fn stats(&self) -> SequencingStats {
        let newest_state = self.newest_state.map(|state| (state.epoch, state.hash));
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
