//! Reading scenario files, line by line. The folder `scenarios` has a page on how they are written.

use std::collections::BTreeSet;
use std::str::FromStr;

use synod::{Isolation, Mode};
use synod_checker::{CycleKind, Family, Kind, Order};

use super::scenario::{
    Condition, Expectation, Filter, Operation, Outcome, Place, Question, Range, Scenario, Step,
};

/// A scenario file that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct ParseError {
    /// The line's number; that of the last line for what is missing.
    pub line: usize,
    /// What is wrong with it.
    pub reason: String,
}

type Result<T, E = String> = std::result::Result<T, E>;

/// The table of keys that name none.
const TABLE: &str = "test";

/// The reasons for aborts that can be expected.
const REASONS: [&str; 4] = ["deadlock", "read changed", "unserializable", "write conflict"];

/// Reads a scenario.
///
/// # Errors
/// If a line makes no sense, or something is missing.
pub fn parse(name: &str, text: &str) -> Result<Scenario, ParseError> {
    let mut parser = Parser::default();
    let mut last = 1;
    for (number, line) in (1..).zip(text.lines()) {
        parser.line(line).map_err(|reason| ParseError { line: number, reason })?;
        last = number;
    }
    parser.finish(name).map_err(|reason| ParseError { line: last, reason })
}

#[derive(Default)]
struct Parser {
    title: Option<String>,
    comment: Vec<String>,
    has_begun: bool,
    rows: Vec<(Place, i64)>,
    steps: Vec<Step>,
    question: Option<Question>,
    expectations: Vec<Expectation>,
}

impl Parser {
    fn line(&mut self, line: &str) -> Result<()> {
        let (line, comment) = line.split_once('#').map_or((line, None), |(line, rest)| (line, Some(rest)));
        let line = line.trim();
        if let Some(comment) = comment.filter(|_| line.is_empty() && !self.has_begun) {
            self.comment.push(comment.trim().to_owned());
        }
        if line.is_empty() {
            return Ok(());
        }
        self.has_begun = true;
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let rest = rest.trim();
        match word {
            "title:" => set(&mut self.title, rest.to_owned(), "title"),
            "row" => self.row(rest),
            "anomaly:" => set(&mut self.question, found(rest)?, "anomaly"),
            "anomaly" => match rest.strip_prefix("when ") {
                Some(conditions) => set(&mut self.question, when(conditions)?, "anomaly"),
                None => Err("write \"anomaly: G2-item\" or \"anomaly when T1 committed and …\"".to_owned()),
            },
            "expect" => self.expect(rest),
            _ if is_transaction(word) => self.step(transaction(word)?, rest),
            _ => Err(format!("\"{word}\" is none of title:, row, T1, T2, …, anomaly, expect")),
        }
    }

    fn row(&mut self, text: &str) -> Result<()> {
        let (key, value) = assignment(text)?;
        let place = place(key)?;
        if self.rows.iter().any(|(other, _)| *other == place) {
            return Err(format!("there is a row {place} already"));
        }
        self.rows.push((place, value));
        Ok(())
    }

    fn step(&mut self, transaction: usize, text: &str) -> Result<()> {
        let operation = operation(text)?;
        let name = format!("T{}", transaction + 1);
        let own = || self.steps.iter().filter(|step| step.transaction == transaction);
        match own().next_back() {
            None if operation != Operation::Begin => return Err(format!("{name} has not begun yet")),
            Some(_) if operation == Operation::Begin => {
                return Err(format!("{name} has begun already; each transaction has a name of its own"));
            }
            Some(last) if last.operation.ends() => return Err(format!("{name} has ended already")),
            _ => {}
        }
        if let Operation::Add(place, _) = &operation
            && !own().any(|step| reads(&step.operation, place))
        {
            return Err(format!("{name} adds to {place} without having read it"));
        }
        self.steps.push(Step { transaction, operation, text: text.to_owned() });
        Ok(())
    }

    fn expect(&mut self, text: &str) -> Result<()> {
        let (whom, outcome) = text.split_once(':').ok_or("write \"expect MODE LEVEL …: OUTCOME\"")?;
        let mut words = whom.split_whitespace();
        let mode: Mode = words.next().ok_or("name a mode: 2pl, occ or mvcc")?.parse()?;
        let named: Vec<Isolation> = words.map(Isolation::from_str).collect::<Result<_>>()?;
        let levels = if named.is_empty() { mode.levels().to_vec() } else { named };
        let outcome = self::outcome(outcome.trim())?;
        for level in levels {
            if !mode.levels().contains(&level) {
                return Err(format!("{mode} has no level {level}"));
            }
            if self.expectations.iter().any(|other| (other.mode, other.level) == (mode, level)) {
                return Err(format!("what to expect of {mode} at {level} is said already"));
            }
            self.expectations.push(Expectation { mode, level, outcome: outcome.clone() });
        }
        Ok(())
    }

