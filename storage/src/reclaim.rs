//! Freeing what others may still be reading.
//!
//! What has been unlinked is handed to crossbeam's epochs, and freed once every thread that was pinned then has moved on.
//! They see to that in passing: at every 128th pin a thread frees what is in eight bags of 64, at most, so four objects for
//! each pin. A transaction that pins once and replaces ten versions leaves six behind, each time, and memory grows for as long
//! as there is work. So here whoever hands over also counts, and [`collect`] frees in that measure.
//!
//! Whoever comes by frees what is due, whoever has handed it over. Versions are freed by the thread that has unlinked them:
//! their memory is in its core's cache, and it makes its next versions there (`blocks.rs`); another core would
//! have to fetch each line. So they are handed over in batches, of which the epochs have one share and the thread another:
//!
//! ```text
//! unlinked ─► batch ─┬─► epochs: dropped when nobody can be reading it ─┐
//!                    └─► waiting ──────────────────────────────────────►┴─► freed by whoever drops the last share
//! ```
//!
//! That is the thread, unless it has ended or has too many of them waiting.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::sync::Arc;

use crossbeam_epoch::{Guard, pin};

use crate::version::Unlinked;

/// How many objects a thread hands over before it has some freed. A collection takes in up to four times as many, so that
/// threads that are done leave nothing behind, and what could not be freed at once is made up for.
const COLLECTED_AFTER: usize = 128;

/// So many batches a thread has waiting, at most: what a thread leaves lying about that has nothing more to do.
const WAITING_MAX: usize = 32;

/// Versions that were unlinked one soon after the other.
type Batch = Vec<Unlinked>;

/// What a thread has handed over.
#[derive(Default)]
struct Limbo {
    /// How many objects since the last collection.
    retired: Cell<usize>,
    /// The versions among them.
    unlinked: RefCell<Batch>,
    /// The batches before, oldest first.
    waiting: RefCell<VecDeque<Arc<Batch>>>,
}

thread_local! {
    static LIMBO: Limbo = Limbo::default();
}

impl Limbo {
    /// Whether it is time for a collection.
    fn is_due(&self) -> bool {
        let is_due = self.retired.get() >= COLLECTED_AFTER;
        self.retired.set(self.retired.get() - if is_due { COLLECTED_AFTER } else { 0 });
        is_due
    }

    /// Hands the versions over that were unlinked.
    fn hand_over(&self, guard: &Guard) {
        if self.unlinked.borrow().is_empty() {
            return;
        }
        let batch = Arc::new(self.unlinked.replace(Vec::with_capacity(COLLECTED_AFTER)));
        let share = batch.clone();
        guard.defer(move || drop(share));
        let mut waiting = self.waiting.borrow_mut();
        waiting.push_back(batch);
        let surplus = if waiting.len() > WAITING_MAX { waiting.pop_front() } else { None };
        drop(waiting);
        drop(surplus);
    }

    /// Frees the batches that nobody can be reading any more.
    fn free(&self) {
        // Whoever has only a share left sees all that was done with the other one.
        let is_last = |batch: &mut Arc<Batch>| Arc::get_mut(batch).is_some();
        loop {
            let freed = self.waiting.borrow_mut().pop_front_if(is_last);
            if freed.is_none() {
                return;
            }
        }
    }
}

impl Drop for Limbo {
    fn drop(&mut self) {
        self.hand_over(&pin());
    }
}

/// Calls `free` once all threads have moved on that are pinned now. Costs some nanoseconds, and nothing is freed meanwhile:
/// it may be called with locks held.
///
/// # Safety
/// What is freed can't be reached by those who pin from now on, and may be freed by any thread.
#[inline]
pub(crate) unsafe fn retire<R>(guard: &Guard, free: impl FnOnce() -> R) {
    // A thread that is ending leaves its garbage to others.
    let _ = LIMBO.try_with(|limbo| limbo.retired.set(limbo.retired.get() + 1));
    // SAFETY: passed on to the caller.
    unsafe { guard.defer_unchecked(free) };
}

/// Frees a version once all threads have moved on that are pinned now, as [`retire`] does.
#[inline]
pub(crate) fn retire_version(guard: &Guard, version: Unlinked) {
    let mut version = Some(version);
    let _ = LIMBO.try_with(|limbo| {
        limbo.retired.set(limbo.retired.get() + 1);
        limbo.unlinked.borrow_mut().extend(version.take());
    });
    if let Some(version) = version {
        // The thread is ending.
        guard.defer(move || drop(version));
    }
}

/// Frees some of what was handed over, if this thread has handed over a good deal; false if it hasn't, and nothing is to be
/// done. To be called where nothing is locked, by whoever unlinks versions or records, until it is false.
#[inline]
pub fn collect(guard: &Guard) -> bool {
    let is_due = LIMBO.try_with(Limbo::is_due).unwrap_or(false);
    if is_due {
        free_some(guard);
    }
    is_due
}

