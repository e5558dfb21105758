//! Memory for versions, used again.
//!
//! Whoever writes makes a version, and soon frees another one, mostly of the same size. But that one was made long ago, often by
//! another thread: given back to the allocator it goes to the page that it is from, which nobody has in his cache, and to that
//! page's thread. So each thread keeps some of what it frees for what it makes next.
//!
//! ```text
//! kept   16 ─► ∅    32 ─► ∅   …   128 ─► block ─► block ─► ∅   …   512
//! ```
//!
//! Blocks are rounded up to a multiple of [`STEP`], and lie in a list for each size, newest first; a free block's first
//! bytes are the link to the next one.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::Cell;
use std::ptr::NonNull;

/// What sizes are rounded up to.
const STEP: usize = 16;

/// Larger blocks aren't kept: they are fewer, and there is more to do with them than to find them.
const BLOCK_BYTES_MAX: usize = 512;

/// So much a thread keeps, at most: some thousand blocks. So many are freed at a time where a pinned thread has waited for a
/// processor, since nothing can be freed meanwhile. All of it fits into a core's own cache.
const KEPT_BYTES_MAX: usize = 512 << 10;

/// Under Miri every block is the allocator's, so that the use of one that was freed is noticed.
const KEEPS: bool = !cfg!(miri);

/// A block that isn't used.
struct Free {
    next: Option<NonNull<Free>>,
}

/// What a thread keeps.
struct Kept {
    /// The newest free block of each size.
    newest: [Cell<Option<NonNull<Free>>>; BLOCK_BYTES_MAX / STEP],
    bytes: Cell<usize>,
}

thread_local! {
    static KEPT: Kept = const {
        Kept { newest: [const { Cell::new(None) }; BLOCK_BYTES_MAX / STEP], bytes: Cell::new(0) }
    };
}

impl Kept {
    #[inline]
    fn take(&self, class: usize) -> Option<NonNull<u8>> {
        let block = self.newest[class].get()?;
        // SAFETY: a block in a list is nobody's but the list's, and `keep` has written its link.
        self.newest[class].set(unsafe { block.as_ref() }.next);
        self.bytes.set(self.bytes.get() - bytes_of(class));
        Some(block.cast())
    }

    /// Keeps a block; false if there are enough.
    ///
    /// # Safety
    /// It is of this class, and nobody else uses it.
    #[inline]
    unsafe fn keep(&self, class: usize, block: NonNull<u8>) -> bool {
        let bytes = self.bytes.get() + bytes_of(class);
        if bytes > KEPT_BYTES_MAX {
            return false;
        }
        let block = block.cast::<Free>();
        // SAFETY: a block is large enough for a link, aligned for one, and nobody else uses it.
        unsafe { block.write(Free { next: self.newest[class].get() }) };
        self.newest[class].set(Some(block));
        self.bytes.set(bytes);
        true
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        for class in 0..self.newest.len() {
            while let Some(block) = self.take(class) {
                // SAFETY: it was allocated with this layout, and left its list.
                unsafe { dealloc(block.as_ptr(), layout(bytes_of(class))) };
            }
        }
    }
}

/// Memory for so many bytes, aligned for a word. Some nanoseconds if this thread has freed as many of late.
#[inline]
pub(crate) fn allocate(bytes: usize) -> NonNull<u8> {
    let kept = class_of(bytes).and_then(|class| KEPT.try_with(|kept| kept.take(class)).ok().flatten());
    kept.unwrap_or_else(|| {
        let layout = layout(bytes);
        // SAFETY: the layout has a size above zero.
        NonNull::new(unsafe { alloc(layout) }).unwrap_or_else(|| handle_alloc_error(layout))
    })
}

/// Takes memory back.
///
/// # Safety
/// It is from [`allocate`], for as many bytes, and nobody uses it any more.
#[inline]
pub(crate) unsafe fn free(block: NonNull<u8>, bytes: usize) {
    // SAFETY: passed on to the caller.
    let keep = |class| KEPT.try_with(|kept| unsafe { kept.keep(class, block) });
    // A thread that is ending keeps nothing.
    let is_kept = class_of(bytes).is_some_and(|class| keep(class).unwrap_or(false));
    if !is_kept {
        // SAFETY: as above.
        unsafe { dealloc(block.as_ptr(), layout(bytes)) };
    }
}

/// The list in which blocks for so many bytes are kept, if they are.
#[inline]
fn class_of(bytes: usize) -> Option<usize> {
    let class = bytes.max(1).div_ceil(STEP) - 1;
    (KEEPS && class < BLOCK_BYTES_MAX / STEP).then_some(class)
}

#[inline]
fn bytes_of(class: usize) -> usize {
    (class + 1) * STEP
}

#[inline]
fn layout(bytes: usize) -> Layout {
    let bytes = class_of(bytes).map_or(bytes, bytes_of);
    Layout::from_size_align(bytes.max(1), align_of::<usize>())
        .expect("lengths are limited far below isize::MAX")
}

/// How much this thread keeps.
#[cfg(test)]
pub(crate) fn kept_bytes() -> usize {
    KEPT.with(|kept| kept.bytes.get())
}

#[cfg(all(test, not(miri)))]
mod tests {
    use super::*;

    /// Runs it in a thread of its own, which keeps nothing yet.
    fn in_a_new_thread(work: impl FnOnce() + Send + 'static) {
        std::thread::spawn(work).join().unwrap();
    }

    #[test]
    fn what_was_freed_last_is_used_first() {
        in_a_new_thread(|| {
            let (first, second, other) = (allocate(100), allocate(112), allocate(113));
            for (block, bytes) in [(first, 100), (other, 113), (second, 112)] {
                // SAFETY: nobody uses it.
                unsafe { free(block, bytes) };
            }
            assert_eq!(kept_bytes(), 112 + 128 + 112);
            assert_eq!((allocate(97), allocate(112), allocate(128)), (second, first, other));
            assert_eq!(kept_bytes(), 0);
            for (block, bytes) in [(first, 112), (second, 97), (other, 128)] {
                // SAFETY: nobody uses it.
                unsafe { free(block, bytes) };
            }
        });
    }

    #[test]
    fn a_thread_keeps_no_more_than_it_may() {
        in_a_new_thread(|| {
            let count = 2 * KEPT_BYTES_MAX / BLOCK_BYTES_MAX;
            let blocks: Vec<_> = (0..count).map(|_| allocate(BLOCK_BYTES_MAX)).collect();
            for block in blocks {
                // SAFETY: nobody uses it.
                unsafe { free(block, BLOCK_BYTES_MAX) };
            }
            assert_eq!(kept_bytes(), KEPT_BYTES_MAX);
            // Large blocks aren't kept.
            let bytes = BLOCK_BYTES_MAX + 1;
            // SAFETY: nobody uses it.
            unsafe { free(allocate(bytes), bytes) };
            assert_eq!(kept_bytes(), KEPT_BYTES_MAX);
        });
    }

    #[test]
    fn blocks_are_aligned_and_as_long_as_was_asked_for() {
        in_a_new_thread(|| {
            for bytes in 0..2 * BLOCK_BYTES_MAX {
                let block = allocate(bytes);
                assert_eq!(block.addr().get() % align_of::<usize>(), 0);
                // SAFETY: the block is ours, and so long.
                unsafe {
                    block.write_bytes(0xA5, bytes);
                    free(block, bytes);
                }
            }
        });
    }
}
