//! Judges what is found after a crash.

use std::collections::BTreeSet;
use std::fmt;

use synod::device::{MemoryDevice, Survival};
use synod::{Durability, Engine, Error, Table, Timestamp};

use super::model::{Commit, FIXED, LEDGER, Place, Records, State, VOLATILE, apply, ledger_key, state_after};
use super::observed::Image;
use super::record::{Facts, History, Stage};
use super::work::{HOME, Work, options};

/// Numbers from here on belong to commits made after a crash.
const AFTERWARDS: u64 = 1 << 40;

/// A promise that wasn't kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw(pub String);

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What an answer of the engine comes to where it must not fail.
pub trait Expected<T> {
    /// The answer, or a flaw: `what` could not be done.
    fn expected(self, what: &str) -> Result<T, Flaw>;
}

impl<T> Expected<T> for Result<T, Error> {
    fn expected(self, what: &str) -> Result<T, Flaw> {
        self.map_err(|error| Flaw(format!("cannot {what}: {error}")))
    }
}

macro_rules! check {
    ($condition:expr, $($explanation:tt)+) => {
        if !$condition {
            return Err(Flaw(format!($($explanation)+)));
        }
    };
}

/// What survived of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survivors {
    /// How many of the logged commits, in their order.
    pub logged: usize,
    /// All records of all tables.
    pub found: Vec<(String, Records)>,
}

/// A crash, as far as a verdict depends on it.
#[derive(Clone, Copy, Debug)]
pub struct Crash<'h> {
    /// The whole record.
    pub history: &'h History,
    /// The moment before the crash.
    pub before: usize,
    /// The moment after it.
    pub after: usize,
}

impl<'h> Crash<'h> {
    /// The crash that an image shows.
    pub fn of(image: &Image, history: &'h History) -> Self {
        Crash { history, before: image.before, after: image.after }
    }

    /// Judges an engine that was opened on what the crash left.
    pub fn judge(&self, engine: &Engine) -> Result<Survivors, Flaw> {
        let found = contents(engine)?;
        let (before, after) = (self.history.facts_at(self.before), self.history.facts_at(self.after));
        let logged = self.judge_ledger(&found, &before)?;
        judge_tables(&found, &before, &after)?;
        let state = state_after(&self.history.logged[..logged]);
        for (name, records) in &found {
            if name == VOLATILE {
                check!(records.is_empty(), "commits without durability have survived");
            } else {
                judge_records(name, records, &state)?;
            }
        }
        Ok(Survivors { logged, found })
    }

    /// How long the prefix of the logged commits is that is there.
    fn judge_ledger(&self, found: &[(String, Records)], before: &Facts) -> Result<usize, Flaw> {
        let none = Records::new();
        let ledger = found.iter().find(|(name, _)| name == LEDGER).map_or(&none, |(_, records)| records);
        let logged = &self.history.logged;
        check!(ledger.len() <= logged.len(), "there are {} commits of {}", ledger.len(), logged.len());
        let (there, missing) = logged.split_at(ledger.len());
        let is_there = |commit: &&Commit| !ledger.contains_key(&ledger_key(commit.number));
        if let Some(commit) = there.iter().find(is_there) {
            let (number, timestamp) = (commit.number, commit.timestamp);
            return Err(Flaw(format!("no prefix of the commit order: {number} at {timestamp} is missing")));
        }
        let lost: BTreeSet<_> = missing.iter().map(|commit| commit.number).collect();
        let lost: Vec<_> = lost.intersection(&before.durable).collect();
        check!(lost.is_empty(), "commits {lost:?} were acknowledged as durable and are lost");
        Ok(ledger.len())
    }
}

/// Judges which tables are there.
fn judge_tables(found: &[(String, Records)], before: &Facts, after: &Facts) -> Result<(), Flaw> {
    let is_there = |name: &str| found.iter().any(|(found, _)| found == name);
    if before.has_tables {
        let lost = FIXED.iter().find(|name| !is_there(name));
        check!(lost.is_none(), "the table {lost:?} is lost");
    }
    for (name, _) in found.iter().filter(|(name, _)| !FIXED.contains(&name.as_str())) {
        let mut lives = after.stages.keys().filter(|place| place.name == *name);
        let may_be = |place: &Place| before.stages.get(place) != Some(&Stage::Dropped);
        check!(lives.any(may_be), "the table {name} is there, and was dropped or never created");
    }
    for (place, stage) in &before.stages {
        let must_be = *stage == Stage::Created && after.stages[place] == Stage::Created;
        check!(!must_be || is_there(&place.name), "the table {} was created and is lost", place.name);
    }
    Ok(())
}

