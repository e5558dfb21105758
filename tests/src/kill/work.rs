//! What transactions do: each a transfer between accounts, some changes of items and their index, or both, and its
//! name in the ledger.

use std::collections::BTreeMap;
use std::ops::Range;

use synod::{Compression, Durability, Engine, Error, Options, Table, Transaction};
use synod_bench::random::Random;

use crate::campaign::model::Records;

/// The threads of the load.
pub const THREADS: u64 = 4;

/// The number of accounts; few, so that the threads get into each other's way.
const ACCOUNTS: u64 = 12;

/// What each account holds at first.
const OPENING: i64 = 1000;

/// The keys of a thread's items.
const ITEMS: u64 = 150;

/// The most that a value has behind its label.
const FILLING_BYTES_MAX: u64 = 1500;

/// Segments are left soon, and checkpoints taken often, so that kills strike both.
const SEGMENT_BYTES: u64 = 32 << 10;
const CHECKPOINT_LOG_BYTES: u64 = 64 << 10;

/// The names of the tables.
const ACCOUNT_TABLE: &str = "accounts";
const ITEM_TABLE: &str = "items";
const INDEX_TABLE: &str = "items by label";
const LEDGER_TABLE: &str = "ledger";
const EPOCH_TABLE: &str = "epoch";
const VOLATILE_TABLE: &str = "volatile";

/// The key of the number of the epoch.
const EPOCH_KEY: &str = "epoch";

/// The keys that commits without durability write to, always both.
const VOLATILE_KEYS: [&str; 2] = ["left", "right"];

/// How the databases of a campaign are opened.
pub fn options(life: u64) -> Options {
    let compression = if life.is_multiple_of(2) { Compression::None } else { Compression::Lz4 };
    Options::new()
        .log_segment_bytes(SEGMENT_BYTES)
        .checkpoint_log_bytes(CHECKPOINT_LOG_BYTES)
        .compression(compression)
}

/// A transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// Which start of the process.
    pub life: u64,
    /// Which of its threads.
    pub thread: u64,
    /// How many the thread has committed before.
    pub number: u64,
}

impl Name {
    fn key(self) -> Vec<u8> {
        [self.life, self.thread, self.number].map(u64::to_be_bytes).concat()
    }

    /// The name that is a key of the ledger.
    pub fn of_key(key: &[u8]) -> Option<Name> {
        let (fields, []) = key.as_chunks() else { return None };
        let &[life, thread, number] = fields else { return None };
        let [life, thread, number] = [life, thread, number].map(u64::from_be_bytes);
        Some(Name { life, thread, number })
    }
}

/// The random numbers that decide what the transaction of a name does.
pub fn stream(seed: u64, name: Name) -> Random {
    Random::new(seed.wrapping_mul(1 << 32) + name.life * THREADS + name.thread, name.number)
}

/// A change of a thread's items.
#[derive(Clone, Debug)]
enum Change {
    Put(Vec<u8>, Vec<u8>),
    Delete(Vec<u8>),
    DeleteRange(Range<Vec<u8>>),
}

/// Money that goes from one account to another.
#[derive(Clone, Copy, Debug)]
struct Transfer {
    from: u64,
    to: u64,
    amount: i64,
}

/// What a transaction does.
#[derive(Clone, Debug)]
pub struct Job {
    name: Name,
    /// The level at which it is committed.
    pub level: Durability,
    transfer: Option<Transfer>,
    changes: Vec<Change>,
}

impl Job {
    /// What the transaction of this name does.
    pub fn new(seed: u64, name: Name) -> Job {
        let mut random = stream(seed, name);
        let level = match random.below(10) {
            0..2 => Durability::Sync,
            2..5 => Durability::Group,
            _ => Durability::Buffered,
        };
        let transfer = random.percent(60).then(|| Transfer::random(&mut random));
        let fewest = u64::from(transfer.is_none());
        let count = random.between(fewest, 4);
        let changes = (0..count).map(|_| Change::random(name.thread, &mut random)).collect();
        Job { name, level, transfer, changes }
    }
}

impl Transfer {
    fn random(random: &mut Random) -> Transfer {
        let (from, step) = (random.below(ACCOUNTS), random.between(1, ACCOUNTS - 1));
        Transfer { from, to: (from + step) % ACCOUNTS, amount: random.between(1, 50) as i64 }
    }

