//! The driver of comparisons, on targets that stall, lose, fail, conflict and refuse when they are told to.

mod fake;

use fake::{Journal, LOST, ROWS, committed, keys, plan, run, run_until, sweep, target, work};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use synod_bench::Error;
use synod_bench::driver::csv;
use synod_bench::driver::report::{Report, Sample};
use synod_bench::driver::summary::warnings;
use synod_bench::target::Outcome;
use tempfile::TempDir;

const MILLISECOND: Duration = Duration::from_millis(1);

fn directory() -> TempDir {
    TempDir::new().expect("a directory")
}

fn only(report: &Report) -> &Sample {
    let point = &report.targets[0].points[0];
    assert_eq!((&point.broken[..], point.samples.len()), (&[][..], 1));
    &point.samples[0]
}

fn text_of(warnings: &[String]) -> String {
    warnings.join("\n")
}

#[test]
fn counts_add_up() {
    let (journal, answers) = (Arc::default(), Arc::new([const { AtomicU64::new(0) }; 3]));
    let counted = Arc::clone(&answers);
    let act = move |number: u64, tally: &mut synod_bench::target::Tally| {
        work(MILLISECOND);
        for _ in 0..number % 3 {
            tally.count("write conflict");
            counted[2].fetch_add(1, Ordering::SeqCst);
        }
        if number.is_multiple_of(4) {
            tally.count("deadlock");
            counted[1].fetch_add(1, Ordering::SeqCst);
            return Ok(Outcome::Rejected);
        }
        counted[0].fetch_add(1, Ordering::SeqCst);
        committed()
    };
    let place = directory();
    let report = run(&plan(place.path(), vec![target("fake", &journal, act)])).expect("it runs");
    let sample = only(&report);
    let [committed, rejected, conflicts] = [0, 1, 2].map(|place| answers[place].load(Ordering::SeqCst));
    assert_eq!(sample.seconds, 0.15, "the window, not what a thread was late");
    // The last of each thread are answered behind the window.
    assert!(sample.committed + sample.rejected <= committed + rejected);
    assert!(sample.committed + sample.rejected + 2 >= committed + rejected, "{sample:?}");
    assert!(sample.rejected + 2 >= rejected && sample.rejected <= rejected);
    assert!(sample.aborts["deadlock"] == sample.rejected, "{sample:?}");
    assert!(sample.aborts["write conflict"] + 4 >= conflicts && sample.aborts["write conflict"] <= conflicts);
    let latency = sample.latency;
    assert!(
        latency.p50_ns >= 990_000 && latency.p50_ns <= latency.p99_ns && latency.p99_ns <= latency.max_ns
    );
    // One that costs no look-ups has no bound, and what is infinite could not be read again.
    assert_eq!(report.points[0].bound_per_second, 0.0);
    let text = serde_json::to_string(&report).expect("JSON");
    assert_eq!(serde_json::from_str::<Report>(&text).expect("readable"), report);
}

#[test]
fn a_warm_up_is_not_measured_and_yet_not_forgotten() {
    let (journal, done) = (Arc::default(), Arc::new(AtomicU64::new(0)));
    let counted = Arc::clone(&done);
    let act = move |_, _: &mut _| {
        work(MILLISECOND);
        counted.fetch_add(1, Ordering::SeqCst);
        committed()
    };
    let place = directory();
    let mut plan = plan(place.path(), vec![target("fake", &journal, act)]);
    (plan.warmup, plan.duration) = (Duration::from_millis(150), Duration::from_millis(20));
    let report = run(&plan).expect("it runs");
    // No more than a job in each millisecond of each thread, and one that began before.
    assert!(only(&report).committed <= 2 * 21, "{report:?}");
    assert!(done.load(Ordering::SeqCst) > only(&report).committed, "the check has counted all of them");
}

/// Runs a target of which one job in all takes 100 ms.
fn stalled(rate: Option<f64>) -> Sample {
    let place = directory();
    let act = |number, _: &mut _| {
        work(if number == 20 { 100 * MILLISECOND } else { Duration::from_micros(50) });
        committed()
    };
    let mut plan = plan(place.path(), vec![target("fake", &Arc::default(), act)]);
    plan.points[0].threads = 1;
    (plan.rate, plan.duration) = (rate, 400 * MILLISECOND);
    only(&run(&plan).expect("it runs")).clone()
}

#[test]
fn a_stall_is_seen_by_all_who_would_have_come_meanwhile() {
    // 100 of 400 are due in the stall, and 80 of them see more than 20 ms of it.
    let sample = stalled(Some(1_000.0));
    assert!(sample.latency.p90_ns >= 20_000_000 && sample.latency.max_ns >= 100_000_000, "{sample:?}");
}

