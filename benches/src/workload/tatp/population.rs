//! What there is at first.
//!
//! By the specification a subscriber has one to four records of access, each count as likely as the others, and so with
//! facilities; a facility has none to three forwardings. Here these counts are dealt out, not drawn: of eight subscribers
//! that follow one another two have one record, two have two, and so on, in an order that is shuffled for each eight. So
//! the shares are what they should be, and how many rows there are and which row has which number is known beforehand:
//!
//! ```text
//!   subscribers   1 … 8    9 … 16   17 … 24   …
//!   access            20       20        20        the same for facilities
//!   forwardings       30       30        30        five of the 20 facilities have none, five one, five two, five three
//! ```

use super::rows::{
    DIGITS, KINDS, START_HOURS, access_row, digits_of, facility_row, forwarding_key, forwarding_row,
    kind_key, subscriber_key, subscriber_row,
};
use super::{ACCESS, FACILITY, FORWARDING, NUMBER, SUBSCRIBER, TABLES};
use crate::random::Random;
use crate::workload::TakeRow;
use std::ops::Range;

/// Subscribers among whom counts are dealt out.
const BLOCK: usize = 8;
/// Rows of each table for that many.
const BLOCK_ROWS: [u64; TABLES.len()] = [8, 20, 20, 30, 8];
/// For which counts the subscribers have.
const SEED: u64 = 0x7A79;

/// What eight subscribers have, as bits: the types of their accesses and facilities, and the start hours of the
/// forwardings of each facility.
struct Block {
    first: u32,
    access: [u8; BLOCK],
    facilities: [u8; BLOCK],
    forwardings: [[u8; KINDS as usize]; BLOCK],
}

/// `count` of the lowest `of` bits.
fn choose(count: usize, of: usize, random: &mut Random) -> u8 {
    let mut bits = [0, 1, 2, 3];
    random.shuffle(&mut bits[..of]);
    bits[..count].iter().fold(0, |all, bit| all | 1 << bit)
}

fn is_set(bits: u8, bit: usize) -> bool {
    bits & (1 << bit) != 0
}

impl Block {
    fn new(number: u64) -> Block {
        let mut random = Random::new(SEED, number);
        let mut deal = || {
            let mut counts: [usize; BLOCK] = std::array::from_fn(|place| place % 4 + 1);
            random.shuffle(&mut counts);
            counts.map(|count| choose(count, 4, &mut random))
        };
        let (access, facilities) = (deal(), deal());
        let mut counts: [usize; 20] = std::array::from_fn(|place| place % 4);
        random.shuffle(&mut counts);
        let (mut counts, mut forwardings) = (counts.into_iter(), [[0; KINDS as usize]; BLOCK]);
        for (facilities, forwardings) in facilities.iter().zip(&mut forwardings) {
            for kind in (0..KINDS as usize).filter(|kind| is_set(*facilities, *kind)) {
                forwardings[kind] = choose(counts.next().unwrap_or(0), START_HOURS.len(), &mut random);
            }
        }
        Block { first: number as u32 * BLOCK as u32 + 1, access, facilities, forwardings }
    }

    /// Visits the rows of a table, in order: whose they are, and their type and start hour, where they have them.
    fn visit(&self, table: usize, each: &mut dyn FnMut(u32, u8, u8)) {
        for place in 0..BLOCK {
            let subscriber = self.first + place as u32;
            if table == SUBSCRIBER || table == NUMBER {
                each(subscriber, 0, 0);
                continue;
            }
            let kinds = if table == ACCESS { self.access[place] } else { self.facilities[place] };
            for kind in (0..KINDS as usize).filter(|kind| is_set(kinds, *kind)) {
                let kind_number = kind as u8 + 1;
                if table != FORWARDING {
                    each(subscriber, kind_number, 0);
                    continue;
                }
                let forwardings = self.forwardings[place][kind];
                let hours = START_HOURS.iter().enumerate();
                hours
                    .filter(|(bit, _)| is_set(forwardings, *bit))
                    .for_each(|(_, hour)| each(subscriber, kind_number, *hour));
            }
        }
    }
}

/// What there is at first.
#[derive(Debug)]
pub(super) struct Population {
    /// How many subscribers.
    pub(super) subscribers: u32,
    /// How many rows of each table.
    pub(super) rows: [u64; TABLES.len()],
}

impl Population {
    pub(super) fn new(subscribers: u32) -> Population {
        let blocks = u64::from(subscribers) / BLOCK as u64;
        let mut rows = BLOCK_ROWS.map(|rows| rows * blocks);
        let last = Block::new(blocks);
        for (table, rows) in rows.iter_mut().enumerate() {
            last.visit(table, &mut |subscriber, _, _| *rows += u64::from(subscriber <= subscribers));
        }
        Population { subscribers, rows }
    }

