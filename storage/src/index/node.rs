//! What leaves and inner nodes have in common: the latch, the fences, and the shape.
//!
//! ```text
//! leaf   | header | heads h₀ h₁ h₂ …  | records    r₀ r₁ r₂ …    |
//! inner  | header | heads h₀ h₁ h₂ …  | separators s₀ s₁ s₂ …    | children c₀ c₁ c₂ c₃ … |
//!
//! child cᵢ holds the keys from sᵢ₋₁ (inclusive) to sᵢ (exclusive)
//! ```
//!
//! The memory of a node is *type-stable*: once allocated it is a leaf (or an inner node) of this index
//! until the index is dropped, even while it waits in the pool. So an optimistic reader may follow any
//! child pointer that it read, and a [`Witness`](super::Witness) may be asked at any time.

use std::ptr::null_mut;

use crossbeam_epoch::Guard;

use super::inner::Inner;
use super::keys::{self, KeyHeader, SharedKey};
use super::latch::{Held, Latch};
use super::leaf::Leaf;
use crate::sync::{AtomicPtr, AtomicU32, Ordering};

/// The most entries of a node. With 62 a leaf has 1024 bytes and an inner node 1536, both whole cache
/// lines. Tests use small nodes, so that a few keys make a deep tree.
pub(super) const NODE_CAPACITY: usize = if cfg!(any(test, shuttle, miri)) { 4 } else { 62 };

/// How many bytes of a node to prefetch on arrival, before its kind is known: all of a leaf. Of inner
/// nodes that is the better part, and they are in the cache anyway.
pub(super) const PREFETCHED_BYTES: usize = size_of::<Leaf>();

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Leaf,
    Inner,
}

/// The number of entries, and of bytes that all keys between the fences share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) count: usize,
    pub(super) prefix: usize,
}

/// The first part of every node.
///
/// The fields behind the latch are written by whoever holds it, and read under it or optimistically.
#[repr(C)]
pub(super) struct Header {
    pub(super) latch: Latch,
    /// The least key that may be here; null if there is no bound.
    lower: AtomicPtr<KeyHeader>,
    /// The first key that may not be here any more; null if there is no bound.
    upper: AtomicPtr<KeyHeader>,
    shape: AtomicU32,
    kind: Kind,
}

impl Header {
    fn new(kind: Kind) -> Header {
        Header {
            latch: Latch::new_obsolete(),
            lower: AtomicPtr::new(null_mut()),
            upper: AtomicPtr::new(null_mut()),
            shape: AtomicU32::new(0),
            kind,
        }
    }

    pub(super) fn new_leaf() -> Header {
        Header::new(Kind::Leaf)
    }

    pub(super) fn new_inner() -> Header {
        Header::new(Kind::Inner)
    }

    /// Relaxed: the latch orders it (held, or validated afterwards).
    #[inline]
    pub(super) fn shape(&self) -> Shape {
        let shape = self.shape.load(Ordering::Relaxed);
        Shape { count: (shape & 0xff) as usize, prefix: (shape >> 8) as usize }
    }

    #[inline]
    pub(super) fn set_shape(&self, shape: Shape) {
        debug_assert!(shape.count <= NODE_CAPACITY);
        self.shape.store((shape.prefix as u32) << 8 | shape.count as u32, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn lower<'g>(&self, _guard: &'g Guard) -> Option<SharedKey<'g>> {
        // SAFETY: while pinned, whatever a fence points to has not been freed. Acquire: pairs with the
        // release in `set_lower`, which published the key's bytes.
        unsafe { SharedKey::from_raw(self.lower.load(Ordering::Acquire)) }
    }

    #[inline]
    pub(super) fn upper<'g>(&self, _guard: &'g Guard) -> Option<SharedKey<'g>> {
        // SAFETY: as in `lower`; pairs with the release in `set_upper`.
        unsafe { SharedKey::from_raw(self.upper.load(Ordering::Acquire)) }
    }

    /// Sets the lower fence, whose reference passes to the node; returns how many bytes the old one will
    /// give free.
    pub(super) fn set_lower(&self, key: Option<SharedKey<'_>>, guard: &Guard) -> usize {
        let old = self.lower(guard);
        self.lower.store(SharedKey::raw(key), Ordering::Release);
        // SAFETY: the node held the reference until the store above.
        old.map_or(0, |old| unsafe { old.release(guard) })
    }

    /// Sets the upper fence, whose reference passes to the node; returns how many bytes the old one will
    /// give free.
    pub(super) fn set_upper(&self, key: Option<SharedKey<'_>>, guard: &Guard) -> usize {
        let old = self.upper(guard);
        self.upper.store(SharedKey::raw(key), Ordering::Release);
        // SAFETY: the node held the reference until the store above.
        old.map_or(0, |old| unsafe { old.release(guard) })
    }

    /// How many bytes all keys between the fences share. For whoever holds the latch.
    pub(super) fn fence_prefix(&self, guard: &Guard) -> usize {
        match (self.lower(guard), self.upper(guard)) {
            (Some(lower), Some(upper)) => keys::common_prefix(lower.bytes(), upper.bytes()),
            _ => 0,
        }
    }
}

/// A node in the tree or in the pool, for as long as the index is borrowed.
#[derive(Clone, Copy)]
pub(super) enum Node<'t> {
    Leaf(&'t Leaf),
    Inner(&'t Inner),
}

impl<'t> Node<'t> {
    /// The node behind a child pointer; `None` for null.
    ///
    /// # Safety
    /// The pointer must come from [`Node::as_raw`], have been read with acquire (or under the latch), and
    /// the node's index must live through `'t`.
    #[inline]
    pub(super) unsafe fn from_raw(raw: *mut Header) -> Option<Node<'t>> {
        if raw.is_null() {
            return None;
        }
        // SAFETY: nodes live as long as their index; `kind` never changes, and says what `raw` was made of.
        unsafe {
            Some(match (*raw).kind {
                Kind::Leaf => Node::Leaf(&*raw.cast::<Leaf>()),
                Kind::Inner => Node::Inner(&*raw.cast::<Inner>()),
            })
        }
    }

    /// The address, with access to the whole node.
    #[inline]
    pub(super) fn as_raw(self) -> *mut Header {
        match self {
            Node::Leaf(leaf) => std::ptr::from_ref(leaf).cast_mut().cast(),
            Node::Inner(inner) => std::ptr::from_ref(inner).cast_mut().cast(),
        }
    }

    #[inline]
    pub(super) fn header(self) -> &'t Header {
        match self {
            Node::Leaf(leaf) => &leaf.header,
            Node::Inner(inner) => &inner.header,
        }
    }

    /// Recomputes prefix and heads after the fences have changed. For whoever holds the latch.
    pub(super) fn rebase(self, guard: &Guard) {
        match self {
            Node::Leaf(leaf) => leaf.rebase(guard),
            Node::Inner(inner) => inner.rebase(guard),
        }
    }
}

/// A node whose latch is held.
pub(super) struct HeldNode<'t, N> {
    pub(super) node: N,
    pub(super) held: Held<'t>,
}
