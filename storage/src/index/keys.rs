//! Keys inside nodes: heads, prefixes, and the separators between nodes.
//!
//! A node doesn't hold whole keys. All keys between its fences share a prefix, whose length the node
//! knows; behind the prefix come the eight bytes that tell most keys apart, and these the node keeps as
//! an integer, the key's *head*, so that a search compares integers that lie side by side:
//!
//! ```text
//! lower fence  user:1017            key            u s e r : 1 0 4 2 7 7 1 9 3 3 2
//! upper fence  user:1088            prefix (6)     └─────────┘
//! common       user:10              head                     └─────────────┘ big-endian
//! ```
//!
//! A key that ends early is padded with zeros, so heads order keys like the bytes do, but may tie:
//! "ab" and "ab\0" have one head. A tie is decided by the whole keys.
//!
//! Separators are the shortest byte strings that separate (suffix truncation; Bayer & Unterauer: "Prefix
//! B-trees", ACM TODS 2(1), 1977). One separator is the left node's upper fence, the right node's lower
//! fence and an entry of their parent; the three share one counted allocation, a [`SharedKey`].

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::marker::PhantomData;
use std::ptr::{NonNull, null_mut};

use crossbeam_epoch::Guard;

use crate::reclaim;
use crate::sync::{AtomicU32, Ordering, fence};

const HEAD_BYTES: usize = size_of::<u64>();

/// The eight bytes of `key` from `skip` on, as a big-endian integer, padded with zeros.
#[inline]
pub(super) fn head(key: &[u8], skip: usize) -> u64 {
    // `skip` may be beyond the key's end when a reader races with a writer; it will restart.
    let rest = key.get(skip..).unwrap_or_default();
    match key.last_chunk::<HEAD_BYTES>() {
        // The end of a key that is long enough itself: its last bytes, with zeros moved in from behind.
        Some(last) if (1..HEAD_BYTES).contains(&rest.len()) => {
            u64::from_be_bytes(*last) << (8 * (HEAD_BYTES - rest.len()))
        }
        _ => prefix(rest),
    }
}

/// The first eight bytes of a key as a big-endian integer, padded with zeros. Keys with different prefixes are ordered as
/// these are.
#[inline]
pub fn prefix(key: &[u8]) -> u64 {
    match key.first_chunk::<HEAD_BYTES>() {
        Some(first) => u64::from_be_bytes(*first),
        None => (0..HEAD_BYTES).fold(0, |prefix, at| prefix << 8 | u64::from(*key.get(at).unwrap_or(&0))),
    }
}

/// How many bytes two keys share at their start.
pub(super) fn common_prefix(left: &[u8], right: &[u8]) -> usize {
    left.iter().zip(right).take_while(|(left, right)| left == right).count()
}

/// The shortest byte string above `below` and not above `above`, where `below < above`.
pub(super) fn separator<'k>(below: &[u8], above: &'k [u8]) -> &'k [u8] {
    debug_assert!(below < above);
    &above[..=common_prefix(below, above)]
}

/// The memory layout of a shared key's fixed part; the bytes follow it.
#[repr(C)]
pub(super) struct KeyHeader {
    references: AtomicU32,
    len: u32,
}

/// A separator: immutable bytes, counted by the nodes that hold it, readable for as long as `'g` lasts.
#[derive(Clone, Copy)]
pub(super) struct SharedKey<'g> {
    header: NonNull<KeyHeader>,
    lifetime: PhantomData<&'g KeyHeader>,
}

