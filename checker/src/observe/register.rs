//! Registers that are written (black-box): the order of versions has to be inferred.
//!
//! After Kingsbury and Alvaro (2020, section 4.3 and 5.1): each value is written once, so it tells who wrote it. Which
//! value came before which is known only in part:
//!
//! - nothing was written before the initial `nil`;
//! - who reads a value and then writes another has replaced it: writes follow reads;
//! - of two values that one transaction writes, the first one came first;
//! - if each register is assumed to be sequential (linearizable), whoever touched it later in the same session (in
//!   real time) touched the same version or a later one.
//!
//! ```text
//!        ┌─► 1 by T1 ─► 3 by T3, who read 1
//! nil ───┤
//!        └─► 2 by T2
//! ```
//!
//! Where these lead round in a circle, no order fits; that is told, and the register's order isn't used.

use super::{Made, NONE, Observed, Seen, internal};
use crate::Error;
use crate::anomaly::{Kind, list_of, shortened};
use crate::error::Place;
use crate::graph::{Components, precedences, tarjan};
use crate::history::{History, Key, Operation, Value, label};
use crate::verdict::Options;
use rustc_hash::{FxHashMap, FxHashSet};

/// Who wrote which value, and the versions that came of it.
struct Writes {
    writers: FxHashMap<(Key, Value), u32>,
    versions: FxHashMap<(Key, Option<Value>), u32>,
    /// For each version from `base` on its value.
    values: Vec<Option<Value>>,
    base: u32,
}

/// What one transaction did to one register.
#[derive(Clone, Copy, Debug)]
struct Touch {
    transaction: u32,
    /// The version that it met first, and the one that it left.
    first: u32,
    last: u32,
    /// The version that it read before it wrote one, and the one that it wrote then; [`NONE`] if it didn't do both.
    replaced: u32,
    by: u32,
}

impl Touch {
    fn new(transaction: u32, version: u32) -> Touch {
        Touch { transaction, first: version, last: version, replaced: NONE, by: NONE }
    }
}

/// Pairs of versions, the second of which follows the first.
type VersionOrder = Vec<(u32, u32)>;

pub(super) fn observe(observed: &mut Observed<'_>, options: &Options) -> Result<(), Error> {
    let mut writes = writes(observed)?;
    let mut order = VersionOrder::new();
    let touches = touches(observed, &mut writes, &mut order);
    order.extend(inferred(observed, &touches, options));
    from_nothing(observed, &writes, &mut order);
    order.sort_unstable();
    order.dedup();
    refuse_circles(observed, &writes, &mut order);
    observed.order.extend(order);
    lost_updates(observed, &touches);
    Ok(())
}

fn writes(observed: &mut Observed<'_>) -> Result<Writes, Error> {
    let history = observed.history;
    let base = observed.made.len() as u32;
    let mut writes =
        Writes { writers: FxHashMap::default(), versions: FxHashMap::default(), values: Vec::new(), base };
    let mut later = FxHashSet::default();
    for (writer, transaction) in (0..).zip(history.transactions()) {
        later.clear();
        for operation in transaction.operations.iter().rev() {
            let Operation::Write { key, value } = *operation else { continue };
            if writes.writers.insert((key, value), writer).is_some() {
                return Err(same_value(history, key, value, writer));
            }
            let is_final = later.insert(key);
            if observed.took_effect[writer as usize] {
                writes.initial(observed, key);
                let made = Made { key, writer, rank: NONE, is_final, is_dead: false };
                writes.add(observed, made, Some(value));
            }
        }
    }
    Ok(writes)
}

fn same_value(history: &History, key: Key, value: Value, writer: u32) -> Error {
    Error::SameValue {
        key: history.key_name(key).clone(),
        value: history.value_name(value).clone(),
        transaction: Place::of(history, writer as usize),
    }
}

impl Writes {
    fn add(&mut self, observed: &mut Observed<'_>, made: Made, value: Option<Value>) {
        self.versions.insert((made.key, value), observed.made.len() as u32);
        self.values.push(value);
        observed.made.push(made);
    }

