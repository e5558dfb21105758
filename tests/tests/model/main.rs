//! Random sequences of operations on one thread, on the engine and on plain maps side by side.

mod machine;
mod operation;

use std::time::Duration;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};

use machine::Machine;
use operation::{Operation, operations};
use synod::Mode;

/// The modes that are tried.
const MODES: [Mode; 2] = [Mode::TwoPhaseLocking, Mode::Optimistic];

const RETENTIONS: [Duration; 2] = [Duration::ZERO, Duration::from_secs(3600)];

fn play(operations: &[Operation], mode: Mode, retention: Duration) {
    let mut machine = Machine::new(mode, retention);
    for operation in operations {
        machine.apply(operation);
    }
    machine.finish();
}

proptest! {
    #![proptest_config(Config { cases: 300, failure_persistence: None, ..Config::default() })]

    #[test]
    fn the_engine_does_what_a_map_of_versions_does(
        operations in operations(),
        mode in proptest::sample::select(&MODES[..]),
        retention in proptest::sample::select(&RETENTIONS[..]),
    ) {
        play(&operations, mode, retention);
    }
}

#[test]
fn a_long_run_agrees_too() {
    for (mode, retention) in MODES.into_iter().flat_map(|mode| RETENTIONS.map(|retention| (mode, retention)))
    {
        let mut runner = TestRunner::deterministic();
        let mut machine = Machine::new(mode, retention);
        for _ in 0..2_000 {
            let operation = operation::operation().new_tree(&mut runner).expect("nothing is filtered out");
            machine.apply(&operation.current());
        }
        machine.finish();
    }
}
