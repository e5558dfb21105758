//! Delays that depend on nothing that a procedure may depend on: they change who runs when, and must change nothing else.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::random::Random;

static DRAWN: AtomicU64 = AtomicU64::new(0);

/// Sometimes lets other threads run, sometimes takes a while, mostly neither.
pub fn pause() {
    // Relaxed: which thread draws what doesn't matter.
    let mut random = Random::new(DRAWN.fetch_add(1, Ordering::Relaxed));
    match random.below(16) {
        0 | 1 => std::thread::yield_now(),
        2 => (0..random.below(2_000)).for_each(|_| std::hint::spin_loop()),
        _ => {}
    }
}
