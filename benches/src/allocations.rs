//! Counting allocations of memory, by the thread that makes them.
//!
//! A program that wants them counted wraps its allocator:
//!
//! ```
//! use std::alloc::System;
//! use synod_bench::allocations::{Counting, of_thread};
//!
//! #[global_allocator]
//! static ALLOCATOR: Counting<System> = Counting(System);
//!
//! let before = of_thread();
//! drop(Box::new(1));
//! assert_eq!(of_thread() - before, 1);
//! ```

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;

thread_local! {
    // Without a destructor and a first use that would allocate themselves.
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

/// How many allocations the calling thread has made so far; 0 if they aren't counted.
pub fn of_thread() -> u64 {
    COUNT.try_with(Cell::get).unwrap_or(0)
}

/// An allocator that counts what it is asked for. Costs less than a nanosecond each time.
#[derive(Debug)]
pub struct Counting<A>(pub A);

fn count() {
    // A thread that is ending needs no count.
    let _ = COUNT.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: every call goes on to the allocator inside as it came, which keeps the rules; counting touches nothing but a
// number of the thread's own, and neither allocates nor panics.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Counting<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as the caller promises.
        unsafe { self.0.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as the caller promises.
        unsafe { self.0.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count();
        // SAFETY: as the caller promises.
        unsafe { self.0.realloc(pointer, layout, new_size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { self.0.dealloc(pointer, layout) }
    }
}
