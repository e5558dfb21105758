//! How far the order has been executed: the visible prefix, and the epochs that it has passed.

use std::collections::VecDeque;

use synod_sequencer::StateHash;
use synod_storage::Timestamp;
use synod_txn::Store;

use super::replay::Replayed;

/// An epoch that the prefix hasn't passed.
struct UnpassedEpoch {
    number: u64,
    first: Timestamp,
    /// `None` while it is open.
    last: Option<Timestamp>,
}

/// The executed prefix of the order.
pub(crate) struct Prefix {
    /// All transactions up to here have run.
    executed: Timestamp,
    epochs: VecDeque<UnpassedEpoch>,
    /// The last epoch that has ended and wholly run.
    passed_epoch: u64,
    /// How many wait for an epoch's end.
    waiting_for_end: usize,
    /// The end of an epoch, beyond which nothing becomes visible until those have seen it.
    held_at: Option<Timestamp>,
    hashes_state: bool,
    /// The hash of the state up to the executed prefix.
    hash: u64,
    newest_state: Option<StateHash>,
    /// What becomes of each epoch, for a replay.
    replayed: Option<Replayed>,
}

impl Prefix {
    /// The prefix up to `executed`, which is the end of an epoch.
    pub(crate) fn new(hashes_state: bool, (epoch, executed): (u64, Timestamp)) -> Self {
        Prefix {
            executed,
            epochs: VecDeque::new(),
            passed_epoch: epoch,
            waiting_for_end: 0,
            held_at: None,
            hashes_state,
            hash: 0,
            newest_state: None,
            replayed: None,
        }
    }

    /// The state is another one, without a procedure's doing. Nothing is in flight.
    pub(crate) fn set_hash(&mut self, hash: u64) {
        self.hash = hash;
        self.newest_state = None;
    }

    /// An epoch begins, behind all others.
    pub(crate) fn begin(&mut self, number: u64, first: Timestamp) {
        self.epochs.push_back(UnpassedEpoch { number, first, last: None });
    }

    /// The epoch that has begun last has ended. Nobody waits for this end: whoever waits has ended the epoch that was open
    /// then.
    pub(crate) fn end(&mut self, last: Timestamp, store: &Store) {
        self.epochs.back_mut().expect("what ends has begun").last = Some(last);
        self.pass_if_ended(store);
    }

    /// The next transaction of the order has run, and has changed the state's hash by so much.
    pub(crate) fn advance(&mut self, at: Timestamp, hash_change: u64, store: &Store) {
        self.executed = at;
        self.hash = self.hash.wrapping_add(hash_change);
        self.pass_if_ended(store);
    }

    /// Takes note of it if an epoch has ended and wholly run.
    fn pass_if_ended(&mut self, store: &Store) {
        let executed = self.executed;
        let Some(epoch) = self.epochs.pop_front_if(|epoch| epoch.last == Some(executed)) else { return };
        self.passed_epoch = epoch.number;
        if self.held_at.is_none() {
            store.note_epoch(epoch.number);
            self.held_at = (self.waiting_for_end > 0).then_some(executed);
        }
        if self.hashes_state {
            self.newest_state = Some(StateHash { epoch: epoch.number, hash: self.hash });
        }
        if let Some(replayed) = &mut self.replayed {
            replayed.passed(epoch.number, executed, self.hash);
        }
    }

    /// Up to where transactions are to be visible.
    pub(crate) fn visible(&self) -> Timestamp {
        self.held_at.unwrap_or(self.executed)
    }

    /// Whether it stops at the end of an epoch, because somebody waits for that.
    pub(crate) fn is_held(&self) -> bool {
        self.held_at.is_some()
    }

    /// Whether the newest visible transaction is the last one of its epoch.
    pub(crate) fn is_between_epochs(&self) -> bool {
        self.is_held() || self.epochs.front().is_none_or(|epoch| self.executed < epoch.first)
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

    /// Goes on behind a timestamp that somebody else has used. Nothing is in flight.
    pub(crate) fn skip_to(&mut self, timestamp: Timestamp) {
        self.executed = self.executed.max(timestamp);
    }

    /// What a replay finds out about epochs; `None` unless one is going on.
    pub(crate) fn replayed(&mut self) -> &mut Option<Replayed> {
        &mut self.replayed
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    /// The newest epoch that has ended and wholly run, and the hash of the state after it, if one is kept.
    pub(crate) fn newest_state(&self) -> Option<StateHash> {
        self.newest_state
    }
}
