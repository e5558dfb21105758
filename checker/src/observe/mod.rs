//! From operations to versions: who made which, in which order, and who has seen which.
//!
//! The three kinds of histories differ only here. Each is brought into one form:
//!
//! ```text
//! made     x: unborn ─► by T1 ─► by T3        y: unborn ─► by T2        versions, and which comes next
//! seen     T2 saw x as T1 had made it          T3 saw y unborn          reads of what others have made
//! ```
//!
//! What is wrong already at this point, without looking at any cycle, is noted as a finding.

mod effect;
mod list;
mod observed_vanishes;
mod register;
mod versions;

pub(crate) use observed_vanishes::observed_vanishes;

use crate::Error;
use crate::anomaly::{Findings, Kind};
use crate::history::{History, Key, Way, label};
use crate::verdict::Options;

/// Instead of the number of a transaction or a version: there is none.
pub(crate) const NONE: u32 = u32::MAX;

/// A version of a key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Made {
    pub(crate) key: Key,
    /// Who made it; [`NONE`] for the initial one, and for what nobody whose write took effect has made.
    pub(crate) writer: u32,
    /// Its place in the order of its key's versions; [`NONE`] if that order isn't total.
    pub(crate) rank: u32,
    /// Whether it is its writer's last one of this key.
    pub(crate) is_final: bool,
    /// Whether the key is absent in it.
    pub(crate) is_dead: bool,
}

/// That a transaction saw a version that is not its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) reader: u32,
    /// Which of the reader's operations it was.
    pub(crate) operation: u32,
    pub(crate) key: Key,
    /// The version; [`NONE`] if it can't be told which.
    pub(crate) version: u32,
    /// What follows this version would have been seen as something else.
    pub(crate) until: u32,
    /// Whether it was seen only as something that isn't in a range.
    pub(crate) is_predicate: bool,
}

/// A history in the form that graphs are made of.
#[derive(Debug)]
pub(crate) struct Observed<'a> {
    pub(crate) history: &'a History,
    /// For each transaction whether it committed, as far as anyone can see.
    pub(crate) took_effect: Vec<bool>,
    pub(crate) made: Vec<Made>,
    /// Pairs of versions, the second of which follows the first, and has a writer.
    pub(crate) order: Vec<(u32, u32)>,
    /// In the order of readers, and of their operations.
    pub(crate) seen: Vec<Seen>,
    pub(crate) findings: Findings,
    /// Whether all versions and their order are known, and not inferred.
    pub(crate) is_exact: bool,
}

impl<'a> Observed<'a> {
    /// # Errors
    /// If the history makes no sense.
    pub(crate) fn new(history: &'a History, options: &Options) -> Result<Observed<'a>, Error> {
        let ways = history.ways()?;
        let uses = |way: Way| ways.contains(&Some(way));
        let mut observed = Observed {
            history,
            took_effect: effect::took_effect(history),
            made: Vec::new(),
            order: Vec::new(),
            seen: Vec::new(),
            findings: Findings::new(options.examples),
            is_exact: !uses(Way::List) && !uses(Way::Register),
        };
        versions::observe(&mut observed, &ways)?;
        if uses(Way::List) {
            list::observe(&mut observed)?;
        }
        if uses(Way::Register) {
            register::observe(&mut observed, options)?;
        }
        observed.seen.sort_by_key(|seen| (seen.reader, seen.operation));
        Ok(observed)
    }

    /// The transactions that took effect.
    fn effective(&self) -> impl Iterator<Item = u32> + use<'a, '_> {
        (0..self.took_effect.len() as u32).filter(|&number| self.took_effect[number as usize])
    }

    /// What a key is called.
    pub(crate) fn name(&self, key: Key) -> String {
        self.history.key_name(key).to_string()
    }

    /// Notes that `reader` has seen what `writer`, which aborted, wrote; and, if it wrote the key then itself, that.
    fn aborted_read(&mut self, reader: u32, operation: u32, key: Key, writer: u32) {
        let history = self.history;
        let names = || (label(reader as usize), history.key_name(key), label(writer as usize));
        self.findings.add(Kind::G1a, &[writer, reader], Some(key), || {
            let (reader, key, writer) = names();
            format!(
                "{reader} read {key} as {writer} had written it, but {writer} aborted: that {key} never was."
            )
        });
        let after = &history.transactions()[reader as usize].operations[operation as usize..];
        if after.iter().any(|operation| operation.writes() && operation.key() == Some(key)) {
            self.findings.add(Kind::DirtyUpdate, &[writer, reader], Some(key), || {
                let (reader, key, writer) = names();
                format!("{reader} read {key} as {writer} had written it and wrote {key} on top of that, but {writer} aborted.")
            });
        }
    }

    /// Notes that `reader` has seen what `writer` replaced later.
    fn intermediate_read(&mut self, reader: u32, key: Key, writer: u32) {
        let history = self.history;
        self.findings.add(Kind::G1b, &[writer, reader], Some(key), || {
            let (reader, key, writer) =
                (label(reader as usize), history.key_name(key), label(writer as usize));
            format!("{reader} read {key} as {writer} had written it in between, before {writer} wrote {key} for the last time.")
        });
    }
}

/// Something that one transaction did to one key, which others of its operations contradict.
fn internal(
    observed: &mut Observed<'_>,
    transaction: u32,
    key: Key,
    text: impl FnOnce(&str, &str) -> String,
) {
    let history = observed.history;
    observed.findings.add(Kind::Internal, &[transaction], Some(key), || {
        text(&label(transaction as usize), &history.key_name(key).to_string())
    });
}
