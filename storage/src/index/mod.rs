//! The ordered index: a B⁺-tree whose readers take no locks.
//!
//! # The idea
//!
//! ```text
//!                       root  | s₀ s₁ |
//!                         ┌─────┘  │  └──────┐
//!                | … |          | … |         | … |         inner nodes: separators and children
//!               ┌──┴──┐        ┌──┴──┐       ┌──┴──┐
//!              leaf  leaf     leaf  leaf    leaf  leaf      leaves: heads of keys, and records
//!               │││   ││      ││││   │││     ││   ││││
//!              records: control word, versions, whole key
//! ```
//!
//! Every node carries a *version latch* (`latch.rs`). Writers lock the few nodes that they change; readers
//! only compare versions before and after, and start over if something moved (optimistic lock coupling:
//! Leis, Haubenschild, Neumann, IEEE Data Engineering Bulletin 42(1), 2019; for trees first in Leis et al.,
//! "The ART of Practical Synchronization", DaMoN 2016).
//!
//! Nodes keep eight bytes of each key side by side (`keys.rs`), and ask for all of them at once on arrival
//! (`search.rs`). Every node knows its *fences*, the bounds of its keys (`node.rs`); leaves have no sibling
//! links, a scan goes on at the fence (`scan.rs`). A leaf that becomes empty is taken out of the tree, and
//! its neighbour absorbs its range (`remove.rs`; Johnson & Shasha: "B-trees with inserts and deletes: why
//! free-at-empty is better than merge-at-half", JCSS 47(1), 1993).
//!
//! # Shortcuts
//!
//! Beside the tree stands a hash table from keys to records (`shortcuts.rs`), for those who know the whole key of a record that
//! is there: they needn't go down the tree. It follows the tree, and decides nothing.
//!
//! # Phantoms
//!
//! A leaf's version changes whenever its set of keys does, and at no write to a value. A scan hands out
//! a [`Witness`] of each leaf that it read; [`Index::is_current`] tells whether keys have come or gone
//! since. Insertions ask before they link (see [`Index::insert`]), with the leaf locked, whether the gap
//! in front of their successor is free. Together these two make both next-key locking and validation of
//! ranges possible; what the marks in a control word mean is not the index's business.
//!
//! # Memory
//!
//! Records and separators are freed through epochs (`crossbeam-epoch`): hence the [`Guard`] in every call;
//! all guards must be of one collector. Nodes are never freed while the index lives; they go back to a pool
//! (`pool.rs`). Dropping the index frees everything at once: whoever drops it sees to it that no record and
//! no fence that came out of it is still in use.
//!
//! # Left out
//!
//! Merging of leaves that are merely underfull (free-at-empty measures better under mixed loads);
//! sibling links; adaptive node sizes; compression of values.

mod descent;
mod inner;
mod insert;
mod keys;
mod latch;
mod leaf;
mod node;
mod pool;
mod remove;
mod scan;
mod search;
mod shortcuts;
#[cfg(test)]
mod tests;
mod together;

use std::ptr::null;
use std::sync::atomic::AtomicU64 as IdCounter;

use crossbeam_epoch::Guard;
use crossbeam_utils::CachePadded;

pub use self::keys::prefix;
pub use self::pool::Statistics;
pub use self::scan::Batch;

use self::descent::{Target, Visit};
use self::latch::{Attempt, LatchVersion, retry};
use self::leaf::Leaf;
use self::node::{Header, HeldNode, Node};
use self::pool::Pool;
use self::shortcuts::{Hash, Shortcuts};
use crate::Record;
use crate::sync::AtomicPtr;

/// An ordered set of records, by their keys. Any byte string is a key.
///
/// All operations may be called by any number of threads at once. Lookups and scans take no lock and
/// write no shared memory, but for a lookup that has gone down the tree and leaves a shortcut.
pub struct Index {
    /// The root; a leaf in a small table. Padded: splits write to the pool beside it.
    root: CachePadded<AtomicPtr<Header>>,
    shortcuts: CachePadded<Shortcuts>,
    pool: Pool,
    /// Tells this index from all others, so that a witness can be checked.
    id: u64,
}