    fn finish(self, name: &str) -> Result<Scenario> {
        let names: BTreeSet<usize> = self.steps.iter().map(|step| step.transaction).collect();
        let transactions = names.len();
        if transactions == 0 {
            return Err("there are no steps".to_owned());
        }
        if let Some(missing) = (0..transactions).find(|number| !names.contains(number)) {
            return Err(format!("there is no T{}; transactions are numbered without gaps", missing + 1));
        }
        let question = self.question.ok_or("no line says what the anomaly is")?;
        if let Question::When(conditions) = &question
            && let Some(unknown) =
                conditions.iter().map(Condition::transaction).find(|of| *of >= transactions)
        {
            return Err(format!("the anomaly speaks of T{}, which does nothing", unknown + 1));
        }
        Ok(Scenario {
            name: name.to_owned(),
            title: self.title.ok_or("there is no title")?,
            comment: self.comment,
            rows: self.rows,
            steps: self.steps,
            transactions,
            question,
            expectations: self.expectations,
        })
    }
}

impl Condition {
    fn transaction(&self) -> usize {
        match *self {
            Condition::Committed(transaction)
            | Condition::Aborted(transaction)
            | Condition::Read { transaction, .. } => transaction,
        }
    }
}

fn set<T>(slot: &mut Option<T>, value: T, what: &str) -> Result<()> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(format!("there is a second {what}")),
    }
}

fn is_transaction(word: &str) -> bool {
    word.strip_prefix('T').is_some_and(|number| number.starts_with(|first: char| first.is_ascii_digit()))
}

fn transaction(word: &str) -> Result<usize> {
    let number = word.strip_prefix('T').and_then(|number| number.parse::<usize>().ok());
    match number {
        Some(number @ 1..=16) => Ok(number - 1),
        _ => Err(format!("\"{word}\" is no transaction; there are T1 to T16")),
    }
}

fn place(text: &str) -> Result<Place> {
    let (table, key) = text.split_once('/').unwrap_or((TABLE, text));
    let is_word = |word: &str| {
        !word.is_empty() && word.chars().all(|letter| letter.is_alphanumeric() || "-_".contains(letter))
    };
    if !is_word(table) || !is_word(key) {
        return Err(format!("\"{text}\" is no key; write 1, or room/7 for the key 7 of the table room"));
    }
    Ok(Place { table: table.to_owned(), key: key.to_owned() })
}

fn number(text: &str) -> Result<i64> {
    // So that sums stay far from the limits.
    let number = text.trim().parse::<i32>().map_err(|_| format!("\"{}\" is no number", text.trim()))?;
    Ok(i64::from(number))
}

fn assignment(text: &str) -> Result<(&str, i64)> {
    let (key, value) = text.split_once('=').ok_or_else(|| format!("\"{text}\" has no \"= VALUE\""))?;
    Ok((key.trim(), number(value)?))
}

fn operation(text: &str) -> Result<Operation> {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    let rest = rest.trim();
    let written = |make: fn(Place, i64) -> Operation| {
        let (key, value) = assignment(rest)?;
        Ok(make(place(key)?, value))
    };
    match word {
        "begin" | "commit" | "abort" if !rest.is_empty() => Err(format!("nothing comes after {word}")),
        "begin" => Ok(Operation::Begin),
        "commit" => Ok(Operation::Commit),
        "abort" => Ok(Operation::Abort),
        "get" => Ok(Operation::Get(place(rest)?)),
        "get-for-update" => Ok(Operation::GetForUpdate(place(rest)?)),
        "put" => written(Operation::Put),
        "insert" => written(Operation::Insert),
        "add" => add(rest),
        "delete" if is_range(rest) => {
            let (range, filter) = selection(rest)?;
            Ok(Operation::DeleteWhere(range, filter))
        }
        "delete" => Ok(Operation::Delete(place(rest)?)),
        "scan" => {
            let (range, filter) = selection(rest)?;
            Ok(Operation::Scan(range, filter))
        }
        _ => Err(format!(
            "\"{word}\" is no step; there are begin, get, get-for-update, put, add, insert, delete, scan, commit, abort"
        )),
    }
}

/// `add KEY N`, or `add N to RANGE where …`.
fn add(text: &str) -> Result<Operation> {
    let (first, rest) = text.split_once(' ').ok_or("write \"add KEY N\" or \"add N to RANGE\"")?;
    match rest.trim().strip_prefix("to ") {
        Some(rest) => {
            let (range, filter) = selection(rest.trim())?;
            Ok(Operation::AddWhere(range, number(first)?, filter))
        }
        None => Ok(Operation::Add(place(first)?, number(rest)?)),
    }
}

fn is_range(text: &str) -> bool {
    text.contains("..")
        || text.starts_with("where ")
        || text.split(' ').next().is_some_and(|word| word.ends_with('/'))
}

