//! Lists that are appended to (black-box): the order of versions is in the lists themselves.
//!
//! After Kingsbury and Alvaro (2020, section 4.2): a read of `[3 1 7]` shows that 3 was appended first, then 1, then 7;
//! every element is appended once, so each tells who did it. The longest list that anyone has read is the order of
//! versions, and each other read must be a beginning of it. What was appended and is not in it was appended later,
//! in an order that nobody knows:
//!
//! ```text
//! [] ─► 3 by T1 ─► 1 by T4 ─► 7 by T2 ─┬─► 9 by T5
//!                                      └─► 4 by T8
//! ```

use super::{Made, NONE, Observed, Seen, internal};
use crate::Error;
use crate::anomaly::{Kind, shortened};
use crate::error::Place;
use crate::history::{History, Key, Operation, Value, label};
use rustc_hash::FxHashMap;

/// How many of the elements that nobody has read are taken to follow the last one that somebody has: those of the
/// transactions that come first in the history. All of them would be too many edges for a list that is hardly read.
const UNREAD: usize = 64;

/// One element of a list.
#[derive(Clone, Copy, Debug)]
struct Append {
    key: Key,
    value: Value,
    writer: u32,
    operation: u32,
    /// Whether its writer appends nothing more to this list.
    is_final: bool,
    /// Its place in the longest list, counted from 1; [`NONE`] if it isn't there.
    place: u32,
    /// The number of the one that its writer appended to this list before; [`NONE`] if it is the first.
    previous: u32,
}

/// Who appended what.
struct Appends {
    all: Vec<Append>,
    numbers: FxHashMap<(Key, Value), u32>,
}

/// What is known of one list.
#[derive(Clone, Copy, Debug)]
struct List<'a> {
    /// The longest one that was read, and by whom.
    longest: &'a [Value],
    reader: u32,
    /// The version before all elements.
    base: u32,
    /// How long a read may be before it has an element whose writer aborted.
    clean: u32,
    is_used: bool,
    is_broken: bool,
}

pub(super) fn observe(observed: &mut Observed<'_>) -> Result<(), Error> {
    let history = observed.history;
    let mut appends = appends(history)?;
    let mut lists = longest(observed);
    appends.all.iter().for_each(|append| lists[append.key.0 as usize].is_used = true);
    for (key, list) in (0..).map(Key).zip(&mut lists).filter(|(_, list)| list.is_used) {
        version_order(observed, &mut appends, key, list);
    }
    for reader in observed.effective().collect::<Vec<_>>() {
        reads(observed, &appends, &mut lists, reader);
    }
    unread(observed, &appends, &lists);
    Ok(())
}

fn appends(history: &History) -> Result<Appends, Error> {
    let mut appends = Appends { all: Vec::new(), numbers: FxHashMap::default() };
    let mut later: FxHashMap<Key, u32> = FxHashMap::default();
    for (writer, transaction) in (0..).zip(history.transactions()) {
        later.clear();
        for (operation, what) in transaction.operations.iter().enumerate().rev() {
            let Operation::Append { key, element: value } = *what else { continue };
            let number = appends.all.len() as u32;
            if appends.numbers.insert((key, value), number).is_some() {
                return Err(Error::SameValue {
                    key: history.key_name(key).clone(),
                    value: history.value_name(value).clone(),
                    transaction: Place::of(history, writer as usize),
                });
            }
            let next = later.insert(key, number);
            if let Some(next) = next {
                appends.all[next as usize].previous = number;
            }
            let (operation, is_final) = (operation as u32, next.is_none());
            appends.all.push(Append { key, value, writer, operation, is_final, place: NONE, previous: NONE });
        }
    }
    Ok(appends)
}

impl Appends {
    fn get(&self, key: Key, value: Value) -> Option<&Append> {
        self.numbers.get(&(key, value)).map(|&number| &self.all[number as usize])
    }
}

/// For each key the longest list that was read of it.
fn longest<'a>(observed: &Observed<'a>) -> Vec<List<'a>> {
    let none = List { longest: &[], reader: NONE, base: NONE, clean: 0, is_used: false, is_broken: false };
    let mut lists = vec![none; observed.history.keys()];
    for reader in observed.effective() {
        for operation in &observed.history.transactions()[reader as usize].operations {
            if let Operation::ReadList { key, elements } = operation {
                let list = &mut lists[key.0 as usize];
                list.is_used = true;
                if list.reader == NONE || elements.len() > list.longest.len() {
                    (list.longest, list.reader) = (elements, reader);
                }
            }
        }
    }
    lists
}

