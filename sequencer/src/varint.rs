//! Numbers of 32 bits, seven bits a byte, lowest first.

/// The most bytes that a number takes.
pub(crate) const VARINT_BYTES_MAX: usize = 5;

/// Writes a number at `position`; returns where it ends. There must be room.
#[inline]
pub(crate) fn encode(bytes: &mut [u8], mut position: usize, mut number: u32) -> usize {
    while number >= 0x80 {
        bytes[position] = number as u8 | 0x80;
        number >>= 7;
        position += 1;
    }
    bytes[position] = number as u8;
    position + 1
}

/// How many bytes a number takes.
#[inline]
pub(crate) fn length(number: u32) -> usize {
    (32 - (number | 1).leading_zeros() as usize).div_ceil(7)
}

/// Takes a number off the front; `None` if it isn't whole, passes 32 bits, or is written longer than it must be.
#[inline]
pub(crate) fn split(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    if first < 0x80 {
        return Some((u32::from(first), rest));
    }
    split_long(bytes)
}

fn split_long(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let mut number = 0_u64;
    for (index, &byte) in bytes.iter().take(VARINT_BYTES_MAX).enumerate() {
        number |= u64::from(byte & 0x7f) << (7 * index);
        if byte < 0x80 {
            // A last byte of zero adds nothing.
            let number = u32::try_from(number).ok().filter(|_| byte != 0)?;
            return Some((number, &bytes[index + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_are_read_back(number in any::<u32>(), shift in 0..32_u32) {
            let number = number >> shift;
            let mut bytes = [0xff; VARINT_BYTES_MAX + 1];
            let end = encode(&mut bytes, 0, number);
            prop_assert_eq!(end, length(number));
            prop_assert_eq!(split(&bytes[..end + 1]), Some((number, &[0xff][..])));
            prop_assert_eq!(split(&bytes[..end - 1]), None);
        }
    }

    #[test]
    fn numbers_that_are_too_large_or_too_long_are_refused() {
        assert_eq!(split(&[0xff, 0xff, 0xff, 0xff, 0x0f]), Some((u32::MAX, &[][..])));
        for bytes in [
            &[0xff, 0xff, 0xff, 0xff, 0x1f][..],
            &[0x80; 6],
            &[0x80, 0x80, 0x80, 0x80, 0x80, 1],
            &[0x85, 0],
            &[],
        ] {
            assert_eq!(split(bytes), None, "{bytes:?}");
        }
    }
}
