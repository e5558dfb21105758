//! The conformance suite under every mode.

use synod::DeadlockPolicy;
use synod_tests::conformance::Mode;

synod_tests::conformance!(detect, super::super::DETECT);
synod_tests::conformance!(wound_wait, super::super::WOUND_WAIT);
synod_tests::conformance!(wait_die, super::super::WAIT_DIE);
synod_tests::conformance!(no_wait, super::super::NO_WAIT);
synod_tests::conformance!(multi_version, super::super::MULTI_VERSION);
synod_tests::conformance!(optimistic, super::super::OPTIMISTIC);

/// The cases whose transactions are procedures: under the deterministic mode as well.
mod procedures {
    synod_tests::procedure_conformance!(detect, super::super::super::DETECT);
    synod_tests::procedure_conformance!(wound_wait, super::super::super::WOUND_WAIT);
    synod_tests::procedure_conformance!(wait_die, super::super::super::WAIT_DIE);
    synod_tests::procedure_conformance!(no_wait, super::super::super::NO_WAIT);
    synod_tests::procedure_conformance!(multi_version, super::super::super::MULTI_VERSION);
    synod_tests::procedure_conformance!(optimistic, super::super::super::OPTIMISTIC);
    synod_tests::procedure_conformance!(deterministic, super::super::super::DETERMINISTIC);
}

const DETECT: Mode = Mode::two_phase_locking(DeadlockPolicy::Detect);
const WOUND_WAIT: Mode = Mode::two_phase_locking(DeadlockPolicy::WoundWait);
const WAIT_DIE: Mode = Mode::two_phase_locking(DeadlockPolicy::WaitDie);
const OPTIMISTIC: Mode = Mode::of(synod::Mode::Optimistic);
const NO_WAIT: Mode = Mode::two_phase_locking(DeadlockPolicy::NoWait);
const MULTI_VERSION: Mode = Mode::of(synod::Mode::MultiVersion);
const DETERMINISTIC: Mode = Mode::of(synod::Mode::Deterministic);
