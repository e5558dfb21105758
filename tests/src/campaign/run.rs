//! The whole campaign: one run of the workload, and a verdict on each image of it.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use synod::device::{MemoryDevice, Survival};
use synod::{Engine, Error};

use super::observed::{Image, ObservedDevice, Plan};
use super::record::{History, Recorder};
use super::verdict::{Crash, Expected, Flaw};
use super::work::{HOME, Work, options};
use crate::random::Random;

/// Longer than the verdict on one image takes, on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(120);

/// How often progress is reported.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(2);

/// What a campaign covers.
#[derive(Clone, Copy, Debug)]
pub struct Scope {
    /// What the workload does, and what random crashes leave, follows from this.
    pub seed: u64,
    /// The workload's steps, for each of its threads.
    pub steps: u64,
    /// The workload's threads. With more than one the points are not the same from run to run.
    pub threads: u64,
    /// How many random crashes there are of each point, besides those that leave nothing and everything.
    pub random_crashes: u64,
    /// How many of a hundred points are looked at.
    pub sample_percent: u64,
    /// Only this point.
    pub only_point: Option<u64>,
    /// Whether recoveries are crashed, too.
    pub crashes_recoveries: bool,
    /// Threads that judge.
    pub judges: usize,
}

impl Scope {
    /// How long the database keeps replaced versions: not at all, or for longer than the campaign takes.
    fn retention(&self) -> Duration {
        Duration::from_secs(self.seed % 2 * 3600)
    }
}

impl Default for Scope {
    fn default() -> Self {
        Scope {
            seed: 1,
            steps: 150,
            threads: 1,
            random_crashes: 3,
            sample_percent: 100,
            only_point: None,
            crashes_recoveries: true,
            judges: 2,
        }
    }
}

/// What a campaign has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// The workload's changing operations.
    pub points: u64,
    /// Crashes at them.
    pub crashes: u64,
    /// Changing operations of recoveries.
    pub recovery_points: u64,
    /// Crashes at those.
    pub recovery_crashes: u64,
    /// Databases that were opened after a crash and judged.
    pub recoveries: u64,
    /// The most commits that a crash has left.
    pub most_commits: usize,
}

impl Counts {
    fn add(&mut self, other: &Counts) {
        self.crashes += other.crashes;
        self.recovery_points += other.recovery_points;
        self.recovery_crashes += other.recovery_crashes;
        self.recoveries += other.recoveries;
        self.most_commits = self.most_commits.max(other.most_commits);
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} points, {} crashes; {} points of recoveries, {} crashes; {} recoveries judged; up to {} commits",
            self.points,
            self.crashes,
            self.recovery_points,
            self.recovery_crashes,
            self.recoveries,
            self.most_commits
        )
    }
}

/// A crash after which a promise was not kept.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The campaign's seed.
    pub seed: u64,
    /// The point, what the operation was, and what the crash left.
    pub crash: String,
    /// The number of the point.
    pub point: u64,
    /// What was found.
    pub flaw: Flaw,
    /// The device as the last crash left it.
    pub device: MemoryDevice,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failure { seed, point, crash, flaw, .. } = self;
        write!(f, "{crash}: {flaw}\nrepeat with: --seed {seed} --point {point}")
    }
}

/// Which points are looked at, and how they are crashed.
#[derive(Debug)]
struct Sample {
    scope: Scope,
}

