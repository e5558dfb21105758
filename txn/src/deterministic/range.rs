//! Ranges of keys, in the one form that makes comparing them exact.

use std::borrow::Cow;
use std::ops::{Bound, RangeInclusive};

use synod_storage::index::prefix;

/// The keys from `lower` on that are below `upper`.
///
/// Every bound has this form, since every key has a next one, itself and a zero byte: what lies above `k` begins
/// with `k·0`, and what ends with `k` is below `k·0`. So a range is empty only if its bounds cross, two of them
/// touch only if their bounds are equal, and nothing has to be told about inclusive and exclusive bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Range {
    lower: Vec<u8>,
    /// `None`: all keys from `lower` on.
    upper: Option<Vec<u8>>,
    /// The [prefixes](prefix) that keys of the range can have, from the first to the last.
    prefixes: RangeInclusive<u64>,
}

impl Range {
    pub(super) fn new(lower: Bound<Vec<u8>>, upper: Bound<Vec<u8>>) -> Self {
        let (lower, upper) = (Self::start(lower.map(Cow::Owned)), Self::end(upper.map(Cow::Owned)));
        Range::from_parts(lower.into_owned(), upper.map(Cow::into_owned))
    }

    pub(super) fn from_parts(lower: Vec<u8>, upper: Option<Vec<u8>>) -> Self {
        let prefixes = prefix(&lower)..=upper.as_deref().map_or(u64::MAX, prefix);
        Range { lower, upper, prefixes }
    }

    /// The first key that a lower bound lets in.
    pub(super) fn start(lower: Bound<Cow<'_, [u8]>>) -> Cow<'_, [u8]> {
        match lower {
            Bound::Included(key) => key,
            Bound::Excluded(key) => next_key(key),
            Bound::Unbounded => Cow::Borrowed(&[]),
        }
    }

    /// The first key that an upper bound doesn't let in; `None` if it lets all in.
    pub(super) fn end(upper: Bound<Cow<'_, [u8]>>) -> Option<Cow<'_, [u8]>> {
        match upper {
            Bound::Included(key) => Some(next_key(key)),
            Bound::Excluded(key) => Some(key),
            Bound::Unbounded => None,
        }
    }

    pub(super) fn lower(&self) -> &[u8] {
        &self.lower
    }

    pub(super) fn upper(&self) -> Option<&[u8]> {
        self.upper.as_deref()
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.is_below_end(&self.lower)
    }

    #[inline]
    pub(super) fn contains(&self, key: &[u8]) -> bool {
        *self.lower <= *key && self.is_below_end(key)
    }

    /// Whether a key with this [`prefix`] can be in the range. Rules out most that aren't.
    #[inline]
    pub(super) fn may_contain(&self, prefix: u64) -> bool {
        self.prefixes.contains(&prefix)
    }

    /// Whether a key is in both; neither is empty.
    #[inline]
    pub(super) fn overlaps(&self, other: &Range) -> bool {
        self.is_below_end(&other.lower) && other.is_below_end(&self.lower)
    }

    #[inline]
    fn is_below_end(&self, key: &[u8]) -> bool {
        self.upper.as_ref().is_none_or(|upper| *key < **upper)
    }
}

fn next_key(key: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    let mut key = key.into_owned();
    key.push(0);
    Cow::Owned(key)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// Keys that are alike for about eight bytes.
    fn any_key() -> impl Strategy<Value = Vec<u8>> {
        vec(prop_oneof![8 => Just(0), 1 => Just(1), 1 => Just(0xff)], 0..11)
    }

    proptest! {
        #[test]
        fn prefixes_are_ordered_as_keys_are(a in any_key(), b in any_key()) {
            prop_assert!(prefix(&a) <= prefix(&b) || a > b);
        }

        #[test]
        fn prefixes_rule_out_no_key_of_the_range(lower in any_key(), upper in any_key(), key in any_key()) {
            let range = Range::new(Bound::Included(lower), Bound::Included(upper));
            prop_assert!(range.may_contain(prefix(&key)) || !range.contains(&key));
        }
    }

    #[test]
    fn prefixes_rule_out_other_keys() {
        let range = Range::new(Bound::Included(b"lower".to_vec()), Bound::Excluded(b"upper".to_vec()));
        assert!(!range.may_contain(prefix(b"lowe")) && !range.may_contain(prefix(b"upper bound")));
    }
}
