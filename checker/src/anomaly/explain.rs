//! Puts cycles and findings into words.

use super::pattern::pattern;
use super::{Anomaly, CycleKind, Evidence, Finding, Kind, Participant, Pattern, Reason, list_of};
use crate::graph::{Cycle, Edge, reason};
use crate::history::{History, Operation, Way, label};
use crate::observe::{Observed, Seen};
use std::collections::BTreeMap;

/// How many elements of a list, or keys of a scan, are shown.
const SHOWN: usize = 8;

/// All that was found, as anomalies, the worst first.
pub(crate) fn explained(observed: &Observed<'_>, cycles: &BTreeMap<CycleKind, Vec<Cycle>>) -> Vec<Anomaly> {
    let findings = observed.findings.found.iter().map(|finding| of_finding(observed, finding));
    let of_kind = |(kind, cycles)| std::iter::zip(std::iter::repeat(kind), cycles);
    let cycles = cycles.iter().flat_map(of_kind).map(|(kind, cycle)| of_cycle(observed, *kind, cycle));
    let mut anomalies: Vec<Anomaly> = findings.chain(cycles).collect();
    anomalies.sort_by_key(|anomaly| anomaly.kind);
    anomalies
}

fn of_finding(observed: &Observed<'_>, finding: &Finding) -> Anomaly {
    Anomaly {
        kind: finding.kind,
        pattern: None,
        transactions: participants(observed, &finding.transactions),
        edges: Vec::new(),
        key: finding.key.map(|key| observed.name(key)),
        text: finding.text.clone(),
        conclusion: 0,
    }
}

fn of_cycle(observed: &Observed<'_>, kind: CycleKind, cycle: &Cycle) -> Anomaly {
    let numbers: Vec<u32> = cycle.edges.iter().map(|edge| edge.from).collect();
    let edges: Vec<Evidence> = (0..)
        .zip(&cycle.edges)
        .map(|(from, edge)| evidence(observed, from, (from + 1) % numbers.len(), edge))
        .collect();
    let writes = |number: &u32| {
        observed.history.transactions()[*number as usize].operations.iter().any(Operation::writes)
    };
    let pattern = pattern(kind, &edges, &numbers.iter().map(writes).collect::<Vec<_>>());
    let key = edges[0].key.clone().filter(|_| edges.iter().all(|edge| edge.key == edges[0].key));
    let (argument, conclusion) = (argument(&numbers, &edges), conclusion(&numbers, pattern));
    let text = format!("{argument} {conclusion}");
    let conclusion = argument.len() + 1;
    let transactions = participants(observed, &numbers);
    Anomaly { kind: Kind::Cycle(kind), pattern, transactions, edges, key, text, conclusion }
}

fn participants(observed: &Observed<'_>, numbers: &[u32]) -> Vec<Participant> {
    let participant = |&number: &u32| {
        let transaction = number as usize;
        let line = observed.history.transactions()[transaction].line;
        Participant {
            transaction,
            label: label(transaction),
            summary: summary(observed.history, transaction),
            line,
        }
    };
    numbers.iter().map(participant).collect()
}

/// What was observed, and what follows from each observation.
fn argument(numbers: &[u32], edges: &[Evidence]) -> String {
    let name = |place: usize| label(numbers[place] as usize);
    let sentence = |(place, edge): (usize, &Evidence)| {
        let yet = if place + 1 == edges.len() { "Yet " } else { "" };
        format!("{yet}{}: {} comes before {}.", edge.text, name(edge.from), name(edge.to))
    };
    edges.iter().enumerate().map(sentence).collect::<Vec<_>>().join(" ")
}

/// That it can't be, and what a well-known shape means.
fn conclusion(numbers: &[u32], pattern: Option<Pattern>) -> String {
    let all = list_of(numbers);
    let so = match numbers.len() {
        2 => format!("So {all} would each have to come before the other."),
        _ => format!("So each of {all} would have to come before itself."),
    };
    match pattern {
        Some(pattern) => format!("{so} {}", moral(pattern, numbers)),
        None => so,
    }
}

/// What a well-known shape means.
fn moral(pattern: Pattern, numbers: &[u32]) -> String {
    let name = |place: usize| label(numbers[place % numbers.len()] as usize);
    match pattern {
        Pattern::LostUpdate => {
            format!(
                "Lost update: {} and {} replaced the same value, so that one change is lost.",
                name(numbers.len() - 1),
                name(0)
            )
        }
        Pattern::WriteSkew => "Write skew: each of them wrote what the other one relied upon.".to_owned(),
        Pattern::LongFork => {
            format!("Long fork: {} and {} saw the two writes in opposite orders.", name(1), name(3))
        }
        Pattern::ReadSkew => {
            format!("Read skew: {} saw a part of what {} did, and not the rest.", name(1), name(0))
        }
        Pattern::NonrepeatableRead => {
            format!("Non-repeatable read: {} saw the key before and after the change.", name(1))
        }
        Pattern::Phantom => {
            format!("Phantom: {} saw a part of what {} did to the keys of a range.", name(1), name(0))
        }
        Pattern::ReadOnlyAnomaly => {
            "Read-only transaction anomaly: without the transaction that only read, there would be an order."
                .to_owned()
        }
        Pattern::StaleRead => {
            format!("Stale read: {} did not see what was there before it began.", name(numbers.len() - 1))
        }
    }
}

