//! How keys and rows are laid out.
//!
//! ```text
//!   table             key                               value
//!   subscriber        number                            digits 15 │ bits 2 │ hex 10 │ byte2 10 │ msc 4 │ vlr 4
//!   access_info       number, type                      data1 1 │ data2 1 │ data3 3 │ data4 5
//!   special_facility  number, type                      active 1 │ error control 1 │ data_a 1 │ data_b 5
//!   call_forwarding   number, type, start hour          end hour 1 │ digits 15
//!   number_index      digits                            number 4
//! ```
//!
//! A number is a subscriber's, from 1, in four bytes, big-endian; its fifteen decimal digits are the telephone number.

use crate::random::Random;

/// When calls can begin to be sent on.
pub(super) const START_HOURS: [u8; 3] = [0, 8, 16];
/// The latest hour at which that ends.
pub(super) const END_HOUR_MAX: u8 = 24;
/// How many types of access and of facilities there are.
pub(super) const KINDS: u8 = 4;
/// Digits of a telephone number.
pub(super) const DIGITS: usize = 15;

/// Bytes of each row.
pub(super) const SUBSCRIBER_BYTES: usize = DIGITS + 2 + 10 + 10 + 4 + 4;
pub(super) const ACCESS_BYTES: usize = 10;
pub(super) const FACILITY_BYTES: usize = 8;
pub(super) const FORWARDING_BYTES: usize = 1 + DIGITS;

/// Where parts of rows begin.
pub(super) const BITS_AT: usize = DIGITS;
const HEX_AT: usize = BITS_AT + 2;
pub(super) const VLR_AT: usize = SUBSCRIBER_BYTES - 4;
pub(super) const ACTIVE_AT: usize = 0;
pub(super) const DATA_A_AT: usize = 2;

/// The key of a subscriber.
pub(super) fn subscriber_key(subscriber: u32) -> [u8; 4] {
    subscriber.to_be_bytes()
}

/// The key of a subscriber's access or facility of some type.
pub(super) fn kind_key(subscriber: u32, kind: u8) -> [u8; 5] {
    let [a, b, c, d] = subscriber.to_be_bytes();
    [a, b, c, d, kind]
}

/// The key of a forwarding.
pub(super) fn forwarding_key(subscriber: u32, kind: u8, start_hour: u8) -> [u8; 6] {
    let [a, b, c, d] = subscriber.to_be_bytes();
    [a, b, c, d, kind, start_hour]
}

/// A telephone number.
pub(super) fn digits_of(subscriber: u32) -> [u8; DIGITS] {
    let (mut digits, mut rest) = ([b'0'; DIGITS], subscriber);
    for digit in digits.iter_mut().rev() {
        *digit += (rest % 10) as u8;
        rest /= 10;
    }
    digits
}

fn letters<const COUNT: usize>(random: &mut Random) -> [u8; COUNT] {
    std::array::from_fn(|_| b'A' + random.below(26) as u8)
}

/// A subscriber's row.
pub(super) fn subscriber_row(subscriber: u32, random: &mut Random) -> [u8; SUBSCRIBER_BYTES] {
    let mut row = [0; SUBSCRIBER_BYTES];
    row[..DIGITS].copy_from_slice(&digits_of(subscriber));
    row[BITS_AT..HEX_AT].copy_from_slice(&(random.below(1 << 10) as u16).to_le_bytes());
    let (hex, rest) = row[HEX_AT..].split_at_mut(10);
    hex.iter_mut().for_each(|digit| *digit = random.below(16) as u8);
    rest[..10].iter_mut().for_each(|byte| *byte = random.below(256) as u8);
    let locations = random.next_u64().to_le_bytes();
    rest[10..].copy_from_slice(&locations);
    row
}

