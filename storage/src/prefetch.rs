//! Hints to the processor: what will be needed soon.

const CACHE_LINE_BYTES: usize = 64;

/// Asks for the lines in which the first `bytes` bytes at `address` lie to be brought into the cache. Never faults.
#[inline]
pub(crate) fn prefetch<T>(address: *const T, bytes: usize) {
    let address = address.cast::<i8>();
    for offset in (0..bytes).step_by(CACHE_LINE_BYTES) {
        prefetch_line(address.wrapping_add(offset));
    }
    // Behind the last step a part of another line may be left.
    prefetch_line(address.wrapping_add(bytes).wrapping_sub(1));
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn prefetch_line(address: *const i8) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: a prefetch is a hint; it reads nothing, whatever the address.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(address) };
}

#[cfg(not(target_arch = "x86_64"))]
#[inline]
fn prefetch_line(_: *const i8) {}
