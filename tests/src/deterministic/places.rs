//! Keys and ranges: few, and close to each other.

use std::fmt;
use std::ops::Bound;

use serde::{Deserialize, Serialize};

/// The tables that scripts work on.
pub const TABLES: [&str; 2] = ["left", "right"];

/// Keys that are prefixes and neighbours of each other.
const NEIGHBOURS: [&[u8]; 12] = [
    b"a",
    b"a\0",
    b"ab",
    b"abc",
    b"b",
    b"b\xff",
    b"b\xff\xff",
    b"ba",
    b"",
    b"\xff",
    b"\xff\xff",
    b"abcdefgh\0i",
];

/// So many keys are close to each other; those with greater numbers make more than one leaf of the index.
pub const FEW_KEYS: u8 = NEIGHBOURS.len() as u8;

/// The key of a number.
pub fn key(number: u8) -> Vec<u8> {
    let near = NEIGHBOURS.get(usize::from(number));
    near.map_or_else(|| vec![b'k', number.reverse_bits()], |key| key.to_vec())
}

/// A key in a table.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Which of [`TABLES`].
    pub table: u8,
    /// The number of the [`key`].
    pub key: u8,
}

impl Place {
    /// The key's bytes.
    pub fn bytes(self) -> Vec<u8> {
        key(self.key)
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", TABLES[usize::from(self.table)], self.key)
    }
}

/// A range of keys in a table.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// Which of [`TABLES`].
    pub table: u8,
    /// Its two ends.
    pub ends: Ends,
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // On one line, whatever was asked for.
        let ends = self.ends;
        write!(f, "{}[{ends:?}]", TABLES[usize::from(self.table)])
    }
}

/// The ends of a range. They may cross.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ends {
    /// All keys.
    All,
    /// The keys that begin with this one.
    Prefix(u8),
    /// From this key on, up to and including that one.
    Closed(u8, u8),
    /// From this key on, up to that one.
    HalfOpen(u8, u8),
    /// Behind this key, up to that one.
    Open(u8, u8),
    /// From this key on.
    From(u8),
    /// Up to this key.
    To(u8),
}

/// The ends of a range of keys, as bytes.
pub type Bounds = (Bound<Vec<u8>>, Bound<Vec<u8>>);

impl Span {
    /// The ends, as bytes.
    pub fn bounds(self) -> Bounds {
        use Bound::{Excluded, Included, Unbounded};
        match self.ends {
            Ends::All => (Unbounded, Unbounded),
            Ends::Prefix(prefix) => synod_txn::prefix_bounds(&key(prefix)),
            Ends::Closed(from, to) => (Included(key(from)), Included(key(to))),
            Ends::HalfOpen(from, to) => (Included(key(from)), Excluded(key(to))),
            Ends::Open(from, to) => (Excluded(key(from)), Excluded(key(to))),
            Ends::From(from) => (Included(key(from)), Unbounded),
            Ends::To(to) => (Unbounded, Excluded(key(to))),
        }
    }
}

/// The keys from the first one on that are below the second, if there is one: every range has this form, since the next
/// key after any is that one with a zero byte behind it.
pub type Stretch = (Vec<u8>, Option<Vec<u8>>);

/// The same range in the form of a stretch.
pub fn stretch(bounds: &Bounds) -> Stretch {
    let next = |key: &Vec<u8>| [&key[..], &[0]].concat();
    let lower = match &bounds.0 {
        Bound::Included(key) => key.clone(),
        Bound::Excluded(key) => next(key),
        Bound::Unbounded => Vec::new(),
    };
    let upper = match &bounds.1 {
        Bound::Included(key) => Some(next(key)),
        Bound::Excluded(key) => Some(key.clone()),
        Bound::Unbounded => None,
    };
    (lower, upper)
}

/// Whether a key lies in a stretch.
pub fn is_within(key: &[u8], (lower, upper): &Stretch) -> bool {
    &lower[..] <= key && upper.as_ref().is_none_or(|upper| key < &upper[..])
}
