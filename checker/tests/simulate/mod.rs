//! A store in a few lines that runs random transactions of several clients, interleaved step by step, and writes down
//! what they saw. Everything depends on the seed alone.
#![allow(dead_code, reason = "not everyone needs everything")]

use std::collections::BTreeMap;
use synod_checker::{History, Key, KeyRange, Name, Operation, Outcome, Transaction, Value, Version};

/// How the store isolates transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Isolation {
    /// Each read sees what is committed at that moment.
    ReadCommitted,
    /// Reads see the moment of the beginning; the first one to commit a key wins.
    Snapshot,
    /// What was read must still be there at the commit.
    Serializable,
}

/// What the transactions do, and how it is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Reads, writes, deletions and scans, with versions.
    Versions,
    /// Lists.
    Lists,
    /// Registers.
    Registers,
}

/// What to run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Workload {
    pub(crate) seed: u64,
    pub(crate) isolation: Isolation,
    pub(crate) form: Form,
    pub(crate) clients: usize,
    pub(crate) transactions: usize,
    /// How many keys are in use at the same time.
    pub(crate) keys: u64,
    /// After so many writes a key is replaced by a new one.
    pub(crate) writes_per_key: u64,
}

/// Numbers that look random (SplitMix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// A committed version: when, by which write of its transaction, and what it holds; nothing is a tombstone.
#[derive(Clone, Debug)]
struct Stored {
    version: Version,
    content: Option<Vec<Value>>,
}

struct Running {
    place: usize,
    snapshot: u64,
    left: u64,
    /// What it has written: by key, the content.
    own: BTreeMap<i64, (u32, Option<Vec<Value>>)>,
    /// What it has read, and ranges that it has scanned.
    read: Vec<(i64, i64)>,
}

struct Store {
    workload: Workload,
    random: Random,
    history: History,
    data: BTreeMap<i64, Vec<Stored>>,
    clock: u64,
    next_value: i64,
    active: Vec<(i64, u64)>,
    next_key: i64,
}

/// Runs a workload.
pub(crate) fn run(workload: Workload) -> History {
    let mut store = Store {
        workload,
        random: Random(workload.seed),
        history: History::new(),
        data: BTreeMap::new(),
        clock: 0,
        next_value: 0,
        active: Vec::new(),
        next_key: 0,
    };
    for _ in 0..workload.keys {
        store.active.push((store.next_key, 0));
        store.next_key += 1;
    }
    let mut running: Vec<Option<Running>> = (0..workload.clients).map(|_| None).collect();
    let mut left = workload.transactions;
    while left > 0 || running.iter().any(Option::is_some) {
        let client = store.random.below(workload.clients as u64) as usize;
        match &mut running[client] {
            None if left > 0 => {
                left -= 1;
                running[client] = Some(store.begin(client as u64));
            }
            None => {}
            Some(transaction) if transaction.left > 0 => {
                transaction.left -= 1;
                store.step(transaction);
            }
            Some(_) => {
                let transaction = running[client].take().expect("it runs");
                store.end(transaction);
            }
        }
    }
    store.history
}

impl Store {
    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    fn begin(&mut self, client: u64) -> Running {
        let now = self.tick();
        let mut transaction = Transaction::aborted().session(client);
        transaction.begin = Some(now);
        let left = 1 + self.random.below(6);
        let place = self.history.push(transaction);
        Running { place, snapshot: now, left, own: BTreeMap::new(), read: Vec::new() }
    }

    fn step(&mut self, txn: &mut Running) {
        let choice = self.random.below(10);
        let slot = self.random.below(self.active.len() as u64) as usize;
        let key = self.active[slot].0;
        let name = self.history.key(key);
        let operation = match (self.workload.form, choice) {
            (Form::Versions, 0..=1) => self.scan(txn, key),
            (_, 0..=4) => self.read(txn, key, name),
            (form, choice) => {
                self.active[slot].1 += 1;
                if self.active[slot].1 >= self.workload.writes_per_key {
                    self.active[slot] = (self.next_key, 0);
                    self.next_key += 1;
                }
                self.write(txn, key, name, form == Form::Versions && choice == 9)
            }
        };
        self.history.transactions_mut()[txn.place].operations.push(operation);
    }

    /// What a transaction sees of a key that it hasn't written.
    fn seen(&self, txn: &Running, key: i64) -> Option<&Stored> {
        let newest = match self.workload.isolation {
            Isolation::Snapshot => txn.snapshot,
            Isolation::ReadCommitted | Isolation::Serializable => u64::MAX,
        };
        self.data.get(&key)?.iter().rev().find(|stored| stored.version.stamp <= newest)
    }

    fn content(&self, txn: &Running, key: i64) -> Option<Vec<Value>> {
        match txn.own.get(&key) {
            Some((_, content)) => content.clone(),
            None => self.seen(txn, key).and_then(|stored| stored.content.clone()),
        }
    }

    /// The version that a transaction sees; its own has no timestamp yet.
    fn version(&self, txn: &Running, key: i64) -> Version {
        match txn.own.get(&key) {
            Some((step, _)) => Version { stamp: u64::MAX, step: *step },
            None => self.seen(txn, key).map_or(Version::UNBORN, |stored| stored.version),
        }
    }