    /// The version of a register before anything was written to it.
    fn initial(&mut self, observed: &mut Observed<'_>, key: Key) -> u32 {
        if let Some(&version) = self.versions.get(&(key, None)) {
            return version;
        }
        self.add(observed, Made { key, writer: NONE, rank: NONE, is_final: true, is_dead: true }, None);
        observed.made.len() as u32 - 1
    }
}

/// Notes what was read, and what each transaction did to each register, by register and in the order of transactions.
fn touches(observed: &mut Observed<'_>, writes: &mut Writes, order: &mut VersionOrder) -> Vec<(Key, Touch)> {
    let mut all = Vec::new();
    let mut own: FxHashMap<Key, Touch> = FxHashMap::default();
    for transaction in observed.effective().collect::<Vec<_>>() {
        let history = observed.history;
        for (number, operation) in (0..).zip(&history.transactions()[transaction as usize].operations) {
            match *operation {
                Operation::Write { key, value } => {
                    let version = writes.versions[&(key, Some(value))];
                    let touch = own.entry(key).or_insert(Touch::new(transaction, version));
                    if observed.made[touch.last as usize].writer != transaction {
                        (touch.replaced, touch.by) = (touch.last, version);
                    }
                    if touch.last != version {
                        order.push((touch.last, version));
                    }
                    touch.last = version;
                }
                Operation::Read { key, value } => {
                    let mine = own.get(&key).copied();
                    if let Some(version) = read(observed, writes, transaction, number, key, value, mine) {
                        own.entry(key).or_insert(Touch::new(transaction, version)).last = version;
                    }
                }
                _ => {}
            }
        }
        all.extend(own.drain());
    }
    all.sort_by_key(|(key, touch)| (*key, touch.transaction));
    all
}

/// Notes a read; returns the version, if it is one of another transaction and there's nothing wrong with it.
fn read(
    observed: &mut Observed<'_>,
    writes: &mut Writes,
    reader: u32,
    operation: u32,
    key: Key,
    value: Option<Value>,
    mine: Option<Touch>,
) -> Option<u32> {
    let version = match value {
        None => writes.initial(observed, key),
        Some(value) => match (writes.versions.get(&(key, Some(value))), writes.writers.get(&(key, value))) {
            (Some(&version), _) => version,
            (None, Some(&writer)) => {
                observed.aborted_read(reader, operation, key, writer);
                return None;
            }
            (None, None) => {
                unwritten(observed, reader, key, value);
                return None;
            }
        },
    };
    let Made { writer, is_final, .. } = observed.made[version as usize];
    let own = mine.filter(|mine| observed.made[mine.last as usize].writer == reader);
    if writer == reader && own.is_some_and(|own| own.last == version) {
        return None;
    }
    if own.is_some() || writer == reader {
        internal(observed, reader, key, |me, key| {
            format!("{me} wrote {key}, but did not read what it had written last before.")
        });
        return None;
    }
    if writer != NONE && !is_final {
        observed.intermediate_read(reader, key, writer);
    }
    observed.seen.push(Seen { reader, operation, key, version, until: version, is_predicate: false });
    Some(version)
}

fn unwritten(observed: &mut Observed<'_>, reader: u32, key: Key, value: Value) {
    let history = observed.history;
    observed.findings.add(Kind::UnwrittenRead, &[reader], Some(key), || {
        let (key, value) = (history.key_name(key), history.value_name(value));
        format!("{} read {key} = {value}, which nobody had written.", label(reader as usize))
    });
}

/// Which version follows which, if each register follows the order of sessions or real time.
fn inferred(observed: &Observed<'_>, touches: &[(Key, Touch)], options: &Options) -> VersionOrder {
    let mut order = VersionOrder::new();
    let transactions = observed.history.transactions();
    for touches in touches.chunk_by(|one, other| one.0 == other.0) {
        if options.sequential_registers {
            let mut latest: FxHashMap<u64, Touch> = FxHashMap::default();
            for (_, touch) in touches {
                let session = transactions[touch.transaction as usize].session;
                let before = session.and_then(|session| latest.insert(session, *touch));
                order.extend(before.map(|before| (before.last, touch.first)));
            }
        }
        if options.linearizable_registers {
            let span = |(place, (_, touch)): (u32, &(Key, Touch))| {
                let transaction = &transactions[touch.transaction as usize];
                (place, transaction.begin, transaction.end)
            };
            let spans: Vec<_> = (0..).zip(touches).map(span).collect();
            let follows =
                |(one, other): (u32, u32)| (touches[one as usize].1.last, touches[other as usize].1.first);
            order.extend(precedences(&spans).into_iter().map(follows));
        }
    }
    order.retain(|(older, newer)| older != newer);
    order
}

