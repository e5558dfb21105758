//! Records, as they stand in a block.
//!
//! ```text
//!  shared: varint │ rest: varint │ key without its first `shared` bytes │ versions
//!  version        age × 2 + (another one follows): varint │ value length + 1, or 0 for a tombstone: varint │ value
//! ```
//!
//! A key leaves out what it has in common with the one before it in the block. A version's age is how long
//! before the checkpoint's timestamp it was committed.

use crate::{KEY_BYTES_MAX, Timestamp, VALUE_BYTES_MAX};

/// Appends a number, seven bits a byte, lowest first.
#[inline]
pub(super) fn push_varint(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Takes a number off the front; `None` if there is none.
#[inline]
pub(super) fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            // The tenth byte has room for one bit.
            return (shift < 63 || byte <= 1).then_some(number);
        }
    }
    None
}

/// Takes so many bytes off the front.
#[inline]
pub(super) fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

/// Begins a record.
#[inline]
pub(super) fn push_key(block: &mut Vec<u8>, key: &[u8], previous: &[u8]) {
    let shared = key.iter().zip(previous).take_while(|(a, b)| a == b).count();
    push_varint(block, shared as u64);
    push_varint(block, (key.len() - shared) as u64);
    block.extend_from_slice(&key[shared..]);
}

/// Adds a version to the record that was begun last.
#[inline]
pub(super) fn push_version(block: &mut Vec<u8>, age: u64, value: Option<&[u8]>, has_more: bool) {
    push_varint(block, age << 1 | u64::from(has_more));
    match value {
        Some(value) => {
            push_varint(block, value.len() as u64 + 1);
            block.extend_from_slice(value);
        }
        None => block.push(0),
    }
}

/// Takes one record off the front: replaces `key`, which is that of the record before, and returns the
/// record's versions as they stand there. `None` if this is no record.
#[inline]
pub(super) fn take_record<'a>(bytes: &mut &'a [u8], key: &mut Vec<u8>) -> Option<&'a [u8]> {
    let shared = take_varint(bytes)? as usize;
    let rest = usize::try_from(take_varint(bytes)?).ok()?;
    if shared > key.len() || shared.checked_add(rest)? > KEY_BYTES_MAX {
        return None;
    }
    key.truncate(shared);
    key.extend_from_slice(take(bytes, rest)?);
    let start = *bytes;
    while take_version(bytes)?.2 {}
    Some(&start[..start.len() - bytes.len()])
}

/// Takes one version off the front: its age, its value, and whether another one follows.
#[inline]
fn take_version<'a>(bytes: &mut &'a [u8]) -> Option<(u64, Option<&'a [u8]>, bool)> {
    let age = take_varint(bytes)?;
    let value = match usize::try_from(take_varint(bytes)?).ok()? {
        0 => None,
        length if length - 1 > VALUE_BYTES_MAX => return None,
        length => Some(take(bytes, length - 1)?),
    };
    Some((age >> 1, value, age & 1 == 1))
}

/// The versions of a record, newest first: when each was committed, and its value, or `None` for a tombstone.
#[derive(Clone, Debug)]
pub struct Versions<'a> {
    bytes: &'a [u8],
    timestamp: Timestamp,
}

impl<'a> Versions<'a> {
    /// The versions in these bytes, which were walked through before; `timestamp` is the checkpoint's.
    pub(super) fn new(bytes: &'a [u8], timestamp: Timestamp) -> Self {
        Versions { bytes, timestamp }
    }
}

impl<'a> Iterator for Versions<'a> {
    type Item = (Timestamp, Option<&'a [u8]>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (age, value, _) = take_version(&mut self.bytes)?;
        Some((Timestamp(self.timestamp.0.saturating_sub(age)), value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_back_and_overlong_ones_refused() {
        for number in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX >> 1, u64::MAX] {
            let mut bytes = Vec::new();
            push_varint(&mut bytes, number);
            assert_eq!(take_varint(&mut &bytes[..]), Some(number));
            assert_eq!(take_varint(&mut &bytes[..bytes.len() - 1]), None);
        }
        assert_eq!(take_varint(&mut &[0xff; 10][..]), None);
        assert_eq!(take_varint(&mut &[0x80; 11][..]), None);
    }

    #[test]
    fn records_are_read_back() {
        let mut block = Vec::new();
        let records = [("ab", vec![(3, Some("x")), (7, None), (9, Some(""))]), ("abc", vec![(0, None)])];
        let mut previous = "";
        for (key, versions) in &records {
            push_key(&mut block, key.as_bytes(), previous.as_bytes());
            for (index, (age, value)) in versions.iter().enumerate() {
                push_version(&mut block, *age, value.map(str::as_bytes), index + 1 < versions.len());
            }
            previous = key;
        }
        let (mut rest, mut key) = (&block[..], Vec::new());
        for (expected, versions) in &records {
            let bytes = take_record(&mut rest, &mut key).unwrap();
            assert_eq!(key, expected.as_bytes());
            let expected =
                versions.iter().map(|(age, value)| (Timestamp(100 - age), value.map(str::as_bytes)));
            assert!(Versions::new(bytes, Timestamp(100)).eq(expected));
        }
        assert!(rest.is_empty());
    }
}