/// Judges a table's records: they are those of one of its lives.
fn judge_records(name: &str, records: &Records, state: &State) -> Result<(), Flaw> {
    // A table that nobody has written to yet has no state.
    let is_new = records.is_empty() && !FIXED.contains(&name);
    let mut lives = state.iter().filter(|(place, _)| place.name == name);
    let is_known = is_new || lives.any(|(_, expected)| expected == records);
    check!(is_known, "the table {name} holds {records:?}, which no prefix of the commits explains");
    Ok(())
}

/// All records of all tables, with every way of reading them in agreement.
pub fn contents(engine: &Engine) -> Result<Vec<(String, Records)>, Flaw> {
    engine
        .tables()
        .into_iter()
        .map(|name| {
            let table = engine.table(&name).expected("open a table that is there")?;
            Ok((name, records_of(engine, &table)?))
        })
        .collect()
}

fn records_of(engine: &Engine, table: &Table) -> Result<Records, Flaw> {
    let name = table.name();
    let snapshot = engine.snapshot().expected("read")?;
    let read = |records: &mut dyn Iterator<Item = synod::Result<(synod::Bytes, synod::Bytes)>>| {
        let records = records.map(|record| record.map(|(key, value)| (key.to_vec(), value.to_vec())));
        records.collect::<Result<Vec<_>, _>>().expected("scan")
    };
    let forward = read(&mut snapshot.scan(table, ..))?;
    let mut backward = read(&mut snapshot.scan_rev(table, ..))?;
    backward.reverse();
    check!(forward == backward, "the table {name} reads differently backwards");
    check!(forward.is_sorted_by(|one, next| one.0 < next.0), "the keys of {name} are out of order");
    for (key, value) in &forward {
        let got = snapshot.get(table, key).expected("get")?;
        check!(got.as_deref() == Some(value), "get and scan of {name} disagree on {key:?}");
        let absent = [key.as_slice(), b"+"].concat();
        let got = snapshot.contains(table, &absent).expected("get")?;
        check!(!got || forward.iter().any(|(key, _)| *key == absent), "{name} has {absent:?}, not in scans");
    }
    Ok(forward.into_iter().collect())
}

/// Opens the database on a device.
pub fn open(device: &MemoryDevice) -> Result<Engine, Flaw> {
    Engine::open(HOME, options(device.clone())).expected("open the database")
}

/// Judges what a crash left, reopens it, works on, and judges that too.
///
/// `engine` was opened on `device`, which was the crash's.
pub fn judge_and_go_on(crash: &Crash<'_>, engine: Engine, device: &MemoryDevice) -> Result<Survivors, Flaw> {
    let survivors = crash.judge(&engine)?;
    // What was replayed once is durable, though its engine has not been closed.
    let again = device.crash(Survival::Nothing);
    drop(engine);
    let engine = open(&again)?;
    let second = crash.judge(&engine)?;
    check!(survivors == second, "the second opening finds something else than the first one");

    let newest = crash.history.logged[..survivors.logged].last().map(|commit| commit.timestamp);
    let commits = go_on(&engine, newest.unwrap_or(Timestamp::MIN))?;
    let once_more = open(&again.crash(Survival::Nothing))?;
    drop(engine);
    let mut expected = as_state(&survivors.found);
    commits.iter().for_each(|commit| apply(&mut expected, commit));
    check!(
        as_state(&contents(&once_more)?) == expected,
        "commits after the crash don't lead where they should"
    );
    Ok(survivors)
}

/// Commits a little more, at timestamps that must lie above `newest`.
fn go_on(engine: &Engine, newest: Timestamp) -> Result<Vec<Commit>, Flaw> {
    let work = Work::begin(engine, Default::default(), AFTERWARDS).expected("create the tables")?;
    let levels = [Durability::Buffered, Durability::Group, Durability::Sync];
    let commits = levels.into_iter().zip(0..).map(|(level, seed)| {
        let commit = work.commit_and_wait(level, seed).expected("commit after a crash")?;
        check!(commit.timestamp > newest, "the timestamps step back after a crash");
        Ok(commit)
    });
    commits.collect()
}

/// The fixed tables, which are there from the next commit on, and whatever else was found.
fn as_state(found: &[(String, Records)]) -> State {
    let mut state = state_after([]);
    state.extend(found.iter().map(|(name, records)| (Place::fixed(name), records.clone())));
    state
}
