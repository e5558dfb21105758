//! One run: a workload on a target, for a while.

use super::live::Live;
use super::pace::{Clock, Window};
use super::report::Sample;
use crate::error::{Error, Result};
use crate::latency::Latencies;
use crate::target::{Outcome, Tally, Target};
use crate::workload::{Answer, Past, Workload};
use crate::{allocations, machine};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{OnceLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

const SHOW_EVERY: Duration = Duration::from_millis(100);

/// How to run.
pub(super) struct RunOptions {
    pub(super) threads: usize,
    pub(super) duration: Duration,
    pub(super) warmup: Duration,
    pub(super) rate: Option<f64>,
    pub(super) seed: u64,
}

/// What the threads of a run share.
pub(super) struct Shared<'a> {
    pub(super) options: &'a RunOptions,
    /// Known once all threads are ready: with it they begin.
    window: OnceLock<Window>,
    stop: &'a AtomicBool,
    has_failed: AtomicBool,
    /// When the first thread has noticed that it should stop. What is answered later isn't measured.
    ended: OnceLock<Instant>,
    answered: Vec<Answered>,
}

/// A counter that shares its cache line with nothing else.
#[derive(Default)]
#[repr(align(128))]
struct Answered(AtomicU64);

impl<'a> Shared<'a> {
    fn new(options: &'a RunOptions, stop: &'a AtomicBool) -> Shared<'a> {
        Shared {
            options,
            window: OnceLock::new(),
            stop,
            has_failed: AtomicBool::new(false),
            ended: OnceLock::new(),
            answered: (0..options.threads).map(|_| Answered::default()).collect(),
        }
    }

    pub(super) fn should_stop(&self) -> bool {
        // Relaxed: the flags only ask threads to end soon; their results pass by joining.
        let should_stop = self.stop.load(Ordering::Relaxed) || self.has_failed.load(Ordering::Relaxed);
        if should_stop {
            self.ended.get_or_init(Instant::now);
        }
        should_stop
    }

    fn fail(&self) {
        // Relaxed: as above.
        self.has_failed.store(true, Ordering::Relaxed);
    }

    /// The end of what is measured.
    fn end(&self, window: Window) -> Instant {
        self.ended.get().map_or(window.to, |ended| window.to.min(*ended))
    }

    fn answered(&self) -> u64 {
        // Relaxed: only shown.
        self.answered.iter().map(|answered| answered.0.load(Ordering::Relaxed)).sum()
    }
}

/// What one thread has counted.
#[derive(Default)]
struct Counts {
    /// All that was answered, the warm-up too: what the data must show.
    answers: Answer,
    acknowledged: u64,
    /// While it was measured.
    committed: u64,
    rejected: u64,
    latencies: Latencies,
    tally: Tally,
    allocations: u64,
}

impl Counts {
    fn note(&mut self, tally: Tally) {
        tally.aborts.into_iter().for_each(|(reason, n)| *self.tally.aborts.entry(reason).or_default() += n);
    }

    fn add(&mut self, other: Counts) {
        self.answers += other.answers;
        self.acknowledged += other.acknowledged;
        self.committed += other.committed;
        self.rejected += other.rejected;
        self.latencies.merge(&other.latencies);
        self.note(other.tally);
        self.allocations += other.allocations;
    }
}

/// Runs, and adds what has happened to `past`. A run that was stopped has a shorter sample.
pub(super) fn run(
    target: &dyn Target,
    workload: &dyn Workload,
    past: &mut Past,
    options: &RunOptions,
    stop: &AtomicBool,
    show: &mut Live<'_>,
) -> Result<Sample> {
    let shared = Shared::new(options, stop);
    let (counts, used) = thread::scope(|scope| {
        let (shared, past) = (&shared, &*past);
        let (ready, all_ready) = mpsc::channel::<()>();
        let start = |number| {
            let ready = ready.clone();
            let life = move || live(target, workload, past, shared, number, ready);
            thread::Builder::new().spawn_scoped(scope, life)
        };
        let threads = (0..options.threads).map(start).collect::<Result<Vec<_>, _>>();
        drop(ready);
        let threads = threads.map_err(|source| {
            // Those that have started wait for the window, and then see this.
            shared.fail();
            shared.window.get_or_init(|| Window::of(options));
            Error::Settings(format!("cannot start {} threads: {source}", options.threads))
        })?;
        // Each drops its end when it is ready; behind the last one the channel is closed.
        all_ready.iter().for_each(drop);
        let used = watch(shared, *shared.window.get_or_init(|| Window::of(options)), show);
        let mut counts = Counts::default();
        for thread in threads {
            counts.add(thread.join().map_err(|panic| Error::panicked(&*panic))??);
        }
        Ok::<_, Error>((counts, used))
    })?;
    past.answers += counts.answers;
    past.committed += counts.acknowledged;
    Ok(sample(counts, used))
}

