//! Freeing what others may still be reading.
//!
//! What has been unlinked is handed to crossbeam's epochs, and freed once every thread that was pinned then has moved on.
//! They see to that in passing: at every 128th pin a thread frees what is in eight bags of 64, at most, so four objects for
//! each pin. A transaction that pins once and replaces ten versions leaves six behind, each time, and memory grows for as long
//! as there is work. So here whoever hands over also counts, and [`collect`] frees in that measure.

use std::cell::Cell;

use crossbeam_epoch::Guard;

/// How many objects a thread hands over before it has some freed. A collection takes in up to four times as many, so that
/// threads that are done leave nothing behind, and what could not be freed at once is made up for.
const COLLECTED_AFTER: usize = 128;

thread_local! {
    /// How many objects this thread has handed over since its last collection.
    static RETIRED: Cell<usize> = const { Cell::new(0) };
}

/// Calls `free` once all threads have moved on that are pinned now. Costs some nanoseconds, and nothing is freed meanwhile:
/// it may be called with locks held.
///
/// # Safety
/// What is freed can't be reached by those who pin from now on, and may be freed by any thread.
#[inline]
pub(crate) unsafe fn retire<R>(guard: &Guard, free: impl FnOnce() -> R) {
    // A thread that is ending leaves its garbage to others.
    let _ = RETIRED.try_with(|retired| retired.set(retired.get() + 1));
    // SAFETY: passed on to the caller.
    unsafe { guard.defer_unchecked(free) };
}

/// Frees some of what all threads have handed over, if this one has handed over a good deal; false if it hasn't, and nothing
/// is to be done. To be called where nothing is locked, by whoever unlinks versions or records, until it is false.
#[inline]
pub fn collect(guard: &Guard) -> bool {
    let is_due = |retired: &Cell<usize>| {
        let is_due = retired.get() >= COLLECTED_AFTER;
        retired.set(retired.get() - if is_due { COLLECTED_AFTER } else { 0 });
        is_due
    };
    let is_due = RETIRED.try_with(is_due).unwrap_or(false);
    if is_due {
        guard.flush();
    }
    is_due
}
