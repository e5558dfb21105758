//! What a value consists of: a stamp, the key, and a filling that follows from both.

use super::VALUE_BYTES_MIN;

/// Odd, and without a pattern in its bits.
const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;

/// Makes `value` the one of this key with this stamp.
pub(super) fn fill(key: u64, stamp: u64, bytes: usize, value: &mut Vec<u8>) {
    value.resize(bytes, 0);
    let (head, filling) = value.split_at_mut(VALUE_BYTES_MIN);
    head[..8].copy_from_slice(&stamp.to_le_bytes());
    head[8..].copy_from_slice(&key.to_le_bytes());
    let mut word = key.wrapping_mul(MULTIPLIER) ^ stamp;
    let mut next = || {
        word = word.wrapping_mul(MULTIPLIER).wrapping_add(MULTIPLIER);
        word.to_le_bytes()
    };
    let mut words = filling.chunks_exact_mut(8);
    words.by_ref().for_each(|place| place.copy_from_slice(&next()));
    let rest = words.into_remainder();
    rest.copy_from_slice(&next()[..rest.len()]);
}

/// The stamp of a value, if it belongs to this key. Looks at no more than the head.
pub(super) fn stamp_of(value: &[u8], key: u64) -> Option<u64> {
    let (stamp, rest) = value.split_first_chunk()?;
    let (owner, _) = rest.split_first_chunk()?;
    (u64::from_le_bytes(*owner) == key).then(|| u64::from_le_bytes(*stamp))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_tell_their_keys_and_stamps() {
        let (mut value, mut other) = (Vec::new(), Vec::new());
        for bytes in [16, 17, 100, 1_000] {
            fill(7, 3, bytes, &mut value);
            assert_eq!((value.len(), stamp_of(&value, 7), stamp_of(&value, 8)), (bytes, Some(3), None));
            fill(7, 4, bytes, &mut other);
            assert_ne!(value, other);
        }
        assert_ne!(value[16..], other[16..], "the filling follows from the stamp");
        assert_eq!(stamp_of(&value[..15], 7), None);
    }
}
