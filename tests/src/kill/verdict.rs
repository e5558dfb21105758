//! Judges what is found after kills.

use std::path::{Path, PathBuf};

use synod::{Engine, Timestamp};

use super::said::Said;
use super::work::{Found, Job, Name, THREADS, Tables, World, options};
use crate::campaign::verdict::{Expected, Flaw, check, contents};
use crate::crash::workload::at_level;

/// A life of the process: what its parent knows of it.
#[derive(Clone, Debug)]
pub struct Life {
    /// Its number; greater than those of all lives before.
    pub number: u64,
    /// What it has said.
    pub said: Said,
}

/// The lives from one clearing of the ledger to the next.
#[derive(Clone, Debug)]
pub struct Epoch {
    /// Its number.
    pub number: u64,
    /// What the tables held when it began.
    pub opening: World,
    /// The lives in it so far.
    pub lives: Vec<Life>,
}

/// How many of the commits that a life has told of must be there, or else must not, and how many just are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Commits that were promised. They are all there.
    pub promised: u64,
    /// Commits that were not promised, and are there.
    pub survived: u64,
    /// Commits that the process had told of, but not promised, and that are lost.
    pub lost: u64,
}

impl Epoch {
    /// Judges what was found in the database. Returns what the tables hold, and a tally of all lives.
    ///
    /// # Errors
    /// The first promise that wasn't kept.
    pub fn judge(&self, seed: u64, found: &Found) -> Result<(World, Tally), Flaw> {
        self.judge_up_to(seed, found, None)
    }

    /// The same for a backup, which holds everything up to a timestamp, and perhaps something of what came next: what
    /// a kill has interrupted leaves a prefix.
    ///
    /// # Errors
    /// The first promise that wasn't kept.
    pub fn judge_backup(&self, seed: u64, found: &Found, at: Timestamp) -> Result<(), Flaw> {
        self.judge_up_to(seed, found, Some(at)).map(|_| ())
    }

    fn judge_up_to(&self, seed: u64, found: &Found, at: Option<Timestamp>) -> Result<(World, Tally), Flaw> {
        check!(found.epoch == Some(self.number), "the epoch is {:?}, not {}", found.epoch, self.number);
        let names = names(found)?;
        let (mut world, mut tally, mut explained) = (self.opening.clone(), Tally::default(), 0);
        // Only one that has opened the database can have taken the backup, or made commits.
        let newest = self.lives.iter().rfind(|life| life.said.opening.is_some()).map(|life| life.number);
        for life in &self.lives {
            let counts = counts(&names, life.number)?;
            let durable = life.said.durable;
            let promised = match at {
                None => durable,
                // Whoever takes a backup puts all of its commits into it, promised or not.
                Some(at) if Some(life.number) == newest => at,
                // If somebody later has taken it, what was not promised may have been lost before.
                Some(at) => at.min(durable),
            };
            life.judge(&counts, promised, &mut tally)?;
            for (thread, count) in (0..).zip(counts) {
                explained += count;
                for number in 0..count {
                    world.apply(&Job::new(seed, Name { life: life.number, thread, number }));
                }
            }
        }
        let total = names.len() as u64;
        check!(explained == total, "{total} commits are there, of which {explained} were made");
        let contradiction = found.contradiction();
        check!(contradiction.is_none(), "{}", contradiction.unwrap_or_default());
        let difference = world.difference(found);
        check!(difference.is_none(), "transactions are there by halves: {}", difference.unwrap_or_default());
        Ok((world, tally))
    }
}

/// The transactions whose names are in the ledger, in order.
fn names(found: &Found) -> Result<Vec<Name>, Flaw> {
    let name = |key: &Vec<u8>| Name::of_key(key).ok_or_else(|| Flaw(format!("{key:?} is no name")));
    found.ledger.iter().map(name).collect()
}

/// How many commits of each thread there are; what is there of a thread is all it has made up to some moment.
fn counts(names: &[Name], life: u64) -> Result<[u64; THREADS as usize], Flaw> {
    let mut counts = [0; THREADS as usize];
    for name in names.iter().filter(|name| name.life == life) {
        let Some(count) = counts.get_mut(name.thread as usize) else {
            return Err(Flaw(format!("there is no such thread: {name:?}")));
        };
        check!(name.number == *count, "{name:?} is there, and number {count} of that thread isn't");
        *count += 1;
    }
    Ok(counts)
}