impl<'g> SharedKey<'g> {
    /// Allocates a key with one reference to it.
    pub(super) fn allocate(key: &[u8]) -> SharedKey<'g> {
        let layout = layout(key.len());
        // SAFETY: the layout has a size above zero, since it includes the header.
        let Some(header) = NonNull::new(unsafe { alloc(layout) }.cast::<KeyHeader>()) else {
            handle_alloc_error(layout)
        };
        // SAFETY: the allocation is ours alone and large enough for the header and the key.
        unsafe {
            header.write(KeyHeader { references: AtomicU32::new(1), len: key.len() as u32 });
            header.add(1).cast::<u8>().as_ptr().copy_from_nonoverlapping(key.as_ptr(), key.len());
        }
        SharedKey { header, lifetime: PhantomData }
    }

    /// The key behind a bare pointer; `None` for null.
    ///
    /// # Safety
    /// The pointer must come from [`SharedKey::as_raw`], and the key must live through `'g`.
    #[inline]
    pub(super) unsafe fn from_raw(raw: *mut KeyHeader) -> Option<SharedKey<'g>> {
        NonNull::new(raw).map(|header| SharedKey { header, lifetime: PhantomData })
    }

    #[inline]
    pub(super) fn as_raw(self) -> *mut KeyHeader {
        self.header.as_ptr()
    }

    /// The bare pointer of a key that may be missing.
    #[inline]
    pub(super) fn raw(key: Option<SharedKey<'_>>) -> *mut KeyHeader {
        key.map_or(null_mut(), SharedKey::as_raw)
    }

    /// The key.
    #[inline]
    pub(super) fn bytes(self) -> &'g [u8] {
        // SAFETY: by the type's contract the allocation lives through 'g; `len` bytes were written
        // behind the header before the key was published, and never change.
        unsafe {
            std::slice::from_raw_parts(
                self.header.add(1).cast::<u8>().as_ptr(),
                self.header.as_ref().len as usize,
            )
        }
    }

    /// Bytes allocated for the key.
    pub(super) fn allocated_bytes(self) -> usize {
        layout(self.bytes().len()).size()
    }

    /// Adds a reference, for one more place in a node. The caller holds the latch of a node that holds one.
    pub(super) fn retain(self) -> SharedKey<'g> {
        // SAFETY: by the type's contract the allocation lives through 'g.
        let references = unsafe { &self.header.as_ref().references };
        // Relaxed: whoever holds a reference can hand out another; nothing is published by the count.
        references.fetch_add(1, Ordering::Relaxed);
        self
    }

    /// Gives one reference up; returns how many bytes will be freed once no reader can hold the key:
    /// zero if there are other references.
    ///
    /// # Safety
    /// The reference must be the caller's to give up, and the node that held it must hold it no more.
    pub(super) unsafe fn release(self, guard: &Guard) -> usize {
        // SAFETY: by the type's contract the allocation lives through 'g.
        let references = unsafe { &self.header.as_ref().references };
        // Release, and acquire below: all that others did with the key comes before it is freed.
        if references.fetch_sub(1, Ordering::Release) > 1 {
            return 0;
        }
        fence(Ordering::Acquire);
        let layout = layout(self.bytes().len());
        let raw = self.as_raw();
        // SAFETY: no node holds the key any more, so that no reader who pins from now on can reach it;
        // allocated in `allocate` with this very layout.
        unsafe { reclaim::retire(guard, move || dealloc(raw.cast(), layout)) };
        layout.size()
    }
}

fn layout(key_len: usize) -> Layout {
    Layout::from_size_align(size_of::<KeyHeader>() + key_len, align_of::<KeyHeader>())
        .expect("a key's length is limited far below isize::MAX")
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use super::*;

    #[test]
    fn heads_order_keys_and_tie_only_on_trailing_zeros_and_long_keys() {
        assert_eq!(head(b"", 0), 0);
        assert_eq!(head(b"ab", 0), head(b"ab\0", 0));
        assert!(head(b"ab", 0) < head(b"ab\x01", 0));
        assert!(head(b"ab\xff", 0) < head(b"ac", 0));
        assert_eq!(head(b"12345678", 0), head(b"123456789", 0));
        assert_eq!(head(b"prefix:abcdefgh!", 7), u64::from_be_bytes(*b"abcdefgh"));
        assert_eq!(head(b"prefix:abc", 7), u64::from_be_bytes(*b"abc\0\0\0\0\0"));
        assert_eq!(head(b"short", 7), 0);
        assert_eq!(head(b"prefix:abc", 10), 0);
        let key = b"0123456789";
        for skip in 0..=11 {
            for end in 0..=key.len() {
                let mut padded = [0; HEAD_BYTES];
                key[..end].iter().skip(skip).zip(&mut padded).for_each(|(from, to)| *to = *from);
                assert_eq!(head(&key[..end], skip), u64::from_be_bytes(padded), "{end} bytes from {skip}");
            }
        }
    }

    #[test]
    fn separators_are_short_and_separate() {
        for (below, above, expected) in [
            (&b""[..], &b"x"[..], &b"x"[..]),
            (b"", b"\0\0", b"\0"),
            (b"abcde", b"abxyz", b"abx"),
            (b"ab", b"ab\0", b"ab\0"),
            (b"ab", b"b", b"b"),
        ] {
            let found = separator(below, above);
            assert_eq!(found, expected);
            assert!(below < found && found <= above);
        }
    }

    #[test]
    fn a_shared_key_is_freed_with_its_last_reference() {
        let guard = crossbeam_epoch::pin();
        let key = SharedKey::allocate(b"fence").retain();
        assert_eq!(key.bytes(), b"fence");
        // SAFETY: both references are ours.
        unsafe {
            assert_eq!(key.release(&guard), 0);
            assert_eq!(key.bytes(), b"fence");
            assert_eq!(key.release(&guard), key.allocated_bytes());
        }
        assert_eq!(key.bytes(), b"fence", "readers that are pinned can go on reading");
    }
}
