//! Hashes of keys.

use crate::TableId;

/// An odd number without pattern: 2^64 divided by the golden ratio.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// One more, from the last step of SplitMix (Steele, Lea & Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).
const SECOND_FACTOR: u64 = 0xbf58_476d_1ce4_e5b9;

/// 64 bits that stand for a key, where a collision does no harm but to speed: they spread keys over threads and over memory,
/// and find records. 2 to 3 ns for a key of eight bytes.
///
/// Multiplies and folds eight bytes at a time, as wyhash does (Wang Yi, 2019). It needn't withstand keys that
/// are chosen against it, and isn't stable: nothing on the disk may depend on it.
#[inline]
pub fn key_hash(key: &[u8]) -> u64 {
    let mut state = start(key.len());
    let Some(last) = key.last_chunk::<8>() else {
        return finish(fold(state, short_word(key)));
    };
    let mut rest = key;
    while rest.len() > 8
        && let Some((word, behind)) = rest.split_first_chunk::<8>()
    {
        state = fold(state, u64::from_le_bytes(*word));
        rest = behind;
    }
    // The last eight bytes, of which some may have been taken already; the length tells such keys apart.
    finish(fold(state, u64::from_le_bytes(*last)))
}

/// Makes a [`key_hash`] that of the key in a table, so that the same key has another hash in each; and the other way round.
#[inline]
pub fn in_table(hash: u64, table: TableId) -> u64 {
    hash ^ u64::from(table.0).wrapping_mul(FACTOR)
}

/// Unlike keys, this has no pattern; so neither has what the two make together.
#[inline]
fn start(length: usize) -> u64 {
    (length as u64).wrapping_add(1).wrapping_mul(FACTOR)
}

#[inline]
fn fold(state: u64, word: u64) -> u64 {
    let product = u128::from(state ^ word) * u128::from(FACTOR);
    (product >> 64) as u64 ^ product as u64
}

/// Where keys follow each other in equal steps, the last product alone has a pattern.
#[inline]
fn finish(state: u64) -> u64 {
    let product = (state ^ state >> 32).wrapping_mul(SECOND_FACTOR);
    product ^ product >> 29
}

/// The bytes of a key that has fewer than eight.
#[inline]
fn short_word(key: &[u8]) -> u64 {
    key.iter().fold(0, |word, &byte| word << 8 | u64::from(byte))
}

/// A key that begins with `first` and has the same hash as `key`: for tests of what happens then.
#[doc(hidden)]
pub fn twin(key: [u8; 16], first: [u8; 8]) -> [u8; 16] {
    // What the last word is combined with.
    let state = |word: &[u8; 8]| fold(start(16), u64::from_le_bytes(*word));
    let (own_first, last) = key.split_first_chunk::<8>().expect("it has 16 bytes");
    let last = u64::from_le_bytes(last.try_into().expect("eight bytes are left"));
    let last = last ^ state(own_first) ^ state(&first);
    [first, last.to_le_bytes()].concat().try_into().expect("twice eight bytes")
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn twins_have_the_same_hash() {
        let key = *b"a key of 16 byte";
        let twin = twin(key, *b"its twin");
        assert_ne!(twin, key);
        assert_eq!(key_hash(&twin), key_hash(&key));
    }

    #[test]
    fn a_key_has_another_hash_in_each_table_and_the_same_one_without() {
        let alone = key_hash(b"key");
        let tables = [0, 1, 2, 64, u32::MAX].map(TableId);
        let hashes = tables.map(|table| in_table(alone, table));
        for (table, hash) in tables.into_iter().zip(hashes) {
            assert_eq!(hashes.iter().filter(|other| **other == hash).count(), 1);
            assert_eq!(in_table(hash, table), alone);
        }
    }

    #[test]
    fn keys_that_differ_in_one_place_have_different_hashes() {
        let mut keys: Vec<Vec<u8>> = vec![vec![]];
        for length in 1..40 {
            keys.push(vec![0; length]);
            for position in 0..length {
                for bit in 0..8 {
                    let mut key = vec![0; length];
                    key[position] = 1 << bit;
                    keys.push(key);
                }
            }
        }
        let hashes: HashSet<_> = keys.iter().map(|key| key_hash(key)).collect();
        assert_eq!(hashes.len(), keys.len());
    }

    /// Both ends of the hash are used, also together: hash tables take the low bits, replay's workers the high ones, the
    /// index's shortcuts both. Keys may follow each other in steps of any power of two.
    #[test]
    fn keys_in_equal_steps_spread_over_high_and_low_bits() {
        for step in 0..=52 {
            let hashes = (0..4096_u64).map(|key| key_hash(&(key << step).to_be_bytes()));
            let (mut low, mut high, mut both) = ([0_u32; 64], [0_u32; 64], [0_u32; 64]);
            for hash in hashes {
                low[hash as usize % 64] += 1;
                high[(hash >> 58) as usize] += 1;
                both[(hash >> 61) as usize * 8 + hash as usize % 8] += 1;
            }
            for count in low.iter().chain(&high).chain(&both) {
                assert!(
                    (24..=104).contains(count),
                    "{count} of 64 fell into one place, in steps of 2^{step}"
                );
            }
        }
    }
}
