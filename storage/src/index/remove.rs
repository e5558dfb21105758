//! Removals, and what becomes of empty leaves.
//!
//! A table that works as a queue gains keys at one end and loses them at the other all day; its empty
//! leaves must go. A removal that would empty a leaf takes the leaf out of the tree, and with it every
//! inner node above that has no other child. The neighbour on the left (or on the right, if there is
//! none) then stands for the keys of both:
//!
//! ```text
//!          | p   q   r |                       | p   r |            q goes with the empty leaf
//!         /    |   |    \                     /    |    \
//!        …  [p, q) [q, r) …        →         …  [p, r)   …
//!           a b c    —                          a b c
//! ```
//!
//! So the tree's leaves always cover all keys without gaps, and no leaf but the only one is empty. The
//! neighbour's fences change, and those of the nodes above it on the side of the removed leaf; its
//! prefix may get shorter.
//!
//! All these nodes are locked at once, the removed ones from the bottom up, then the neighbours from the
//! top down. No lock is waited for, so the order doesn't matter: whoever meets a locked node starts over.

use crossbeam_epoch::Guard;

use super::Index;
use super::descent::{Step, Target, Visit};
use super::inner::Inner;
use super::keys::SharedKey;
use super::latch::{Attempt, Held, Restart, retry};
use super::leaf::Leaf;
use super::node::{HeldNode, Node};
use crate::Record;
use crate::sync::Ordering;

/// What a leaf is taken out of the tree with: everything locked.
struct Unlinking<'t> {
    leaf: HeldNode<'t, &'t Leaf>,
    /// The nodes above the leaf that have no other child.
    lone_parents: Vec<HeldNode<'t, &'t Inner>>,
    /// The first node above them that has.
    ancestor: HeldNode<'t, &'t Inner>,
    /// The position in the ancestor of the child that goes.
    child: usize,
    /// The ancestor's child beside it and the nodes below that one, along the side of the removed leaf.
    absorbers: Vec<HeldNode<'t, Node<'t>>>,
}

impl Index {
    /// Removes `record` from the index, and frees it when no reader can hold it any more.
    ///
    /// The caller has marked it [`Record::DEAD`], and is the only one who removes it.
    ///
    /// Cost: a descent and a shift of half a leaf; more for a leaf's last record, whose leaf goes too.
    ///
    /// # Panics
    /// If the record isn't in the index.
    pub fn remove(&self, record: Record<'_>, guard: &Guard) {
        self.shortcuts.forget(record, guard);
        retry(|| self.try_remove(record, guard));
        // SAFETY: it has left the index, and by the contract above it is dead and removed only once.
        unsafe { record.retire(guard) };
    }

    fn try_remove(&self, record: Record<'_>, guard: &Guard) -> Attempt<()> {
        let Visit { leaf, version } = self.descend(Target::At(record.key()), guard, |_| ())?;
        let found = leaf.find(record.key(), guard)?;
        let held = leaf.header.latch.try_lock(version)?;
        let at = found.expect("a record that is removed is in the index");
        assert_eq!(leaf.record(at, guard)?.ptr(), record.ptr(), "one key, one record");
        if leaf.count() == 1 {
            drop(held);
            return self.remove_last(record, guard);
        }
        leaf.remove(at);
        held.changed();
        Ok(())
    }

    /// Removes a record that is alone in its leaf, and the leaf.
    fn remove_last(&self, record: Record<'_>, guard: &Guard) -> Attempt<()> {
        let mut path = Vec::new();
        let Visit { leaf, version } =
            self.descend(Target::At(record.key()), guard, |step| path.push(step))?;
        let held = leaf.header.latch.try_lock(version)?;
        if leaf.count() > 1 {
            return Err(Restart);
        }
        let leaf = HeldNode { node: leaf, held };
        match Self::lock_to_unlink(leaf, path)? {
            Ok(unlinking) => {
                self.unlink(unlinking, guard);
                self.shrink(guard);
            }
            Err(HeldNode { node: only_leaf, held }) => {
                only_leaf.remove(0);
                held.changed();
            }
        }
        Ok(())
    }

