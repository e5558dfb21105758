//! The counting.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use synod::{Abort, RecordedOutcome, RecordedStep, RecordedTransaction, Timestamp, TransactionId};
use synod_bench::history::checkable_as_listed;
use synod_checker::{Error, Options, in_cycles};

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Transactions that committed.
    pub committed: u64,
    /// Those that were aborted for other reasons: two wrote the same key, or waited for each other.
    pub conflicts: u64,
    /// Those that were aborted because they might not have been serializable.
    pub unserializable: u64,
    /// Those of them that would have been in a cycle of reads and writes.
    pub in_data_cycle: u64,
    /// Those that would have been in a cycle only if real time counts, too.
    pub in_real_time_cycle: u64,
    /// Those that would have been in none: the false aborts.
    pub in_no_cycle: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        self.committed += other.committed;
        self.conflicts += other.conflicts;
        self.unserializable += other.unserializable;
        self.in_data_cycle += other.in_data_cycle;
        self.in_real_time_cycle += other.in_real_time_cycle;
        self.in_no_cycle += other.in_no_cycle;
    }
}

/// Counts one history, which is in the order in which transactions ended. `aborts` are those of all that were
/// aborted.
///
/// # Errors
/// If the history makes no sense to the checker.
pub fn judge(
    recorded: &[RecordedTransaction],
    aborts: &BTreeMap<TransactionId, Abort>,
) -> Result<Counts, Error> {
    let mut counts = Counts::default();
    for (place, transaction) in recorded.iter().enumerate() {
        let abort = transaction.id.and_then(|id| aborts.get(&id));
        match (transaction.outcome, abort) {
            (RecordedOutcome::Committed(_), _) => counts.committed += 1,
            (_, Some(abort @ Abort::Unserializable { .. })) => {
                counts.unserializable += 1;
                let history = as_if_committed(recorded, place, abort);
                match (is_in_cycle(&history, false)?, is_in_cycle(&history, true)?) {
                    (true, _) => counts.in_data_cycle += 1,
                    (false, true) => counts.in_real_time_cycle += 1,
                    (false, false) => counts.in_no_cycle += 1,
                }
            }
            _ => counts.conflicts += 1,
        }
    }
    Ok(counts)
}

/// What had committed when a transaction was aborted, and the transaction at the end, as if it had committed, too.
fn as_if_committed(
    recorded: &[RecordedTransaction],
    place: usize,
    abort: &Abort,
) -> Vec<RecordedTransaction> {
    let at = |transaction: &RecordedTransaction| match transaction.outcome {
        RecordedOutcome::Committed(at) => at,
        RecordedOutcome::Aborted => None,
    };
    // Whoever it has met at its commit had committed, even if its client heard of that later.
    let met = match abort {
        Abort::Unserializable { change, comes_after, .. } => change.at.max(*comes_after),
        _ => Timestamp::MIN,
    };
    let newest = recorded[..place].iter().filter_map(at).fold(met, Timestamp::max);
    let had_committed = |&(other, transaction): &(usize, &RecordedTransaction)| match transaction.outcome {
        RecordedOutcome::Committed(Some(at)) => at <= newest,
        RecordedOutcome::Committed(None) => other < place,
        RecordedOutcome::Aborted => false,
    };
    let committed = recorded.iter().enumerate().filter(had_committed);
    let mut history: Vec<_> = committed.map(|(_, transaction)| transaction.clone()).collect();
    let mut added = recorded[place].clone();
    let writes = added.steps.iter().any(|step| matches!(step, RecordedStep::Put { .. }));
    added.outcome = RecordedOutcome::Committed(writes.then_some(Timestamp(newest.0 + 1)));
    history.push(added);
    history
}

/// Whether the last transaction is in a cycle.
fn is_in_cycle(recorded: &[RecordedTransaction], real_time: bool) -> Result<bool, Error> {
    // Sessions follow from real time.
    let options = Options { sessions: false, real_time, ..Options::default() };
    let in_cycles = in_cycles(&checkable_as_listed(recorded), &options)?;
    Ok(in_cycles.last().is_some_and(|&is_in_cycle| is_in_cycle))
}
