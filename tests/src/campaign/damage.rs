//! Damage at rest: every bit of a small database is flipped, every file cut at every byte, removed, replaced by
//! an older copy of itself or by another file.
//!
//! ```text
//! database, closed ──► one change ──► verify ──► open ──┬─ refused, with the file's name     detected
//!                                        │              ├─ the same contents, after all      survived
//!                                        └── agree? ────┴─ anything else                     a flaw
//! ```
//!
//! A change that verification doesn't notice must not matter to anyone: the database opens with all that was in
//! it. One that it does notice may be survived all the same: the newest checkpoint has another one behind it.

use std::fmt;
use std::ops::Add;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use synod::device::{Device, MemoryDevice, Survival};
use synod::errors::StorageError;
use synod::{Engine, Error, Timestamp};

use super::model::{Records, VOLATILE};
use super::record::Recorder;
use super::run::guarded;
use super::verdict::{Expected, Flaw, contents};
use super::work::{HOME, Work, options};

/// The database keeps its past, so that there is some to damage.
const RETENTION: Duration = Duration::from_secs(3600);

/// The database is small, and whatever its files say, nothing asks for more memory at once. (The log is read
/// and written in pieces of a few MiB.)
pub const LARGEST_ALLOCATION_BYTES: usize = 8 << 20;

/// The folders of a database.
const FOLDERS: [&str; 3] = ["", "wal", "checkpoints"];

/// One thing that is done to a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Flips a bit, counted from the file's start.
    Flip(PathBuf, u64),
    /// Cuts the file down to so many bytes.
    Cut(PathBuf, u64),
    /// Makes the file longer by so many bytes, of this value.
    Extend(PathBuf, u64, u8),
    /// Removes the file.
    Remove(PathBuf),
    /// Replaces the file's bytes by what it had at an earlier moment, or by those of another file.
    Replace(PathBuf, Source),
}

/// Bytes that replace others.
#[derive(Clone, PartialEq, Eq)]
pub struct Source {
    name: String,
    bytes: Vec<u8>,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Change {
    /// Does it.
    fn apply(&self, device: &MemoryDevice) -> Result<(), StorageError> {
        match self {
            Change::Flip(path, bit) => device.flip_bit(path, *bit),
            Change::Cut(path, bytes) => device.open(path)?.set_size(*bytes),
            Change::Extend(path, bytes, value) => {
                let file = device.open(path)?;
                file.write_at(file.size()?, &vec![*value; *bytes as usize])
            }
            Change::Remove(path) => device.remove(path),
            Change::Replace(path, source) => {
                let file = device.open(path)?;
                file.set_size(source.bytes.len() as u64)?;
                file.write_at(0, &source.bytes)
            }
        }
    }
}

/// A closed database, and what is known of it.
#[derive(Debug)]
pub struct Original {
    device: MemoryDevice,
    contents: Vec<(String, Records)>,
    past: Vec<(Timestamp, Vec<(String, Records)>)>,
    /// The same device at earlier moments.
    earlier: Vec<MemoryDevice>,
}

/// How a change has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The database was refused.
    Refused,
    /// It was found by verification, and opens with all that was in it.
    Survived,
    /// Nobody noticed, and nobody needed to.
    Harmless,
}

/// How many changes have ended in which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DamageCounts {
    /// [`Outcome::Refused`]
    pub refused: u64,
    /// [`Outcome::Survived`]
    pub survived: u64,
    /// [`Outcome::Harmless`]
    pub harmless: u64,
}

impl Add for DamageCounts {
    type Output = DamageCounts;

    fn add(self, other: DamageCounts) -> DamageCounts {
        DamageCounts {
            refused: self.refused + other.refused,
            survived: self.survived + other.survived,
            harmless: self.harmless + other.harmless,
        }
    }
}

impl DamageCounts {
    fn note(&mut self, outcome: Outcome) {
        *match outcome {
            Outcome::Refused => &mut self.refused,
            Outcome::Survived => &mut self.survived,
            Outcome::Harmless => &mut self.harmless,
        } += 1;
    }
}

impl fmt::Display for DamageCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DamageCounts { refused, survived, harmless } = self;
        let changes = refused + survived + harmless;
        write!(f, "{changes} changes: {refused} refused, {survived} survived, {harmless} harmless")
    }
}

impl Original {
    /// Works on a database with some checkpoints and some segments of log, and closes it.
    ///
    /// # Errors
    /// If the engine fails.
    pub fn make(seed: u64) -> Result<Original, Flaw> {
        let device = MemoryDevice::new();
        let engine = open(&device).expected("open a new database")?;
        let work = Work::begin(&engine, Recorder::default().into(), 0).expected("begin the work")?;
        let (mut earlier, mut past) = (Vec::new(), Vec::new());
        for part in 0..4 {
            work.run(12, seed, part).expected("work")?;
            if part > 0 {
                engine.checkpoint().expected("take a checkpoint")?;
            }
            engine.flush().expected("flush")?;
            earlier.push(device.crash(Survival::Everything));
            let timestamp = engine.snapshot().expected("read")?.timestamp();
            past.push((timestamp, logged(&engine)?));
        }
        work.run(6, seed, 9).expected("work")?;
        let contents = logged(&engine)?;
        drop(work);
        engine.close().expected("close the database")?;
        let original = Original { device, contents, past, earlier };
        original.judge(&original.device)?;
        Ok(original)
    }

