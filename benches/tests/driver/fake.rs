//! A target and a workload that do as they are told.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use synod::Durability;
use synod_bench::driver::report::Report;
use synod_bench::driver::{Contestant, Plan, PlannedPoint, contest};
use synod_bench::progress::Progress;
use synod_bench::target::{About, Client, OpenOptions, Outcome, Row, Stop, Tally, Target, Work};
use synod_bench::workload::{Answer, Generator, Job, Past, Rules, TakeRow, Workload, bank};
use synod_bench::{Error, Result};

/// How many rows there are.
pub(crate) const ROWS: u64 = 2_500;

/// What the target makes of its nth job, counted over all threads and runs.
pub(crate) type Act = dyn Fn(u64, &mut Tally) -> Result<Outcome> + Send + Sync;

/// What is remembered of what happens, by all targets of a test.
#[derive(Default)]
pub(crate) struct Journal {
    /// The target of each run, in their order; told by the checks behind them.
    pub(crate) runs: Mutex<Vec<String>>,
    /// The rows of each target.
    pub(crate) rows: Mutex<Vec<Vec<Row>>>,
}

/// What a target has done.
#[derive(Default)]
struct State {
    started: AtomicU64,
    /// Jobs whose commits were not forgotten.
    sum: AtomicU64,
}

struct Fake {
    about: About,
    act: Arc<Act>,
    state: State,
    journal: Arc<Journal>,
    rows: Mutex<Vec<Row>>,
}

struct FakeClient<'f>(&'f Fake);

/// One more job that has committed.
pub(crate) fn committed() -> Result<Outcome> {
    Ok(Outcome::Committed(Answer { sum: 1, rows: 0 }))
}

/// A job that the target says it has committed, and has lost.
pub(crate) const LOST: Answer = Answer { sum: 1, rows: 7 };

/// A target of this name.
pub(crate) fn target(
    name: &str,
    journal: &Arc<Journal>,
    act: impl Fn(u64, &mut Tally) -> Result<Outcome> + Send + Sync + 'static,
) -> Contestant {
    let (about_name, journal, act) = (name.to_string(), Arc::clone(journal), Arc::new(act));
    let open = move |_: &OpenOptions| {
        let fake = Fake {
            about: about(&about_name),
            act: act.clone(),
            state: State::default(),
            journal: Arc::clone(&journal),
            rows: Mutex::default(),
        };
        Ok(Box::new(fake) as Box<dyn Target>)
    };
    Contestant { name: name.to_string(), open: Box::new(open) }
}

fn about(name: &str) -> About {
    About {
        name: name.to_string(),
        engine: "fake".to_string(),
        isolation: "none".to_string(),
        allows: vec![],
        durability: "nothing".to_string(),
        has_concurrent_writers: true,
        notes: vec![],
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Target for Fake {
    fn about(&self) -> &About {
        &self.about
    }

    fn client(&self) -> Result<Box<dyn Client + '_>> {
        Ok(Box::new(FakeClient(self)))
    }

    fn settle(&self) -> Result<()> {
        lock(&self.journal.rows).push(std::mem::take(&mut *lock(&self.rows)));
        Ok(())
    }
}

impl Client for FakeClient<'_> {
    fn attempt(&mut self, _only_reads: bool, _work: &mut Work<'_>) -> Result<(), Stop> {
        // What the check of the workload asks for: the name of the target and its sum, by way of an error.
        lock(&self.0.journal.runs).push(self.0.about.name.clone());
        Err(Stop::Failed(Error::Settings(self.0.state.sum.load(Ordering::SeqCst).to_string())))
    }

    fn load(&mut self, rows: &[Row]) -> Result<()> {
        lock(&self.0.rows).extend_from_slice(rows);
        Ok(())
    }

    fn execute(&mut self, _job: &Job, tally: &mut Tally) -> Result<Outcome> {
        let outcome = (self.0.act)(self.0.state.started.fetch_add(1, Ordering::SeqCst), tally)?;
        match outcome {
            Outcome::Committed(answer) if answer != LOST => {
                self.0.state.sum.fetch_add(1, Ordering::SeqCst);
            }
            _ => {}
        }
        Ok(outcome)
    }
}

/// Jobs that add one; the sum must be how many have committed.
pub(crate) struct Sums;

struct Same;

impl Generator for Same {
    fn next(&mut self) -> Job {
        Job::Bank(bank::Transaction::Transfer { from: 0, to: 1, amount: 1 })
    }
}

impl Workload for Sums {
    fn name(&self) -> String {
        "sums".to_string()
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        vec![]
    }

    fn tables(&self) -> &'static [&'static str] {
        &["sums"]
    }

    fn rows(&self) -> u64 {
        ROWS
    }

    fn lookups(&self) -> f64 {
        0.0
    }

    fn load(&self, numbers: Range<u64>, row: &mut TakeRow<'_>) {
        numbers.for_each(|number| row(0, &number.to_be_bytes(), b"value"));
    }

    fn generator<'p>(&'p self, _past: &'p Past, _seed: u64) -> Box<dyn Generator + 'p> {
        Box::new(Same)
    }

    fn check(&self, client: &mut dyn Client, past: &Past) -> Result<Rules> {
        let sum: i64 = match client.attempt(true, &mut |_| Ok(())) {
            Err(Stop::Failed(Error::Settings(text))) => text.parse().expect("a sum"),
            other => panic!("{other:?}"),
        };
        let lost = (sum != past.answers.sum).then(|| format!("{} lost", past.answers.sum - sum));
        assert_eq!(past.answers.sum, past.committed as i64, "each commit adds one");
        Ok(Rules::from([("no update is lost", lost)]))
    }
}

/// A plan that lasts no longer than it must.
pub(crate) fn plan(directory: &std::path::Path, contestants: Vec<Contestant>) -> Plan {
    let point = PlannedPoint { value: String::new(), threads: 2, workload: Box::new(Sums) };
    Plan {
        command: "test".to_string(),
        sweep: None,
        points: vec![point],
        contestants,
        durability: Durability::None,
        duration: Duration::from_millis(150),
        warmup: Duration::ZERO,
        repetitions: 1,
        in_flight: 1,
        rate: None,
        directory: directory.to_path_buf(),
        seed: u64::MAX,
    }
}

/// Makes a plan a sweep over these values.
pub(crate) fn sweep(mut plan: Plan, values: &[&str]) -> Plan {
    let point =
        |value: &&str| PlannedPoint { value: value.to_string(), threads: 2, workload: Box::new(Sums) };
    plan.points = values.iter().map(point).collect();
    plan.sweep = Some("value".to_string());
    plan
}

/// Runs a plan from its beginning to its end.
pub(crate) fn run(plan: &Plan) -> Result<Report> {
    run_until(plan, &AtomicBool::new(false))
}

pub(crate) fn run_until(plan: &Plan, stop: &AtomicBool) -> Result<Report> {
    contest(plan, stop, &mut Progress::hidden(), &mut |_| Ok(()))
}

/// A pause that no thread can do without.
pub(crate) fn work(time: Duration) {
    let started = Instant::now();
    std::thread::sleep(time);
    assert!(started.elapsed() >= time);
}

/// The keys of these rows.
pub(crate) fn keys(rows: &[Row]) -> BTreeSet<Vec<u8>> {
    rows.iter().map(|(_, key, _)| key.clone()).collect()
}