    /// The two accounts, and what is added to them.
    fn sides(self) -> [(u64, i64); 2] {
        [(self.from, -self.amount), (self.to, self.amount)]
    }
}

impl Change {
    fn random(thread: u64, random: &mut Random) -> Change {
        let number = random.below(ITEMS);
        let key = item_key(thread, number);
        match random.below(20) {
            0..13 => Change::Put(key, value(random)),
            13..19 => Change::Delete(key),
            _ => Change::DeleteRange(key..item_key(thread, number + random.below(ITEMS / 5))),
        }
    }
}

/// The items of each thread are its own, so that the order of its commits decides what becomes of them.
fn item_key(thread: u64, number: u64) -> Vec<u8> {
    format!("{thread}/{number:04}").into_bytes()
}

/// A label, by which the item is indexed, and some filling.
fn value(random: &mut Random) -> Vec<u8> {
    let label = random.below(1000).to_be_bytes();
    let filling = if random.percent(10) { random.below(FILLING_BYTES_MAX) } else { random.below(60) };
    label.into_iter().chain((0..filling).map(|index| label[7].wrapping_add(index as u8))).collect()
}

/// Where an item stands in the index: its label, and its key.
fn index_key(key: &[u8], value: &[u8]) -> Vec<u8> {
    [&value[..8], key].concat()
}

/// The tables of a campaign's database.
#[derive(Debug)]
pub struct Tables {
    accounts: Table,
    items: Table,
    index: Table,
    ledger: Table,
    epoch: Table,
    volatile: Table,
}

impl Tables {
    /// Creates them, or finds them.
    ///
    /// # Errors
    /// If the engine fails.
    pub fn open(engine: &Engine) -> Result<Tables, Error> {
        Ok(Tables {
            accounts: engine.table(ACCOUNT_TABLE)?,
            items: engine.table(ITEM_TABLE)?,
            index: engine.table(INDEX_TABLE)?,
            ledger: engine.table(LEDGER_TABLE)?,
            epoch: engine.table(EPOCH_TABLE)?,
            volatile: engine.table(VOLATILE_TABLE)?,
        })
    }

    /// Does a job in a transaction.
    ///
    /// # Errors
    /// If the engine fails, or aborts the transaction.
    pub fn carry_out(&self, txn: &Transaction, job: &Job) -> Result<(), Error> {
        for (account, change) in job.transfer.into_iter().flat_map(Transfer::sides) {
            let old = txn.get_for_update(&self.accounts, account.to_be_bytes())?;
            let balance = old.map_or(OPENING, |old| balance(&old));
            txn.put(&self.accounts, account.to_be_bytes(), (balance + change).to_be_bytes())?;
        }
        job.changes.iter().try_for_each(|change| self.change(txn, change))?;
        txn.insert(&self.ledger, job.name.key(), job.level.to_string())
    }

    fn change(&self, txn: &Transaction, change: &Change) -> Result<(), Error> {
        match change {
            Change::Put(key, value) => {
                if let Some(old) = txn.get_for_update(&self.items, key)? {
                    txn.delete(&self.index, index_key(key, &old))?;
                }
                txn.put(&self.items, key, value)?;
                txn.put(&self.index, index_key(key, value), "")
            }
            Change::Delete(key) => {
                if let Some(old) = txn.get_for_update(&self.items, key)? {
                    txn.delete(&self.index, index_key(key, &old))?;
                }
                txn.delete(&self.items, key).map(|_| ())
            }
            Change::DeleteRange(range) => {
                let range = range.start.as_slice()..range.end.as_slice();
                let found: Vec<_> = txn.scan(&self.items, range.clone()).collect::<Result<_, _>>()?;
                for (key, value) in found {
                    txn.delete(&self.index, index_key(&key, &value))?;
                }
                txn.delete_range(&self.items, range).map(|_| ())
            }
        }
    }

    /// Writes a number to two keys.
    ///
    /// # Errors
    /// If the engine fails, or aborts the transaction.
    pub fn write_volatile(&self, txn: &Transaction, number: u64) -> Result<(), Error> {
        VOLATILE_KEYS.iter().try_for_each(|key| txn.put(&self.volatile, key, number.to_be_bytes()))
    }

