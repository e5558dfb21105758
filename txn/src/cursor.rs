//! A cursor: where a scan is.

use std::ops::Bound;

/// Which way a scan goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Ascending keys.
    Forward,
    /// Descending keys.
    Backward,
}

/// How many records a scan delivers in its first step.
const FIRST_STEP_RECORDS: usize = 4;

/// A range of keys, and how much of it is still to be scanned.
#[derive(Clone, Debug)]
pub struct Cursor {
    pub(crate) direction: Direction,
    pub(crate) lower: Bound<Vec<u8>>,
    pub(crate) upper: Bound<Vec<u8>>,
    /// Nothing was delivered yet.
    pub(crate) fresh: bool,
    pub(crate) done: bool,
}

impl Cursor {
    /// A cursor over a range. A range whose bounds cross is empty.
    pub fn new(lower: Bound<Vec<u8>>, upper: Bound<Vec<u8>>, direction: Direction) -> Self {
        let done = match (&lower, &upper) {
            (Bound::Included(lower), Bound::Included(upper)) => lower > upper,
            (
                Bound::Included(lower) | Bound::Excluded(lower),
                Bound::Included(upper) | Bound::Excluded(upper),
            ) => lower >= upper,
            _ => false,
        };
        Cursor { direction, lower, upper, fresh: true, done }
    }

    /// A cursor over all keys that begin with `prefix`.
    pub fn over_prefix(prefix: &[u8]) -> Self {
        let (lower, upper) = prefix_bounds(prefix);
        Cursor::new(lower, upper, Direction::Forward)
    }

    /// How many records the next step may deliver. The first step is a short one: whoever wants only the
    /// first record of a range shouldn't pay for a whole leaf, nor lock it.
    pub(crate) fn step_records(&self) -> usize {
        if self.fresh { FIRST_STEP_RECORDS } else { usize::MAX }
    }

    /// Whether the whole range was delivered.
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// Goes on behind `key`: the last one delivered.
    pub fn move_past(&mut self, key: &[u8]) {
        self.fresh = false;
        let bound = match self.direction {
            Direction::Forward => &mut self.lower,
            Direction::Backward => &mut self.upper,
        };
        match bound {
            Bound::Excluded(old) => {
                old.clear();
                old.extend_from_slice(key);
            }
            _ => *bound = Bound::Excluded(key.to_vec()),
        }
    }

    /// Goes back to behind `key`, which was delivered some time ago.
    pub fn go_back_to(&mut self, key: &[u8]) {
        self.move_past(key);
        self.done = false;
    }

    /// Ends the scan here.
    pub fn finish(&mut self) {
        self.done = true;
    }

    /// Goes on in the next leaf: at its fence, or nowhere if there's none, or it lies behind the range.
    pub(crate) fn move_to_fence(&mut self, fence: Option<&[u8]>) {
        self.fresh = false;
        match (fence, self.direction) {
            (None, _) => self.done = true,
            (Some(fence), Direction::Forward) if self.is_above(fence) => self.done = true,
            (Some(fence), Direction::Backward) if self.is_below(fence) => self.done = true,
            (Some(fence), Direction::Forward) => self.lower = Bound::Included(fence.to_vec()),
            (Some(fence), Direction::Backward) => self.upper = Bound::Excluded(fence.to_vec()),
        }
    }

    /// Goes on where `part` has got to: a cursor over the first part of what this one had left.
    pub(crate) fn follow(&mut self, part: Cursor) {
        self.fresh = false;
        match (self.direction, part.done) {
            (Direction::Forward, false) => self.lower = part.lower,
            (Direction::Backward, false) => self.upper = part.upper,
            (Direction::Forward, true) if part.upper == self.upper => self.done = true,
            (Direction::Backward, true) if part.lower == self.lower => self.done = true,
            (Direction::Forward, true) => self.lower = complement(part.upper()).map(<[u8]>::to_vec),
            (Direction::Backward, true) => self.upper = complement(part.lower()).map(<[u8]>::to_vec),
        }
    }

