//! Random values for columns (clause 4.3.2).

use super::rows::DISTRICT_INFO_BYTES;
use crate::random::Random;
use serde::{Deserialize, Serialize};
use std::time::{SystemTime, UNIX_EPOCH};

const ALPHANUMERIC: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const SYLLABLES: [&[u8]; 10] =
    [b"BAR", b"OUGHT", b"ABLE", b"PRI", b"PRES", b"ESE", b"ANTI", b"CALLY", b"ATION", b"EING"];
const LAST_NAME_BYTES_MAX: usize = 15;
const ORIGINAL: &[u8] = b"ORIGINAL";

/// Now, in microseconds since the Unix epoch.
pub fn now_us() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX)
}

/// Fills `text` with letters and digits.
pub fn fill_alphanumeric(random: &mut Random, text: &mut [u8]) {
    for byte in text {
        *byte = ALPHANUMERIC[random.below(62) as usize];
    }
}

/// A random a-string of `low` to `high` letters and digits (4.3.2.2).
pub fn a_string(random: &mut Random, low: usize, high: usize) -> Vec<u8> {
    let mut text = vec![0; random.between(low as u64, high as u64) as usize];
    fill_alphanumeric(random, &mut text);
    text
}

/// A random n-string of exactly `LENGTH` digits (4.3.2.2).
pub fn n_string<const LENGTH: usize>(random: &mut Random) -> [u8; LENGTH] {
    std::array::from_fn(|_| b'0' + random.below(10) as u8)
}

/// A state: two letters (the a-string of 4.3.3.1).
pub fn state(random: &mut Random) -> [u8; 2] {
    let mut state = [0; 2];
    fill_alphanumeric(random, &mut state);
    state
}

/// A ZIP code: four random digits, then `11111` (4.3.2.7).
pub fn zip(random: &mut Random) -> [u8; 9] {
    let mut zip = *b"000011111";
    zip[..4].copy_from_slice(&n_string::<4>(random));
    zip
}

/// S_DIST_xx: 24 letters and digits.
pub fn district_info(random: &mut Random) -> [u8; DISTRICT_INFO_BYTES] {
    let mut info = [0; DISTRICT_INFO_BYTES];
    fill_alphanumeric(random, &mut info);
    info
}

/// I_DATA or S_DATA: 26 to 50 characters; in ten percent, `ORIGINAL` stands somewhere in them (4.3.3.1).
pub fn item_data(random: &mut Random) -> Vec<u8> {
    let mut data = a_string(random, 26, 50);
    if random.percent(10) {
        let at = random.below((data.len() - ORIGINAL.len() + 1) as u64) as usize;
        data[at..at + ORIGINAL.len()].copy_from_slice(ORIGINAL);
    }
    data
}

/// Whether item data contains `ORIGINAL`.
pub fn is_original(data: &[u8]) -> bool {
    data.windows(ORIGINAL.len()).any(|window| window == ORIGINAL)
}

/// A last name: three syllables, which need no allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastName {
    bytes: [u8; LAST_NAME_BYTES_MAX],
    length: u8,
}

impl LastName {
    /// The last name with this number, from 0 to 999: a syllable for each digit (4.3.2.3).
    pub fn of(number: u16) -> LastName {
        let mut name = LastName { bytes: [0; LAST_NAME_BYTES_MAX], length: 0 };
        for digit in [number / 100, number / 10, number] {
            let syllable = SYLLABLES[usize::from(digit % 10)];
            let start = usize::from(name.length);
            name.bytes[start..start + syllable.len()].copy_from_slice(syllable);
            name.length += syllable.len() as u8;
        }
        name
    }

    /// The name's letters.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

impl std::fmt::Display for LastName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_names_are_those_of_the_specification() {
        // The specification's own example is 371, PRICALLYOUGHT.
        assert_eq!(LastName::of(371).to_string(), "PRICALLYOUGHT");
        assert_eq!(LastName::of(0).to_string(), "BARBARBAR");
        assert_eq!(LastName::of(999).to_string(), "EINGEINGEING");
        let all: std::collections::BTreeSet<String> =
            (0..1_000).map(|n| LastName::of(n).to_string()).collect();
        assert_eq!(all.len(), 1_000);
    }

    #[test]
    fn strings_have_their_lengths_and_letters() {
        let mut random = Random::new(21, 0);
        let lengths: std::collections::BTreeSet<usize> = (0..500)
            .map(|_| {
                let text = a_string(&mut random, 14, 24);
                assert!(text.iter().all(u8::is_ascii_alphanumeric));
                text.len()
            })
            .collect();
        assert_eq!(lengths, (14..=24).collect());
        assert!(n_string::<16>(&mut random).iter().all(u8::is_ascii_digit));
        assert!(zip(&mut random).ends_with(b"11111"));
        assert!(state(&mut random).iter().all(u8::is_ascii_alphanumeric));
        assert!(district_info(&mut random).iter().all(u8::is_ascii_alphanumeric));
    }

    #[test]
    fn a_tenth_of_the_items_are_original() {
        let mut random = Random::new(22, 0);
        let count = (0..20_000)
            .filter(|_| {
                let data = item_data(&mut random);
                assert!((26..=50).contains(&data.len()));
                is_original(&data)
            })
            .count();
        assert!((1_830..2_170).contains(&count), "{count}");
        assert!(is_original(b"ORIGINAL") && is_original(b"xxORIGINALyy") && !is_original(b"ORIGINA"));
    }
}