impl Plan for Sample {
    fn survivals(&self, point: u64) -> Vec<Survival> {
        let Scope { seed, sample_percent, only_point, random_crashes, .. } = self.scope;
        let mut random = Random::new(seed ^ point.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let is_wanted = match only_point {
            Some(only) => point == only,
            None => random.below(100) < sample_percent,
        };
        if !is_wanted {
            return Vec::new();
        }
        let drawn = (0..random_crashes).map(|_| Survival::Random { seed: random.draw() });
        [Survival::Nothing, Survival::Everything].into_iter().chain(drawn).collect()
    }
}

/// A run of the workload: its images, and what was said.
#[derive(Debug)]
pub struct Run {
    /// The changing operations.
    pub points: u64,
    /// What crashes at them leave.
    pub images: Vec<Image>,
    /// The record.
    pub history: History,
}

/// Runs the workload on a device in memory that is looked at as the scope says.
///
/// # Errors
/// If the engine fails.
pub fn run_workload(scope: Scope) -> Result<Run, Error> {
    let recorder = Arc::new(Recorder::default());
    let device = ObservedDevice::new(MemoryDevice::new(), recorder.clone(), Arc::new(Sample { scope }));
    let engine = Engine::open(HOME, options(device.clone(), scope.retention()))?;
    let work = Work::begin(&engine, recorder.clone(), 0)?;
    std::thread::scope(|scope_of_threads| {
        let run = |thread| work.run(scope.steps, scope.seed, thread);
        let threads: Vec<_> =
            (1..scope.threads).map(|thread| scope_of_threads.spawn(move || run(thread))).collect();
        run(0)?;
        threads.into_iter().try_for_each(|thread| thread.join().expect("no thread panics"))
    })?;
    drop((work, engine));
    let (points, images) = device.end();
    Ok(Run { points, images, history: recorder.history() })
}

/// Runs the workload and judges every crash. `progress` hears of the counts every few seconds.
///
/// # Errors
/// The first failure that is found.
pub fn run(scope: Scope, mut progress: impl FnMut(&Counts)) -> Result<Counts, Box<Failure>> {
    let run = run_workload(scope).map_err(|error| Box::new(failure_of_workload(scope, &error)))?;
    let mut counts = Counts { points: run.points, ..Counts::default() };
    let judge =
        Arc::new(Judge { scope, history: run.history, images: run.images, next: AtomicUsize::new(0) });
    let (answers, results) = channel();
    for _ in 0..scope.judges.max(1) {
        let (judge, answers) = (judge.clone(), answers.clone());
        std::thread::spawn(move || judge.run(&answers));
    }
    drop(answers);
    let (mut heard, mut reported) = (Instant::now(), Instant::now());
    loop {
        match results.recv_timeout(PROGRESS_INTERVAL) {
            Ok(result) => {
                counts.add(&result?);
                heard = Instant::now();
            }
            Err(RecvTimeoutError::Disconnected) => return Ok(counts),
            Err(RecvTimeoutError::Timeout) if heard.elapsed() > PATIENCE => return Err(judge.hang()),
            Err(RecvTimeoutError::Timeout) => {}
        }
        if reported.elapsed() >= PROGRESS_INTERVAL {
            progress(&counts);
            reported = Instant::now();
        }
    }
}

fn failure_of_workload(scope: Scope, error: &Error) -> Failure {
    let flaw = Flaw(format!("the workload failed on a device without faults: {error}"));
    Failure { seed: scope.seed, point: 0, crash: "no crash".to_string(), flaw, device: MemoryDevice::new() }
}

#[derive(Debug)]
struct Judge {
    scope: Scope,
    history: History,
    images: Vec<Image>,
    next: AtomicUsize,
}

impl Judge {
    /// Judges images until there are no more, or nobody listens any more.
    fn run(&self, answers: &Sender<Result<Counts, Box<Failure>>>) {
        // Relaxed: only that each index is given out once counts.
        while let Some(image) = self.images.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            if answers.send(self.judge(image)).is_err() {
                break;
            }
        }
    }

    fn judge(&self, image: &Image) -> Result<Counts, Box<Failure>> {
        let mut counts = Counts { crashes: 1, ..Counts::default() };
        let recovery = ObservedDevice::new(
            image.device.crash(Survival::Everything),
            Arc::default(),
            Arc::new(RecoverySample { point: image.point, scope: self.scope }),
        );
        let crash = Crash::of(image, &self.history, self.scope.retention());
        let judged = guarded(|| {
            crash.judge_files(&image.device)?;
            crash.judge_backup(&image.device)?;
            let options = options(recovery.clone(), self.scope.retention());
            let engine = Engine::open(HOME, options).expected("open the database")?;
            let (points, images) = recovery.end();
            let survivors = crash.judge_and_go_on(engine, recovery.memory())?;
            Ok((points, images, survivors))
        });
        let (points, images, survivors) = judged.map_err(|flaw| self.failure(image, None, flaw))?;
        counts.recovery_points += points;
        counts.recoveries += 1;
        counts.most_commits = survivors.logged;
        for again in &images {
            let judged = guarded(|| crash.judge_and_go_on(crash.open(&again.device)?, &again.device));
            let second = judged.map_err(|flaw| self.failure(image, Some(again), flaw))?;
            if second != survivors {
                let flaw = Flaw("a crash during recovery changes what is recovered".to_string());
                return Err(self.failure(image, Some(again), flaw));
            }
            counts.recovery_crashes += 1;
            counts.recoveries += 1;
        }
        Ok(counts)
    }

    fn failure(&self, image: &Image, again: Option<&Image>, flaw: Flaw) -> Box<Failure> {
        let describe = |image: &Image| {
            let Image { point, operation, survival, .. } = image;
            format!("a crash at point {point} ({operation}) that leaves {survival:?}")
        };
        let mut crash = describe(image);
        if let Some(again) = again {
            crash = format!("{crash}, and in the recovery {}", describe(again));
        }
        let device = again.unwrap_or(image).device.clone();
        Box::new(Failure { seed: self.scope.seed, point: image.point, crash, flaw, device })
    }

    /// Somebody has not answered for too long. It is one of the last images that were begun.
    fn hang(&self) -> Box<Failure> {
        let begun = self.next.load(Ordering::Relaxed).min(self.images.len());
        let image = &self.images[begun.saturating_sub(self.scope.judges)];
        self.failure(image, None, Flaw(format!("no verdict after {PATIENCE:?}, or on a point soon after")))
    }
}

/// How recoveries are crashed.
#[derive(Debug)]
struct RecoverySample {
    /// The point of the workload.
    point: u64,
    scope: Scope,
}

impl Plan for RecoverySample {
    fn survivals(&self, point: u64) -> Vec<Survival> {
        if !self.scope.crashes_recoveries {
            return Vec::new();
        }
        let seed = Random::new(self.scope.seed ^ self.point << 20 ^ point).draw();
        vec![Survival::Nothing, Survival::Everything, Survival::Random { seed }]
    }
}

/// A panic is a flaw, too.
pub fn guarded<T>(work: impl FnOnce() -> Result<T, Flaw>) -> Result<T, Flaw> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
        Err(Flaw(format!("a panic: {}", text.unwrap_or_default())))
    })
}
