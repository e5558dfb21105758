//! The conformance suite: what every concurrency-control mode promises, whatever it does to keep it.
//!
//! One line runs a mode through all of it:
//!
//! ```
//! use synod_tests::conformance::Mode;
//!
//! synod_tests::conformance!(detect, Mode::two_phase_locking(synod::DeadlockPolicy::Detect));
//! ```
//!
//! A mode may refuse what doesn't fit: by making somebody wait (transactions here wait for a few
//! milliseconds only, and then abort), by aborting at the operation, or by aborting at the commit. So the
//! cases don't say who gets through; they say what must hold for those who do. Most of them play an
//! interleaving step by step on one thread, and are repeated at each level that has the promise.

pub mod aborts;
pub mod concurrency;
pub mod durability;
pub mod interface;
pub mod isolation;
pub mod own_writes;
pub mod phantoms;
pub mod procedures;
pub mod savepoints;
pub mod snapshots;
pub mod together;
pub mod world;

pub use world::World;

use synod::{DeadlockPolicy, Engine, Isolation, Options};

/// A concurrency-control mode: how to open an engine that runs it, and the levels that it has.
#[derive(Clone, Copy, Debug)]
pub struct Mode {
    /// Changes an engine's options to the mode.
    pub choose: fn(Options) -> Options,
    /// The levels that the mode has.
    pub levels: &'static [Isolation],
}

impl Mode {
    /// Two-phase locking with a deadlock policy.
    pub const fn two_phase_locking(policy: DeadlockPolicy) -> Mode {
        let choose: fn(Options) -> Options = match policy {
            DeadlockPolicy::Detect => |options| options.deadlock_policy(DeadlockPolicy::Detect),
            DeadlockPolicy::WoundWait => |options| options.deadlock_policy(DeadlockPolicy::WoundWait),
            DeadlockPolicy::WaitDie => |options| options.deadlock_policy(DeadlockPolicy::WaitDie),
            DeadlockPolicy::NoWait => |options| options.deadlock_policy(DeadlockPolicy::NoWait),
        };
        Mode { choose, levels: synod::Mode::TwoPhaseLocking.levels() }
    }

    /// Another mode, with what it has by default.
    pub const fn of(mode: synod::Mode) -> Mode {
        let choose: fn(Options) -> Options = match mode {
            synod::Mode::TwoPhaseLocking => |options| options.mode(synod::Mode::TwoPhaseLocking),
            synod::Mode::Optimistic => |options| options.mode(synod::Mode::Optimistic),
            synod::Mode::MultiVersion => |options| options.mode(synod::Mode::MultiVersion),
            synod::Mode::Deterministic => |options| options.mode(synod::Mode::Deterministic),
        };
        Mode { choose, levels: mode.levels() }
    }

    /// An engine in memory under this mode.
    pub fn in_memory(&self, options: Options) -> Engine {
        Engine::in_memory((self.choose)(options)).expect("an engine in memory starts")
    }

    /// The mode's levels that are at least this strong.
    pub fn levels_from(&self, weakest: Isolation) -> impl Iterator<Item = Isolation> {
        self.levels.iter().copied().filter(move |&level| level >= weakest)
    }
}

/// Makes a module of tests: every case of the suite under one mode.
#[macro_export]
macro_rules! conformance {
    ($module:ident, $mode:expr) => {
        $crate::conformance_cases! { $module, $crate::conformance, $mode,
            own_writes: [
                puts_and_deletes_are_read_back,
                scans_see_own_writes_in_all_directions,
                a_scan_sees_what_is_written_while_it_goes_on,
                deleted_ranges_are_gone,
                merges_add_up,
            ],
            aborts: [
                an_abort_leaves_nothing,
                a_dropped_transaction_is_undone,
                an_abort_restores_what_was_there,
                failed_work_is_undone,
                insertion_of_a_present_key_fails_and_the_transaction_goes_on,
                wrong_arguments_fail_and_the_transaction_goes_on,
            ],
            savepoints: [
                savepoints_nest,
                a_rollback_undoes_every_kind_of_write,
                values_replaced_after_a_savepoint_come_back,
                foreign_and_outlived_savepoints_are_refused,
            ],
            isolation: [
                uncommitted_writes_are_not_read,
                intermediate_values_are_not_read,
                read_uncommitted_reads_uncommitted_values,
                writes_of_two_transactions_do_not_mix,
                no_update_is_lost,
                no_update_is_lost_after_reading_for_update,
                no_merge_is_lost,
                what_was_read_stays,
                two_reads_are_of_one_state,
                disjoint_writes_after_crossed_reads_do_not_both_commit,
            ],
            phantoms: [
                nothing_appears_in_a_range_that_was_read,
                nothing_vanishes_from_a_range_that_was_read,
                a_gap_stays_closed_around_ones_own_insertions,
                two_that_find_a_range_empty_do_not_both_fill_it,
                remains_of_aborted_insertions_do_not_open_a_gap,
                nothing_appears_in_a_range_of_many_leaves,
            ],
            snapshots: [
                a_snapshot_stays_while_others_write_and_collect_garbage,
                a_snapshot_has_all_that_was_acknowledged,
                read_only_transactions_read_one_state_and_write_nothing,
                the_past_can_be_read_within_the_retention,
                the_past_and_the_future_are_refused,
            ],
            interface: [
                a_transaction_moves_between_threads,
                a_dropped_table_ends_transactions_on_it,
                locks_outlive_a_dropped_table,
                levels_that_the_mode_lacks_are_refused,
                tables_of_other_engines_are_refused,
                a_closed_engine_refuses_work,
                a_commit_that_wrote_nothing_tells_what_it_read,
                transactions_are_counted_under_their_level,
            ],
            durability: [
                deferred_commits_become_durable,
                deferred_commits_are_futures,
                acknowledged_commits_survive_a_crash,
                absence_is_acknowledged_only_when_durable,
                the_past_outlives_a_reopening,
            ],
            together: [
                several_keys_are_read_like_each_alone,
                several_keys_are_read_and_written_as_a_map_would,
                counters_count_when_read_together,
                uncommitted_writes_are_not_read_among_several,
                wrong_keys_among_several_are_refused,
                several_keys_are_of_one_state_while_records_come_and_go,
            ],
            concurrency: [
                counters_count_with_plain_reads_and_writes,
                counters_count_with_reads_for_update,
                counters_count_with_merges,
                transfers_conserve_the_total_under_scans,
                transfers_conserve_the_total_under_snapshots,
                on_call_doctors_never_all_leave,
                queues_hand_out_each_item_once,
            ],
        }
    };
}

/// Makes the module of [`conformance!`](crate::conformance!) or [`procedure_conformance!`](crate::procedure_conformance!)
/// from a list of cases and the module that they are in.
#[macro_export]
macro_rules! conformance_cases {
    ($module:ident, $suite:path, $mode:expr, $($topic:ident: [$($case:ident),* $(,)?]),* $(,)?) => {
        mod $module {
            use $suite as suite;

            $(mod $topic {
                $(#[test]
                fn $case() {
                    super::suite::$topic::$case(&$mode);
                })*
            })*
        }
    };
}