    fn read(&mut self, txn: &mut Running, key: i64, name: Key) -> Operation {
        txn.read.push((key, key));
        let content = self.content(txn, key);
        match self.workload.form {
            Form::Versions => Operation::Get { key: name, version: self.version(txn, key) },
            Form::Lists => Operation::ReadList { key: name, elements: content.unwrap_or_default().into() },
            Form::Registers => Operation::Read { key: name, value: content.map(|content| content[0]) },
        }
    }

    fn scan(&mut self, txn: &mut Running, key: i64) -> Operation {
        let low = key - self.random.below(5) as i64;
        let high = key + self.random.below(5) as i64;
        txn.read.push((low, high));
        let keys: Vec<i64> =
            self.active.iter().map(|(key, _)| *key).chain(self.data.keys().copied()).collect();
        let keys = keys.into_iter().chain(txn.own.keys().copied());
        let mut found = BTreeMap::new();
        for key in keys.filter(|key| (low..=high).contains(key)) {
            // Tombstones are listed, as an engine that knows its versions would do; now and then they are not.
            let version = self.version(txn, key);
            let is_there = self.content(txn, key).is_some();
            if is_there || (version != Version::UNBORN && self.random.below(2) == 0) {
                found.insert(key, version);
            }
        }
        let range = Box::new(KeyRange::closed(low, high));
        let found = found.into_iter().map(|(key, version)| (self.history.key(key), version)).collect();
        Operation::Scan { range, found }
    }

    fn write(&mut self, txn: &mut Running, key: i64, name: Key, is_deletion: bool) -> Operation {
        self.next_value += 1;
        let value = self.history.value(self.next_value);
        let step = txn.own.get(&key).map_or(0, |(step, _)| step + 1);
        let version = Version { stamp: u64::MAX, step };
        let (content, operation) = match self.workload.form {
            Form::Versions if is_deletion => (None, Operation::Delete { key: name, version }),
            Form::Versions => (Some(vec![value]), Operation::Put { key: name, version }),
            Form::Registers => (Some(vec![value]), Operation::Write { key: name, value }),
            Form::Lists => {
                // Appending is reading and writing, but nobody sees what was read.
                let mut content = self.content(txn, key).unwrap_or_default();
                content.push(value);
                (Some(content), Operation::Append { key: name, element: value })
            }
        };
        txn.own.insert(key, (step, content));
        operation
    }

    fn end(&mut self, txn: Running) {
        let commits = self.may_commit(&txn) && self.random.below(20) > 0;
        let now = self.tick();
        let transaction = &mut self.history.transactions_mut()[txn.place];
        for operation in &mut transaction.operations {
            stamp(operation, if commits { now } else { u64::MAX - txn.place as u64 });
        }
        transaction.outcome = if commits { Outcome::Committed } else { Outcome::Aborted };
        if commits {
            for (key, (step, content)) in txn.own {
                let content = match (self.workload.form, self.workload.isolation) {
                    // Without validation an append goes to what the list is now.
                    (Form::Lists, Isolation::ReadCommitted) => self.appended(txn.place, key),
                    _ => content,
                };
                let version = Version { stamp: now, step };
                self.data.entry(key).or_default().push(Stored { version, content });
            }
        }
        let end = self.tick();
        self.history.transactions_mut()[txn.place].end = Some(end);
    }

    fn appended(&mut self, place: usize, key: i64) -> Option<Vec<Value>> {
        let name = self.history.key(key);
        let newest = self
            .data
            .get(&key)
            .and_then(|versions| versions.last())
            .and_then(|stored| stored.content.clone());
        let mut content = newest.unwrap_or_default();
        for operation in &self.history.transactions()[place].operations {
            match operation {
                Operation::Append { key, element } if *key == name => content.push(*element),
                _ => {}
            }
        }
        Some(content)
    }

    fn may_commit(&self, txn: &Running) -> bool {
        let changed = |low: i64, high: i64| {
            let mut versions = self.data.range(low..=high).filter_map(|(_, versions)| versions.last());
            versions.any(|stored| stored.version.stamp > txn.snapshot)
        };
        match self.workload.isolation {
            Isolation::ReadCommitted => true,
            Isolation::Snapshot => !txn.own.keys().any(|&key| changed(key, key)),
            Isolation::Serializable => {
                !txn.read.iter().any(|&(low, high)| changed(low, high))
                    && !txn.own.keys().any(|&key| changed(key, key))
            }
        }
    }
}

/// Gives a transaction's own versions its timestamp.
fn stamp(operation: &mut Operation, now: u64) {
    let set = |version: &mut Version| {
        if version.stamp == u64::MAX {
            version.stamp = now;
        }
    };
    match operation {
        Operation::Get { version, .. }
        | Operation::Put { version, .. }
        | Operation::Delete { version, .. } => set(version),
        Operation::Scan { found, .. } => found.iter_mut().for_each(|(_, version)| set(version)),
        _ => {}
    }
}

/// The name of a key as a number.
pub(crate) fn number(history: &History, key: Key) -> i64 {
    match history.key_name(key) {
        Name::Int(number) => *number,
        Name::Bytes(_) => panic!("keys are numbers here"),
    }
}