/// Adds the versions of a list, in the order of the longest one.
fn version_order(observed: &mut Observed<'_>, appends: &mut Appends, key: Key, list: &mut List<'_>) {
    list.base = observed.made.len() as u32;
    list.clean = list.longest.len() as u32;
    let initial = Made { key, writer: NONE, rank: 0, is_final: true, is_dead: true };
    observed.made.push(initial);
    let mut aborted = None;
    let mut before = list.base;
    for (place, &value) in (1..).zip(list.longest) {
        let number = appends.numbers.get(&(key, value)).copied();
        out_of_step(observed, appends, list, number);
        let append = number.map(|number| &mut appends.all[number as usize]);
        let mut made = Made { key, writer: NONE, rank: place, is_final: true, is_dead: false };
        match append {
            None => unwritten(observed, list.reader, key, value),
            Some(append) if append.place != NONE => duplicate(observed, list, key, value),
            Some(append) => {
                append.place = place;
                made.is_final = append.is_final;
                if observed.took_effect[append.writer as usize] {
                    made.writer = append.writer;
                    dirty_update(observed, aborted, append);
                } else {
                    aborted = aborted.or(Some(append.writer));
                    list.clean = list.clean.min(place - 1);
                }
            }
        }
        let version = observed.made.len() as u32;
        observed.made.push(made);
        if made.writer != NONE {
            observed.order.extend((before..version).map(|older| (older, version)));
            before = version;
        }
    }
}

fn unwritten(observed: &mut Observed<'_>, reader: u32, key: Key, value: Value) {
    let history = observed.history;
    observed.findings.add(Kind::UnwrittenRead, &[reader], Some(key), || {
        let (key, value) = (history.key_name(key), history.value_name(value));
        format!("{} read {value} in the list {key}, which nobody had appended.", label(reader as usize))
    });
}

fn duplicate(observed: &mut Observed<'_>, list: &List<'_>, key: Key, value: Value) {
    let history = observed.history;
    observed.findings.add(Kind::DuplicateElements, &[list.reader], Some(key), || {
        let (key, value) = (history.key_name(key), history.value_name(value));
        let reader = label(list.reader as usize);
        format!("{reader} read {value} more than once in the list {key}, to which it was appended once.")
    });
}

/// Notes that an element is read without one that the same transaction appended before.
fn out_of_step(observed: &mut Observed<'_>, appends: &Appends, list: &List<'_>, number: Option<u32>) {
    let Some(append) = number.map(|number| appends.all[number as usize]) else { return };
    if append.previous == NONE || append.place != NONE {
        return;
    }
    let previous = appends.all[append.previous as usize];
    if previous.place != NONE {
        return;
    }
    let history = observed.history;
    let transactions = [append.writer, list.reader];
    observed.findings.add(Kind::IncompatibleOrder, &transactions, Some(append.key), || {
        let [writer, reader] = transactions.map(|number| label(number as usize));
        let [first, second] = [previous, append].map(|append| history.value_name(append.value).to_string());
        let key = history.key_name(append.key);
        format!("{writer} appended {first} to {key} and then {second}, but {reader} read {second} without {first} before it.")
    });
}

/// Notes that an element stands on top of an aborted one.
fn dirty_update(observed: &mut Observed<'_>, aborted: Option<u32>, append: &Append) {
    let Some(aborted) = aborted else { return };
    let (history, writer) = (observed.history, append.writer);
    observed.findings.add(Kind::DirtyUpdate, &[aborted, writer], Some(append.key), || {
        let (writer, aborted) = (label(writer as usize), label(aborted as usize));
        let (key, value) = (history.key_name(append.key), history.value_name(append.value));
        format!(
            "{writer} appended {value} to {key} on top of what {aborted} had appended, but {aborted} aborted."
        )
    });
}

/// Notes what one transaction has read.
fn reads(observed: &mut Observed<'_>, appends: &Appends, lists: &mut [List<'_>], reader: u32) {
    let history = observed.history;
    // The last element that it has appended itself, for each list.
    let mut own: FxHashMap<Key, Value> = FxHashMap::default();
    for (operation, what) in (0..).zip(&history.transactions()[reader as usize].operations) {
        match what {
            Operation::Append { key, element } => drop(own.insert(*key, *element)),
            Operation::ReadList { key, elements } => {
                let list = &mut lists[key.0 as usize];
                let read = Read { reader, operation, key: *key, elements };
                aborted_elements(observed, appends, list, &read);
                if !list.longest.starts_with(elements) {
                    list.is_broken = true;
                    incompatible(observed, list, &read);
                } else if is_own(observed, appends, &read, own.get(key).copied()) {
                    read_of(observed, list, &read);
                }
            }
            _ => {}
        }
    }
}