    /// Empties the ledger, and begins an epoch.
    ///
    /// # Errors
    /// If the engine fails, or aborts the transaction.
    pub fn begin_epoch(&self, txn: &Transaction, number: u64) -> Result<(), Error> {
        txn.delete_range(&self.ledger, ..)?;
        txn.put(&self.epoch, EPOCH_KEY, number.to_be_bytes())
    }
}

fn balance(value: &[u8]) -> i64 {
    i64::from_be_bytes(*value.first_chunk().expect("a balance has eight bytes"))
}

/// What is found in a database, sorted by what it is for.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The number of the epoch.
    pub epoch: Option<u64>,
    /// The ledger's keys.
    pub ledger: Vec<Vec<u8>>,
    /// The values of the two keys that are only written together.
    pub volatile: [Option<Vec<u8>>; 2],
    accounts: Records,
    items: Records,
    index: Records,
}

impl Found {
    /// Sorts all records of all tables. Those of other tables are passed over.
    pub fn new(contents: Vec<(String, Records)>) -> Found {
        let mut found = Found::default();
        for (name, mut records) in contents {
            match name.as_str() {
                ACCOUNT_TABLE => found.accounts = records,
                ITEM_TABLE => found.items = records,
                INDEX_TABLE => found.index = records,
                LEDGER_TABLE => found.ledger = records.into_keys().collect(),
                VOLATILE_TABLE => found.volatile = VOLATILE_KEYS.map(|key| records.remove(key.as_bytes())),
                EPOCH_TABLE => {
                    let number = records.values().next().and_then(|value| value.as_slice().try_into().ok());
                    found.epoch = number.map(u64::from_be_bytes);
                }
                _ => {}
            }
        }
        found
    }

    /// What is wrong with the tables among themselves, whatever was done to them.
    pub fn contradiction(&self) -> Option<String> {
        let balances: Vec<i64> = self.accounts.values().map(|value| balance(value)).collect();
        let (total, expected) = (balances.iter().sum::<i64>(), OPENING * balances.len() as i64);
        let index: Records =
            self.items.iter().map(|(key, value)| (index_key(key, value), Vec::new())).collect();
        if total != expected {
            Some(format!("money came or went: the accounts hold {total}, and held {expected}"))
        } else if index != self.index {
            let entries = self.index.len();
            Some(format!("the index has {entries} entries, other ones than the {} items", self.items.len()))
        } else if self.volatile[0] != self.volatile[1] {
            Some(format!("half of a commit without durability is there: {:?}", self.volatile))
        } else {
            None
        }
    }
}

/// What jobs lead to, computed without the engine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct World {
    accounts: BTreeMap<u64, i64>,
    items: Records,
}

impl World {
    /// Does a job.
    pub fn apply(&mut self, job: &Job) {
        for (account, change) in job.transfer.into_iter().flat_map(Transfer::sides) {
            *self.accounts.entry(account).or_insert(OPENING) += change;
        }
        for change in &job.changes {
            match change {
                Change::Put(key, value) => drop(self.items.insert(key.clone(), value.clone())),
                Change::Delete(key) => drop(self.items.remove(key)),
                Change::DeleteRange(range) => self.items.retain(|key, _| !range.contains(key)),
            }
        }
    }

    /// How what was found differs.
    pub fn difference(&self, found: &Found) -> Option<String> {
        let accounts: Records = self
            .accounts
            .iter()
            .map(|(account, balance)| (account.to_be_bytes().to_vec(), balance.to_be_bytes().to_vec()))
            .collect();
        let tables = [("accounts", &accounts, &found.accounts), ("items", &self.items, &found.items)];
        tables.iter().find(|(_, expected, found)| expected != found).map(|(name, expected, found)| {
            let differs = |key: &&Vec<u8>| expected.get(*key) != found.get(*key);
            let key = expected.keys().chain(found.keys()).find(differs).expect("they differ");
            let (expected, found) = (expected.get(key), found.get(key));
            format!("{key:?} in the table {name} should be {expected:?}, and is {found:?}")
        })
    }
}