    /// Locks all that has to be locked to take `leaf` out of the tree; gives it back if it is the only one.
    fn lock_to_unlink<'t>(
        leaf: HeldNode<'t, &'t Leaf>,
        mut path: Vec<Step<'t>>,
    ) -> Attempt<Result<Unlinking<'t>, HeldNode<'t, &'t Leaf>>> {
        let mut lone_parents = Vec::new();
        while let Some(Step { inner, version, child }) = path.pop() {
            let held = inner.header.latch.try_lock(version)?;
            let ancestor = HeldNode { node: inner, held };
            if inner.count() == 0 {
                lone_parents.push(ancestor);
                continue;
            }
            let (neighbour, is_left) = if child > 0 { (child - 1, true) } else { (1, false) };
            let absorbers = lock_edge(inner.child(neighbour)?, is_left)?;
            return Ok(Ok(Unlinking { leaf, lone_parents, ancestor, child, absorbers }));
        }
        Ok(Err(leaf))
    }

    /// Takes a leaf out of the tree, and gives its range to its neighbour.
    fn unlink(&self, unlinking: Unlinking<'_>, guard: &Guard) {
        let Unlinking { leaf, lone_parents, ancestor, child, absorbers } = unlinking;
        let is_left = child > 0;
        let separator = if is_left { child - 1 } else { 0 };
        let mut freed = 0;
        for HeldNode { node, held } in absorbers {
            let header = node.header();
            freed += if is_left {
                let fence = leaf.node.header.upper(guard);
                header.set_upper(fence.map(SharedKey::retain), guard)
            } else {
                let fence = leaf.node.header.lower(guard);
                header.set_lower(fence.map(SharedKey::retain), guard)
            };
            node.rebase(guard);
            held.changed();
        }
        freed += ancestor.node.remove(separator, child, guard);
        ancestor.held.changed();
        self.pool.count_freed_keys(freed);
        for HeldNode { node, held } in lone_parents {
            self.pool.give_back_inner(node, held, guard);
        }
        self.pool.give_back_leaf(leaf.node, leaf.held, guard);
    }

    /// Takes roots away that have one child only.
    fn shrink(&self, guard: &Guard) {
        while let Ok(true) = self.try_shrink(guard) {}
    }

    /// Takes the root away if it has one child only. A restart here only means that somebody is at work
    /// there; the next removal of a leaf will try again.
    fn try_shrink(&self, guard: &Guard) -> Attempt<bool> {
        let (Node::Inner(root), version) = self.root()? else { return Ok(false) };
        if root.count() > 0 {
            return Ok(false);
        }
        let held = root.header.latch.try_lock(version)?;
        let (old, new) = (Node::Inner(root).as_raw(), root.child_address(0));
        // Release: pairs with the acquire in `root`; readers of the new root see what this thread saw of it.
        // Fails if a new root has just been put on top.
        if self.root.compare_exchange(old, new, Ordering::Release, Ordering::Relaxed).is_err() {
            return Ok(false);
        }
        self.pool.give_back_inner(root, held, guard);
        Ok(true)
    }
}

/// Locks `node` and, below it, its rightmost (or leftmost) descendants.
fn lock_edge<'t>(mut node: Node<'t>, rightmost: bool) -> Attempt<Vec<HeldNode<'t, Node<'t>>>> {
    let mut edge = Vec::new();
    loop {
        let latch = &node.header().latch;
        let held: Held<'t> = latch.try_lock(latch.observe()?)?;
        edge.push(HeldNode { node, held });
        match node {
            Node::Leaf(_) => return Ok(edge),
            Node::Inner(inner) => node = inner.child(if rightmost { inner.count() } else { 0 })?,
        }
    }
}
