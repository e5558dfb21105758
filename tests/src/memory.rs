//! A global allocator that knows how much was asked for at most, and how much hasn't been given back.
//!
//! Damaged lengths must not lead to huge allocations, and what is replaced has to be freed. A test binary that wants to know makes
//! this its allocator:
//!
//! ```
//! use synod_tests::memory::{Metered, largest_allocation, live_allocations};
//!
//! #[global_allocator]
//! static ALLOCATOR: Metered = Metered;
//!
//! let block = std::hint::black_box(vec![0u8; 1 << 20]);
//! assert!(largest_allocation() >= block.len());
//! let before = live_allocations();
//! drop(block);
//! assert!(live_allocations() < before);
//! ```

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering};

static LARGEST: AtomicUsize = AtomicUsize::new(0);
static LIVE: AtomicIsize = AtomicIsize::new(0);

/// The system's allocator, metered.
#[derive(Debug)]
pub struct Metered;

/// Forgets what was asked for so far.
pub fn reset() {
    LARGEST.store(0, Ordering::Relaxed);
}

/// The most bytes that were asked for at once since [`reset`]; 0 if [`Metered`] isn't the allocator.
pub fn largest_allocation() -> usize {
    // Relaxed: a number that only grows.
    LARGEST.load(Ordering::Relaxed)
}

/// How many allocations there are that weren't given back; 0 if [`Metered`] isn't the allocator.
pub fn live_allocations() -> isize {
    LIVE.load(Ordering::Relaxed)
}

fn note(bytes: usize) {
    if bytes > LARGEST.load(Ordering::Relaxed) {
        LARGEST.fetch_max(bytes, Ordering::Relaxed);
    }
}

// SAFETY: every call is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Metered {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        LIVE.fetch_add(1, Ordering::Relaxed);
        // SAFETY: passed on to the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        LIVE.fetch_sub(1, Ordering::Relaxed);
        // SAFETY: passed on to the caller.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        LIVE.fetch_add(1, Ordering::Relaxed);
        // SAFETY: passed on to the caller.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        note(bytes);
        // SAFETY: passed on to the caller.
        unsafe { System.realloc(ptr, layout, bytes) }
    }
}