#[test]
fn in_a_closed_loop_one_sees_it() {
    let sample = stalled(None);
    assert!(sample.committed > 20 && sample.latency.max_ns >= 100_000_000, "{sample:?}");
    assert!(sample.latency.p90_ns < 100_000_000, "one of them all: {sample:?}");
}

#[test]
fn who_cannot_keep_up_is_named() {
    let place = directory();
    let slow = |_, _: &mut _| {
        work(10 * MILLISECOND);
        committed()
    };
    let quick = |_, _: &mut _| committed();
    let journal = Arc::default();
    let targets = vec![target("slow", &journal, slow), target("quick", &journal, quick)];
    let mut plan = plan(place.path(), targets);
    // Two threads that need 10 ms each for a job answer 200 a second at most.
    plan.rate = Some(1_000.0);
    let told = text_of(&warnings(&run(&plan).expect("it runs")));
    assert!(told.contains("slow can't keep up: 1,000 a second are due"), "{told}");
    assert!(told.contains("processor time has some waiting in it"), "{told}");
    plan.rate = Some(1e-3);
    assert!(run(&plan).expect_err("refused").to_string().contains("the rate must be 0.01 to"));
    plan.rate = Some(0.01);
    let told = text_of(&warnings(&run(&plan).expect("minutes between two of them are no trouble")));
    assert!(!told.contains("can't keep up"), "{told}");
}

#[test]
fn a_lost_update_leaves_no_figures_but_those_of_others() {
    let (place, journal) = (directory(), Arc::new(Journal::default()));
    let loses = |number, _: &mut _| {
        work(MILLISECOND);
        if number == 3 { Ok(Outcome::Committed(LOST)) } else { committed() }
    };
    let honest = |_, _: &mut _| {
        work(MILLISECOND);
        committed()
    };
    let targets = vec![target("loses", &journal, loses), target("honest", &journal, honest)];
    let mut plan = sweep(plan(place.path(), targets), &["first", "second"]);
    (plan.repetitions, plan.duration) = (2, 20 * MILLISECOND);
    let report = run(&plan).expect("that is no error");
    let [loses, honest] = &report.targets[..] else { panic!("{report:?}") };
    assert_eq!(loses.points[0].broken, ["no update is lost: 1 lost"]);
    assert!(loses.points.iter().all(|point| point.samples.is_empty()), "{loses:?}");
    assert!(loses.points[1].broken.is_empty(), "it was not asked again, and not blamed twice");
    assert!(
        honest.points.iter().all(|point| point.broken.is_empty() && point.samples.len() == 2),
        "{honest:?}"
    );
    assert_eq!(journal.runs.lock().expect("unbroken").iter().filter(|name| *name == "loses").count(), 1);
    let told = text_of(&warnings(&report));
    assert!(told.contains("loses didn't run any more after it had broken a rule at value = first"), "{told}");
    assert!(!report.keeps_rules() && report.has_figures() && !report.ended_early);
    assert_eq!(csv::page(&report).lines().count(), 1 + 1 + 4, "{}", csv::page(&report));
}

#[test]
fn what_a_transaction_has_seen_breaks_a_rule_too() {
    let place = directory();
    let violated = |_, _: &mut _| Err(Error::Violated { rule: "the total", seen: 1, expected: 2 });
    let report = run(&plan(place.path(), vec![target("fake", &Arc::default(), violated)])).expect("no error");
    let broken = &report.targets[0].points[0].broken;
    assert!(broken.len() == 1 && broken[0].contains("the total: 2 is right, and 1 was seen"), "{broken:?}");
}

#[test]
fn a_failure_is_told_with_its_target_and_what_was_measured_stays() {
    let (place, journal) = (directory(), Arc::default());
    let fails = |number, _: &mut _| {
        work(MILLISECOND);
        if number > 3 { Err(Error::Settings("the disk is full".to_string())) } else { committed() }
    };
    let honest = |_, _: &mut _| {
        work(MILLISECOND);
        committed()
    };
    let mut first =
        plan(place.path(), vec![target("fails", &journal, fails), target("honest", &journal, honest)]);
    // It ends at once, and not when ten minutes are over.
    first.duration = Duration::from_secs(600);
    assert_eq!(run(&first).expect_err("nothing was measured").to_string(), "fails: the disk is full");
    let targets = vec![target("honest", &journal, honest), target("fails", &journal, fails)];
    let report = run(&sweep(plan(place.path(), targets), &["x"])).expect("something was measured");
    assert_eq!(report.failure.as_deref(), Some("fails, value x: the disk is full"));
    assert_eq!(report.targets[0].points[0].samples.len(), 1);
    assert!(report.targets[1].points[0].samples.is_empty());
    let told = text_of(&warnings(&report));
    assert!(
        told.contains("ended by a failure (fails, value x: the disk is full): later runs are missing"),
        "{told}"
    );
}

