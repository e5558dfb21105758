//! What must hold of every node while nobody is at work.

use crossbeam_epoch::Guard;

use super::super::inner::Inner;
use super::super::leaf::Leaf;
use super::super::node::{Header, NODE_CAPACITY, Node};
use super::super::{Index, keys};
use crate::Record;

/// Checks the whole tree, from fences to heads, and the shortcuts beside it. For indexes that no other thread uses at the moment.
pub(super) fn verify(index: &Index, guard: &Guard) {
    let (root, _) = index.root().expect("nobody is at work");
    let mut depths = Vec::new();
    let mut nodes = 0;
    walk(
        root,
        (None, None),
        0,
        &mut |depth, is_leaf| {
            nodes += 1;
            if is_leaf {
                depths.push(depth);
            }
        },
        guard,
    );
    assert!(depths.iter().all(|&depth| depth == depths[0]), "leaves at different depths: {depths:?}");
    if let Node::Leaf(_) = root {
        assert_eq!(nodes, 1);
    } else {
        assert_no_empty_leaf(root);
    }
    for record in index.shortcuts.records(guard) {
        let found = index.get_past_shortcuts(record.key(), guard).map(Record::ptr);
        assert_eq!(found, Some(record.ptr()), "a shortcut leads to what has left the tree");
    }
    let statistics = index.statistics();
    assert_eq!((statistics.leaves, statistics.inner_nodes), (depths.len(), nodes - depths.len()));
}

type Fences<'g> = (Option<&'g [u8]>, Option<&'g [u8]>);

fn walk<'g>(
    node: Node<'_>,
    fences: Fences<'g>,
    depth: usize,
    seen: &mut impl FnMut(usize, bool),
    guard: &'g Guard,
) {
    check_header(node.header(), fences, guard);
    seen(depth, matches!(node, Node::Leaf(_)));
    match node {
        Node::Leaf(leaf) => check_leaf(leaf, fences, guard),
        Node::Inner(inner) => {
            check_inner(inner, fences, guard);
            let separators: Vec<&[u8]> = (0..inner.count()).map(|at| inner.key(at, guard)).collect();
            for child in 0..=inner.count() {
                let lower = if child == 0 { fences.0 } else { Some(separators[child - 1]) };
                let upper = if child == inner.count() { fences.1 } else { Some(separators[child]) };
                walk(inner.child(child).unwrap(), (lower, upper), depth + 1, seen, guard);
            }
        }
    }
}

fn check_header(header: &Header, fences: Fences<'_>, guard: &Guard) {
    assert!(header.latch.observe().is_ok(), "a node in the tree is locked or obsolete");
    assert_eq!(header.lower(guard).map(keys::SharedKey::bytes), fences.0, "lower fence");
    assert_eq!(header.upper(guard).map(keys::SharedKey::bytes), fences.1, "upper fence");
    assert_eq!(header.shape().prefix, header.fence_prefix(guard), "prefix");
}

fn check_leaf(leaf: &Leaf, fences: Fences<'_>, guard: &Guard) {
    let keys: Vec<&[u8]> = (0..leaf.count()).map(|at| leaf.record(at, guard).unwrap().key()).collect();
    check_keys(&keys, &leaf.heads(), leaf.header.shape().prefix, fences);
    for at in leaf.count()..NODE_CAPACITY {
        assert!(leaf.record(at, guard).is_err(), "a vacated slot still has a record");
    }
}

fn check_inner(inner: &Inner, fences: Fences<'_>, guard: &Guard) {
    let keys: Vec<&[u8]> = (0..inner.count()).map(|at| inner.key(at, guard)).collect();
    check_keys(&keys, &inner.heads(), inner.header.shape().prefix, fences);
    assert!(keys.first().copied() > fences.0 || fences.0.is_none() || keys.is_empty());
    for at in inner.count() + 1..=NODE_CAPACITY {
        assert!(inner.child_address(at).is_null(), "a vacated slot still has a child");
    }
}

fn check_keys(keys: &[&[u8]], heads: &[u64], prefix: usize, (lower, upper): Fences<'_>) {
    assert!(keys.is_sorted_by(|left, right| left < right), "keys out of order: {keys:?}");
    for (key, head) in keys.iter().zip(heads) {
        assert!(lower.is_none_or(|lower| lower <= *key), "{key:?} is below the fence {lower:?}");
        assert!(upper.is_none_or(|upper| *key < upper), "{key:?} is not below the fence {upper:?}");
        assert_eq!(*head, keys::head(key, prefix), "head of {key:?}");
    }
}

fn assert_no_empty_leaf(node: Node<'_>) {
    match node {
        Node::Leaf(leaf) => assert!(leaf.count() > 0, "an empty leaf beside others"),
        Node::Inner(inner) => {
            (0..=inner.count()).for_each(|at| assert_no_empty_leaf(inner.child(at).unwrap()));
        }
    }
}