    /// Every change there is.
    pub fn changes(&self) -> Result<Vec<Change>, Flaw> {
        let mut changes = Vec::new();
        let files = files_of(&self.device)?;
        for (path, bytes) in &files {
            let length = bytes.len() as u64;
            changes.extend((0..length * 8).map(|bit| Change::Flip(path.clone(), bit)));
            changes.extend((0..length).map(|bytes| Change::Cut(path.clone(), bytes)));
            for value in [0, 0xa5] {
                changes.extend([1, 8, 512, 5000].map(|bytes| Change::Extend(path.clone(), bytes, value)));
            }
            changes.push(Change::Remove(path.clone()));
            let mut replace = |name: String, other: Vec<u8>| {
                if other != *bytes {
                    changes.push(Change::Replace(path.clone(), Source { name, bytes: other }));
                }
            };
            for (other, bytes) in files.iter().filter(|(other, _)| other != path) {
                replace(other.display().to_string(), bytes.clone());
            }
            for (moment, earlier) in self.earlier.iter().enumerate() {
                for (other, bytes) in files_of(earlier)? {
                    replace(format!("{} at moment {moment}", other.display()), bytes);
                }
            }
        }
        Ok(changes)
    }

    /// Makes a change to a copy, and judges what becomes of it.
    pub fn try_change(&self, change: &Change) -> Result<Outcome, Flaw> {
        let device = self.device.crash(Survival::Everything);
        change.apply(&device).map_err(|error| Flaw(format!("cannot damage the database: {error}")))?;
        let judged = guarded(|| self.judge(&device));
        judged.map_err(|flaw| Flaw(format!("after {change:?}: {flaw}")))
    }

    fn judge(&self, device: &MemoryDevice) -> Result<Outcome, Flaw> {
        let verified = synod::verify(HOME, &options(device.clone(), RETENTION));
        let is_whole = matches!(&verified, Ok(found) if found.damage.is_empty());
        match open(device) {
            Err(error) => {
                check(!is_whole, || format!("verification finds nothing, and it can't be opened: {error}"))?;
                let is_clear = matches!(
                    &error,
                    Error::Storage(StorageError::Corrupt { path, .. } | StorageError::UnknownFormat { path, .. })
                        if path.starts_with(HOME)
                );
                check(is_clear, || format!("not an error that names a file: {error}"))?;
                Ok(Outcome::Refused)
            }
            Ok(engine) => {
                self.judge_contents(&engine)?;
                Ok(if is_whole { Outcome::Harmless } else { Outcome::Survived })
            }
        }
    }

    fn judge_contents(&self, engine: &Engine) -> Result<(), Flaw> {
        check(logged(engine)? == self.contents, || "it opens with other contents".to_string())?;
        for (timestamp, expected) in &self.past {
            // The past may be gone, but not be another one.
            let Ok(snapshot) = engine.snapshot_at(*timestamp) else { continue };
            for (name, records) in expected {
                if !engine.tables().contains(name) {
                    continue;
                }
                let table = engine.table(name).expected("open a table that is there")?;
                let found: Result<Records, Error> = snapshot
                    .scan(&table, ..)
                    .map(|record| record.map(|(key, value)| (key.to_vec(), value.to_vec())))
                    .collect();
                let is_same = found.expected("scan the past")? == *records;
                check(is_same, || format!("the table {name} was something else at {timestamp}"))?;
            }
        }
        Ok(())
    }
}

/// Tries changes on so many threads. Stops at the first flaw.
///
/// # Errors
/// That flaw.
pub fn try_all(original: &Original, changes: &[Change], threads: usize) -> Result<DamageCounts, Flaw> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut counts = DamageCounts::default();
        // Relaxed: only that each index is given out once counts.
        while let Some(change) = changes.get(next.fetch_add(1, Ordering::Relaxed)) {
            match original.try_change(change) {
                Ok(outcome) => counts.note(outcome),
                Err(flaw) => {
                    next.store(changes.len(), Ordering::Relaxed);
                    return Err(flaw);
                }
            }
        }
        Ok(counts)
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(work)).collect();
        let results = workers.into_iter().map(|worker| worker.join().expect("panics are caught"));
        results.reduce(|one, other| Ok(one? + other?)).expect("there is a thread")
    })
}

/// The tables whose commits the log has. The others live in checkpoints only, and die with them.
fn logged(engine: &Engine) -> Result<Vec<(String, Records)>, Flaw> {
    Ok(contents(engine)?.into_iter().filter(|(name, _)| name != VOLATILE).collect())
}

fn check(condition: bool, explanation: impl FnOnce() -> String) -> Result<(), Flaw> {
    if condition { Ok(()) } else { Err(Flaw(explanation())) }
}

fn open(device: &MemoryDevice) -> Result<Engine, Error> {
    Engine::open(HOME, options(device.clone(), RETENTION))
}

/// The files of the database, with their bytes.
fn files_of(device: &MemoryDevice) -> Result<Vec<(PathBuf, Vec<u8>)>, Flaw> {
    let read = |path: PathBuf| {
        let file = device.open(&path)?;
        let mut bytes = vec![0; file.size()? as usize];
        file.read_at(0, &mut bytes)?;
        Ok((path, bytes))
    };
    let listed = FOLDERS.iter().map(|folder| device.list(&Path::new(HOME).join(folder)));
    let files = listed.collect::<Result<Vec<_>, StorageError>>().map(|folders| folders.into_iter().flatten());
    let files = files.and_then(|files| files.map(read).collect::<Result<_, StorageError>>());
    files.map_err(|error| Flaw(format!("cannot read the files: {error}")))
}
