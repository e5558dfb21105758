//! Whatever procedures do, and however many threads run them: it is as if they ran one after the other, in their order.

use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::Config;
use synod_tests::crash::failure::in_time;
use synod_tests::deterministic::clients::run;
use synod_tests::deterministic::script::Script;
use synod_tests::deterministic::serial::State;
use synod_tests::deterministic::verdict::judge;
use synod_tests::deterministic::world::{contents, hash_of, in_memory, newest_hash, options};

use crate::scripts::{draw, lists, numbered};

/// Longer than any test runs: who waits for an answer must not depend on the engine's threads to look by themselves.
const NEVER: Duration = Duration::from_secs(3600);

/// Runs lists of scripts with so many workers, and judges what comes of it.
fn play(lists: Vec<Vec<Script>>, workers: usize, lookers: u64) {
    in_time("a run of scripts", move || {
        // The length of epochs makes no difference either.
        let epoch = 1 + lists[0].len() % 5;
        let options = options().workers(workers).epoch_interval(NEVER).epoch_requests_max(epoch);
        let engine = in_memory(options);
        let history = run(&engine, &lists, lookers);
        let line = judge(&history, &State::new()).unwrap_or_else(|problem| panic!("{problem}"));
        assert_eq!(contents(&engine), *line.last());
        assert_eq!(newest_hash(&engine), hash_of(line.last()), "the hash isn't that of the state");
        engine.close().unwrap();
    });
}

proptest! {
    #![proptest_config(Config { cases: 40, max_shrink_iters: 300, failure_persistence: None, ..Config::default() })]

    #[test]
    fn one_client_alone(lists in lists(1, 24)) {
        play(numbered(lists), 1, 0);
    }

    #[test]
    fn two_workers(lists in lists(4, 16)) {
        play(numbered(lists), 2, 1);
    }

    #[test]
    fn eight_workers(lists in lists(8, 12)) {
        play(numbered(lists), 8, 2);
    }
}

#[test]
fn one_worker_for_many_clients() {
    (0..12).for_each(|seed| play(draw(seed, 6, 20), 1, 1));
}

#[test]
fn four_workers_and_long_lists() {
    (0..4).for_each(|seed| play(draw(seed, 5, 120), 4, 2));
}

#[test]
fn the_last_one_of_many_who_sleep_is_woken_too() {
    for seed in 0..150 {
        let lists = draw(seed, 6, 2).into_iter().map(|list| list[..1].to_vec()).collect();
        play(lists, 1 + seed as usize % 2, 0);
    }
}