/// Puts each register's initial version in front of those that nothing else comes before.
fn from_nothing(observed: &Observed<'_>, writes: &Writes, order: &mut VersionOrder) {
    let mut follows = vec![false; writes.values.len()];
    order.iter().for_each(|&(_, newer)| follows[(newer - writes.base) as usize] = true);
    for (version, (value, follows)) in (writes.base..).zip(writes.values.iter().zip(follows)) {
        if value.is_some() && !follows {
            let key = observed.made[version as usize].key;
            order.extend(writes.versions.get(&(key, None)).map(|&initial| (initial, version)));
        }
    }
}

/// Takes registers out of the order whose versions would have to come before each other, and says so.
fn refuse_circles(observed: &mut Observed<'_>, writes: &Writes, order: &mut VersionOrder) {
    let count = writes.values.len();
    // The order is sorted, so that each version's successors are next to each other.
    let start =
        |version: usize| order.partition_point(|&(older, _)| ((older - writes.base) as usize) < version);
    let starts: Vec<usize> = (0..=count).map(start).collect();
    let successors = |version: u32, step: u32| {
        let place = starts[version as usize] + step as usize;
        (place < starts[version as usize + 1]).then(|| (order[place].1 - writes.base, step + 1))
    };
    let components: Components = tarjan(count, successors);
    let mut circles: FxHashMap<u32, Vec<u32>> = FxHashMap::default();
    let in_circle = |version: &u32| components.size(*version) > 1;
    (0..count as u32)
        .filter(in_circle)
        .for_each(|version| circles.entry(components.of(version)).or_default().push(version));
    let mut circles: Vec<Vec<u32>> = circles.into_values().collect();
    circles.sort_unstable();
    let mut broken = FxHashSet::default();
    for circle in circles {
        broken.insert(observed.made[(writes.base + circle[0]) as usize].key);
        circular(observed, writes, &circle);
    }
    order.retain(|&(older, _)| !broken.contains(&observed.made[older as usize].key));
}

fn circular(observed: &mut Observed<'_>, writes: &Writes, circle: &[u32]) {
    let history = observed.history;
    let made = |version: &u32| observed.made[(writes.base + version) as usize];
    let key = made(&circle[0]).key;
    let writers: Vec<u32> =
        circle.iter().map(|version| made(version).writer).filter(|&writer| writer != NONE).collect();
    let values = circle.iter().map(|&version| match writes.values[version as usize] {
        Some(value) => history.value_name(value).to_string(),
        None => "nil".to_owned(),
    });
    let values = shortened(values);
    observed.findings.add(Kind::CyclicVersions, &writers, Some(key), || {
        let key = history.key_name(key);
        format!(
            "Of the values of {key}, written by {}, each would have to come before the others: {values}.",
            list_of(&writers)
        )
    });
}

/// Notes versions that several transactions have read and replaced.
fn lost_updates(observed: &mut Observed<'_>, touches: &[(Key, Touch)]) {
    let mut replaced: Vec<(u32, u32)> = touches
        .iter()
        .filter(|(_, touch)| touch.by != NONE)
        .map(|(_, touch)| (touch.replaced, touch.transaction))
        .collect();
    replaced.sort_unstable();
    let history = observed.history;
    for same in replaced.chunk_by(|one, other| one.0 == other.0).filter(|same| same.len() > 1) {
        let key = observed.made[same[0].0 as usize].key;
        let transactions: Vec<u32> = same.iter().map(|&(_, transaction)| transaction).collect();
        observed.findings.add(Kind::LostUpdate, &transactions, Some(key), || {
            let key = history.key_name(key);
            format!(
                "{} have read the same {key} and replaced it: all but one of these changes are lost.",
                list_of(&transactions)
            )
        });
    }
}
