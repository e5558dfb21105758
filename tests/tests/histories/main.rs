//! Random concurrent histories are strictly serializable, under every mode and policy.

mod black_box;
mod false_aborts;
mod levels;
mod named;

use std::time::{Duration, Instant};

use synod::{DeadlockPolicy, Engine, Mode, Options};
use synod_tests::histories::{Workload, check, run};
use synod_tests::random::Random;

/// How long each test makes histories.
const TIME: Duration = Duration::from_millis(2500);

/// Makes histories until the time is over, of few threads and many, on one key and several.
fn explore(name: &str, choose: impl Fn(Options) -> Options) {
    let first_seed =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_micros() as u64;
    let began = Instant::now();
    for number in 0.. {
        let seed = first_seed.wrapping_add(number) & 0xffff_ffff;
        let mut random = Random::new(seed);
        let workload = Workload {
            seed,
            threads: 2 + random.below(7),
            transactions: 40,
            // With 200, the table grows beyond one leaf of the index.
            keys: *random.pick(&[1, 3, 6, 12, 200]),
        };
        let engine = Engine::in_memory(choose(Options::new())).unwrap();
        let table = engine.table("t").unwrap();
        let history = run(&engine, &table, workload);
        assert_eq!(history.len() as u64, workload.threads * workload.transactions);
        if let Err(problem) = check(&history) {
            panic!("{name}, {workload:?}: {problem}");
        }
        if began.elapsed() > TIME {
            let count = number + 1;
            println!("{name}: {count} histories from seed {first_seed}; {:?}", engine.stats().transactions);
            return;
        }
    }
}

fn explore_policy(policy: DeadlockPolicy) {
    explore(&policy.to_string(), |options| options.deadlock_policy(policy));
}

#[test]
fn under_detection() {
    explore_policy(DeadlockPolicy::Detect);
}

#[test]
fn under_wound_wait() {
    explore_policy(DeadlockPolicy::WoundWait);
}

#[test]
fn under_wait_die() {
    explore_policy(DeadlockPolicy::WaitDie);
}

#[test]
fn under_no_wait() {
    explore_policy(DeadlockPolicy::NoWait);
}

#[test]
fn under_optimism() {
    explore("optimistic", |options| options.mode(Mode::Optimistic));
}