    /// Hands out the rows with these numbers, in the order of tables and keys.
    pub(super) fn load(&self, numbers: Range<u64>, row: &mut TakeRow<'_>) {
        let mut first = 0;
        for (table, rows) in self.rows.iter().enumerate() {
            let from = numbers.start.clamp(first, first + rows) - first;
            let to = numbers.end.clamp(first, first + rows) - first;
            load_table(table, from..to, row);
            first += rows;
        }
    }
}

fn load_table(table: usize, numbers: Range<u64>, row: &mut TakeRow<'_>) {
    if numbers.is_empty() {
        return;
    }
    let per_block = BLOCK_ROWS[table];
    for block in numbers.start / per_block..numbers.end.div_ceil(per_block) {
        let mut number = block * per_block;
        Block::new(block).visit(table, &mut |subscriber, kind, start_hour| {
            if numbers.contains(&number) {
                hand_out(table, subscriber, kind, start_hour, row);
            }
            number += 1;
        });
    }
}

fn hand_out(table: usize, subscriber: u32, kind: u8, start_hour: u8, row: &mut TakeRow<'_>) {
    // A stream for each row, apart from those of other tables and of the counts.
    let place = (u64::from(subscriber) << 16) | (u64::from(kind) << 8) | u64::from(start_hour);
    let random = &mut Random::new(SEED + 1 + table as u64, place);
    match table {
        SUBSCRIBER => row(table, &subscriber_key(subscriber), &subscriber_row(subscriber, random)),
        ACCESS => row(table, &kind_key(subscriber, kind), &access_row(random)),
        FACILITY => row(table, &kind_key(subscriber, kind), &facility_row(random)),
        FORWARDING => {
            let end_hour = start_hour + random.between(1, 8) as u8;
            // Any number will do: nobody follows it.
            let to = random.between(1, u64::from(u32::MAX)) as u32;
            row(table, &forwarding_key(subscriber, kind, start_hour), &forwarding_row(end_hour, to));
        }
        _ => {
            let digits: [u8; DIGITS] = digits_of(subscriber);
            row(table, &digits, &subscriber_key(subscriber));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(population: &Population, numbers: Range<u64>) -> Vec<(usize, Vec<u8>, Vec<u8>)> {
        let mut rows = Vec::new();
        population.load(numbers, &mut |table, key, value| rows.push((table, key.to_vec(), value.to_vec())));
        rows
    }

    #[test]
    fn rows_have_numbers_and_come_in_order_however_they_are_cut() {
        for subscribers in [1, 7, 8, 9, 100] {
            let population = Population::new(subscribers);
            let count: u64 = population.rows.iter().sum();
            let rows = all(&population, 0..count);
            assert_eq!(rows.len() as u64, count);
            assert!(rows.is_sorted_by(|one, next| (one.0, &one.1) < (next.0, &next.1)));
            for cut in 0..=count {
                let parts = [all(&population, 0..cut), all(&population, cut..count)].concat();
                assert_eq!(parts, rows, "cut at {cut}");
            }
            let (counted, numbers) = (population.rows, [SUBSCRIBER, NUMBER]);
            assert!(numbers.iter().all(|table| counted[*table] == u64::from(subscribers)));
        }
    }

    #[test]
    fn counts_and_times_are_as_specified() {
        let population = Population::new(8_000);
        assert_eq!(population.rows, [8_000, 20_000, 20_000, 30_000, 8_000]);
        let rows = all(&population, 0..86_000);
        let of = |table: usize| rows.iter().filter(move |row| row.0 == table);
        for table in [ACCESS, FACILITY] {
            let mut counts = [0; 8_001];
            of(table).for_each(|(_, key, _)| {
                counts[u32::from_be_bytes([key[0], key[1], key[2], key[3]]) as usize] += 1;
            });
            for count in 1..=4 {
                assert_eq!(counts.iter().filter(|has| **has == count).count(), 2_000);
            }
            for kind in 1..=4 {
                let with = of(table).filter(|row| row.1[4] == kind).count();
                assert!((4_800..5_200).contains(&with), "{with} of type {kind}");
            }
        }
        let active = of(FACILITY).filter(|row| row.2[0] == 1).count();
        assert!((16_800..17_200).contains(&active), "{active} of 20,000 are active");
        for hour in START_HOURS {
            let at = of(FORWARDING).filter(|row| row.1[5] == hour).count();
            assert!((9_700..10_300).contains(&at), "{at} of 30,000 begin at {hour}");
        }
        let is_within = |key: &[u8], value: &[u8]| (key[5] + 1..=key[5] + 8).contains(&value[0]);
        assert!(of(FORWARDING).all(|(_, key, value)| is_within(key, value)));
    }
}
