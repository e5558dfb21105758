//! What an engine has recorded, as the checker reads it.

use std::collections::{HashMap, HashSet};
use std::ops::Bound;

use synod::{Bytes, RecordedOutcome, RecordedStep, RecordedTransaction, RecordedVersion};
use synod_checker::{History, Key, KeyRange, Name, Operation, Outcome, Transaction, Version};

/// A key with its table.
type Place = (String, Bytes);

/// A key, and a value that somebody wrote to it.
type Written = (Place, Option<Bytes>);

/// The history of these transactions. A key is called by its table and itself, with a slash between them.
///
/// A version is known by its commit timestamp; one that was never committed gets a number above all timestamps.
pub fn checkable(recorded: &[RecordedTransaction]) -> History {
    let mut order: Vec<usize> = (0..recorded.len()).collect();
    // Sessions come in the order of the history.
    order.sort_by_key(|&index| recorded[index].begin);
    in_order(recorded, order)
}

/// The history of these transactions, numbered as they come. Those of one session are in the order in which they ran.
pub fn checkable_as_listed(recorded: &[RecordedTransaction]) -> History {
    in_order(recorded, (0..recorded.len()).collect())
}

fn in_order(recorded: &[RecordedTransaction], order: Vec<usize>) -> History {
    let writes = Writes::of(recorded);
    let mut history = History::new();
    for index in order {
        let transaction = Conversion { history: &mut history, writes: &writes, recorded, index }.run();
        history.push(transaction);
    }
    history
}

/// The version that a transaction's write number so and so of a key made.
fn made(recorded: &[RecordedTransaction], index: usize, step: u32) -> Version {
    let stamp = match recorded[index].outcome {
        RecordedOutcome::Committed(Some(at)) => at.0,
        _ => (1 << 63) + index as u64,
    };
    Version { stamp, step }
}

/// Who wrote what.
#[derive(Default)]
struct Writes {
    /// For each committed version its number among its transaction's writes of that key.
    last_step: HashMap<(Place, u64), u32>,
    /// For each value the one that wrote it, with the number of the write.
    writers: HashMap<Written, Vec<(usize, u32)>>,
    /// What was deleted at some time.
    deleted: HashSet<Place>,
}

impl Writes {
    fn of(recorded: &[RecordedTransaction]) -> Writes {
        let mut writes = Writes::default();
        for (index, transaction) in recorded.iter().enumerate() {
            let mut steps: HashMap<Place, u32> = HashMap::new();
            for step in &transaction.steps {
                let RecordedStep::Put { table, key, value } = step else { continue };
                let place = (table.clone(), key.clone());
                let next = steps.entry(place.clone()).or_insert(0);
                if value.is_none() {
                    writes.deleted.insert(place.clone());
                }
                writes.writers.entry((place, value.clone())).or_default().push((index, *next));
                *next += 1;
            }
            if let RecordedOutcome::Committed(Some(at)) = transaction.outcome {
                writes.last_step.extend(steps.into_iter().map(|(place, next)| ((place, at.0), next - 1)));
            }
        }
        writes
    }
}

struct Conversion<'h> {
    history: &'h mut History,
    writes: &'h Writes,
    recorded: &'h [RecordedTransaction],
    index: usize,
}

impl Conversion<'_> {
    fn run(mut self) -> Transaction {
        let of = &self.recorded[self.index];
        let outcome = match of.outcome {
            RecordedOutcome::Committed(_) => Outcome::Committed,
            RecordedOutcome::Aborted => Outcome::Aborted,
        };
        let mut transaction = Transaction::new(outcome).session(of.session).time(of.begin, of.end);
        let mut own: HashMap<Place, u32> = HashMap::new();
        for step in &of.steps {
            let operation = self.operation(step, &mut own);
            transaction = transaction.then(operation);
        }
        transaction
    }

    fn operation(&mut self, step: &RecordedStep, own: &mut HashMap<Place, u32>) -> Operation {
        match step {
            RecordedStep::Get { table, key, version: RecordedVersion::Nothing }
                if self.writes.deleted.contains(&(table.clone(), key.clone())) =>
            {
                // Nothing is left of a deletion once nobody can see what was deleted, so this may be any absence.
                let range = KeyRange::closed(name(table, key), name(table, key));
                Operation::Scan { range: Box::new(range), found: Box::default() }
            }
            RecordedStep::Get { table, key, version } => {
                let version = self.version(&(table.clone(), key.clone()), version, own);
                Operation::Get { key: self.key(table, key), version }
            }
            RecordedStep::Put { table, key, value } => {
                let next = own.entry((table.clone(), key.clone())).or_insert(0);
                let version = made(self.recorded, self.index, *next);
                *next += 1;
                let key = self.key(table, key);
                match value {
                    Some(_) => Operation::Put { key, version },
                    None => Operation::Delete { key, version },
                }
            }
            RecordedStep::Scan { table, lower, upper, found } => {
                let mut versions = Vec::with_capacity(found.len());
                for (key, version) in found {
                    let version = self.version(&(table.clone(), key.clone()), version, own);
                    versions.push((self.key(table, key), version));
                }
                Operation::Scan { range: Box::new(range(table, lower, upper)), found: versions.into() }
            }
        }
    }

    fn key(&mut self, table: &str, key: &[u8]) -> Key {
        self.history.key(name(table, key))
    }

    fn version(&self, place: &Place, seen: &RecordedVersion, own: &HashMap<Place, u32>) -> Version {
        match seen {
            RecordedVersion::Nothing => Version::UNBORN,
            RecordedVersion::Own => {
                made(self.recorded, self.index, own.get(place).map_or(0, |next| next - 1))
            }
            RecordedVersion::Committed(at) => {
                let step = self.writes.last_step.get(&(place.clone(), at.0)).copied().unwrap_or(0);
                Version { stamp: at.0, step }
            }
            RecordedVersion::Uncommitted(value) => {
                let writers = self.writes.writers.get(&(place.clone(), value.clone()));
                let written =
                    writers.and_then(|writers| writers.iter().find(|(index, _)| *index != self.index));
                written.map_or(Version::UNBORN, |&(index, step)| made(self.recorded, index, step))
            }
        }
    }
}

fn name(table: &str, key: &[u8]) -> Name {
    Name::from(&[table.as_bytes(), b"/", key].concat()[..])
}

fn range(table: &str, lower: &Bound<Bytes>, upper: &Bound<Bytes>) -> KeyRange {
    // Behind the slash comes a zero.
    let behind = || Name::from(&[table.as_bytes(), b"0"].concat()[..]);
    let bound = |bound: &Bound<Bytes>| bound.as_ref().map(|key| name(table, key));
    KeyRange {
        low: if let Bound::Unbounded = lower { Bound::Included(name(table, b"")) } else { bound(lower) },
        high: if let Bound::Unbounded = upper { Bound::Excluded(behind()) } else { bound(upper) },
    }
}
