//! One run: a workload on a target, for a while.

use super::report::{Percentiles, Sample};
use crate::error::{Error, Result};
use crate::latency::Latencies;
use crate::progress::Progress;
use crate::random::Random;
use crate::target::{Outcome, Tally, Target};
use crate::workload::{Answer, Past, Workload};
use crate::{allocations, machine};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const SHOW_EVERY: Duration = Duration::from_millis(200);
/// Waits shorter than this are spent looking at the clock: a sleep takes at least so long.
const SLEEP_MIN: Duration = Duration::from_micros(200);

/// How to run.
pub(super) struct RunOptions {
    pub(super) threads: usize,
    pub(super) duration: Duration,
    pub(super) warmup: Duration,
    pub(super) rate: Option<f64>,
    pub(super) seed: u64,
}

/// What the threads of a run share.
struct Shared<'a> {
    options: &'a RunOptions,
    start: Barrier,
    stop: &'a AtomicBool,
    has_failed: AtomicBool,
    answered: Vec<Answered>,
}

/// A counter that shares its cache line with nothing else.
#[derive(Default)]
#[repr(align(128))]
struct Answered(AtomicU64);

impl Shared<'_> {
    // Relaxed: the flags only ask threads to end soon; their results pass by joining.
    fn should_stop(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.has_failed.load(Ordering::Relaxed)
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
        self.committed += other.committed;
        self.rejected += other.rejected;
        self.latencies.merge(&other.latencies);
        self.note(other.tally);
        self.allocations += other.allocations;
    }
}

/// When a run is measured.
#[derive(Clone, Copy)]
struct Window {
    from: Instant,
    to: Instant,
}

/// Runs, and adds what has happened to `past`.
pub(super) fn run(
    target: &dyn Target,
    workload: &dyn Workload,
    past: &mut Past,
    options: &RunOptions,
    stop: &AtomicBool,
    show: (&str, &mut Progress),
) -> Result<Sample> {
    let shared = Shared {
        options,
        start: Barrier::new(options.threads + 1),
        stop,
        has_failed: AtomicBool::new(false),
        answered: (0..options.threads).map(|_| Answered::default()).collect(),
    };
    let (counts, used) = std::thread::scope(|scope| {
        let (shared, past) = (&shared, &*past);
        let live = |thread| scope.spawn(move || live(target, workload, past, shared, thread));
        let threads: Vec<_> = (0..options.threads).map(live).collect();
        shared.start.wait();
        let used = watch(shared, show);
        let mut counts = Counts::default();
        for thread in threads {
            counts.add(thread.join().map_err(|panic| Error::panicked(&*panic))??);
        }
        Ok::<_, Error>((counts, used))
    })?;
    past.answers += counts.answers;
    Ok(sample(counts, used))
}

fn sample(counts: Counts, used: Used) -> Sample {
    let at = |quantile| counts.latencies.at_quantile(quantile);
    Sample {
        seconds: used.wall.as_secs_f64(),
        committed: counts.committed,
        rejected: counts.rejected,
        aborts: counts.tally.aborts.iter().map(|(reason, n)| (reason.to_string(), *n)).collect(),
        latency: Percentiles {
            p50_ns: at(0.5),
            p90_ns: at(0.9),
            p99_ns: at(0.99),
            p999_ns: at(0.999),
            p9999_ns: at(0.9999),
            max_ns: at(1.0),
        },
        cpu_ns: used.cpu.as_nanos() as u64,
        allocations: (allocations::of_thread() > 0).then_some(counts.allocations),
        written_bytes: used.written_bytes,
    }
}

/// What the process has used while it was measured.
struct Used {
    wall: Duration,
    cpu: Duration,
    written_bytes: u64,
}

/// Shows the progress until the run is over, and looks at what the process uses.
fn watch(shared: &Shared<'_>, (label, progress): (&str, &mut Progress)) -> Used {
    let window = Window::of(shared.options);
    let mut pause_until = |end: Instant| {
        while !shared.should_stop() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            std::thread::sleep(left.min(SHOW_EVERY));
            progress.set(0, || format!("{label}: {} transactions", shared.answered()));
        }
    };
    pause_until(window.from);
    let (from, cpu, written_bytes) = (Instant::now(), machine::process_cpu_time(), machine::written_bytes());
    pause_until(window.to);
    Used {
        wall: from.elapsed(),
        cpu: machine::process_cpu_time().saturating_sub(cpu),
        written_bytes: machine::written_bytes().saturating_sub(written_bytes),
    }
}