/// What became of an insertion.
#[derive(Clone, Copy, Debug)]
pub enum Insertion<'g> {
    /// The new record is in the index.
    Inserted(Record<'g>),
    /// The key was there already; the new record was not made.
    Present(Record<'g>),
    /// `admit` refused the gap in front of this record (`None`: in front of the table's end).
    Refused(Option<Record<'g>>),
}

/// A leaf as it was at one moment: lets a scanner find out, with [`Index::is_current`], whether keys came
/// or went since. Can be kept as long as one likes, without being pinned.
#[derive(Clone, Copy, Debug)]
pub struct Witness {
    leaf: *const Leaf,
    version: LatchVersion,
    index: u64,
}

// SAFETY: the pointer is dereferenced only by `Index::is_current`, which makes sure that the leaf lives.
unsafe impl Send for Witness {}
// SAFETY: as above.
unsafe impl Sync for Witness {}

impl Witness {
    /// The witness of nothing: never current.
    const NONE: Witness = Witness { leaf: null(), version: LatchVersion::NEVER, index: 0 };
}

impl Index {
    /// An empty index. Allocates one leaf.
    pub fn new() -> Self {
        static NEXT_ID: IdCounter = IdCounter::new(0);
        let pool = Pool::new();
        let HeldNode { node: leaf, held } = pool.take_leaf();
        held.changed();
        let root = Node::Leaf(leaf).as_raw();
        // Relaxed: only uniqueness counts.
        let id = NEXT_ID.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let (root, shortcuts) = (CachePadded::new(AtomicPtr::new(root)), CachePadded::new(Shortcuts::new()));
        Index { root, shortcuts, pool, id }
    }

    /// The record with this key, even if it is marked [`Record::DEAD`].
    ///
    /// Cost: with a shortcut two cache misses in a large table, else a descent; no lock but for the shortcut of a record that
    /// had none; no allocation, mostly.
    #[inline]
    pub fn get<'g>(&'g self, key: &[u8], guard: &'g Guard) -> Option<Record<'g>> {
        let hash = Hash::of(key);
        let known = self.shortcuts.find(hash, key, guard);
        known.or_else(|| self.get_by_descent(hash, key, guard))
    }

    /// Has the memory on its way into the cache that [`Index::get`] looks at first for the key with this
    /// [`key_hash`](crate::key_hash).
    #[inline]
    pub fn prefetch(&self, key_hash: u64, guard: &Guard) {
        self.shortcuts.way(Hash::known(key_hash), guard).prefetch();
    }

    /// As [`Index::get`], from the tree alone.
    fn get_past_shortcuts<'g>(&'g self, key: &[u8], guard: &'g Guard) -> Option<Record<'g>> {
        retry(|| self.try_get(key, guard))
    }

    fn get_by_descent<'g>(&'g self, hash: Hash, key: &[u8], guard: &'g Guard) -> Option<Record<'g>> {
        let record = self.get_past_shortcuts(key, guard);
        if let Some(record) = record {
            self.shortcuts.add(hash, record, guard);
        }
        record
    }

    #[inline]
    fn try_get<'g>(&self, key: &[u8], guard: &'g Guard) -> Attempt<Option<Record<'g>>> {
        let Visit { leaf, version } = self.descend(Target::At(key), guard, |_| ())?;
        leaf.get(key, version, guard)
    }

    /// The number of nodes and their size. Takes the pool's locks for a moment.
    pub fn statistics(&self) -> Statistics {
        Statistics { shortcut_bytes: self.shortcuts.bytes(), ..self.pool.statistics() }
    }
}

impl Default for Index {
    fn default() -> Self {
        Index::new()
    }
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Index").field("statistics", &self.statistics()).finish_non_exhaustive()
    }
}
