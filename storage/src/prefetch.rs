//! Hints to the processor: what will be needed soon.

const CACHE_LINE_BYTES: usize = 64;

/// Asks for the first `bytes` bytes at `address` to be brought into the cache. Never faults.
#[inline]
pub(crate) fn prefetch<T>(address: *const T, bytes: usize) {
    #[cfg(target_arch = "x86_64")]
    for offset in (0..bytes).step_by(CACHE_LINE_BYTES) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch is a hint; it reads nothing, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast::<i8>().wrapping_add(offset)) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (address, bytes, CACHE_LINE_BYTES);
}
