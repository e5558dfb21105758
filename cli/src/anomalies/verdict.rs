//! Whether the anomaly happened in a run, and if not, what kept it away. Always computed, of what the run returned.

use synod_bench::history::checkable_as_listed;
use synod_checker::{Anomaly, Evidence, History, Kind, Options, check, dependencies};

use super::runner::{Run, What};
use super::scenario::{Condition, Operation, Outcome, Place, Question, Scenario};
use super::session::Answer;
use crate::{Error, Result};

/// What became of a run.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// In short.
    pub outcome: Outcome,
    /// What the checker found that isn't merely a matter of real time or of sessions, the worst first.
    pub anomalies: Vec<Anomaly>,
    /// Who depends on whom among those that committed.
    pub edges: Vec<Evidence>,
}

impl Verdict {
    /// The anomalies that the scenario asks for.
    pub fn asked<'v>(&'v self, question: &'v Question) -> impl Iterator<Item = &'v Anomaly> {
        self.anomalies.iter().filter(move |anomaly| match question {
            Question::Found(kinds) => kinds.contains(&anomaly.kind),
            Question::When(_) => false,
        })
    }
}

/// Judges a run.
///
/// # Errors
/// If the engine's recording makes no sense: a fault of the engine's.
pub fn judge(scenario: &Scenario, run: &Run) -> Result<Verdict> {
    let history = history(run);
    let checked = check(&history, &Options { sessions: false, real_time: false, ..Options::default() });
    let anomalies = checked.map_err(|source| Error::Recording { source })?.anomalies;
    let edges = dependencies(&history).map_err(|source| Error::Recording { source })?;
    let happened = match &scenario.question {
        Question::Found(kinds) => anomalies.iter().any(|anomaly| kinds.contains(&anomaly.kind)),
        Question::When(conditions) => conditions.iter().all(|condition| is_true(scenario, run, condition)),
    };
    let outcome = if happened { Outcome::Allowed } else { prevention(run) };
    Ok(Verdict { outcome, anomalies, edges })
}

/// What the checker finds in a run; for those who want to know whether there is anything at all.
pub fn kinds(verdict: &Verdict) -> Vec<Kind> {
    let mut kinds: Vec<Kind> = verdict.anomalies.iter().map(|anomaly| anomaly.kind).collect();
    kinds.dedup();
    kinds
}

/// The run as the checker reads it: T1, T2, … are the same in both.
fn history(run: &Run) -> History {
    checkable_as_listed(&run.recorded)
}

/// What kept the anomaly away: the engine's aborts, or else waiting, or else neither.
fn prevention(run: &Run) -> Outcome {
    let reason = |what: &What| match what.answer() {
        Some(Answer::Aborted(abort)) => Some(abort.kind().to_owned()),
        _ => None,
    };
    let reasons: std::collections::BTreeSet<String> =
        run.events.iter().filter_map(|event| reason(&event.what)).collect();
    let has_waited = || run.events.iter().any(|event| matches!(event.what, What::Blocked { .. }));
    match reasons.is_empty() {
        false => Outcome::Aborts(reasons),
        true if has_waited() => Outcome::Waits,
        true => Outcome::Prevented,
    }
}

fn is_true(scenario: &Scenario, run: &Run, condition: &Condition) -> bool {
    let has_committed = |transaction: usize| {
        let committed = |what: &What| matches!(what.answer(), Some(Answer::Committed(_)));
        run.events.iter().any(|event| event.transaction == transaction && committed(&event.what))
    };
    match condition {
        Condition::Committed(transaction) => has_committed(*transaction),
        Condition::Aborted(transaction) => !has_committed(*transaction),
        Condition::Read { transaction, place, value } => {
            reads(scenario, run, *transaction).any(|(read, found)| read == *place && found == *value)
        }
    }
}

/// What a transaction has read, key by key.
fn reads<'r>(
    scenario: &'r Scenario,
    run: &'r Run,
    transaction: usize,
) -> impl Iterator<Item = (Place, Option<i64>)> + 'r {
    let own = run.events.iter().filter(move |event| event.transaction == transaction);
    own.flat_map(|event| {
        let operation = event.step.map(|step| &scenario.steps[step].operation);
        match (operation, event.what.answer()) {
            (Some(Operation::Get(place) | Operation::GetForUpdate(place)), Some(Answer::Value(value))) => {
                vec![(place.clone(), *value)]
            }
            (_, Some(Answer::Rows(rows))) => {
                rows.iter().map(|(place, value)| (place.clone(), Some(*value))).collect()
            }
            _ => Vec::new(),
        }
    })
}
