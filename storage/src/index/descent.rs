//! The way down: optimistic lock coupling from the root to a leaf.
//!
//! At each step the reader observes the child's latch *before* it validates the parent's: so the child
//! was the right one when its version was observed, and as long as the child keeps that version, it still
//! holds the keys between the fences that it had then. Only one node back has to be remembered.

use crossbeam_epoch::Guard;

use super::Index;
use super::inner::Inner;
use super::latch::{Attempt, LatchVersion, Restart};
use super::leaf::Leaf;
use super::node::{Node, PREFETCHED_BYTES};
use crate::prefetch::prefetch;
use crate::sync::Ordering;

/// Which leaf to go to.
#[derive(Clone, Copy)]
pub(super) enum Target<'k> {
    /// The one that holds this key, or would.
    At(&'k [u8]),
    /// The one that holds the keys right below this one.
    Below(&'k [u8]),
    /// The rightmost one.
    Last,
}

/// A leaf, and the version in which it was found to be the right one.
#[derive(Clone, Copy)]
pub(super) struct Visit<'t> {
    pub(super) leaf: &'t Leaf,
    pub(super) version: LatchVersion,
}

/// An inner node on the way, the version in which it was passed, and where the way went on.
#[derive(Clone, Copy)]
pub(super) struct Step<'t> {
    pub(super) inner: &'t Inner,
    pub(super) version: LatchVersion,
    pub(super) child: usize,
}

impl Index {
    /// The root, and a version in which it was the root.
    #[inline]
    pub(super) fn root(&self) -> Attempt<(Node<'_>, LatchVersion)> {
        // Acquire: pairs with the release in `grow` and `shrink`.
        let raw = self.root.load(Ordering::Acquire);
        prefetch(raw, PREFETCHED_BYTES);
        // SAFETY: the root pointer comes from `Node::as_raw`, and nodes live as long as the index.
        let node = unsafe { Node::from_raw(raw) }.ok_or(Restart)?;
        let version = node.header().latch.observe()?;
        // Had the root been split before it was observed, the new root would be seen now: it is stored
        // before the old one's latch is unlocked.
        if self.root.load(Ordering::Acquire) == raw { Ok((node, version)) } else { Err(Restart) }
    }

    /// Goes from `inner` to its child at `child`.
    #[inline]
    pub(super) fn step<'t>(
        inner: &'t Inner,
        version: LatchVersion,
        child: usize,
    ) -> Attempt<(Node<'t>, LatchVersion)> {
        prefetch(inner.child_address(child), PREFETCHED_BYTES);
        Self::arrive(inner, version, child)
    }

    /// As [`Index::step`], for a child that was asked for before.
    #[inline]
    pub(super) fn arrive<'t>(
        inner: &'t Inner,
        version: LatchVersion,
        child: usize,
    ) -> Attempt<(Node<'t>, LatchVersion)> {
        let node = inner.child(child)?;
        let child_version = node.header().latch.observe();
        inner.header.latch.validate(version)?;
        Ok((node, child_version?))
    }

    /// Goes to a leaf; `passed` hears of every inner node on the way, in the version that was validated.
    #[inline]
    pub(super) fn descend<'t>(
        &'t self,
        target: Target<'_>,
        guard: &Guard,
        mut passed: impl FnMut(Step<'t>),
    ) -> Attempt<Visit<'t>> {
        let (mut node, mut version) = self.root()?;
        loop {
            let inner = match node {
                Node::Leaf(leaf) => return Ok(Visit { leaf, version }),
                Node::Inner(inner) => inner,
            };
            let child = match target {
                Target::At(key) => inner.child_at(key, guard)?,
                Target::Below(key) => inner.child_below(key, guard)?,
                Target::Last => inner.count(),
            };
            let next = Self::step(inner, version, child)?;
            passed(Step { inner, version, child });
            (node, version) = next;
        }
    }
}