/// One reading of a list.
struct Read<'a> {
    reader: u32,
    operation: u32,
    key: Key,
    elements: &'a [Value],
}

/// Notes an element of somebody who aborted: the first one of the read.
fn aborted_elements(observed: &mut Observed<'_>, appends: &Appends, list: &List<'_>, read: &Read<'_>) {
    if read.elements.len() as u32 <= list.clean && list.longest.starts_with(read.elements) {
        return;
    }
    let writers = read.elements.iter().filter_map(|&element| appends.get(read.key, element));
    let aborted = writers.map(|append| append.writer).find(|&writer| !observed.took_effect[writer as usize]);
    let Some(writer) = aborted else { return };
    let history = observed.history;
    observed.findings.add(Kind::G1a, &[writer, read.reader], Some(read.key), || {
        let (reader, writer) = (label(read.reader as usize), label(writer as usize));
        let key = history.key_name(read.key);
        format!(
            "{reader} read in {key} what {writer} had appended, but {writer} aborted: it never was there."
        )
    });
}

fn incompatible(observed: &mut Observed<'_>, list: &List<'_>, read: &Read<'_>) {
    let history = observed.history;
    observed.findings.add(Kind::IncompatibleOrder, &[list.reader, read.reader], Some(read.key), || {
        let same = list.longest.iter().zip(read.elements).take_while(|(one, other)| one == other).count();
        let shown = |elements: &[Value]| {
            let from = same.saturating_sub(2).min(elements.len());
            let start = if from > 0 { "… " } else { "" };
            let names = elements[from..].iter().map(|element| history.value_name(*element).to_string());
            format!("[{start}{}]", shortened(names))
        };
        format!(
            "{} read the list {} as {}, and {} as {}: from element {} on they differ, so that it wasn't only appended to.",
            label(list.reader as usize),
            history.key_name(read.key),
            shown(list.longest),
            label(read.reader as usize),
            shown(read.elements),
            same + 1
        )
    });
}

/// Whether a read fits with what its transaction had appended itself, and shows another transaction's version.
fn is_own(observed: &mut Observed<'_>, appends: &Appends, read: &Read<'_>, own: Option<Value>) -> bool {
    let length = read.elements.len() as u32;
    let last_own = own.and_then(|own| appends.get(read.key, own));
    if last_own.is_some_and(|append| append.place > length) {
        internal(observed, read.reader, read.key, |me, key| {
            format!("{me} appended to {key}, and after that it read {key} without what it had appended.")
        });
        return false;
    }
    let mine = read.elements.iter().rev().filter_map(|&element| appends.get(read.key, element));
    let too_early =
        mine.take_while(|append| append.writer == read.reader).any(|it| it.operation > read.operation);
    if too_early {
        internal(observed, read.reader, read.key, |me, key| {
            format!("{me} read in {key} what it appended only after that.")
        });
        return false;
    }
    let last = read.elements.last().and_then(|&element| appends.get(read.key, element));
    last.is_none_or(|append| append.writer != read.reader)
}

/// Notes which version a read has seen.
fn read_of(observed: &mut Observed<'_>, list: &List<'_>, read: &Read<'_>) {
    let version = list.base + read.elements.len() as u32;
    let Made { writer, is_final, .. } = observed.made[version as usize];
    if writer != NONE && !is_final {
        observed.intermediate_read(read.reader, read.key, writer);
    }
    let Read { reader, operation, key, .. } = *read;
    observed.seen.push(Seen { reader, operation, key, version, until: version, is_predicate: false });
}

/// Adds what was appended and nobody has read, after all that somebody has.
fn unread(observed: &mut Observed<'_>, appends: &Appends, lists: &[List<'_>]) {
    let mut added: FxHashMap<Key, (usize, u32)> = FxHashMap::default();
    for append in &appends.all {
        let list = &lists[append.key.0 as usize];
        let took_effect = observed.took_effect[append.writer as usize];
        if append.place != NONE || list.is_broken || !took_effect || !append.is_final {
            continue;
        }
        let (count, _) = added.entry(append.key).or_insert((0, NONE));
        *count += 1;
        if *count > UNREAD {
            continue;
        }
        let last = list.base + list.longest.len() as u32;
        let version = observed.made.len() as u32;
        let rank = list.longest.len() as u32 + 1;
        observed.made.push(Made {
            key: append.key,
            writer: append.writer,
            rank,
            is_final: true,
            is_dead: false,
        });
        let has_writer = |version: &u32| observed.made[*version as usize].writer != NONE;
        let from = (list.base..=last).rev().find(has_writer).unwrap_or(list.base);
        observed.order.extend((from..=last).map(|older| (older, version)));
    }
}