/// Hands over what this thread has unlinked, so that it doesn't wait for more to come, and frees some of what was handed over.
#[inline(never)]
pub fn free_some(guard: &Guard) {
    let _ = LIMBO.try_with(|limbo| limbo.hand_over(guard));
    guard.flush();
    let _ = LIMBO.try_with(Limbo::free);
}

#[cfg(all(test, not(shuttle), not(miri)))]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Weak, mpsc};

    use super::*;
    use crate::blocks::kept_bytes;
    use crate::{Record, Timestamp, Version, VersionState};

    const STATE: VersionState = VersionState::Committed(Timestamp(1));

    /// A value whose version takes a block of so many bytes.
    const VALUE: [u8; 108] = [7; 108];
    const BLOCK_BYTES: usize = 128;

    fn unlink(count: usize) {
        for version in Vec::from_iter((0..count).map(|_| Version::allocate(Some(&VALUE), STATE))) {
            // SAFETY: nobody has ever reached it.
            unsafe { version.retire(&pin()) };
        }
    }

    /// Makes batches, and returns the epochs' and this thread's shares of them.
    fn hand_over(batches: usize) -> Vec<Weak<Batch>> {
        let newest = |limbo: &Limbo| limbo.waiting.borrow().back().map(Arc::downgrade).expect("it waits");
        let batch = |_| {
            unlink(10);
            free_some(&pin());
            LIMBO.with(newest)
        };
        (0..batches).map(batch).collect()
    }

    fn collect_until(is_so: impl Fn() -> bool) {
        let is_reached = (0..10_000_000).any(|_| {
            free_some(&pin());
            is_so()
        });
        assert!(is_reached, "it is never freed");
    }

    #[test]
    fn a_thread_frees_what_it_has_unlinked_whoever_else_collects() {
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    free_some(&pin());
                }
            });
            let unlinks = scope.spawn(|| {
                for _ in 0..20 {
                    unlink(10 * COLLECTED_AFTER);
                    for _ in 0..10 {
                        assert!(collect(&pin()));
                    }
                    assert!(!collect(&pin()));
                    collect_until(|| kept_bytes() >= 10 * COLLECTED_AFTER * BLOCK_BYTES);
                }
            });
            let result = unlinks.join();
            is_over.store(true, Ordering::Relaxed);
            result.unwrap();
        });
    }

    #[test]
    fn nothing_is_freed_that_somebody_may_be_reading() {
        let (to_reader, batches) = mpsc::channel();
        let reader = pin();
        let unlinks = std::thread::spawn(move || {
            to_reader.send(hand_over(2)).unwrap();
            for _ in 0..1000 {
                free_some(&pin());
            }
            // More than it may have waiting: then only the epochs have their share.
            to_reader.send(hand_over(WAITING_MAX)).unwrap();
        });
        let batches: Vec<_> = [batches.recv().unwrap(), batches.recv().unwrap()].concat();
        unlinks.join().unwrap();
        assert!(batches.iter().all(|batch| batch.strong_count() == 1));
        drop(reader);
        collect_until(|| batches.iter().all(|batch| batch.strong_count() == 0));
    }

    #[test]
    fn what_waits_in_an_idle_thread_is_limited() {
        let (to_other, batches) = mpsc::channel();
        let (to_idle, end) = mpsc::channel();
        let idle = std::thread::spawn(move || {
            let reader = pin();
            to_other.send(hand_over(WAITING_MAX + 3)).unwrap();
            drop(reader);
            end.recv().unwrap();
        });
        let batches = batches.recv().unwrap();
        let (surplus, waiting) = batches.split_at(3);
        collect_until(|| surplus.iter().all(|batch| batch.strong_count() == 0));
        collect_until(|| waiting.iter().all(|batch| batch.strong_count() == 1));
        to_idle.send(()).unwrap();
        idle.join().unwrap();
        assert!(waiting.iter().all(|batch| batch.strong_count() == 0));
    }

    #[test]
    fn a_thread_that_ends_hands_over_what_it_has_unlinked() {
        let record = Record::allocate(b"key", 0, 5);
        let address = record.ptr();
        let reader = pin();
        let unlinks = std::thread::spawn(move || {
            // SAFETY: nobody else uses the record, whose versions were never linked.
            unsafe { address.get().embed(Some(b"first"), STATE).expect("the room is vacant").retire(&pin()) };
        });
        unlinks.join().unwrap();
        // SAFETY: as above.
        let is_vacant = || unsafe { record.embed(None, STATE).map(|version| version.free()) }.is_some();
        assert!(!is_vacant(), "somebody may be reading it");
        drop(reader);
        collect_until(is_vacant);
        // SAFETY: as above.
        unsafe { record.free() };
    }
}
