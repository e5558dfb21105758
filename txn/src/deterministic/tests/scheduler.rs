//! The scheduler against a model that compares every transaction with all before it.

use std::collections::HashSet;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use synod_storage::{Table, Timestamp};

use super::{Declaration, any_declarations, catalog, footprint_of};
use crate::{Footprint, Scheduler, Sequence};

const WINDOW_MAX: usize = 8;

#[derive(Clone, Debug)]
enum Step {
    Admit(Vec<Declaration>),
    Take,
    /// Of those that are running, which one finishes, counted around.
    Finish(usize),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => any_declarations().prop_map(Step::Admit),
        2 => Just(Step::Take),
        2 => any::<usize>().prop_map(Step::Finish),
    ]
}

/// A transaction: its number in log order, and its footprint.
#[derive(Clone, Debug)]
struct Job {
    number: usize,
    footprint: Arc<Footprint>,
}

impl AsRef<Footprint> for Job {
    fn as_ref(&self) -> &Footprint {
        &self.footprint
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Admitted,
    Running(Sequence),
    Finished,
}

/// The scheduler, and what became of each transaction that it was given.
struct Scene {
    tables: Vec<Arc<Table>>,
    scheduler: Scheduler<Job, usize>,
    jobs: Vec<(Job, State)>,
    sequences: HashSet<Sequence>,
    /// How many are in the executed prefix.
    passed: usize,
}

impl Scene {
    fn new() -> Self {
        Scene {
            tables: catalog().tables(),
            scheduler: Scheduler::new(WINDOW_MAX),
            jobs: Vec::new(),
            sequences: HashSet::new(),
            passed: 0,
        }
    }

    /// The n-th transaction's timestamp; there are gaps.
    fn at(number: usize) -> Timestamp {
        Timestamp(100 + 3 * number as u64)
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Admit(declarations) => self.admit(&declarations),
            Step::Take => self.take(),
            Step::Finish(choice) => self.finish(choice),
        }
        self.check();
    }

    fn admit(&mut self, declarations: &[Declaration]) {
        assert_eq!(self.scheduler.has_room(), self.jobs.len() - self.passed < WINDOW_MAX);
        if !self.scheduler.has_room() {
            return;
        }
        let number = self.jobs.len();
        let job = Job { number, footprint: Arc::new(footprint_of(&self.tables, declarations)) };
        let sequence = self.scheduler.admit(Self::at(number), job.clone());
        assert!(self.sequences.iter().all(|earlier| *earlier < sequence));
        self.sequences.insert(sequence);
        self.jobs.push((job, State::Admitted));
    }

    fn take(&mut self) {
        let first = self.ready().next();
        let taken = self.scheduler.next_ready();
        assert_eq!(taken.as_ref().map(|(_, job)| job.number), first);
        if let Some((sequence, job)) = taken {
            assert!(self.sequences.contains(&sequence));
            self.jobs[job.number].1 = State::Running(sequence);
        }
    }

    fn finish(&mut self, choice: usize) {
        let running: Vec<_> = self.running().collect();
        let Some(&(number, sequence)) = running.get(choice % running.len().max(1)) else {
            return;
        };
        self.jobs[number].1 = State::Finished;
        let end = self.jobs.iter().position(|(_, state)| *state != State::Finished);
        let expected: Vec<_> = (self.passed..end.unwrap_or(self.jobs.len())).collect();
        let mut passed = Vec::new();
        self.scheduler.finish(sequence, number, |at, effects| {
            assert_eq!(at, Self::at(effects));
            passed.push(effects);
        });
        assert_eq!(passed, expected, "the prefix grows in log order, as far as all have finished");
        self.passed += passed.len();
    }

    fn running(&self) -> impl Iterator<Item = (usize, Sequence)> {
        self.jobs.iter().filter_map(|(job, state)| match state {
            State::Running(sequence) => Some((job.number, *sequence)),
            _ => None,
        })
    }

    /// Those that aren't running yet and have to wait for nobody unfinished before them.
    fn ready(&self) -> impl Iterator<Item = usize> {
        self.jobs.iter().filter(|(_, state)| *state == State::Admitted).map(|(job, _)| job).filter_map(
            |job| {
                let before = &self.jobs[..job.number];
                let waits = before.iter().any(|(earlier, state)| {
                    *state != State::Finished && job.footprint.waits_for(&earlier.footprint)
                });
                (!waits).then_some(job.number)
            },
        )
    }

    fn check(&self) {
        for (number, _) in self.running() {
            for (other, _) in self.running().filter(|(other, _)| *other != number) {
                let (a, b) = (&self.jobs[number].0, &self.jobs[other].0);
                let waits = number > other && a.footprint.waits_for(&b.footprint);
                assert!(!waits, "{number} and {other} run at once");
            }
        }
        let unfinished = self.jobs.iter().filter(|(_, state)| *state != State::Finished).count();
        assert_eq!(self.scheduler.in_flight(), unfinished);
        assert_eq!(self.scheduler.window(), self.jobs.len() - self.passed);
        assert_eq!(self.scheduler.ready(), self.ready().count());
        if unfinished == 0 {
            assert!(self.scheduler.is_clean(), "something is left of those who have finished");
        }
    }

