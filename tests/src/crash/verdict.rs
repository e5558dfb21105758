//! Judges what is found after a crash.

use std::collections::BTreeSet;

use synod::device::{MemoryDevice, Survival};
use synod::{Durability, Engine, Error, Timestamp};

use super::history::{Contents, History, LEDGER, Recorder, Stage, TABLES, VOLATILE, state_after};
use super::workload::{HOME, Workload, small_options};

/// Numbers from here on belong to commits made after a crash.
const AFTERWARDS: u64 = 1 << 40;

/// A crashed device, and what the engine had said.
#[derive(Debug)]
pub struct Image {
    /// The device after the crash.
    pub device: MemoryDevice,
    /// What had been said before the crash at the latest: this must hold.
    pub before: History,
    /// What had been begun after the crash at the earliest: nothing else may be there.
    pub after: History,
}

impl Image {
    /// Crashes a device on which threads may be at work.
    pub fn take(device: &MemoryDevice, recorder: &Recorder, survival: Survival) -> Image {
        let before = recorder.history();
        let device = device.crash(survival);
        Image { device, before, after: recorder.history() }
    }

    /// Opens the image, judges it, works on, and judges what survives of that.
    ///
    /// `end` is the history at the very end of the work: a commit may have been in the log before its thread
    /// came to record it.
    ///
    /// # Panics
    /// If anything is missing that was promised, or there that can't be.
    pub fn judge(&self, end: &History) -> usize {
        let engine = open(&self.device);
        let survivors = survivors(&engine, end);
        let missing: Vec<_> = self.before.durable.difference(&survivors).collect();
        assert!(missing.is_empty(), "acknowledged commits are lost: {missing:?}");
        self.judge_tables(&engine);
        drop(engine);

        // What was replayed once is durable; and the database goes on.
        let again = self.device.crash(Survival::Nothing);
        let engine = open(&again);
        assert_eq!(survivors, self::survivors(&engine, end), "the second opening finds something else");
        let recorder = Recorder::default();
        let newest = end.logged().iter().filter(|c| survivors.contains(&c.number)).map(|c| c.timestamp).max();
        go_on(&engine, &recorder, newest.unwrap_or(Timestamp::MIN));
        drop(engine);

        let mut all = end.clone();
        all.commits.retain(|commit| survivors.contains(&commit.number));
        all.commits.extend(recorder.history().commits);
        let engine = open(&again.crash(Survival::Nothing));
        let expected = survivors.len() + recorder.history().commits.len();
        assert_eq!(self::survivors(&engine, &all).len(), expected);
        survivors.len()
    }

    /// Judges which of the tables that come and go are there.
    fn judge_tables(&self, engine: &Engine) {
        let found: BTreeSet<String> = engine.tables().into_iter().collect();
        if self.before.has_tables {
            assert!(TABLES.iter().all(|name| found.contains(*name)), "a table is lost: {found:?}");
        }
        let is_fixed = |name: &String| TABLES.contains(&name.as_str());
        for name in found.iter().filter(|name| !is_fixed(name)) {
            assert!(self.after.passing.contains_key(name), "{name} was never created");
            assert_ne!(self.before.passing.get(name), Some(&Stage::Dropped), "{name} was dropped");
        }
        for (name, stage) in &self.before.passing {
            if *stage == Stage::Created && self.after.passing[name] == Stage::Created {
                assert!(found.contains(name), "{name} was created and is lost");
            }
        }
    }
}

/// Opens the database on a device.
///
/// # Panics
/// If that fails.
pub fn open(device: &MemoryDevice) -> Engine {
    match Engine::open(HOME, small_options(device.clone())) {
        Ok(engine) => engine,
        Err(error) => panic!("a crash made the database unreadable: {error}"),
    }
}

/// What a database holds.
pub fn contents(engine: &Engine) -> Result<Contents, Error> {
    let snapshot = engine.snapshot()?;
    let mut contents = Contents::new();
    for name in engine.tables() {
        let table = engine.table(&name)?;
        let records = snapshot.scan(&table, ..).map(|record| {
            let (key, value) = record?;
            Ok((key.to_vec(), value.to_vec()))
        });
        contents.insert(name, records.collect::<Result<_, Error>>()?);
    }
    Ok(contents)
}

/// The numbers that are there, which must be a prefix of the commit order; everything else must be as they
/// leave it.
///
/// # Panics
/// If it isn't.
pub fn survivors(engine: &Engine, history: &History) -> BTreeSet<u64> {
    let found = contents(engine).expect("a recovered database can be read");
    let number = |key: &Vec<u8>| u64::from_be_bytes(key[..].try_into().expect("a ledger's key is a number"));
    let survivors: BTreeSet<u64> =
        found.get(LEDGER).map(|ledger| ledger.keys().map(number).collect()).unwrap_or_default();
    let logged = history.logged();
    let prefix = &logged[..survivors.len().min(logged.len())];
    let expected: BTreeSet<u64> = prefix.iter().map(|commit| commit.number).collect();
    assert_eq!(survivors, expected, "what survived is not a prefix of the commit order");
    let state = state_after(prefix.iter().copied());
    for (name, records) in &found {
        let is_empty_passing = records.is_empty() && !TABLES.contains(&name.as_str());
        assert!(is_empty_passing || state.get(name) == Some(records), "table {name} holds {records:?}");
    }
    let volatile = found.get(VOLATILE).is_none_or(std::collections::BTreeMap::is_empty);
    assert!(volatile, "commits without durability have survived");
    survivors
}

/// Commits a little more, at timestamps that must lie above `newest`.
fn go_on(engine: &Engine, recorder: &Recorder, newest: Timestamp) {
    let workload = Workload::begin(engine, recorder, AFTERWARDS).expect("the tables can be created");
    for level in [Durability::Buffered, Durability::Group, Durability::Sync] {
        let (number, handle) = workload.commit(level, None).expect("the database accepts commits");
        assert!(handle.timestamp() > newest, "the timestamps step back after a crash");
        workload.wait_for([(number, level, handle)].into_iter()).expect("the commit becomes durable");
    }
}
