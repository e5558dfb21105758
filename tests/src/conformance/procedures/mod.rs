//! The part of the suite whose transactions are procedures, which run under every mode, the deterministic one too.
//!
//! ```
//! use synod_tests::conformance::Mode;
//!
//! synod_tests::procedure_conformance!(deterministic, Mode::of(synod::Mode::Deterministic));
//! ```
//!
//! A procedure is never refused on account of others: an interactive mode tries again until it gets through, the
//! deterministic one has put it in order before. So these cases say what must hold of all that was handed in.

pub mod edit;
pub mod outcomes;
pub mod sums;
pub mod teller;
pub mod times;

use synod::{Engine, Options};

use super::{Mode, World};
use edit::Edit;
use teller::{Add, Append, Leave, Take, Total, Transfer};

/// The options that the cases use, with all procedures that they execute.
fn options() -> Options {
    super::world::options()
        .procedure::<Edit>()
        .procedure::<Add>()
        .procedure::<Append>()
        .procedure::<Leave>()
        .procedure::<Take>()
        .procedure::<Total>()
        .procedure::<Transfer>()
}

/// An engine in memory with a table of these records, each of which is its own value.
fn world_with(mode: &Mode, keys: &[&str]) -> World {
    let world = World::open(mode.in_memory(options()));
    fill(&world.engine, keys);
    world
}

/// Commits records, each of which is its own value.
fn fill(engine: &Engine, keys: &[&str]) {
    let edit = keys.iter().fold(Edit::new(), |edit, key| edit.put(*key, *key));
    engine.execute(edit).expect("an edit commits");
}

/// Makes a module of tests: every case whose transactions are procedures, under one mode.
#[macro_export]
macro_rules! procedure_conformance {
    ($module:ident, $mode:expr) => {
        $crate::conformance_cases! { $module, $crate::conformance::procedures, $mode,
            outcomes: [
                a_rejection_and_a_panic_leave_nothing,
                an_error_that_is_handled_is_none,
                levels_that_the_mode_lacks_are_refused_to_procedures,
                a_dropped_table_is_gone_for_procedures,
                a_closed_engine_refuses_procedures,
            ],
            sums: [
                counters_count_with_procedures,
                counters_count_with_merging_procedures,
                transfers_conserve_the_total_under_procedures,
                transfers_conserve_the_total_under_snapshots_and_queries,
                on_call_doctors_never_all_leave,
                queues_hand_out_each_item_once,
            ],
            times: [
                a_snapshot_stays_while_procedures_write_and_garbage_is_collected,
                a_snapshot_has_all_that_was_answered,
                each_answer_is_at_its_timestamp,
                acknowledged_answers_survive_a_crash,
                the_past_outlives_a_reopening,
            ],
        }
    };
}
