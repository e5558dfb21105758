//! The whole campaign: kills, and a verdict after each few.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use synod_bench::random::Random;

use super::process::{kill_after, start};
use super::said::Said;
use super::verdict::{Epoch, Life, Places, Tally, begin_epoch};
use super::work::{Found, World};
use crate::campaign::verdict::{Flaw, contents};

/// What a campaign covers.
#[derive(Clone, Debug)]
pub struct Scope {
    /// The work, and the moments of the kills, follow from this. (What is struck there doesn't.)
    pub seed: u64,
    /// How many processes are killed.
    pub kills: u64,
    /// A process works for up to so long before it is killed.
    pub longest: Duration,
    /// In how many of a hundred cases the process that is started after a kill is killed, too, while it recovers.
    pub recovery_percent: u64,
    /// The program that runs the [load](super::load) if it is called with `child <directory> <backup> <seed> <life>`.
    pub program: PathBuf,
}

/// What a campaign has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Processes killed.
    pub kills: u64,
    /// Of these, before they had opened the database.
    pub in_recovery: u64,
    /// Databases opened and judged.
    pub judged: u64,
    /// Databases opened with a checkpoint that a kill had left unfinished.
    pub unfinished_checkpoints: u64,
    /// What the commits came to, as the processes told of them.
    pub tally: Tally,
    /// Checkpoints that were taken.
    pub checkpoints: u64,
    /// Segments of the log that were removed.
    pub segments_removed: u64,
    /// Backups restored and judged.
    pub backups: u64,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { promised, survived, lost } = self.tally;
        write!(
            f,
            "{} kills, {} of them in recovery, {} in a checkpoint; {} databases judged: {promised} acknowledged \
             commits are there, and {survived} others, {lost} others are not; {} checkpoints, {} log segments \
             removed; {} backups restored",
            self.kills,
            self.in_recovery,
            self.unfinished_checkpoints,
            self.judged,
            self.checkpoints,
            self.segments_removed,
            self.backups,
        )
    }
}

/// A kill after which a promise was not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The campaign's seed.
    pub seed: u64,
    /// Which of its kills.
    pub kill: u64,
    /// What was found.
    pub flaw: Flaw,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {}, after kill {}: {}", self.seed, self.kill, self.flaw)
    }
}

/// A campaign under way.
#[derive(Debug)]
struct Campaign<'s> {
    scope: &'s Scope,
    places: Places,
    random: Random,
    /// Those that the database or its backup may be in, the oldest first.
    epochs: Vec<Epoch>,
    next_life: u64,
    /// How long it took to open the database, when it was last opened by a process.
    opening: Duration,
    backed_up: Option<synod::Timestamp>,
    counts: Counts,
}

/// Kills processes that work in a directory, which is empty. `progress` hears of the counts after each verdict.
///
/// # Errors
/// The first failure that is found.
pub fn run(scope: &Scope, directory: &Path, mut progress: impl FnMut(&Counts)) -> Result<Counts, Failure> {
    let mut campaign = Campaign {
        scope,
        places: Places::within(directory),
        random: Random::new(scope.seed, 0),
        epochs: Vec::new(),
        next_life: 0,
        opening: Duration::ZERO,
        backed_up: None,
        counts: Counts::default(),
    };
    match campaign.run(&mut progress) {
        Ok(()) => Ok(campaign.counts),
        Err(flaw) => Err(Failure { seed: scope.seed, kill: campaign.counts.kills, flaw }),
    }
}

impl Campaign<'_> {
    fn run(&mut self, progress: &mut impl FnMut(&Counts)) -> Result<(), Flaw> {
        let engine = self.places.open(0)?;
        self.epochs.push(begin_epoch(&engine, 0, World::default())?);
        drop(engine);
        while self.counts.kills < self.scope.kills {
            self.kill_at_work()?;
            while self.counts.kills < self.scope.kills && self.random.percent(self.scope.recovery_percent) {
                self.kill_in_recovery()?;
            }
            self.judge()?;
            progress(&self.counts);
        }
        Ok(())
    }

    fn kill_at_work(&mut self) -> Result<(), Flaw> {
        let wait = self.scope.longest.mul_f64(self.random.fraction());
        self.live_and_die("open", wait)
    }

    fn kill_in_recovery(&mut self) -> Result<(), Flaw> {
        let wait = self.opening.mul_f64(self.random.fraction());
        self.live_and_die("begun", wait)
    }

    /// Starts a process, and kills it some time after it has said `cue`.
    fn live_and_die(&mut self, cue: &'static str, wait: Duration) -> Result<(), Flaw> {
        let number = self.next_life;
        self.next_life += 1;
        let Places { home, backup, .. } = &self.places;
        let (home, backup) = (home.to_string_lossy(), backup.to_string_lossy());
        let arguments = ["child", &home, &backup, &self.scope.seed.to_string(), &number.to_string()];
        let child = start(&self.scope.program, &arguments).map_err(Flaw)?;
        self.counts.kills += 1;
        let said = Said::parse(&kill_after(child, cue, wait).map_err(Flaw)?).map_err(Flaw)?;
        match said.opening {
            Some(opening) => self.opening = opening,
            None => self.counts.in_recovery += 1,
        }
        self.counts.checkpoints += said.checkpoints;
        self.backed_up = self.backed_up.max(said.backed_up);
        let epoch = self.epochs.last_mut().expect("an epoch has begun");
        epoch.lives.push(Life { number, said });
        Ok(())
    }

    /// Judges what the lives since the last verdict have left, and begins the next epoch.
    fn judge(&mut self) -> Result<(), Flaw> {
        self.look_at_files()?;
        self.places.judge_files()?;
        let backup = self.places.judge_backup(self.scope.seed, &self.epochs, self.backed_up)?;
        let engine = self.places.open(self.next_life)?;
        let epoch = self.epochs.last().expect("an epoch has begun");
        let (world, tally) = epoch.judge(self.scope.seed, &Found::new(contents(&engine)?))?;
        let next = begin_epoch(&engine, epoch.number + 1, world)?;
        self.epochs.push(next);
        if let Some(oldest) = backup {
            self.counts.backups += 1;
            // Backups don't go back.
            self.epochs.retain(|epoch| epoch.number >= oldest);
        }
        self.counts.judged += 1;
        let total = &mut self.counts.tally;
        total.promised += tally.promised;
        total.survived += tally.survived;
        total.lost += tally.lost;
        Ok(())
    }

    /// Counts what the kill has struck.
    fn look_at_files(&mut self) -> Result<(), Flaw> {
        let names = |folder| {
            let listed = std::fs::read_dir(self.places.home.join(folder));
            let listed = listed.map_err(|error| Flaw(format!("cannot list the files: {error}")))?;
            let names = listed.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
            Ok::<Vec<String>, Flaw>(names.collect())
        };
        let is_unfinished = |name: &String| name.ends_with(".tmp");
        let unfinished = names("checkpoints")?.iter().any(is_unfinished);
        let number = |name: String| u64::from_str_radix(name.strip_suffix(".log")?, 16).ok();
        let numbers = names("wal")?.into_iter().filter_map(number);
        let first = numbers.min().unwrap_or(1);
        self.counts.unfinished_checkpoints += u64::from(unfinished);
        self.counts.segments_removed = first - 1;
        Ok(())
    }
}