/// What an edge says, as a sentence without its full stop.
pub(crate) fn evidence(observed: &Observed<'_>, from: usize, to: usize, edge: &Edge) -> Evidence {
    let (one, other) = (label(edge.from as usize), label(edge.to as usize));
    let transactions = observed.history.transactions();
    let (reason, key, text) = match edge.reason {
        reason::WW => {
            let key = observed.made[edge.evidence as usize].key;
            (Reason::Overwrites, Some(key), overwrite(observed, edge, &one, &other))
        }
        reason::SESSION => {
            let session = transactions[edge.to as usize].session.unwrap_or_default();
            (Reason::Session, None, format!("{one} ran before {other} in session {session}"))
        }
        reason::REAL_TIME => {
            let end = transactions[edge.from as usize].end.unwrap_or_default();
            let begin = transactions[edge.to as usize].begin.unwrap_or_default();
            (Reason::RealTime, None, format!("{one} had ended (at {end}) before {other} began (at {begin})"))
        }
        _ => {
            let seen = observed.seen[edge.evidence as usize];
            let (reason, text) = reading(observed, edge, seen, &one, &other);
            (reason, Some(seen.key), text)
        }
    };
    Evidence { from, to, reason, key: key.map(|key| observed.name(key)), text }
}

/// What an edge says that comes of a read.
fn reading(observed: &Observed<'_>, edge: &Edge, seen: Seen, one: &str, other: &str) -> (Reason, String) {
    let (key, range) = (observed.name(seen.key), range(observed, seen));
    let is_list = way(observed, edge.to, seen.key) == Some(Way::List);
    match edge.reason {
        reason::WR => {
            let text = match observed.made[seen.version as usize].is_dead {
                true => format!("{other} found {key} deleted, which {one} had done"),
                false if is_list => format!("{other} read in {key} what {one} had appended"),
                false => format!("{other} read {key} as {one} had written it"),
            };
            (Reason::ReadBy, text)
        }
        reason::PREDICATE_WR => {
            let text = format!("{other} scanned {range} and did not find {key}, which {one} had deleted");
            (Reason::MissedBy, text)
        }
        reason::RW if is_list => {
            (Reason::OverwrittenBy, format!("{one} read {key} as it was before {other} appended to it"))
        }
        reason::RW => {
            let verb = verb(observed, seen.until, edge.to);
            (Reason::OverwrittenBy, format!("{one} read {key} as it was before {other} {verb} it"))
        }
        _ => (Reason::InsertedBy, format!("{one} scanned {range} and missed {key}, which {other} wrote")),
    }
}

/// What the writer of the version after this one did to it.
fn verb(observed: &Observed<'_>, version: u32, writer: u32) -> &'static str {
    let is_next =
        |&&(older, newer): &&(u32, u32)| older == version && observed.made[newer as usize].writer == writer;
    let next = observed.order.iter().find(is_next);
    match next.is_some_and(|&(_, newer)| observed.made[newer as usize].is_dead) {
        true => "deleted",
        false => "wrote",
    }
}

fn overwrite(observed: &Observed<'_>, edge: &Edge, one: &str, other: &str) -> String {
    let made = observed.made[edge.evidence as usize];
    let key = observed.name(made.key);
    if way(observed, edge.to, made.key) == Some(Way::List) {
        return format!("{other} appended to {key} after {one}");
    }
    let verb = match verb(observed, edge.evidence, edge.to) {
        "deleted" => "deleted",
        _ => "overwrote",
    };
    format!("{other} {verb} {key} after {one} had written it")
}

/// In which way a transaction used a key.
fn way(observed: &Observed<'_>, transaction: u32, key: crate::history::Key) -> Option<Way> {
    let operations = &observed.history.transactions()[transaction as usize].operations;
    operations.iter().find(|operation| operation.key() == Some(key)).map(Operation::way)
}

fn range(observed: &Observed<'_>, seen: Seen) -> String {
    let operations = &observed.history.transactions()[seen.reader as usize].operations;
    match &operations[seen.operation as usize] {
        Operation::Scan { range, .. } => range.to_string(),
        _ => "a range".to_owned(),
    }
}

/// What a transaction did, in one line: `get x = @1, put x @5`.
pub(crate) fn summary(history: &History, transaction: usize) -> String {
    let operations = &history.transactions()[transaction].operations;
    let steps: Vec<String> = operations.iter().map(|operation| step(history, operation)).collect();
    if steps.is_empty() { "nothing".to_owned() } else { steps.join(", ") }
}

fn step(history: &History, operation: &Operation) -> String {
    let name = |key: &crate::history::Key| history.key_name(*key);
    match operation {
        Operation::Get { key, version } => format!("get {} = {version}", name(key)),
        Operation::Put { key, version } => format!("put {} {version}", name(key)),
        Operation::Delete { key, version } => format!("delete {} {version}", name(key)),
        Operation::Scan { range, found } => {
            let found = found.iter().map(|(key, version)| format!("{}={version}", name(key)));
            format!("scan {range} = [{}]", shortened(found))
        }
        Operation::Append { key, element } => {
            format!("append {} {}", name(key), history.value_name(*element))
        }
        Operation::ReadList { key, elements } => {
            let elements = elements.iter().map(|element| history.value_name(*element).to_string());
            format!("read {} = [{}]", name(key), shortened(elements))
        }
        Operation::Write { key, value } => format!("write {} {}", name(key), history.value_name(*value)),
        Operation::Read { key, value: Some(value) } => {
            format!("read {} = {}", name(key), history.value_name(*value))
        }
        Operation::Read { key, value: None } => format!("read {} = nothing", name(key)),
    }
}

/// The first few, the last one, and that there are others.
pub(crate) fn shortened(items: impl ExactSizeIterator<Item = String>) -> String {
    let count = items.len();
    let kept =
        items.enumerate().filter(|(place, _)| count <= SHOWN || *place + 1 == count || *place < SHOWN - 2);
    let mut shown: Vec<String> = kept.map(|(_, item)| item).collect();
    if count > SHOWN {
        shown.insert(SHOWN - 2, format!("… {} more …", count - SHOWN + 1));
    }
    shown.join(" ")
}
