//! Runs the terminals of all threads for a while and says what it cost.

use super::constants::Constants;
use super::deck::Mix;
use super::schema::Database;
use super::statistics::Statistics;
use super::terminal::Terminal;
use crate::error::{Error, Result};
use crate::machine;
use crate::progress::Progress;
use crate::random::Random;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use synod::{Durability, Isolation, Stats};

const PROGRESS_EVERY: Duration = Duration::from_millis(200);
/// The most threads of a run: the keys of HISTORY rows have room for so many.
const THREADS_MAX: usize = 4_096;

/// How to run.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Threads that run transactions.
    pub threads: usize,
    /// How long they do.
    pub duration: Duration,
    /// Which transactions, and how many of each.
    pub mix: Mix,
    /// How many transactions a thread has committed without knowing them durable; 1 waits for each. With
    /// think times it is always 1.
    pub in_flight: usize,
    /// The isolation level of the three updating kinds; the two reading kinds read snapshots.
    pub isolation: Isolation,
    /// When a commit counts as done.
    pub durability: Durability,
    /// Whether each thread is one terminal with keying and think times.
    pub think: bool,
    /// What all inputs follow from.
    pub seed: u64,
}

/// What a run did and used.
#[derive(Clone, Debug)]
pub struct RunResult {
    /// The counters of all threads.
    pub statistics: Statistics,
    /// From the first transaction's start to the last one's end.
    pub elapsed: Duration,
    /// Processor time of the whole process meanwhile, the engine's own threads included.
    pub cpu: Duration,
    /// The engine's counters before the run.
    pub stats_before: Stats,
    /// The engine's counters after the run.
    pub stats_after: Stats,
    /// The constants C of this run's NURand.
    pub constants: Constants,
    /// Whether it was ended before its time.
    pub ended_early: bool,
}

/// A counter that shares its cache line with nothing else.
#[derive(Default)]
#[repr(align(128))]
struct Completed(AtomicU64);

/// What the threads of a run share.
struct Shared<'a> {
    options: &'a RunOptions,
    deadline: Instant,
    stop: &'a AtomicBool,
    failed: AtomicBool,
    completed: Vec<Completed>,
}

impl Shared<'_> {
    // Relaxed: the flags only ask threads to end soon; their results pass by joining.
    fn should_stop(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.failed.load(Ordering::Relaxed)
    }
}

/// Runs transactions until the time is over, or until `stop` is set.
///
/// # Errors
///
/// If the options are senseless, if the engine fails, or if a row is missing or malformed. Aborts that the
/// engine asks to retry are no errors.
pub fn run(
    database: &Database,
    options: &RunOptions,
    stop: &AtomicBool,
    progress: &mut Progress,
) -> Result<RunResult> {
    if options.threads == 0 || options.threads > THREADS_MAX || options.in_flight == 0 {
        return Err(Error::Settings(format!(
            "a run needs 1 to {THREADS_MAX} threads and at least one transaction in flight"
        )));
    }
    let run = database.start_run(options.durability)?;
    let constants =
        Constants::for_run(database.last_name_constant, &mut Random::new(options.seed, u64::from(run) << 16));
    let (stats_before, cpu_before, started) =
        (database.engine.stats(), machine::process_cpu_time(), Instant::now());
    let shared = Shared {
        options,
        deadline: started + options.duration,
        stop,
        failed: AtomicBool::new(false),
        completed: (0..options.threads).map(|_| Completed::default()).collect(),
    };
    let terminals = (0..options.threads as u16)
        .map(|thread| Terminal::new(database, options, constants, run, thread))
        .collect();
    let statistics = run_terminals(terminals, &shared, progress)?;
    Ok(RunResult {
        statistics,
        elapsed: started.elapsed(),
        cpu: machine::process_cpu_time().saturating_sub(cpu_before),
        stats_before,
        stats_after: database.engine.stats(),
        constants,
        ended_early: stop.load(Ordering::Relaxed),
    })
}

/// Runs each thread's terminals in a thread, shows the progress, adds the counters up.
fn run_terminals(
    terminals: Vec<Terminal<'_>>,
    shared: &Shared<'_>,
    progress: &mut Progress,
) -> Result<Statistics> {
    std::thread::scope(|scope| {
        let workers: Vec<_> = terminals
            .into_iter()
            .zip(&shared.completed)
            .map(|(terminal, completed)| scope.spawn(move || work(terminal, shared, &completed.0)))
            .collect();
        show_progress(shared, progress, || workers.iter().all(std::thread::ScopedJoinHandle::is_finished));
        let mut all = Statistics::default();
        for worker in workers {
            all.merge(&worker.join().map_err(|panic| Error::panicked(&*panic))??);
        }
        Ok(all)
    })
}

/// The life of one thread.
fn work(mut terminal: Terminal<'_>, shared: &Shared<'_>, completed: &AtomicU64) -> Result<Statistics> {
    let mut live = || -> Result<()> {
        while !shared.should_stop() {
            let now = if shared.options.think {
                terminal.step_with_thinking(shared.deadline, || shared.should_stop())?;
                Instant::now()
            } else {
                terminal.step()?
            };
            // Relaxed: only shown as progress.
            completed.store(terminal.statistics.completed(), Ordering::Relaxed);
            if now >= shared.deadline {
                break;
            }
        }
        terminal.settle(0)
    };
    let lived = live();
    if lived.is_err() {
        shared.failed.store(true, Ordering::Relaxed);
    }
    lived.map(|()| terminal.statistics)
}

/// Shows transactions per second, over the last moment, until `finished`.
fn show_progress(shared: &Shared<'_>, progress: &mut Progress, finished: impl Fn() -> bool) {
    let (mut last_total, mut last_time) = (0, Instant::now());
    while !finished() {
        // Short naps at the end, so that the end isn't waited for.
        let left = shared.deadline.saturating_duration_since(Instant::now());
        std::thread::sleep(left.clamp(Duration::from_millis(2), PROGRESS_EVERY));
        let total: u64 = shared.completed.iter().map(|completed| completed.0.load(Ordering::Relaxed)).sum();
        let now = Instant::now();
        let rate = (total - last_total) as f64 / (now - last_time).as_secs_f64();
        progress
            .set(total, || format!("{total} transactions, {rate:.0}/s, {:.0} s left", left.as_secs_f64()));
        if now - last_time >= PROGRESS_EVERY {
            (last_total, last_time) = (total, now);
        }
    }
}