    /// Runs all that were admitted.
    fn run_to_the_end(&mut self, choices: &[usize]) {
        let mut choices = choices.iter().cycle();
        while self.passed < self.jobs.len() {
            let passed_or_running = (self.passed, self.running().count());
            self.step(Step::Take);
            if let Some(&choice) = choices.next().filter(|choice| *choice % 2 == 0) {
                self.step(Step::Finish(choice));
            } else if (self.passed, self.running().count()) == passed_or_running {
                self.step(Step::Finish(0));
            }
        }
        assert!(self.scheduler.next_ready().is_none());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// At every moment those are ready that have to wait for nobody unfinished before them, and no others; so nobody
    /// reads or writes what an earlier one has still to write, and all get to run.
    #[test]
    fn transactions_run_when_the_model_says_so(
        steps in vec(any_step(), 0..80),
        choices in vec(any::<usize>(), 1..20),
    ) {
        let mut scene = Scene::new();
        for step in steps {
            scene.step(step);
        }
        scene.run_to_the_end(&choices);
    }
}

/// A scheduler with room for two.
fn small() -> Scheduler<Arc<Footprint>, &'static str> {
    Scheduler::new(2)
}

fn writes(key: &[u8]) -> Arc<Footprint> {
    let key = Declaration::Key { table: 0, key: key.to_vec(), write: true };
    Arc::new(footprint_of(&catalog().tables(), &[key]))
}

#[test]
fn effects_wait_for_all_transactions_before() {
    let mut scheduler = small();
    let slow = scheduler.admit(Timestamp(1), writes(b"a"));
    let quick = scheduler.admit(Timestamp(2), writes(b"b"));
    assert!(!scheduler.has_room());
    assert_eq!(scheduler.next_ready().map(|(sequence, _)| sequence), Some(slow));
    assert_eq!(scheduler.next_ready().map(|(sequence, _)| sequence), Some(quick));
    scheduler.finish(quick, "quick", |_, _| panic!("the first one is still running"));
    assert_eq!((scheduler.in_flight(), scheduler.window()), (1, 2));
    let mut passed = Vec::new();
    scheduler.finish(slow, "slow", |at, effects| passed.push((at, effects)));
    assert_eq!(passed, [(Timestamp(1), "slow"), (Timestamp(2), "quick")]);
    assert!(scheduler.has_room());
}

/// Readers wait for the writer before them, and nobody waits for readers.
#[test]
fn a_writer_waits_for_writers_only() {
    const READERS: u64 = 100;
    let footprint = |write: bool| {
        let key = Declaration::Key { table: 0, key: b"hot".to_vec(), write };
        Arc::new(footprint_of(&catalog().tables(), &[key]))
    };
    let mut scheduler = Scheduler::new(1000);
    let first = scheduler.admit(Timestamp(1), footprint(true));
    for at in 2..=READERS + 1 {
        scheduler.admit(Timestamp(at), footprint(false));
    }
    let last = scheduler.admit(Timestamp(READERS + 2), footprint(true));
    assert_eq!(scheduler.next_ready().map(|(sequence, _)| sequence), Some(first));
    assert!(scheduler.next_ready().is_none());
    scheduler.finish(first, (), |_, ()| {});
    let ready: Vec<_> = std::iter::from_fn(|| scheduler.next_ready()).map(|(sequence, _)| sequence).collect();
    assert_eq!((ready.len() as u64, ready.last()), (READERS + 1, Some(&last)));
}

#[test]
#[should_panic(expected = "in log order")]
fn the_log_does_not_go_back() {
    let mut scheduler = small();
    scheduler.admit(Timestamp(2), writes(b"a"));
    scheduler.admit(Timestamp(2), writes(b"b"));
}

#[test]
#[should_panic(expected = "window is full")]
fn a_full_window_takes_nobody_in() {
    let mut scheduler = small();
    for at in 1..=3 {
        scheduler.admit(Timestamp(at), writes(b"a"));
    }
}

#[test]
#[should_panic(expected = "must be sealed")]
fn a_footprint_without_seal_is_refused() {
    let mut scheduler = small();
    scheduler.admit(Timestamp(1), Arc::new(Footprint::new()));
}

#[test]
#[should_panic(expected = "after it was handed out")]
fn who_has_not_run_does_not_finish() {
    let mut scheduler = small();
    let sequence = scheduler.admit(Timestamp(1), writes(b"a"));
    scheduler.finish(sequence, "", |_, _| {});
}

#[test]
#[should_panic(expected = "finishes once")]
fn who_has_passed_does_not_finish_again() {
    let mut scheduler = small();
    let sequence = scheduler.admit(Timestamp(1), writes(b"a"));
    scheduler.next_ready();
    scheduler.finish(sequence, "", |_, _| {});
    scheduler.finish(sequence, "", |_, _| {});
}