#[test]
fn a_panic_ends_a_run_at_once() {
    let place = directory();
    let panics = |number, _: &mut _| {
        work(MILLISECOND);
        assert!(number != 5, "a bug");
        committed()
    };
    let mut plan = plan(place.path(), vec![target("fake", &Arc::default(), panics)]);
    plan.duration = Duration::from_secs(600);
    let error = run(&plan).expect_err("a bug").to_string();
    assert!(error.starts_with("fake: a worker thread panicked: a bug"), "{error}");
}

#[test]
fn all_get_the_same_rows_and_take_turns() {
    let (place, journal) = (directory(), Arc::new(Journal::default()));
    let quick = |_, _: &mut _| committed();
    let targets = ["a", "b", "c"].map(|name| target(name, &journal, quick));
    let mut plan = sweep(plan(place.path(), targets.into()), &["1", "2"]);
    (plan.repetitions, plan.duration) = (3, MILLISECOND);
    assert_eq!((plan.runs(), plan.estimate()), (18, 18 * MILLISECOND));
    let report = run(&plan).expect("it runs");
    assert_eq!(journal.runs.lock().expect("unbroken").concat(), "abcabcbcabcacabcab");
    let rows = journal.rows.lock().expect("unbroken");
    assert_eq!((rows.len(), keys(&rows[0]).len() as u64), (3, ROWS));
    assert!(rows.iter().all(|of_target| *of_target == rows[0] && of_target.len() as u64 == ROWS));
    let samples: BTreeMap<_, usize> = report
        .targets
        .iter()
        .flat_map(|target| target.points.iter().map(|point| (&target.about.name, point.samples.len())))
        .fold(BTreeMap::new(), |mut all, (name, samples)| {
            *all.entry(name.as_str()).or_default() += samples;
            all
        });
    assert_eq!(samples, BTreeMap::from([("a", 6), ("b", 6), ("c", 6)]));
}

#[test]
fn a_run_that_is_stopped_has_figures_and_later_ones_are_missing() {
    let (place, journal) = (directory(), Arc::new(Journal::default()));
    let stop = Arc::new(AtomicBool::new(false));
    let stops = Arc::clone(&stop);
    let act = move |number, _: &mut _| {
        work(MILLISECOND);
        if number == 20 {
            stops.store(true, Ordering::SeqCst);
        }
        committed()
    };
    let targets =
        vec![target("first", &journal, act), target("second", &journal, |_, _: &mut _| committed())];
    let mut plan = plan(place.path(), targets);
    plan.duration = Duration::from_secs(600);
    let report = run_until(&plan, &stop).expect("that is no error");
    assert!(report.ended_early && report.failure.is_none());
    let sample = only(&report);
    assert!((0.01..600.0).contains(&sample.seconds), "what it really took: {}", sample.seconds);
    assert!((19..=22).contains(&sample.committed), "{sample:?}");
    assert!(report.targets[1].points[0].samples.is_empty());
    assert!(text_of(&warnings(&report)).contains("ended before its time"));
    assert_eq!(journal.runs.lock().expect("unbroken").len(), 1, "its rules were checked");
}

#[test]
fn who_stops_it_in_the_first_warm_up_has_no_figures() {
    let place = directory();
    let stop = Arc::new(AtomicBool::new(false));
    let stops = Arc::clone(&stop);
    let act = move |_, _: &mut _| {
        stops.store(true, Ordering::SeqCst);
        committed()
    };
    let mut plan = plan(place.path(), vec![target("fake", &Arc::default(), act)]);
    plan.warmup = Duration::from_secs(600);
    let report = run_until(&plan, &stop).expect("that is no error");
    assert!(report.ended_early && !report.has_figures() && report.keeps_rules(), "{report:?}");
}

#[test]
fn who_stops_it_while_it_loads_measures_nothing() {
    let place = directory();
    let plan = plan(place.path(), vec![target("fake", &Arc::default(), |_, _: &mut _| committed())]);
    let stopped = run_until(&plan, &AtomicBool::new(true));
    assert!(matches!(stopped, Err(Error::Interrupted)), "{stopped:?}");
}

#[test]
fn plans_without_sense_are_refused() {
    let (place, journal) = (directory(), Arc::default());
    let good = || plan(place.path(), vec![target("a", &journal, |_, _: &mut _| committed())]);
    let refused = |plan| run(&plan).expect_err("refused").to_string();
    let mut twice = good();
    twice.contestants.push(target("a", &journal, |_, _: &mut _| committed()));
    assert_eq!(refused(twice), "a is there twice");
    let mut threads = good();
    threads.points[0].threads = 1_025;
    assert_eq!(refused(threads), "threads must be 1 to 1024");
    let mut short = good();
    short.duration = Duration::ZERO;
    assert_eq!(refused(short), "a run must last longer than no time");
    let mut nobody = good();
    nobody.contestants.clear();
    assert_eq!(refused(nobody), "there is nothing to run");
}