impl Life {
    /// Judges which of this life's commits are there: at least all up to `promised`.
    fn judge(
        &self,
        counts: &[u64; THREADS as usize],
        promised: Timestamp,
        tally: &mut Tally,
    ) -> Result<(), Flaw> {
        let number = self.number;
        // The newest one that is there, and the oldest one that isn't.
        let (mut newest, mut oldest_missing) = (Timestamp::MIN, Timestamp::MAX);
        for (thread, &count) in (0..).zip(counts) {
            let commits = self.said.commits_of(thread);
            // A thread tells of each commit before it makes the next one.
            let told = commits.len() as u64;
            check!(
                count <= told + 1,
                "thread {thread} of life {number} has made {told} commits, not {count}"
            );
            let (there, missing) = commits.split_at(count.min(told) as usize);
            newest = newest.max(there.last().copied().unwrap_or(Timestamp::MIN));
            oldest_missing = oldest_missing.min(missing.first().copied().unwrap_or(Timestamp::MAX));
            let acknowledged =
                there.iter().filter(|timestamp| **timestamp <= self.said.durable).count() as u64;
            tally.promised += acknowledged;
            tally.survived += count - acknowledged;
            tally.lost += missing.len() as u64;
        }
        check!(
            newest < oldest_missing,
            "no prefix of the commit order: of life {number}, the commit at {newest} is there, and that at \
             {oldest_missing} isn't"
        );
        check!(
            oldest_missing > promised,
            "the commit of life {number} at {oldest_missing} is lost, though all up to {promised} was promised"
        );
        Ok(())
    }
}

/// The directories of a campaign.
#[derive(Clone, Debug)]
pub struct Places {
    /// The database.
    pub home: PathBuf,
    /// Its backup.
    pub backup: PathBuf,
    /// Where the backup is restored to.
    pub restored: PathBuf,
}

impl Places {
    /// Within a directory.
    pub fn within(directory: &Path) -> Places {
        let [home, backup, restored] = ["database", "backup", "restored"].map(|name| directory.join(name));
        Places { home, backup, restored }
    }

    /// Judges the files that a kill has left: it damages none.
    ///
    /// # Errors
    /// If one is damaged.
    pub fn judge_files(&self) -> Result<(), Flaw> {
        let found = synod::verify(&self.home, &options(0)).expected("verify the files")?;
        check!(found.damage.is_empty(), "the files are damaged: {:?}", found.damage);
        Ok(())
    }

    /// Opens the database.
    ///
    /// # Errors
    /// If that fails.
    pub fn open(&self, life: u64) -> Result<Engine, Flaw> {
        Engine::open(&self.home, options(life)).expected("open the database")
    }

    /// Restores the backup, and judges what it holds. Returns up to where, if there is a whole one.
    ///
    /// # Errors
    /// If it holds less than was promised, or something else.
    pub fn judge_backup(
        &self,
        seed: u64,
        epochs: &[Epoch],
        promised: Option<Timestamp>,
    ) -> Result<Option<u64>, Flaw> {
        if self.restored.exists() {
            let removed = std::fs::remove_dir_all(&self.restored);
            removed.map_err(|error| Flaw(format!("cannot remove the restored database: {error}")))?;
        }
        let restored = match synod::restore(&self.backup, &self.restored, &options(0)) {
            Err(synod::Error::NotABackup { .. }) if promised.is_none() => return Ok(None),
            restored => restored.expected("restore the backup")?,
        };
        let at = restored.timestamp;
        check!(Some(at) >= promised, "the backup was up to {promised:?}, and is up to {at}");
        let engine = Engine::open(&self.restored, options(0)).expected("open the backup")?;
        let found = Found::new(contents(&engine)?);
        let epoch = epochs.iter().find(|epoch| Some(epoch.number) == found.epoch);
        let epoch = epoch.ok_or_else(|| Flaw(format!("the backup is of epoch {:?}", found.epoch)))?;
        epoch.judge_backup(seed, &found, at)?;
        Ok(found.epoch)
    }
}

/// Begins an epoch: commits go on after kills.
///
/// # Errors
/// If they don't.
pub fn begin_epoch(engine: &Engine, number: u64, opening: World) -> Result<Epoch, Flaw> {
    let tables = Tables::open(engine).expected("open the tables")?;
    let level = at_level(synod::Durability::Sync);
    let committed = engine.transact_with(&level, |txn| tables.begin_epoch(txn, number));
    committed.and_then(|committed| committed.handle.wait()).expected("commit after a kill")?;
    let epoch = Epoch { number, opening, lives: Vec::new() };
    Ok(epoch)
}
