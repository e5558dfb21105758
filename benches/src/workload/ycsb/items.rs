//! Which records are touched, and under which keys they lie.
//!
//! Items are numbered by popularity. Were number and key the same, the popular ones would be neighbours and share cache
//! lines, which flatters every index; so they are scattered over the slots, and each slot has a key, with room behind it
//! for items that are inserted later:
//!
//! ```text
//!   item    0        1        2   …   records-1 │ records, records+1, …: inserted
//!           └ scatter ┐                          │ └ scatter: behind the slot of some item of the first ones
//!   slot    0    1    2    3   …                 │
//!   key     0<<24     2<<24 …                    │ slot<<24 | 1, slot<<24 | 2, …
//! ```

use crate::error::{Error, Result};
use crate::random::Random;
use crate::workload::popular::{Ranks, Scatter};
use std::fmt;

/// Bits of a key behind its slot.
const ROOM_BITS: u32 = 24;
/// How often a key is drawn at most until it is one that the transaction doesn't have.
const DRAWS_MAX: usize = 100;

/// How likely a record is to be touched.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Popularity {
    /// By Zipf's law with this exponent, from 0 to 2; at 0 all records are alike.
    Zipf(f64),
    /// The newer the likelier, by Zipf's law with this exponent.
    Latest(f64),
    /// So many percent of the records, and so many percent of the operations that go there.
    Hotspot {
        /// Of the records.
        records_percent: f64,
        /// Of the operations.
        operations_percent: u8,
    },
    /// So many records are hot, and so many operations of each transaction are on them. No record is touched twice.
    Hot {
        /// Hot records.
        records: u64,
        /// Operations of each transaction on them.
        operations: usize,
    },
}

impl Popularity {
    pub(super) fn check(self, records: u64, operations: usize) -> Result<()> {
        let problem = match self {
            Popularity::Zipf(theta) | Popularity::Latest(theta) if !(0.0..=2.0).contains(&theta) => {
                format!("theta must be 0 to 2, not {theta}")
            }
            Popularity::Hotspot { records_percent, operations_percent }
                if !(records_percent > 0.0 && records_percent <= 100.0) || operations_percent > 100 =>
            {
                "a hotspot has more than 0 and up to 100 percent of the records, and 0 to 100 of the operations".into()
            }
            Popularity::Hot { records: hot, operations: of_them }
                if hot == 0 || hot > records / 2 || of_them > operations || of_them as u64 > hot =>
            {
                format!(
                    "hot records must be 1 to {} (half of all), and operations on them at most as many, and at most \
                     {operations}",
                    records / 2
                )
            }
            _ => return Ok(()),
        };
        Err(Error::Settings(problem))
    }

    /// Whether the place in a transaction decides what is drawn for it.
    pub(super) fn is_ordered(self) -> bool {
        matches!(self, Popularity::Hot { .. })
    }
}

impl fmt::Display for Popularity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Popularity::Zipf(0.0) => write!(f, "uniform"),
            Popularity::Zipf(theta) => write!(f, "Zipf {theta}"),
            Popularity::Latest(theta) => write!(f, "the latest, Zipf {theta}"),
            Popularity::Hotspot { records_percent, operations_percent } => {
                write!(f, "{operations_percent} % of operations on {records_percent} % of records")
            }
            Popularity::Hot { records, operations } => {
                write!(f, "{operations} operations on {records} hot records, else uniform")
            }
        }
    }
}

/// The key of a slot.
pub(super) fn key_of_slot(slot: u64) -> u64 {
    slot << ROOM_BITS
}

/// Whether the record with this key was inserted after the load: then it may not be there yet.
pub(super) fn may_be_missing(key: u64) -> bool {
    key & ((1 << ROOM_BITS) - 1) != 0
}

/// The items of a table.
#[derive(Debug)]
pub(super) struct Items {
    records: u64,
    scatter: Scatter,
    popularity: Popularity,
    ranks: Ranks,
}

impl Items {
    pub(super) fn new(records: u64, popularity: Popularity) -> Items {
        let theta = match popularity {
            Popularity::Zipf(theta) | Popularity::Latest(theta) => theta,
            Popularity::Hotspot { .. } | Popularity::Hot { .. } => 0.0,
        };
        Items { records, scatter: Scatter::new(records), popularity, ranks: Ranks::new(records, theta) }
    }

    /// The key of an item.
    pub(super) fn key_of(&self, item: u64) -> u64 {
        let (round, place) = (item / self.records, item % self.records);
        let slot = self.scatter.place(place);
        key_of_slot(slot) | round
    }

