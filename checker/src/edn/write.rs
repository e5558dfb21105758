//! Writes a history.

use crate::history::{History, KeyRange, Name, Operation, Outcome, Transaction, Version, Way};
use std::io::{self, Write};
use std::ops::Bound;

/// Writes a history, one event a line, in the form that [`read_edn`](crate::read_edn) reads.
///
/// A history without versions is written as Elle reads it: an event for the beginning of each transaction and one
/// for its end, in the order of real time. A transaction whose beginning isn't known has only the latter, and no place in
/// real time when it is read again. A history with versions is written with a line for each transaction.
///
/// # Errors
/// If `out` can't be written.
pub fn write_edn(history: &History, out: &mut impl Write) -> io::Result<()> {
    let mut operations = history.transactions().iter().flat_map(|transaction| &transaction.operations);
    if operations.any(|operation| operation.way() == Way::Versions) {
        return history.transactions().iter().try_for_each(|transaction| whole(history, transaction, out));
    }
    let sessions = history.transactions().iter().filter_map(|transaction| transaction.session);
    let unnamed = sessions.max().map_or(0, |session| session + 1);
    for (index, (is_end, place)) in events(history).into_iter().enumerate() {
        let transaction = &history.transactions()[place];
        let process = transaction.session.unwrap_or(unnamed + place as u64);
        let kind = if is_end { type_of(transaction) } else { "invoke" };
        write!(out, "{{:index {index}, :type :{kind}, :process {process}, :f :txn, :value [")?;
        operations_of(history, transaction, is_end && transaction.outcome == Outcome::Committed, out)?;
        writeln!(out, "]}}")?;
    }
    Ok(())
}

/// The beginnings and ends of transactions in the order of time: whether it is an end, and whose.
fn events(history: &History) -> Vec<(bool, usize)> {
    let mut events: Vec<((u64, bool), usize)> = Vec::with_capacity(2 * history.transactions().len());
    for (place, transaction) in history.transactions().iter().enumerate() {
        let Some(begin) = transaction.begin else {
            events.push(((0, true), place));
            continue;
        };
        let end = match transaction.outcome {
            // A process goes on after it doesn't know how something ended.
            Outcome::Unknown => begin,
            _ => transaction.end.unwrap_or(u64::MAX),
        };
        events.push(((begin, false), place));
        events.push(((end, true), place));
    }
    events.sort_by_key(|(moment, _)| *moment);
    events.into_iter().map(|((_, is_end), place)| (is_end, place)).collect()
}

fn type_of(transaction: &Transaction) -> &'static str {
    match transaction.outcome {
        Outcome::Committed => "ok",
        Outcome::Aborted => "fail",
        Outcome::Unknown => "info",
    }
}

/// A transaction in one line.
fn whole(history: &History, transaction: &Transaction, out: &mut impl Write) -> io::Result<()> {
    write!(out, "{{:type :{}", type_of(transaction))?;
    for (name, number) in
        [("process", transaction.session), ("begin", transaction.begin), ("end", transaction.end)]
    {
        if let Some(number) = number {
            write!(out, ", :{name} {number}")?;
        }
    }
    write!(out, ", :value [")?;
    operations_of(history, transaction, true, out)?;
    writeln!(out, "]}}")
}

/// All operations; what was read only if that is known.
fn operations_of(
    history: &History,
    transaction: &Transaction,
    is_known: bool,
    out: &mut impl Write,
) -> io::Result<()> {
    for (place, operation) in transaction.operations.iter().enumerate() {
        if place > 0 {
            out.write_all(b" ")?;
        }
        operation_of(history, operation, is_known, out)?;
    }
    Ok(())
}

fn operation_of(
    history: &History,
    operation: &Operation,
    is_known: bool,
    out: &mut impl Write,
) -> io::Result<()> {
    let key = |key: &_| edn(history.key_name(*key));
    let value = |value: &_| edn(history.value_name(*value));
    match operation {
        Operation::Append { key: list, element } => write!(out, "[:append {} {}]", key(list), value(element)),
        Operation::Write { key: register, value: new } => {
            write!(out, "[:w {} {}]", key(register), value(new))
        }
        Operation::ReadList { key: name, .. } | Operation::Read { key: name, .. } if !is_known => {
            write!(out, "[:r {} nil]", key(name))
        }
        Operation::Read { key: register, value: seen } => {
            let seen = seen.as_ref().map_or_else(|| "nil".to_owned(), value);
            write!(out, "[:r {} {seen}]", key(register))
        }
        Operation::ReadList { key: list, elements } => {
            write!(out, "[:r {} [", key(list))?;
            for (place, element) in elements.iter().enumerate() {
                write!(out, "{}{}", if place > 0 { " " } else { "" }, value(element))?;
            }
            write!(out, "]]")
        }
        Operation::Get { key: name, version } => write!(out, "[:get {} {}]", key(name), stamp(*version)),
        Operation::Put { key: name, version } => write!(out, "[:put {} {}]", key(name), stamp(*version)),
        Operation::Delete { key: name, version } => write!(out, "[:del {} {}]", key(name), stamp(*version)),
        Operation::Scan { range, found } => {
            let KeyRange { low, high } = &**range;
            write!(out, "[:scan {} {} [", bound(low, ":>=", ":>"), bound(high, ":<=", ":<"))?;
            for (place, (name, version)) in found.iter().enumerate() {
                let space = if place > 0 { " " } else { "" };
                write!(out, "{space}[{} {}]", key(name), stamp(*version))?;
            }
            write!(out, "]]")
        }
    }
}

fn bound(bound: &Bound<Name>, included: &str, excluded: &str) -> String {
    match bound {
        Bound::Included(name) => format!("[{included} {}]", edn(name)),
        Bound::Excluded(name) => format!("[{excluded} {}]", edn(name)),
        Bound::Unbounded => "nil".to_owned(),
    }
}

fn stamp(version: Version) -> String {
    match version {
        Version::UNBORN => "nil".to_owned(),
        Version { stamp, step: 0 } => stamp.to_string(),
        Version { stamp, step } => format!("[{stamp} {step}]"),
    }
}

fn edn(name: &Name) -> String {
    match name {
        Name::Int(number) => number.to_string(),
        Name::Bytes(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => {
                let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
                format!("\"{}\"", escaped.replace('\r', "\\r").replace('\t', "\\t"))
            }
            Err(_) => {
                format!("#bytes \"{}\"", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
            }
        },
    }
}