/// A row of access.
pub(super) fn access_row(random: &mut Random) -> [u8; ACCESS_BYTES] {
    let [data1, data2] = [(); 2].map(|()| random.below(256) as u8);
    let letters: [u8; ACCESS_BYTES - 2] = letters(random);
    std::array::from_fn(|place| match place {
        0 => data1,
        1 => data2,
        letter => letters[letter - 2],
    })
}

/// A row of a facility. 85 of a hundred are active.
pub(super) fn facility_row(random: &mut Random) -> [u8; FACILITY_BYTES] {
    let is_active = u8::from(random.percent(85));
    let [error_control, data_a] = [(); 2].map(|()| random.below(256) as u8);
    let [a, b, c, d, e] = letters(random);
    [is_active, error_control, data_a, a, b, c, d, e]
}

/// A row of a forwarding.
pub(super) fn forwarding_row(end_hour: u8, to: u32) -> [u8; FORWARDING_BYTES] {
    let mut row = [end_hour; FORWARDING_BYTES];
    row[1..].copy_from_slice(&digits_of(to));
    row
}

/// The subscriber at the head of a key of `bytes` bytes, if it is one below or equal to `last`.
pub(super) fn subscriber_of(key: &[u8], bytes: usize, last: u32) -> Option<u32> {
    let number = key.first_chunk().filter(|_| key.len() == bytes).map(|number| u32::from_be_bytes(*number));
    number.filter(|number| (1..=last).contains(number))
}

/// Whether a key is one of access or of a facility.
pub(super) fn is_kind_key(key: &[u8], last: u32) -> bool {
    subscriber_of(key, 5, last).is_some() && (1..=KINDS).contains(&key[4])
}

/// Whether a subscriber's row is one.
pub(super) fn is_subscriber(key: &[u8], row: &[u8], last: u32) -> bool {
    let number = subscriber_of(key, 4, last).filter(|_| row.len() == SUBSCRIBER_BYTES);
    number.is_some_and(|number| {
        row[..DIGITS] == digits_of(number)
            && row[BITS_AT + 1] < 4
            && row[HEX_AT..HEX_AT + 10].iter().all(|digit| *digit < 16)
    })
}

/// Whether a row of access is one.
pub(super) fn is_access(row: &[u8]) -> bool {
    row.len() == ACCESS_BYTES && row[2..].iter().all(u8::is_ascii_uppercase)
}

/// Whether a facility's row is one.
pub(super) fn is_facility(row: &[u8]) -> bool {
    row.len() == FACILITY_BYTES && row[ACTIVE_AT] < 2 && row[3..].iter().all(u8::is_ascii_uppercase)
}

/// Whether a forwarding's row is one.
pub(super) fn is_forwarding(key: &[u8], row: &[u8], last: u32) -> bool {
    let is_key = subscriber_of(key, 6, last).is_some()
        && (1..=KINDS).contains(&key[4])
        && START_HOURS.contains(&key[5]);
    let is_row = row.len() == FORWARDING_BYTES && (1..=END_HOUR_MAX).contains(&row[0]);
    is_key && is_row && row[1..].iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_what_they_should_be_and_others_are_not() {
        let mut random = Random::new(1, 0);
        for number in 1..1_000 {
            let row = subscriber_row(number, &mut random);
            assert!(is_subscriber(&subscriber_key(number), &row, 1_000));
            assert!(!is_subscriber(&subscriber_key(number + 1), &row, 1_000), "another's row");
            assert!(!is_subscriber(&subscriber_key(number), &row, number - 1), "too many");
            assert!(is_access(&access_row(&mut random)));
            assert!(is_facility(&facility_row(&mut random)));
            assert!(is_kind_key(&kind_key(number, 4), 1_000) && !is_kind_key(&kind_key(number, 5), 1_000));
            let key = forwarding_key(number, 1, 16);
            assert!(is_forwarding(&key, &forwarding_row(24, number), 1_000));
            assert!(!is_forwarding(&key, &forwarding_row(25, number), 1_000), "too late");
        }
        assert_eq!(&digits_of(4_294_967_295), b"000004294967295");
    }
}
