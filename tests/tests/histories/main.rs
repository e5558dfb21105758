//! Random concurrent histories are strictly serializable, under every policy.

mod levels;

use std::time::{Duration, Instant};

use synod::{DeadlockPolicy, Engine, Options};
use synod_tests::histories::{Workload, check, run};
use synod_tests::random::Random;

/// How long each test makes histories.
const TIME: Duration = Duration::from_millis(2500);

/// Makes histories until the time is over, of few threads and many, on one key and several.
fn explore(policy: DeadlockPolicy) {
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
        let engine = Engine::in_memory(Options::new().deadlock_policy(policy)).unwrap();
        let table = engine.table("t").unwrap();
        let history = run(&engine, &table, workload);
        assert_eq!(history.len() as u64, workload.threads * workload.transactions);
        if let Err(problem) = check(&history) {
            panic!("{policy}, {workload:?}: {problem}");
        }
        if began.elapsed() > TIME {
            let count = number + 1;
            println!("{policy}: {count} histories from seed {first_seed}; {:?}", engine.stats().transactions);
            return;
        }
    }
}

#[test]
fn under_detection() {
    explore(DeadlockPolicy::Detect);
}

#[test]
fn under_wound_wait() {
    explore(DeadlockPolicy::WoundWait);
}

#[test]
fn under_wait_die() {
    explore(DeadlockPolicy::WaitDie);
}

#[test]
fn under_no_wait() {
    explore(DeadlockPolicy::NoWait);
}