    /// The part of the range that a scan has covered when this cursor has moved on to `after`.
    pub fn covered_until<'c>(&'c self, after: &'c Cursor) -> (Bound<&'c [u8]>, Bound<&'c [u8]>) {
        match (self.direction, after.done) {
            (_, true) => (self.lower(), self.upper()),
            (Direction::Forward, false) => (self.lower(), complement(after.lower())),
            (Direction::Backward, false) => (complement(after.upper()), self.upper()),
        }
    }

    /// Where a forward scan begins.
    pub(crate) fn lower(&self) -> Bound<&[u8]> {
        self.lower.as_ref().map(Vec::as_slice)
    }

    /// Where a backward scan begins.
    pub(crate) fn upper(&self) -> Bound<&[u8]> {
        self.upper.as_ref().map(Vec::as_slice)
    }

    /// Whether `key` lies above the range.
    #[inline]
    pub(crate) fn is_above(&self, key: &[u8]) -> bool {
        match &self.upper {
            Bound::Included(upper) => key > upper.as_slice(),
            Bound::Excluded(upper) => key >= upper.as_slice(),
            Bound::Unbounded => false,
        }
    }

    /// Whether `key` lies below the range.
    #[inline]
    pub(crate) fn is_below(&self, key: &[u8]) -> bool {
        match &self.lower {
            Bound::Included(lower) => key < lower.as_slice(),
            Bound::Excluded(lower) => key <= lower.as_slice(),
            Bound::Unbounded => false,
        }
    }
}

/// The other side of a bound: where what follows begins, or what came before ends.
pub(crate) fn complement(bound: Bound<&[u8]>) -> Bound<&[u8]> {
    match bound {
        Bound::Included(key) => Bound::Excluded(key),
        Bound::Excluded(key) => Bound::Included(key),
        Bound::Unbounded => Bound::Unbounded,
    }
}

/// The range of all keys that begin with `prefix`.
pub fn prefix_bounds(prefix: &[u8]) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
    let upper = successor_of_prefix(prefix).map_or(Bound::Unbounded, Bound::Excluded);
    (Bound::Included(prefix.to_vec()), upper)
}

/// The smallest key greater than all that begin with `prefix`; `None` if there's no such key.
fn successor_of_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|&byte| byte != u8::MAX)?;
    let mut successor = prefix[..=last].to_vec();
    successor[last] += 1;
    Some(successor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_before_its_successor() {
        assert_eq!(successor_of_prefix(b"ab"), Some(b"ac".to_vec()));
        assert_eq!(successor_of_prefix(b"a\xff\xff"), Some(b"b".to_vec()));
        assert_eq!(successor_of_prefix(b"\xff"), None);
        assert_eq!(successor_of_prefix(b""), None);
    }

    #[test]
    fn a_range_that_ends_before_the_next_leaf_is_done() {
        let bounds = || (Bound::Included(b"b".to_vec()), Bound::Excluded(b"m".to_vec()));
        for (direction, beyond) in [(Direction::Forward, b"m"), (Direction::Backward, b"a")] {
            let (lower, upper) = bounds();
            let range = Cursor::new(lower, upper, direction);
            let mut cursor = range.clone();
            cursor.move_to_fence(Some(beyond));
            assert!(cursor.is_done());
            assert_eq!(
                range.covered_until(&cursor),
                (Bound::Included(&b"b"[..]), Bound::Excluded(&b"m"[..]))
            );
            let mut cursor = range.clone();
            cursor.move_to_fence(Some(b"k"));
            assert!(!cursor.is_done());
        }
    }

    #[test]
    fn crossed_bounds_are_an_empty_range() {
        let cursor = |lower, upper| Cursor::new(lower, upper, Direction::Forward).is_done();
        let (a, b) = (b"a".to_vec(), b"b".to_vec());
        assert!(cursor(Bound::Included(b.clone()), Bound::Included(a.clone())));
        assert!(cursor(Bound::Included(a.clone()), Bound::Excluded(a.clone())));
        assert!(!cursor(Bound::Included(a.clone()), Bound::Included(a.clone())));
        assert!(!cursor(Bound::Excluded(a), Bound::Included(b)));
    }
}
