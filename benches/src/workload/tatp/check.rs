//! The rules that must hold after a run.

use super::population::Population;
use super::rows::{
    digits_of, is_access, is_facility, is_forwarding, is_kind_key, is_subscriber, subscriber_key,
};
use super::{ACCESS, FACILITY, FORWARDING, NUMBER, SUBSCRIBER, TABLES};
use crate::error::Result;
use crate::target::{Client, Stop, Txn, finished};
use crate::workload::rules::{differs, note};
use crate::workload::{Past, Rules};

const FORWARDINGS: &str = "as many forwardings as there were, more by those inserted, less by those deleted";
const ROWS: &str = "no other row too many or too few";
const PARENTS: &str = "each forwarding has its facility";
const INDEX: &str = "the index has each subscriber under their number, and nobody else";
const FORM: &str = "each row is well-formed";

/// Subscribers whose facilities and numbers are in memory at a time.
const CHUNK: u32 = 10_000;

/// What was found in a look at all rows.
#[derive(Default)]
struct Findings {
    rows: [i64; TABLES.len()],
    orphan: Option<String>,
    mismatch: Option<String>,
    malformed: Option<String>,
}

/// Where a chunk of subscribers begins in a table's keys, and where it ends.
struct Bounds<K> {
    from: Option<K>,
    to: Option<K>,
}

impl<K: AsRef<[u8]>> Bounds<K> {
    /// Of subscribers from `first` on. What lies before the first chunk belongs to it, and what lies behind the last.
    fn new(first: u32, last: u32, key_of: impl Fn(u32) -> K) -> Bounds<K> {
        let from = (first > 1).then(|| key_of(first));
        let to = (last - first >= CHUNK).then(|| key_of(first + CHUNK));
        Bounds { from, to }
    }

    fn from(&self) -> &[u8] {
        self.from.as_ref().map_or(&[], AsRef::as_ref)
    }

    fn to(&self) -> &[u8] {
        self.to.as_ref().map_or(&[], AsRef::as_ref)
    }
}

impl Findings {
    fn row(&mut self, table: usize, key: &[u8], is_well_formed: bool) {
        self.rows[table] += 1;
        if !is_well_formed {
            note(&mut self.malformed, || {
                format!("the row of {} with the key {} is none", TABLES[table], key.escape_ascii())
            });
        }
    }

    /// Facilities and forwardings of a chunk.
    fn facilities(&mut self, txn: &mut dyn Txn, first: u32, last: u32) -> Result<(), Stop> {
        let bounds = Bounds::new(first, last, subscriber_key);
        let mut known = Vec::new();
        txn.scan(FACILITY, bounds.from(), bounds.to(), &mut |key, row| {
            self.row(FACILITY, key, is_kind_key(key, last) && is_facility(row));
            known.extend(key.first_chunk::<5>());
            true
        })?;
        txn.scan(FORWARDING, bounds.from(), bounds.to(), &mut |key, row| {
            self.row(FORWARDING, key, is_forwarding(key, row, last));
            let facility = key.first_chunk::<5>();
            if facility.is_none_or(|facility| known.binary_search(facility).is_err()) {
                note(&mut self.orphan, || format!("the one with the key {} has none", key.escape_ascii()));
            }
            true
        })
    }

    /// Subscribers and numbers of a chunk.
    fn numbers(&mut self, txn: &mut dyn Txn, first: u32, last: u32) -> Result<(), Stop> {
        let bounds = Bounds::new(first, last, subscriber_key);
        let mut known = Vec::new();
        txn.scan(SUBSCRIBER, bounds.from(), bounds.to(), &mut |key, row| {
            self.row(SUBSCRIBER, key, is_subscriber(key, row, last));
            known.extend(key.first_chunk().map(|number| u32::from_be_bytes(*number)));
            true
        })?;
        let mut known = known.into_iter();
        let bounds = Bounds::new(first, last, digits_of);
        let mismatch = &mut self.mismatch;
        let mut rows = 0;
        txn.scan(NUMBER, bounds.from(), bounds.to(), &mut |digits, number| {
            rows += 1;
            let subscriber = known.next();
            if subscriber.is_none_or(|known| digits != digits_of(known) || number != subscriber_key(known)) {
                note(mismatch, || format!("{} is nobody's, or not the next one's", digits.escape_ascii()));
            }
            true
        })?;
        self.rows[NUMBER] += rows;
        if let Some(subscriber) = known.next() {
            note(mismatch, || format!("subscriber {subscriber} isn't found by the number"));
        }
        Ok(())
    }

    fn look(&mut self, txn: &mut dyn Txn, last: u32) -> Result<(), Stop> {
        txn.scan(ACCESS, &[], &[], &mut |key, row| {
            self.row(ACCESS, key, is_kind_key(key, last) && is_access(row));
            true
        })?;
        for first in (1..=last).step_by(CHUNK as usize) {
            self.facilities(txn, first, last)?;
            self.numbers(txn, first, last)?;
        }
        Ok(())
    }
}

/// Looks at all rows.
pub(super) fn check(population: &Population, client: &mut dyn Client, past: &Past) -> Result<Rules> {
    let mut findings = Findings::default();
    finished(client.attempt(true, &mut |txn| {
        findings = Findings::default();
        findings.look(txn, population.subscribers)
    }))?;
    let first = population.rows.map(|rows| rows as i64);
    let others = [SUBSCRIBER, ACCESS, FACILITY, NUMBER].into_iter().filter_map(|table| {
        differs(&format!("rows in {}", TABLES[table]), findings.rows[table], first[table])
    });
    let forwardings = first[FORWARDING] + past.answers.rows;
    Ok(Rules::from([
        (FORWARDINGS, differs("forwardings", findings.rows[FORWARDING], forwardings)),
        (ROWS, others.reduce(|all, more| format!("{all}; {more}"))),
        (PARENTS, findings.orphan),
        (INDEX, findings.mismatch),
        (FORM, findings.malformed),
    ]))
}
