//! Records read, updated and scanned by keys of some popularity, after YCSB (Cooper et al., "Benchmarking cloud serving
//! systems with YCSB", SoCC 2010), in transactions of one operation or more.
//!
//! | preset | operations | keys |
//! | --- | --- | --- |
//! | `a` | half reads, half updates | Zipf 0.99 |
//! | `b` | 95 % reads, 5 % updates | Zipf 0.99 |
//! | `c` | reads | Zipf 0.99 |
//! | `d` | 95 % reads, 5 % inserts | the latest |
//! | `e` | 95 % scans of 1 to 100 records, 5 % inserts | Zipf 0.99 |
//! | `f` | half reads, half read-modify-writes | Zipf 0.99 |
//! | `t` | ten a transaction, half reads, half read-modify-writes | Zipf 0.9 |
//! | `contention` | ten read-modify-writes a transaction, some of hot records | some of 10 hot ones, else uniform |
//!
//! The first six have one operation a transaction, as in the paper; `t` is what research papers on concurrency control
//! run under the name of YCSB; the last is the microbenchmark of "Calvin" (Thomson et al., SIGMOD 2012).
//!
//! A value says which key it belongs to, how often it was updated, and is filled with what follows from both. So a torn
//! value, one at the wrong key, or a lost update is found: each value when it is read, all of them at the end, and the
//! sum of all updates must be the number of read-modify-writes that were acknowledged.

mod check;
mod items;
mod preset;
mod transaction;
mod values;

pub use items::Popularity;
pub use preset::Preset;
pub use transaction::{Action, Operation, Transaction};

use super::rules::within;
use super::{Generator, Job, Past, Rules, TakeRow, Workload};
use crate::error::Result;
use crate::random::Random;
use crate::target::Client;
use items::Items;
use std::ops::Range;
use std::sync::atomic::Ordering;

/// The one table.
pub(super) const TABLES: &[&str] = &["usertable"];
/// Shorter keys and values have no room for what is checked.
pub const KEY_BYTES_MIN: usize = 8;
/// Longer keys aren't needed by any experiment.
pub const KEY_BYTES_MAX: usize = 256;
/// Room for the key and the number of updates.
pub const VALUE_BYTES_MIN: usize = 16;
/// Longer values are an experiment on something else.
pub const VALUE_BYTES_MAX: usize = 1 << 20;
/// The most operations of a transaction.
pub const OPERATIONS_MAX: usize = 1_000;
/// The most records.
pub const RECORDS_MAX: u64 = 1 << 32;

/// How many of a hundred operations are of a kind; what is left of the hundred are scans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mix {
    /// Reads of one record.
    pub read: u8,
    /// Writes of a record that wasn't read.
    pub update: u8,
    /// Reads of a record, and a write that follows from what was read.
    pub read_modify_write: u8,
    /// New records.
    pub insert: u8,
}

impl Mix {
    /// Scans.
    pub fn scan(self) -> u8 {
        100u8.saturating_sub(self.read + self.update + self.read_modify_write + self.insert)
    }

    fn action(self, random: &mut Random, scan_max: u16) -> Action {
        let mut left = random.below(100) as u8;
        let mut is_of = |share: u8| {
            let is_it = left < share;
            left = left.wrapping_sub(share);
            is_it
        };
        match () {
            () if is_of(self.read) => Action::Read,
            () if is_of(self.update) => Action::Update,
            () if is_of(self.read_modify_write) => Action::ReadModifyWrite,
            () if is_of(self.insert) => Action::Insert,
            () => Action::Scan(random.between(1, u64::from(scan_max)) as u16),
        }
    }
}

/// All settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// What they began with.
    pub preset: Preset,
    /// Records at first.
    pub records: u64,
    /// Bytes of a key.
    pub key_bytes: usize,
    /// Bytes of a value.
    pub value_bytes: usize,
    /// Operations of a transaction.
    pub operations: usize,
    /// Which ones.
    pub mix: Mix,
    /// On which records.
    pub popularity: Popularity,
    /// The most records of a scan.
    pub scan_max: u16,
    /// Whether a transaction asks for one key after the other, as it has to where it doesn't know them all at first. Else
    /// those that it reads are handed over together, if it reads before all else.
    pub one_by_one: bool,
}

impl Settings {
    fn check(&self) -> Result<()> {
        within("records", self.records, 1..=RECORDS_MAX)?;
        within("the bytes of a key", self.key_bytes, KEY_BYTES_MIN..=KEY_BYTES_MAX)?;
        within("the bytes of a value", self.value_bytes, VALUE_BYTES_MIN..=VALUE_BYTES_MAX)?;
        within("operations a transaction", self.operations, 1..=OPERATIONS_MAX)?;
        within("records of a scan", self.scan_max, 1..=u16::MAX)?;
        let Mix { read, update, read_modify_write, insert } = self.mix;
        let shares = [read, update, read_modify_write, insert].map(u64::from).iter().sum();
        within("the shares of all operations together", shares, 0..=100)?;
        self.popularity.check(self.records, self.operations)
    }
}

