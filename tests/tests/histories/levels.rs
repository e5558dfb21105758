//! Random concurrent transactions under every mode at every level, judged by the checker: what a level forbids never
//! happens, and what it allows does, or else the workload would prove nothing.

use synod::{Engine, Isolation, Mode, Options};
use synod_bench::history::checkable;
use synod_checker::{Options as Checking, check};
use synod_tests::histories::{Workload, beyond, promise, run};
use synod_tests::random::Random;

/// So many histories are made, whatever they show.
const HISTORIES: u64 = 40;

/// And at most so many, until what the level allows has happened.
const HISTORIES_MAX: u64 = 400;

fn judge(mode: Mode, level: Isolation) {
    let mut is_beyond_broken = beyond(level).is_none();
    let mut made = 0;
    while made < HISTORIES || !is_beyond_broken {
        assert!(made < HISTORIES_MAX, "{mode} at {level} never does what it is allowed to");
        made += 1;
        let mut random = Random::new(made);
        let workload = Workload {
            seed: made,
            threads: 2 + random.below(5),
            transactions: 30,
            // With 200, the table grows beyond one leaf of the index.
            keys: *random.pick(&[2, 3, 6, 12, 200]),
        };
        let options = Options::new().mode(mode).isolation(level).record_history(true);
        let engine = Engine::in_memory(options).unwrap();
        let table = engine.table("t").unwrap();
        run(&engine, &table, workload);
        let history = checkable(&engine.take_history());
        let verdict = check(&history, &Checking::default()).unwrap();
        assert!(verdict.is_exact);
        if let Some(anomaly) = verdict.against(promise(level)).next() {
            panic!("{mode} at {level}, {workload:?}: {}\n{}", anomaly.name(), anomaly.explanation());
        }
        is_beyond_broken |= beyond(level).is_some_and(|level| !verdict.satisfies(level));
    }
    println!("{mode} at {level}: {made} histories");
}

fn judge_all(mode: Mode) {
    mode.levels().iter().for_each(|&level| judge(mode, level));
}

#[test]
fn two_phase_locking_keeps_its_levels() {
    judge_all(Mode::TwoPhaseLocking);
}

#[test]
fn multi_version_keeps_its_levels() {
    judge_all(Mode::MultiVersion);
}

#[test]
fn optimistic_keeps_its_levels() {
    judge_all(Mode::Optimistic);
}