    /// Draws the key for the `nth` operation of a transaction, where items below `newest` are there.
    pub(super) fn draw(
        &self,
        random: &mut Random,
        place: &mut usize,
        newest: u64,
        nth: usize,
        is_taken: impl Fn(u64) -> bool,
    ) -> u64 {
        match self.popularity {
            Popularity::Zipf(_) => self.key_of(self.ranks.draw(random, place)),
            Popularity::Latest(_) => self.key_of(newest - 1 - self.ranks.draw(random, place)),
            Popularity::Hotspot { records_percent, operations_percent } => {
                let hot = ((self.records as f64 * records_percent / 100.0) as u64).clamp(1, self.records);
                let item = match random.percent(u64::from(operations_percent)) || hot == self.records {
                    true => random.below(hot),
                    false => random.between(hot, self.records - 1),
                };
                self.key_of(item)
            }
            Popularity::Hot { records: hot, operations } => {
                let mut draw = || match nth < operations {
                    true => self.key_of(random.below(hot)),
                    false => self.key_of(random.between(hot, self.records - 1)),
                };
                // With very few records there may be no other key.
                let other = (0..DRAWS_MAX).map(|_| draw()).find(|key| !is_taken(*key));
                other.unwrap_or_else(draw)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_item_has_a_key_of_its_own_and_loaded_ones_fill_the_slots() {
        for records in [1, 2, 3, 10, 97, 1_000] {
            let items = Items::new(records, Popularity::Zipf(0.0));
            let loaded: BTreeSet<u64> = (0..records).map(|item| items.key_of(item)).collect();
            assert_eq!(loaded, (0..records).map(key_of_slot).collect());
            assert!(loaded.iter().all(|key| !may_be_missing(*key)));
            let inserted: BTreeSet<u64> = (records..records * 4).map(|item| items.key_of(item)).collect();
            assert_eq!(inserted.len() as u64, records * 3);
            assert!(inserted.iter().all(|key| may_be_missing(*key)));
        }
    }

    #[test]
    fn popular_items_are_not_neighbours() {
        let items = Items::new(1_000_000, Popularity::Zipf(0.9));
        let slots: Vec<u64> = (0..100).map(|item| items.key_of(item) >> ROOM_BITS).collect();
        let nearest =
            slots.iter().flat_map(|a| slots.iter().map(|b| a.abs_diff(*b))).filter(|far| *far > 0).min();
        assert!(nearest.is_some_and(|far| far > 1_000), "{nearest:?}");
    }

    fn drawn(popularity: Popularity, records: u64, newest: u64) -> Vec<u64> {
        let (items, mut random, mut place) = (Items::new(records, popularity), Random::new(1, 0), 0);
        (0..20_000).map(|nth| items.draw(&mut random, &mut place, newest, nth % 4, |_| false)).collect()
    }

    #[test]
    fn the_popularity_is_the_one_that_was_asked_for() {
        let of = |keys: &[u64], wanted: &[u64]| keys.iter().filter(|key| wanted.contains(key)).count();
        let items = Items::new(1_000, Popularity::Zipf(0.0));
        let hottest: Vec<u64> = (0..10).map(|item| items.key_of(item)).collect();
        let uniform = of(&drawn(Popularity::Zipf(0.0), 1_000, 1_000), &hottest);
        assert!((100..320).contains(&uniform), "{uniform}");
        // The first ten of a thousand by Zipf 0.99 get 38 percent.
        let zipf = of(&drawn(Popularity::Zipf(0.99), 1_000, 1_000), &hottest);
        assert!((7_200..8_000).contains(&zipf), "{zipf}");
        let hotspot = Popularity::Hotspot { records_percent: 1.0, operations_percent: 80 };
        let hotspot = of(&drawn(hotspot, 1_000, 1_000), &hottest);
        assert!((15_700..16_300).contains(&hotspot), "{hotspot}");
        let hot = of(&drawn(Popularity::Hot { records: 10, operations: 1 }, 1_000, 1_000), &hottest);
        assert_eq!(hot, 5_000, "one of four");
        let newest: Vec<u64> = (1_490..1_500).map(|item| items.key_of(item)).collect();
        let latest = of(&drawn(Popularity::Latest(0.99), 1_000, 1_500), &newest);
        assert!((7_200..8_000).contains(&latest), "{latest}");
    }

    #[test]
    fn no_transaction_has_a_hot_record_twice() {
        let (items, mut random, mut place) =
            (Items::new(100, Popularity::Hot { records: 3, operations: 3 }), Random::new(2, 0), 0);
        for _ in 0..1_000 {
            let mut keys = Vec::new();
            for nth in 0..10 {
                let key = items.draw(&mut random, &mut place, 100, nth, |key| keys.contains(&key));
                keys.push(key);
            }
            assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), 10);
        }
    }
}
