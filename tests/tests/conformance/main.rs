//! The conformance suite under every mode.

use synod::DeadlockPolicy;
use synod_tests::conformance::Mode;

synod_tests::conformance!(detect, super::super::DETECT);
synod_tests::conformance!(wound_wait, super::super::WOUND_WAIT);
synod_tests::conformance!(wait_die, super::super::WAIT_DIE);
synod_tests::conformance!(no_wait, super::super::NO_WAIT);
synod_tests::conformance!(optimistic, super::super::OPTIMISTIC);

const DETECT: Mode = Mode::two_phase_locking(DeadlockPolicy::Detect);
const WOUND_WAIT: Mode = Mode::two_phase_locking(DeadlockPolicy::WoundWait);
const WAIT_DIE: Mode = Mode::two_phase_locking(DeadlockPolicy::WaitDie);
const OPTIMISTIC: Mode = Mode::of(synod::Mode::Optimistic);
const NO_WAIT: Mode = Mode::two_phase_locking(DeadlockPolicy::NoWait);