/// The workload.
#[derive(Debug)]
pub struct Ycsb {
    settings: Settings,
    items: Items,
}

impl Ycsb {
    /// One with these settings. Up to a second, for drawing keys ahead.
    ///
    /// # Errors
    ///
    /// If a setting is out of its range.
    pub fn new(settings: Settings) -> Result<Ycsb> {
        settings.check()?;
        let items = Items::new(settings.records, settings.popularity);
        Ok(Ycsb { settings, items })
    }
}

impl Workload for Ycsb {
    fn name(&self) -> String {
        match self.settings.preset {
            Preset::Contention => "contention".to_string(),
            preset => format!("ycsb-{preset}"),
        }
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        let Settings { records, key_bytes, value_bytes, mix, popularity, scan_max, one_by_one, .. } =
            &self.settings;
        let mut operations = vec![("operations a transaction", self.settings.operations.to_string())];
        let mut share = |name, share: u8| {
            if share > 0 {
                operations.push((name, format!("{share} %")));
            }
        };
        share("reads", mix.read);
        share("updates", mix.update);
        share("read-modify-writes", mix.read_modify_write);
        share("inserts", mix.insert);
        share("scans", mix.scan());
        if mix.scan() > 0 {
            operations.push(("records a scan", format!("1 to {scan_max}")));
        }
        if self.settings.operations > 1 {
            let how = if *one_by_one { "one by one" } else { "together" };
            operations.push(("keys to be read are handed over", how.to_string()));
        }
        let mut settings = vec![
            ("records", records.to_string()),
            ("bytes of a key", key_bytes.to_string()),
            ("bytes of a value", value_bytes.to_string()),
            ("popularity", popularity.to_string()),
        ];
        settings.append(&mut operations);
        settings
    }

    fn tables(&self) -> &'static [&'static str] {
        TABLES
    }

    fn rows(&self) -> u64 {
        self.settings.records
    }

    fn lookups(&self) -> f64 {
        self.settings.operations as f64
    }

    fn load(&self, numbers: Range<u64>, row: &mut TakeRow<'_>) {
        let (mut key, mut value) = (Vec::new(), Vec::new());
        for slot in numbers {
            let number = items::key_of_slot(slot);
            transaction::encode_key(number, self.settings.key_bytes, &mut key);
            values::fill(number, 0, self.settings.value_bytes, &mut value);
            row(0, &key, &value);
        }
    }

    fn generator<'p>(&'p self, past: &'p Past, seed: u64) -> Box<dyn Generator + 'p> {
        let mut random = Random::new(seed, 0);
        let place = random.next_u64() as usize;
        Box::new(Draws { workload: self, past, random, place })
    }

    fn check(&self, client: &mut dyn Client, past: &Past) -> Result<Rules> {
        check::check(&self.settings, client, past)
    }
}

/// The jobs of a client.
struct Draws<'p> {
    workload: &'p Ycsb,
    past: &'p Past,
    random: Random,
    /// In the keys that were drawn ahead.
    place: usize,
}

impl Draws<'_> {
    fn operation(&mut self, nth: usize, earlier: &[Operation]) -> Operation {
        let Ycsb { settings, items } = self.workload;
        let action = settings.mix.action(&mut self.random, settings.scan_max);
        let inserted = &self.past.counter;
        let key = match action {
            // Relaxed: what is wanted is only that no number is given twice.
            Action::Insert => items.key_of(settings.records + inserted.fetch_add(1, Ordering::Relaxed)),
            // Relaxed: a record that isn't there yet is not missed.
            _ => {
                let newest = settings.records + inserted.load(Ordering::Relaxed);
                items.draw(&mut self.random, &mut self.place, newest, nth, |key| {
                    earlier.iter().any(|operation| operation.key == key)
                })
            }
        };
        Operation { action, key }
    }
}

impl Generator for Draws<'_> {
    fn next(&mut self) -> Job {
        let Settings { operations, key_bytes, value_bytes, popularity, one_by_one, .. } =
            self.workload.settings;
        let mut drawn = transaction::Operations::new();
        for nth in 0..operations {
            let operation = self.operation(nth, &drawn);
            drawn.push(operation);
        }
        if popularity.is_ordered() {
            self.random.shuffle(&mut drawn);
        }
        let stamp = self.random.next_u64();
        Job::Ycsb(Transaction {
            key_bytes: key_bytes as u16,
            value_bytes: value_bytes as u32,
            stamp,
            one_by_one,
            operations: drawn,
        })
    }
}
