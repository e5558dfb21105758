//! The verdict on a history.

use crate::anomaly::{Anomaly, Kind, explained};
use crate::graph::Graph;
use crate::history::{History, Outcome};
use crate::level::Level;
use crate::observe::{Observed, observed_vanishes};
use crate::{Error, NotTold};
use std::collections::BTreeMap;

/// What to assume, and how much to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// How many anomalies of each kind are explained.
    pub examples: usize,
    /// Whether a session's order counts as a reason.
    pub sessions: bool,
    /// Whether real time counts as a reason.
    pub real_time: bool,
    /// Whether each register is assumed to follow the order of sessions, so that a register's versions can be put in
    /// order by who touched them when. Only for registers (black-box).
    pub sequential_registers: bool,
    /// Whether each register is assumed to follow real time, for the same purpose.
    pub linearizable_registers: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            examples: 8,
            sessions: true,
            real_time: true,
            sequential_registers: false,
            linearizable_registers: false,
        }
    }
}

/// Whether a history satisfies a level, and if not, why.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LevelVerdict {
    /// The level.
    pub level: Level,
    /// What was found that it forbids, the worst first; nothing if the level is satisfied.
    pub because: Vec<Kind>,
}

/// What was found in a history.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Verdict {
    /// What is wrong, the worst first, with at most [`Options::examples`] of each kind.
    pub anomalies: Vec<Anomaly>,
    /// How many there are of each kind. Of cycles only those that are explained are counted.
    pub counts: BTreeMap<Kind, u64>,
    /// All levels, each after those below it.
    pub levels: Vec<LevelVerdict>,
    /// Whether versions and their order were known, so that what was not found isn't there.
    pub is_exact: bool,
    /// How many transactions committed.
    pub committed: usize,
    /// How many aborted.
    pub aborted: usize,
    /// How many have an outcome that nobody knows.
    pub unknown: usize,
    /// How many of those were seen to have committed.
    pub unknown_seen: usize,
    /// How many edges the graph has.
    pub edges: usize,
}

/// Looks for all anomalies in a history.
///
/// The time is linear in the size of the history when nothing is wrong.
///
/// ```
/// use synod_checker::{check, History, Level, Options, Transaction, Version};
///
/// // Both take what they read, add something, and write it back.
/// let mut history = History::new();
/// let x = history.key("x");
/// history.push(Transaction::committed().get(x, Version::UNBORN).put(x, Version::at(1)));
/// history.push(Transaction::committed().get(x, Version::UNBORN).put(x, Version::at(2)));
///
/// let verdict = check(&history, &Options::default())?;
/// assert!(verdict.satisfies(Level::ReadCommitted) && !verdict.satisfies(Level::SnapshotIsolation));
/// assert_eq!(verdict.anomalies[0].name(), "G-single (lost update)");
/// # Ok::<(), synod_checker::Error>(())
/// ```
///
/// # Errors
/// If the history makes no sense, so that nothing can be said of it.
pub fn check(history: &History, options: &Options) -> Result<Verdict, Error> {
    let mut observed = Observed::new(history, options)?;
    observed_vanishes(&mut observed);
    let graph = Graph::new(&observed, options);
    let cycles = graph.cycles(&observed, options.examples);
    let mut counts = observed.findings.counts.clone();
    counts.extend(cycles.iter().map(|(kind, cycles)| (Kind::Cycle(*kind), cycles.len() as u64)));
    let levels = Level::ALL.into_iter().map(|level| {
        let because = counts.keys().copied().filter(|kind| level.forbids(*kind)).collect();
        LevelVerdict { level, because }
    });
    let count = |outcome: Outcome| history.transactions().iter().filter(|txn| txn.outcome == outcome).count();
    let committed = count(Outcome::Committed);
    let effective = observed.took_effect.iter().filter(|&&took_effect| took_effect).count();
    Ok(Verdict {
        levels: levels.collect(),
        anomalies: explained(&observed, &cycles),
        counts,
        is_exact: observed.is_exact,
        committed,
        aborted: count(Outcome::Aborted),
        unknown: count(Outcome::Unknown),
        unknown_seen: effective - committed,
        edges: graph.edges().len(),
    })
}

impl Verdict {
    /// Whether nothing was found that the level forbids.
    pub fn satisfies(&self, level: Level) -> bool {
        !self.counts.keys().any(|kind| level.forbids(*kind))
    }

    /// The anomalies that a level forbids, the worst first.
    pub fn against(&self, level: Level) -> impl Iterator<Item = &Anomaly> {
        self.anomalies.iter().filter(move |anomaly| level.forbids(anomaly.kind))
    }

    /// Why nothing can be said, if so.
    pub fn not_told(&self) -> Option<NotTold> {
        if !self.anomalies.is_empty() {
            return None;
        }
        match (self.committed, self.aborted + self.unknown) {
            (0, 0) => Some(NotTold::Empty),
            (0, _) => Some(NotTold::NothingCommitted),
            _ => None,
        }
    }
}
