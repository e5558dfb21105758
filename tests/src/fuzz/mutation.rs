//! New inputs of old ones: bits flipped, numbers replaced, parts cut, doubled and spliced.

use crate::random::Random;

/// Numbers that programs get wrong.
const NUMBERS: [u64; 14] = [
    0,
    1,
    0x7f,
    0x80,
    0xff,
    0x100,
    0xffff,
    0x7fff_ffff,
    0xffff_ffff,
    1 << 32,
    (1 << 62) - 1,
    1 << 62,
    i64::MAX as u64,
    u64::MAX,
];

/// Changes are made to parts of up to so many bytes.
const PART_BYTES_MAX: u64 = 64;

/// Makes an input of one or two others.
pub fn mutate(random: &mut Random, inputs: &[Vec<u8>]) -> Vec<u8> {
    let mut input = random.pick(inputs).clone();
    for _ in 0..=random.below(3) {
        change(random, &mut input, inputs);
    }
    input
}

fn change(random: &mut Random, input: &mut Vec<u8>, inputs: &[Vec<u8>]) {
    let at = place(random, input);
    match random.below(9) {
        0 | 1 if at < input.len() => input[at] ^= 1 << random.below(8),
        2 if at < input.len() => input[at] = random.draw() as u8,
        3 | 4 => overwrite(random, input, at),
        5 => drop(input.drain(part(random, at, input.len()))),
        6 => {
            let part = input[part(random, at, input.len())].to_vec();
            let to = place(random, input);
            input.splice(to..to, part);
        }
        7 => {
            let other = random.pick(inputs);
            let from = place(random, other);
            let length =
                if random.below(2) == 0 { other.len() } else { part(random, from, other.len()).len() };
            let new = &other[from..(from + length).min(other.len())];
            let end = if random.below(2) == 0 { input.len() } else { (at + new.len()).min(input.len()) };
            input.splice(at..end, new.iter().copied());
        }
        _ => input.truncate(at),
    }
}

/// A place in an input; most often where there is something else than zeros, or just behind.
fn place(random: &mut Random, input: &[u8]) -> usize {
    let filled = input.iter().filter(|byte| **byte != 0).count() as u64;
    if filled == 0 || random.below(4) == 0 {
        return random.below(input.len() as u64 + 1) as usize;
    }
    let wanted = random.below(filled) as usize;
    let mut places = (0..input.len()).filter(|place| input[*place] != 0);
    places.nth(wanted).map_or(input.len(), |place| (place + random.below(3) as usize).min(input.len()))
}

fn part(random: &mut Random, at: usize, length: usize) -> std::ops::Range<usize> {
    at..(at + 1 + random.below(PART_BYTES_MAX) as usize).min(length)
}

/// Replaces one, two, four or eight bytes by a number, or a number by one that is a little larger or smaller.
fn overwrite(random: &mut Random, input: &mut [u8], at: usize) {
    let bytes = 1 << random.below(4);
    let mut number = *random.pick(&NUMBERS);
    if random.below(2) == 0 {
        let old =
            input.iter().skip(at).take(bytes).rev().fold(0, |number, byte| number << 8 | u64::from(*byte));
        number = old.wrapping_add(random.below(5)).wrapping_sub(2);
    }
    for (byte, new) in input.iter_mut().skip(at).take(bytes).zip(number.to_le_bytes()) {
        *byte = new;
    }
}
