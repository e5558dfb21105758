//! Inner nodes: separators in key order, and the children between them.

use std::ops::Range;
use std::ptr::null_mut;

use crossbeam_epoch::Guard;

use super::keys::{self, KeyHeader, SharedKey};
use super::latch::{Attempt, Restart};
use super::node::{Header, NODE_CAPACITY, Node, Shape};
use super::search::search;
use crate::prefetch::prefetch;
use crate::sync::{AtomicPtr, AtomicU64, Ordering};

/// Where the heads end, in inner nodes as in leaves.
const HEADS_END: usize = std::mem::offset_of!(Inner, separators);

/// An inner node. Methods that change it are for whoever holds its latch; those that return an
/// [`Attempt`] may be called without it, and mean nothing until the latch was validated.
#[repr(C, align(64))]
pub(super) struct Inner {
    /// The shape counts separators; there is one child more.
    pub(super) header: Header,
    heads: [AtomicU64; NODE_CAPACITY],
    separators: [AtomicPtr<KeyHeader>; NODE_CAPACITY],
    children: [AtomicPtr<Header>; NODE_CAPACITY + 1],
}

impl Inner {
    /// A node without children outside the tree, without fences.
    pub(super) fn new() -> Inner {
        Inner {
            header: Header::new_inner(),
            heads: std::array::from_fn(|_| AtomicU64::new(0)),
            separators: std::array::from_fn(|_| AtomicPtr::new(null_mut())),
            children: std::array::from_fn(|_| AtomicPtr::new(null_mut())),
        }
    }