impl Window {
    /// The window of a run that begins now.
    fn of(options: &RunOptions) -> Window {
        let from = Instant::now() + options.warmup;
        Window { from, to: from + options.duration }
    }
}

/// The life of one thread.
fn live(
    target: &dyn Target,
    workload: &dyn Workload,
    past: &Past,
    shared: &Shared<'_>,
    thread: usize,
) -> Result<Counts> {
    let seed = shared.options.seed.wrapping_mul(1_000_003) + thread as u64;
    let prepared = target.client().map(|client| (client, workload.generator(past, seed)));
    shared.start.wait();
    let worked = prepared.and_then(|(mut client, mut generator)| {
        let mut counter = Counter::new(Clock::new(shared, seed), &shared.answered[thread].0);
        while !shared.should_stop() {
            let job = generator.next();
            let Some(due) = counter.clock.wait_until_due(shared) else { break };
            let mut tally = Tally::default();
            let answered = client.submit(&job, due, &mut tally)?;
            if counter.count(answered, tally) >= counter.clock.window.to {
                break;
            }
        }
        while let Some(answered) = client.take_in_flight()? {
            counter.count(Some(answered), Tally::default());
        }
        Ok(counter.counts)
    });
    if worked.is_err() {
        shared.has_failed.store(true, Ordering::Relaxed);
    }
    worked
}

/// Counts what a thread's transactions have come to.
struct Counter<'s> {
    clock: Clock,
    counts: Counts,
    answered: u64,
    /// The same, for others to look at.
    shown: &'s AtomicU64,
    /// What the thread had allocated when the window began.
    allocated: Option<u64>,
}

impl<'s> Counter<'s> {
    fn new(clock: Clock, shown: &'s AtomicU64) -> Counter<'s> {
        Counter { clock, counts: Counts::default(), answered: 0, shown, allocated: None }
    }

    /// Counts what was answered just now, if anything was; returns what time it is.
    fn count(&mut self, answered: Option<(Outcome, Instant)>, tally: Tally) -> Instant {
        let (now, Window { from, to }) = (Instant::now(), self.clock.window);
        let is_measured = (from..=to).contains(&now);
        if is_measured {
            self.counts.note(tally);
            let before = *self.allocated.get_or_insert_with(allocations::of_thread);
            self.counts.allocations = allocations::of_thread() - before;
        }
        let Some((outcome, due)) = answered else { return now };
        self.answered += 1;
        self.shown.store(self.answered, Ordering::Relaxed);
        if let Outcome::Committed(answer) = outcome {
            self.counts.answers += answer;
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

/// Says when a thread's transactions are due.
struct Clock {
    window: Window,
    due: Instant,
    /// In an open loop: between two of them, on average.
    interval: Option<Duration>,
    random: Random,
}

impl Clock {
    fn new(shared: &Shared<'_>, seed: u64) -> Clock {
        let options = shared.options;
        let interval = options.rate.map(|rate| Duration::from_secs_f64(options.threads as f64 / rate));
        Clock { window: Window::of(options), due: Instant::now(), interval, random: Random::new(seed, 1) }
    }

    /// Waits until the next one is due, and says when that was; none if that is after the end. In a closed loop it is now.
    fn wait_until_due(&mut self, shared: &Shared<'_>) -> Option<Instant> {
        let Some(interval) = self.interval else { return Some(Instant::now()) };
        // Exponential intervals: as if many clients, who know nothing of each other, asked now and then.
        self.due += interval.mul_f64(-(1.0 - self.random.fraction()).ln());
        while !shared.should_stop() && self.due < self.window.to {
            match self.due.saturating_duration_since(Instant::now()) {
                Duration::ZERO => break,
                long if long > SLEEP_MIN => std::thread::sleep((long - SLEEP_MIN).min(SHOW_EVERY)),
                _ => std::thread::yield_now(),
            }
        }
        (self.due < self.window.to).then_some(self.due)
    }
}
