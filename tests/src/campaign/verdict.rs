//! Judges what is found after a crash.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use synod::device::{Device, MemoryDevice, Survival};
use synod::{Durability, Engine, Error, Table, Timestamp};

use super::model::{Commit, FIXED, LEDGER, Place, Records, State, VOLATILE, apply, ledger_key, state_after};
use super::observed::Image;
use super::record::{Facts, History, Stage};
use super::work::{BACKUP, HOME, Work, options};

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
pub(crate) use check;

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
    history: &'h History,
    /// The moment before the crash.
    before: usize,
    /// The moment after it.
    after: usize,
    /// How long the database keeps replaced versions.
    retention: Duration,
}

impl<'h> Crash<'h> {
    /// The crash that an image shows.
    pub fn of(image: &Image, history: &'h History, retention: Duration) -> Self {
        Crash { history, before: image.before, after: image.after, retention }
    }

    /// Opens the database on a device.
    pub fn open(&self, device: &MemoryDevice) -> Result<Engine, Flaw> {
        self.open_at(device, HOME)
    }

    fn open_at(&self, device: &MemoryDevice, path: &str) -> Result<Engine, Flaw> {
        Engine::open(path, options(device.clone(), self.retention)).expected("open the database")
    }

    /// Judges the files that the crash left: it damages none.
    pub fn judge_files(&self, device: &MemoryDevice) -> Result<(), Flaw> {
        let device = device.crash(Survival::Everything);
        match synod::verify(HOME, &options(device, self.retention)) {
            Ok(found) => check!(found.damage.is_empty(), "the crash left damage: {:?}", found.damage),
            Err(error) => {
                let is_new = !self.history.facts_at(self.before).has_tables;
                check!(is_new, "the files can't be verified: {error}");
            }
        }
        Ok(())
    }

    /// Judges the backup that the crash left: it is whole, as of what was promised or later, or there was
    /// no promise yet, and it is refused.
    pub fn judge_backup(&self, device: &MemoryDevice) -> Result<(), Flaw> {
        const RESTORED: &str = "/restored";
        let device = device.crash(Survival::Everything);
        let promised = self.history.facts_at(self.before).backed_up;
        match synod::restore(BACKUP, RESTORED, &options(device.clone(), self.retention)) {
            Err(error) => check!(promised.is_none(), "the backup can't be restored: {error}"),
            Ok(restored) => {
                let at = restored.timestamp;
                check!(Some(at) >= promised, "the backup was up to {promised:?}, and is up to {at}");
                let found = contents(&self.open_at(&device, RESTORED)?)?;
                self.judge_prefix(&found, |commit| commit.timestamp <= at, Timestamp::MIN)?;
            }
        }
        Ok(())
    }

    /// Judges an engine that was opened on what the crash left.
    pub fn judge(&self, engine: &Engine) -> Result<Survivors, Flaw> {
        let found = contents(engine)?;
        let (before, after) = (self.history.facts_at(self.before), self.history.facts_at(self.after));
        let is_durable = |commit: &Commit| before.durable.contains(&commit.number);
        let logged = self.judge_prefix(&found, is_durable, before.checkpointed)?;
        judge_tables(&found, &before, &after)?;
        if !self.retention.is_zero() {
            self.judge_past(engine, &self.history.logged[..logged])?;
        }
        Ok(Survivors { logged, found })
    }

    /// Judges whether what was found is what some first part of the commits leads to, in their order: with all
    /// logged commits that must be there, and with those without durability up to `checkpointed` at least.
    /// Returns how many of the logged commits there are.
    fn judge_prefix(
        &self,
        found: &[(String, Records)],
        must_be_there: impl Fn(&Commit) -> bool,
        checkpointed: Timestamp,
    ) -> Result<usize, Flaw> {
        let none = Records::new();
        let records =
            |table| found.iter().find(|(name, _)| name == table).map_or(&none, |(_, records)| records);
        let (ledger, logged) = (records(LEDGER), &self.history.logged);
        check!(ledger.len() <= logged.len(), "there are {} commits of {}", ledger.len(), logged.len());
        let (there, missing) = logged.split_at(ledger.len());
        let is_there = |commit: &&Commit| !ledger.contains_key(&ledger_key(commit.number));
        if let Some(commit) = there.iter().find(is_there) {
            let (number, timestamp) = (commit.number, commit.timestamp);
            return Err(Flaw(format!("no prefix of the commit order: {number} at {timestamp} is missing")));
        }
        let lost: Vec<_> = missing.iter().filter(|commit| must_be_there(commit)).collect();
        check!(lost.is_empty(), "commits {lost:?} were acknowledged as durable and are lost");
        let state = state_after(there);
        for (name, records) in found.iter().filter(|(name, _)| name != VOLATILE) {
            judge_records(name, records, &state)?;
        }
        let next = missing.first().map_or(Timestamp::MAX, |commit| commit.timestamp);
        self.judge_volatile(records(VOLATILE), checkpointed, next)?;
        Ok(there.len())
    }