    /// The number of separators.
    #[inline]
    pub(super) fn count(&self) -> usize {
        self.header.shape().count
    }

    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.count() == NODE_CAPACITY
    }

    /// Which child holds `key`.
    #[inline]
    pub(super) fn child_at(&self, key: &[u8], guard: &Guard) -> Attempt<usize> {
        Ok(match self.find(key, guard)? {
            Ok(separator) => separator + 1,
            Err(child) => child,
        })
    }

    /// Which child holds the keys right below `key`.
    #[inline]
    pub(super) fn child_below(&self, key: &[u8], guard: &Guard) -> Attempt<usize> {
        Ok(match self.find(key, guard)? {
            Ok(child) | Err(child) => child,
        })
    }

    #[inline]
    fn find(&self, key: &[u8], guard: &Guard) -> Attempt<Result<usize, usize>> {
        let Shape { count, prefix } = self.header.shape();
        search(&self.heads, count, keys::head(key, prefix), |at| {
            Ok(self.separator(at, guard)?.bytes().cmp(key))
        })
    }

    #[inline]
    fn separator<'g>(&self, at: usize, _guard: &'g Guard) -> Attempt<SharedKey<'g>> {
        // SAFETY: a separator leaves all nodes before it is released, so one that a pinned thread finds
        // here lives as long as the guard. Acquire: pairs with the release in `set_separator`.
        unsafe { SharedKey::from_raw(self.separators[at].load(Ordering::Acquire)) }.ok_or(Restart)
    }

    fn held_separator<'g>(&self, at: usize, guard: &'g Guard) -> SharedKey<'g> {
        self.separator(at, guard).expect("separators below the count are never null under the latch")
    }

    #[inline]
    fn set_separator(&self, at: usize, separator: *mut KeyHeader) {
        self.separators[at].store(separator, Ordering::Release);
    }

    /// The child at `at`, or a restart where a writer is just taking it away.
    #[inline]
    pub(super) fn child<'t>(&'t self, at: usize) -> Attempt<Node<'t>> {
        // SAFETY: nodes live as long as the index that this node belongs to, and which is borrowed
        // through 't. Acquire: pairs with the release in `set_child`, which published the child.
        unsafe { Node::from_raw(self.child_address(at)) }.ok_or(Restart)
    }

    /// The address of the child at `at`; may be null.
    #[inline]
    pub(super) fn child_address(&self, at: usize) -> *mut Header {
        self.children[at].load(Ordering::Acquire)
    }

    /// Asks for what a search in the child at `at` looks at: the header and the heads.
    #[inline]
    pub(super) fn prefetch_child(&self, at: usize) {
        prefetch(self.child_address(at), HEADS_END);
    }

    #[inline]
    fn set_child(&self, at: usize, child: *mut Header) {
        self.children[at].store(child, Ordering::Release);
    }

    /// Gives an empty node its first child.
    pub(super) fn set_only_child(&self, child: Node<'_>) {
        assert_eq!(self.count(), 0);
        self.set_child(0, child.as_raw());
    }

    /// Puts a new child behind the one at `at`, with `separator` between them, whose reference passes to
    /// this node. The node isn't full.
    pub(super) fn insert(&self, at: usize, separator: SharedKey<'_>, child: Node<'_>) {
        let Shape { count, prefix } = self.header.shape();
        assert!(at <= count && count < NODE_CAPACITY, "no room: {at} of {count}");
        for from in (at..count).rev() {
            self.move_separator(from, from + 1);
            self.set_child(from + 2, self.child_address(from + 1));
        }
        self.heads[at].store(keys::head(separator.bytes(), prefix), Ordering::Relaxed);
        self.set_separator(at, separator.as_raw());
        self.set_child(at + 1, child.as_raw());
        self.header.set_shape(Shape { count: count + 1, prefix });
    }

    /// Takes the child at `child` away, and the separator at `separator` beside it; returns how many
    /// bytes that will give free.
    pub(super) fn remove(&self, separator: usize, child: usize, guard: &Guard) -> usize {
        let Shape { count, prefix } = self.header.shape();
        assert!(separator < count && child <= count, "no entry: {separator}, {child} of {count}");
        let removed = self.held_separator(separator, guard);
        for from in separator + 1..count {
            self.move_separator(from, from - 1);
        }
        for from in child + 1..=count {
            self.set_child(from - 1, self.child_address(from));
        }
        self.set_separator(count - 1, null_mut());
        self.set_child(count, null_mut());
        self.header.set_shape(Shape { count: count - 1, prefix });
        // SAFETY: the node held this reference, and holds it no more.
        unsafe { removed.release(guard) }
    }

    fn move_separator(&self, from: usize, to: usize) {
        self.heads[to].store(self.heads[from].load(Ordering::Relaxed), Ordering::Relaxed);
        self.set_separator(to, self.separators[from].load(Ordering::Relaxed));
    }

    /// Moves what lies behind the separator at `at` into `right`, which is empty and whose latch is held
    /// as well, and divides the fences; returns that separator, with its reference, for the parent.
    pub(super) fn split<'g>(&self, at: usize, right: &Inner, guard: &'g Guard) -> SharedKey<'g> {
        let Shape { count, prefix } = self.header.shape();
        let separator = self.held_separator(at, guard);
        right.header.set_upper(self.header.upper(guard).map(SharedKey::retain), guard);
        right.header.set_lower(Some(separator.retain()), guard);
        self.header.set_upper(Some(separator.retain()), guard);

        for from in at + 1..count {
            let to = from - at - 1;
            right.heads[to].store(self.heads[from].load(Ordering::Relaxed), Ordering::Relaxed);
            right.set_separator(to, self.separators[from].load(Ordering::Relaxed));
        }
        for from in at + 1..=count {
            right.set_child(from - at - 1, self.child_address(from));
            self.set_child(from, null_mut());
        }
        self.null_separators(at..count);
        right.header.set_shape(Shape { count: count - at - 1, prefix });
        self.header.set_shape(Shape { count: at, prefix });
        right.rebase(guard);
        self.rebase(guard);
        separator
    }

    fn null_separators(&self, range: Range<usize>) {
        for at in range {
            self.set_separator(at, null_mut());
        }
    }

    /// Recomputes prefix and heads after the fences have changed.
    pub(super) fn rebase(&self, guard: &Guard) {
        let Shape { count, prefix } = self.header.shape();
        let fence_prefix = self.header.fence_prefix(guard);
        if prefix == fence_prefix {
            return;
        }
        for at in 0..count {
            let head = keys::head(self.held_separator(at, guard).bytes(), fence_prefix);
            self.heads[at].store(head, Ordering::Relaxed);
        }
        self.header.set_shape(Shape { count, prefix: fence_prefix });
    }

    /// Empties the node, for the pool; returns how many bytes its keys will give free.
    pub(super) fn clear(&self, guard: &Guard) -> usize {
        let mut freed = 0;
        for at in 0..self.count() {
            let separator = self.held_separator(at, guard);
            self.set_separator(at, null_mut());
            // SAFETY: the node held this reference until the line above.
            freed += unsafe { separator.release(guard) };
        }
        for child in &self.children {
            child.store(null_mut(), Ordering::Release);
        }
        self.header.set_shape(Shape { count: 0, prefix: 0 });
        freed + self.header.set_lower(None, guard) + self.header.set_upper(None, guard)
    }

    /// The heads, for tests of the tree's invariants.
    #[cfg(test)]
    pub(super) fn heads(&self) -> Vec<u64> {
        self.heads.iter().map(|head| head.load(Ordering::Relaxed)).collect()
    }

    /// A separator, for tests of the tree's invariants.
    #[cfg(test)]
    pub(super) fn key<'g>(&self, at: usize, guard: &'g Guard) -> &'g [u8] {
        self.held_separator(at, guard).bytes()
    }
}