fn sample(counts: Counts, used: Used) -> Sample {
    Sample {
        seconds: used.wall.as_secs_f64(),
        committed: counts.committed,
        rejected: counts.rejected,
        aborts: counts.tally.aborts.iter().map(|(reason, n)| (reason.to_string(), *n)).collect(),
        latency: counts.latencies.summary(),
        cpu_ns: used.cpu.as_nanos() as u64,
        allocations: (allocations::of_thread() > 0).then_some(counts.allocations),
        written_bytes: used.written_bytes,
        memory_growth_bytes: used.memory_growth_bytes,
    }
}

/// What the process has used while it was measured.
struct Used {
    wall: Duration,
    cpu: Duration,
    written_bytes: u64,
    memory_growth_bytes: Option<u64>,
}

/// Shows the progress until the run is over, and looks at what the process uses.
fn watch(shared: &Shared<'_>, window: Window, show: &mut Live<'_>) -> Used {
    let mut pause_until = |end: Instant, phase: &str| {
        while !shared.should_stop() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            thread::sleep(left.min(SHOW_EVERY));
            show.running(phase, shared.answered(), left);
        }
    };
    pause_until(window.from, "warming up");
    let can_tell_peak = machine::forget_peak();
    let resident_bytes = machine::memory().resident_bytes;
    let (cpu, written_bytes) = (machine::process_cpu_time(), machine::written_bytes());
    pause_until(window.to, "measuring");
    Used {
        wall: shared.end(window).saturating_duration_since(window.from),
        cpu: machine::process_cpu_time().saturating_sub(cpu),
        written_bytes: machine::written_bytes().saturating_sub(written_bytes),
        memory_growth_bytes: can_tell_peak
            .then(|| machine::memory().peak_bytes.saturating_sub(resident_bytes)),
    }
}

/// The life of one thread. Whatever it fails by, a panic too, ends those of the others.
fn live(
    target: &dyn Target,
    workload: &dyn Workload,
    past: &Past,
    shared: &Shared<'_>,
    number: usize,
    ready: mpsc::Sender<()>,
) -> Result<Counts> {
    let seed = shared.options.seed.wrapping_mul(1_000_003).wrapping_add(number as u64);
    let prepared = caught(|| Ok((target.client()?, workload.generator(past, seed))));
    drop(ready);
    let window = *shared.window.wait();
    let worked = prepared.and_then(|(mut client, mut generator)| {
        caught(move || {
            let clock = Clock::new(shared.options, window, seed);
            let mut counter = Counter::new(shared, clock, &shared.answered[number].0);
            while !shared.should_stop() {
                let job = generator.next();
                let Some(due) = counter.clock.wait_until_due(|| shared.should_stop()) else { break };
                let mut tally = Tally::default();
                let answered = client.submit(&job, due, &mut tally)?;
                if counter.count(answered, tally) >= window.to {
                    break;
                }
            }
            while let Some(answered) = client.take_in_flight()? {
                counter.count(Some(answered), Tally::default());
            }
            Ok(counter.counts)
        })
    });
    if worked.is_err() {
        shared.fail();
    }
    worked
}

/// Makes an error of a panic.
fn caught<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    // What a panic has left half done is looked at by nobody: the run is over.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(Error::panicked(&*panic)))
}

/// Counts what a thread's transactions have come to.
struct Counter<'s> {
    run: &'s Shared<'s>,
    clock: Clock,
    counts: Counts,
    answered: u64,
    /// The same, for others to look at.
    shown: &'s AtomicU64,
    /// What the thread had allocated when the window began.
    allocated: u64,
}

impl<'s> Counter<'s> {
    fn new(run: &'s Shared<'s>, clock: Clock, shown: &'s AtomicU64) -> Counter<'s> {
        let (counts, allocated) = (Counts::default(), allocations::of_thread());
        Counter { run, clock, counts, answered: 0, shown, allocated }
    }

    /// Counts what was answered just now, if anything was; returns what time it is.
    fn count(&mut self, answered: Option<(Outcome, Instant)>, tally: Tally) -> Instant {
        let (now, window) = (Instant::now(), self.clock.window);
        let is_measured = window.from <= now && now <= self.run.end(window);
        if is_measured {
            self.counts.note(tally);
            self.counts.allocations = allocations::of_thread() - self.allocated;
        } else if now < window.from {
            self.allocated = allocations::of_thread();
        }
        let Some((outcome, due)) = answered else { return now };
        self.answered += 1;
        // Relaxed: only shown.
        self.shown.store(self.answered, Ordering::Relaxed);
        if let Outcome::Committed(answer) = outcome {
            self.counts.answers += answer;
            self.counts.acknowledged += 1;
        }
        if is_measured {
            match outcome {
                Outcome::Committed(_) => self.counts.committed += 1,
                Outcome::Rejected => self.counts.rejected += 1,
            }
            self.counts.latencies.record(now.saturating_duration_since(due));
        }
        now
    }
}
