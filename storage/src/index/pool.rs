//! The pool: owns all nodes of an index, and hands out those that are not in the tree.
//!
//! A node that leaves the tree comes back here instead of being freed: stale readers may still look at
//! it, and its latch has to go on counting. Its next life begins with the next split. So an index
//! shrinks in nodes, but gives memory back only when it is dropped.

use std::ptr::NonNull;

use crossbeam_epoch::Guard;
use parking_lot::Mutex;

use super::inner::Inner;
use super::keys::SharedKey;
use super::latch::Held;
use super::leaf::Leaf;
use super::node::HeldNode;
use crate::sync::{AtomicUsize, Ordering};

/// Nodes of one kind.
struct Shelf<N> {
    /// All nodes that were ever allocated; freed only when the pool is dropped.
    all: Vec<NonNull<N>>,
    /// Those of them that are outside the tree.
    free: Vec<NonNull<N>>,
}

impl<N> Shelf<N> {
    fn take(&mut self, new: impl FnOnce() -> N) -> NonNull<N> {
        self.free.pop().unwrap_or_else(|| {
            let node = NonNull::from(Box::leak(Box::new(new())));
            self.all.push(node);
            node
        })
    }
}

/// The nodes of one index.
pub(super) struct Pool {
    leaves: Mutex<Shelf<Leaf>>,
    inner_nodes: Mutex<Shelf<Inner>>,
    /// Bytes of separators and fences in use.
    key_bytes: AtomicUsize,
}

// SAFETY: the pool owns the nodes behind its pointers, and nodes consist of atomics.
unsafe impl Send for Pool {}
// SAFETY: as above; the lists are behind mutexes.
unsafe impl Sync for Pool {}

/// How many nodes an index has, and what they take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Leaves in the tree.
    pub leaves: usize,
    /// Inner nodes in the tree.
    pub inner_nodes: usize,
    /// Nodes that were removed from the tree and wait to be used again.
    pub pooled_nodes: usize,
    /// Bytes of all these nodes and of the keys between them, without the records and without the
    /// allocator's own overhead.
    pub bytes: usize,
    /// Bytes of the shortcuts from keys to records.
    pub shortcut_bytes: usize,
}

impl Pool {
    pub(super) fn new() -> Pool {
        Pool {
            leaves: Mutex::new(Shelf { all: Vec::new(), free: Vec::new() }),
            inner_nodes: Mutex::new(Shelf { all: Vec::new(), free: Vec::new() }),
            key_bytes: AtomicUsize::new(0),
        }
    }

    /// An empty leaf, its latch held.
    pub(super) fn take_leaf(&self) -> HeldNode<'_, &Leaf> {
        let leaf = self.leaves.lock().take(Leaf::new);
        // SAFETY: nodes live as long as the pool.
        let node = unsafe { leaf.as_ref() };
        HeldNode { node, held: node.header.latch.adopt() }
    }

    /// An empty inner node, its latch held.
    pub(super) fn take_inner(&self) -> HeldNode<'_, &Inner> {
        let inner = self.inner_nodes.lock().take(Inner::new);
        // SAFETY: nodes live as long as the pool.
        let node = unsafe { inner.as_ref() };
        HeldNode { node, held: node.header.latch.adopt() }
    }

    /// Takes back a leaf that has been unlinked and holds no record any more.
    pub(super) fn give_back_leaf(&self, leaf: &Leaf, held: Held<'_>, guard: &Guard) {
        self.count_freed_keys(leaf.clear(guard));
        held.obsolete();
        self.leaves.lock().free.push(NonNull::from(leaf));
    }

    /// Takes back an inner node that has been unlinked.
    pub(super) fn give_back_inner(&self, inner: &Inner, held: Held<'_>, guard: &Guard) {
        self.count_freed_keys(inner.clear(guard));
        held.obsolete();
        self.inner_nodes.lock().free.push(NonNull::from(inner));
    }

    /// Counts a separator that has come into use.
    pub(super) fn count_new_key(&self, key: SharedKey<'_>) {
        // Relaxed: a statistic.
        self.key_bytes.fetch_add(key.allocated_bytes(), Ordering::Relaxed);
    }

    /// Counts separators that have gone out of use.
    pub(super) fn count_freed_keys(&self, bytes: usize) {
        // Relaxed: a statistic.
        self.key_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// All but the shortcuts, of which the pool knows nothing.
    pub(super) fn statistics(&self) -> Statistics {
        let count = |all: usize, free: usize| (all - free, all, free);
        let (leaves, all_leaves, free_leaves) = {
            let shelf = self.leaves.lock();
            count(shelf.all.len(), shelf.free.len())
        };
        let (inner_nodes, all_inner, free_inner) = {
            let shelf = self.inner_nodes.lock();
            count(shelf.all.len(), shelf.free.len())
        };
        Statistics {
            leaves,
            inner_nodes,
            pooled_nodes: free_leaves + free_inner,
            bytes: all_leaves * size_of::<Leaf>()
                + all_inner * size_of::<Inner>()
                + self.key_bytes.load(Ordering::Relaxed),
            shortcut_bytes: 0,
        }
    }
}

impl Drop for Pool {
    /// Frees all records, keys and nodes.
    fn drop(&mut self) {
        // SAFETY: the index is borrowed by nobody, so no thread reads its nodes.
        let guard = unsafe { crossbeam_epoch::unprotected() };
        for leaf in std::mem::take(&mut self.leaves.get_mut().all) {
            // SAFETY: allocated as a box by `take`, and freed only here.
            let leaf = unsafe { Box::from_raw(leaf.as_ptr()) };
            leaf.free_records(guard);
            leaf.clear(guard);
        }
        for inner in std::mem::take(&mut self.inner_nodes.get_mut().all) {
            // SAFETY: as above.
            let inner = unsafe { Box::from_raw(inner.as_ptr()) };
            inner.clear(guard);
        }
    }
}