    /// Judges the commits without durability: those that a checkpoint has survive with it, others don't, and no
    /// logged commit is missing before them.
    fn judge_volatile(&self, records: &Records, from: Timestamp, to: Timestamp) -> Result<(), Flaw> {
        let commits = &self.history.volatile;
        let place = Place::fixed(VOLATILE);
        let leads_here = |count: &usize| state_after(&commits[..*count])[&place] == *records;
        let fewest = commits.partition_point(|commit| commit.timestamp <= from);
        let most = commits.partition_point(|commit| commit.timestamp < to);
        let is_explained = (fewest..=most).any(|count| leads_here(&count));
        check!(is_explained, "no checkpoint after {from} and before {to} has left {records:?}");
        Ok(())
    }

    /// Judges what the surviving commits have left behind them: the states after some of them.
    fn judge_past(&self, engine: &Engine, there: &[Commit]) -> Result<(), Flaw> {
        for index in [0, there.len() / 2, there.len().saturating_sub(2)] {
            let Some(commit) = there.get(index) else { continue };
            let snapshot = engine.snapshot_at(commit.timestamp).expected("read the past")?;
            let state = state_after(&there[..=index]);
            for name in FIXED.iter().filter(|name| **name != VOLATILE) {
                let table = engine.table(name).expected("open a table that is there")?;
                let records: Result<Records, Error> = snapshot
                    .scan(&table, ..)
                    .map(|record| record.map(|(key, value)| (key.to_vec(), value.to_vec())))
                    .collect();
                let is_same = records.expected("scan the past")? == state[&Place::fixed(name)];
                check!(is_same, "the table {name} was something else at {}", commit.timestamp);
            }
        }
        Ok(())
    }

    /// Judges what the crash left, reopens it, works on, and judges that too.
    ///
    /// `engine` was opened on `device`, which was the crash's.
    pub fn judge_and_go_on(&self, engine: Engine, device: &MemoryDevice) -> Result<Survivors, Flaw> {
        let survivors = self.judge(&engine)?;
        // What was replayed once is durable, though its engine has not been closed.
        let again = device.crash(Survival::Nothing);
        drop(engine);
        let engine = self.open(&again)?;
        let second = self.judge(&engine)?;
        check!(survivors == second, "the second opening finds something else than the first one");

        let newest = self.history.logged[..survivors.logged].last().map(|commit| commit.timestamp);
        let commits = go_on(&engine, newest.unwrap_or(Timestamp::MIN))?;
        let once_more = self.open(&again.crash(Survival::Nothing))?;
        drop(engine);
        let mut expected = as_state(&survivors.found);
        commits.iter().for_each(|commit| apply(&mut expected, commit));
        check!(
            as_state(&contents(&once_more)?) == expected,
            "commits after the crash don't lead where they should"
        );
        drop(once_more);
        self.judge_fallback(&again.crash(Survival::Everything), expected)?;
        Ok(survivors)
    }

    /// Damages the newest checkpoint: with the one before, or none, the log leads to the same state.
    fn judge_fallback(&self, device: &MemoryDevice, mut expected: State) -> Result<(), Flaw> {
        let listed = device.list(&Path::new(HOME).join("checkpoints"));
        let mut listed = listed.unwrap_or_default();
        listed.retain(|path| path.extension().is_some_and(|extension| extension == "checkpoint"));
        let Some(newest) = listed.iter().max() else { return Ok(()) };
        device.flip_bit(newest, 0).map_err(|error| Flaw(format!("cannot damage a checkpoint: {error}")))?;
        let mut found = as_state(&contents(&self.open(device)?)?);
        for state in [&mut found, &mut expected] {
            // These are lost with the checkpoint.
            state.remove(&Place::fixed(VOLATILE));
        }
        check!(found == expected, "without {} there is something else", newest.display());
        Ok(())
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
