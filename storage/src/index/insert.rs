//! Insertions, and the splits that they need.
//!
//! An insertion locks one leaf. If that leaf is full, it locks the parent too and moves the upper half of
//! the leaf into a new one; so that there is always room in the parent, full inner nodes are split on
//! the way down:
//!
//! ```text
//!   parent  | …  s  … |                  | …  s  t  … |        t: the shortest separator between
//!               │                            │  └────┐            the last left and first right key
//!   leaf    | a b c d e f |      →      | a b c |   | d e f |
//! ```
//!
//! After a split the insertion starts over. Where the new key lies behind all keys of its leaf, as in an
//! ascending load, only the last entry moves, and the left leaf stays full.
//!
//! Left out: splits that choose the cheapest separator near the middle, and the mirror image of the
//! ascending load (descending loads leave their leaves half full).

use crossbeam_epoch::Guard;

use super::descent::{Step, Target, Visit};
use super::inner::Inner;
use super::latch::{Attempt, Held, LatchVersion, Restart, retry};
use super::leaf::Leaf;
use super::node::{HeldNode, NODE_CAPACITY, Node};
use super::shortcuts::Hash;
use super::{Index, Insertion};
use crate::Record;
use crate::sync::Ordering;

impl Index {
    /// Inserts the record that `make` returns under `key`, unless there is one.
    ///
    /// If the key is present, its record is returned, even if it is marked [`Record::DEAD`]; nothing was
    /// called, and no lock was taken. Otherwise the leaf is locked, and `admit` is asked with the key's
    /// *successor*: the first record behind it that isn't marked dead, or `None` if there is none in the
    /// table. If it refuses, nothing has changed. If it agrees, `make` is called, once and right before its
    /// record is linked. `admit` may be asked again, if another thread got in the way.
    ///
    /// The lock on the leaf and the loads of control words that `admit` does (sequentially consistently)
    /// make the inserter's half of a handshake with scanners: see [`Index::is_current`].
    ///
    /// `admit` and `make` run under a latch: they must be quick, and must not call the index. The record's
    /// key must be `key`. Cost: a descent, a shift of half a leaf; sometimes a second descent to find the
    /// successor in the next leaf; a split every thirty insertions or so.
    pub fn insert<'g>(
        &'g self,
        key: &[u8],
        make: impl FnOnce() -> Record<'g>,
        mut admit: impl FnMut(Option<Record<'g>>) -> bool,
        guard: &'g Guard,
    ) -> Insertion<'g> {
        let (hash, mut make) = (self.prefetch_shortcut(key, guard), Some(make));
        retry(|| self.try_insert::<true>(key, hash, &mut make, &mut admit, guard))
    }

    /// As [`Index::insert`], without asking anyone: for protocols that keep phantoms out by other means. Returns the
    /// record that is there then, and whether it is the new one.
    pub fn insert_unasked<'g>(
        &'g self,
        key: &[u8],
        make: impl FnOnce() -> Record<'g>,
        guard: &'g Guard,
    ) -> (Record<'g>, bool) {
        let (hash, mut make) = (self.prefetch_shortcut(key, guard), Some(make));
        match retry(|| self.try_insert::<false>(key, hash, &mut make, &mut |_| true, guard)) {
            Insertion::Inserted(record) => (record, true),
            Insertion::Present(record) => (record, false),
            Insertion::Refused(_) => unreachable!("nobody was asked"),
        }
    }

    /// Has the place where a shortcut is going to be on its way into the cache, while others are waited for.
    fn prefetch_shortcut(&self, key: &[u8], guard: &Guard) -> Hash {
        let hash = Hash::of(key);
        self.shortcuts.way(hash, guard).prefetch();
        hash
    }

    fn try_insert<'g, const ASKS: bool>(
        &self,
        key: &[u8],
        hash: Hash,
        make: &mut Option<impl FnOnce() -> Record<'g>>,
        admit: &mut impl FnMut(Option<Record<'g>>) -> bool,
        guard: &'g Guard,
    ) -> Attempt<Insertion<'g>> {
        let (parent, Visit { leaf, version }) = self.descend_making_room(key, guard)?;
        let at = match leaf.find(key, guard)? {
            Ok(at) => {
                let record = leaf.record(at, guard)?;
                leaf.header.latch.validate(version)?;
                return Ok(Insertion::Present(record));
            }
            Err(at) => at,
        };
        let held = leaf.header.latch.try_lock(version)?;
        if ASKS {
            let successor = self.successor(leaf, at, guard)?;
            if !admit(successor) {
                return Ok(Insertion::Refused(successor));
            }
        }
        if leaf.is_full() {
            self.split_leaf(parent, HeldNode { node: leaf, held }, at, guard)?;
            return Err(Restart);
        }
        let make = make.take().expect("the call to make ends the insertion");
        let record = make();
        debug_assert_eq!(record.key(), key);
        leaf.insert(at, record);
        held.changed();
        self.shortcuts.add(hash, record, guard);
        Ok(Insertion::Inserted(record))
    }

    /// The first record alive at or behind position `at` of a leaf whose latch the caller holds. Looks
    /// into the following leaves, where needed, without waiting for anyone.
    fn successor<'g>(&self, leaf: &Leaf, at: usize, guard: &'g Guard) -> Attempt<Option<Record<'g>>> {
        if let Some(record) = leaf.first_alive(at, guard)? {
            return Ok(Some(record));
        }
        let mut fence = leaf.header.upper(guard);
        while let Some(from) = fence {
            let Visit { leaf, version } = self.descend(Target::At(from.bytes()), guard, |_| ())?;
            let (Ok(at) | Err(at)) = leaf.find(from.bytes(), guard)?;
            let found = leaf.first_alive(at, guard)?;
            fence = leaf.header.upper(guard);
            leaf.header.latch.validate(version)?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Goes to the leaf for `key`, and splits full inner nodes on the way. Returns the last step, which
    /// is `None` where the leaf is the root.
    fn descend_making_room<'t>(
        &'t self,
        key: &[u8],
        guard: &Guard,
    ) -> Attempt<(Option<Step<'t>>, Visit<'t>)> {
        let (mut node, mut version) = self.root()?;
        let mut parent = None;
        loop {
            let inner = match node {
                Node::Leaf(leaf) => return Ok((parent, Visit { leaf, version })),
                Node::Inner(inner) => inner,
            };
            let child = inner.child_at(key, guard)?;
            if inner.is_full() {
                self.split_inner(parent, inner, version, child, guard)?;
                return Err(Restart);
            }
            let next = Self::step(inner, version, child)?;
            parent = Some(Step { inner, version, child });
            (node, version) = next;
        }
    }

    /// Splits a full leaf, into which a key is to go at `at`.
    fn split_leaf(
        &self,
        parent: Option<Step<'_>>,
        HeldNode { node: leaf, held }: HeldNode<'_, &Leaf>,
        at: usize,
        guard: &Guard,
    ) -> Attempt<()> {
        let Some(parent) = parent else {
            drop(held);
            self.grow(Node::Leaf(leaf), guard);
            return Ok(());
        };
        let parent_held = parent.inner.header.latch.try_lock(parent.version)?;
        let right = self.pool.take_leaf();
        let is_ascending = at == NODE_CAPACITY;
        let at = if is_ascending { NODE_CAPACITY - 1 } else { NODE_CAPACITY / 2 };
        let separator = leaf.split(at, right.node, guard);
        self.pool.count_new_key(separator);
        parent.inner.insert(parent.child, separator, Node::Leaf(right.node));
        release_all([right.held, held, parent_held]);
        Ok(())
    }

    /// Splits a full inner node, through whose child at `child` an insertion goes.
    fn split_inner(
        &self,
        parent: Option<Step<'_>>,
        inner: &Inner,
        version: LatchVersion,
        child: usize,
        guard: &Guard,
    ) -> Attempt<()> {
        let Some(parent) = parent else {
            self.grow(Node::Inner(inner), guard);
            return Ok(());
        };
        let parent_held = parent.inner.header.latch.try_lock(parent.version)?;
        let held = inner.header.latch.try_lock(version)?;
        let right = self.pool.take_inner();
        let is_ascending = child == NODE_CAPACITY;
        // Both halves keep at least one separator.
        let at = if is_ascending { NODE_CAPACITY - 2 } else { NODE_CAPACITY / 2 };
        let separator = inner.split(at, right.node, guard);
        parent.inner.insert(parent.child, separator, Node::Inner(right.node));
        release_all([right.held, held, parent_held]);
        Ok(())
    }

    /// Puts a new root on top of `old_root`, so that it has a parent and can be split. Does nothing if
    /// it isn't the root any more.
    fn grow(&self, old_root: Node<'_>, guard: &Guard) {
        let HeldNode { node: root, held } = self.pool.take_inner();
        root.set_only_child(old_root);
        // Release: publishes the new root; pairs with the acquire in `root`. The old root keeps its
        // fences and its version: for those who are in it nothing has changed.
        let (old, new) = (old_root.as_raw(), Node::Inner(root).as_raw());
        match self.root.compare_exchange(old, new, Ordering::Release, Ordering::Relaxed) {
            Ok(_) => held.changed(),
            Err(_) => self.pool.give_back_inner(root, held, guard),
        }
    }
}

fn release_all(nodes: [Held<'_>; 3]) {
    for held in nodes {
        held.changed();
    }
}