/// `1..5`, `room/`, `room/1..5` or nothing, and perhaps `where …`.
fn selection(text: &str) -> Result<(Range, Filter)> {
    let (range, filter) = match text.split_once("where ") {
        Some((range, filter)) => (range.trim(), self::filter(filter)?),
        None => (text, Filter::All),
    };
    let (table, keys) = range.split_once('/').unwrap_or((TABLE, range));
    let keys = match keys.split_once("..") {
        Some((low, high)) => Some((place(low)?.key, place(high)?.key)),
        None if keys.is_empty() => None,
        None => return Err(format!("\"{range}\" is no range; write 1..5, room/1..5, room/ or nothing")),
    };
    Ok((Range { table: place(&format!("{table}/x"))?.table, keys }, filter))
}

fn filter(text: &str) -> Result<Filter> {
    let words: Vec<&str> = text.split_whitespace().collect();
    match words[..] {
        ["value", "=", wanted] => Ok(Filter::Equals(number(wanted)?)),
        ["value", "<", limit] => Ok(Filter::Less(number(limit)?)),
        ["value", ">", limit] => Ok(Filter::More(number(limit)?)),
        ["value", "%", divisor, "=", rest] => match number(divisor)? {
            divisor @ 1.. => Ok(Filter::Remainder(divisor, number(rest)?)),
            _ => Err("one divides by more than 0".to_owned()),
        },
        _ => Err(format!("\"{text}\" is no filter; write value = 30, value < 5, value > 5 or value % 3 = 0")),
    }
}

/// Whether a step reads a key.
fn reads(operation: &Operation, place: &Place) -> bool {
    match operation {
        Operation::Get(read) | Operation::GetForUpdate(read) => read == place,
        Operation::Scan(range, _) => {
            let is_within = |(low, high): &(String, String)| (low..=high).contains(&&place.key);
            range.table == place.table && range.keys.as_ref().is_none_or(is_within)
        }
        _ => false,
    }
}

/// All names that the checker gives to what it finds in a history of versions.
fn kinds() -> Vec<Kind> {
    let families = [Family::G0, Family::G1c, Family::GSingle, Family::GNonadjacent, Family::G2];
    let cycle = |family, is_predicate| Kind::Cycle(CycleKind { order: Order::Data, family, is_predicate });
    let cycles = families.into_iter().flat_map(|family| [cycle(family, false), cycle(family, true)]);
    [Kind::DirtyUpdate, Kind::G1a, Kind::G1b, Kind::ObservedVanishes].into_iter().chain(cycles).collect()
}

fn found(text: &str) -> Result<Question> {
    let kinds = kinds();
    let find = |name: &str| {
        let same: Vec<Kind> = kinds.iter().copied().filter(|kind| kind.to_string() == name).collect();
        match same.is_empty() {
            false => Ok(same),
            true => {
                let mut names: Vec<String> = kinds.iter().map(Kind::to_string).collect();
                names.dedup();
                Err(format!("the checker knows no \"{name}\"; it knows {}", names.join(", ")))
            }
        }
    };
    let found: Vec<Vec<Kind>> = text.split(',').map(|name| find(name.trim())).collect::<Result<_>>()?;
    Ok(Question::Found(found.concat()))
}

fn when(text: &str) -> Result<Question> {
    text.split(" and ")
        .map(|condition| self::condition(condition.trim()))
        .collect::<Result<_>>()
        .map(Question::When)
}

fn condition(text: &str) -> Result<Condition> {
    let words: Vec<&str> = text.split_whitespace().collect();
    match words[..] {
        [name, "committed"] => Ok(Condition::Committed(transaction(name)?)),
        [name, "aborted"] => Ok(Condition::Aborted(transaction(name)?)),
        [name, "read", key, "=", value] => Ok(Condition::Read {
            transaction: transaction(name)?,
            place: place(key)?,
            value: if value == "nothing" { None } else { Some(number(value)?) },
        }),
        _ => Err(format!("\"{text}\" is no condition; write T1 committed, T1 aborted, T1 read KEY = VALUE")),
    }
}

fn outcome(text: &str) -> Result<Outcome> {
    match text {
        "allowed" => return Ok(Outcome::Allowed),
        "prevented" => return Ok(Outcome::Prevented),
        "waits" => return Ok(Outcome::Waits),
        _ => {}
    }
    let reasons = text
        .strip_prefix("aborts:")
        .ok_or_else(|| format!("\"{text}\" is none of allowed, prevented, waits, aborts: REASON"))?;
    let reason = |reason: &str| match REASONS.contains(&reason.trim()) {
        true => Ok(reason.trim().to_owned()),
        false => Err(format!("\"{}\" is no reason; there are {}", reason.trim(), REASONS.join(", "))),
    };
    Ok(Outcome::Aborts(reasons.split(',').map(reason).collect::<Result<_>>()?))
}
