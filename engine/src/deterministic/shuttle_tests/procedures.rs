//! What the scenarios execute, and what comes of it when it is executed one after the other.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Declaration, Error, Procedure, Result, View};

/// The table that all scenarios use.
pub(super) const TABLE: &str = "t";

/// How the engine gets to know what a [`Mix`] touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Known {
    /// Its keys are declared.
    Keys,
    /// The range of all keys is declared as read, and the keys that it writes.
    Range,
    /// Nothing is declared: the engine finds out.
    Not,
}

/// Reads keys, and writes something to others that depends on all that it has read and on who it is. So the outcome tells
/// in which order they were executed. Keys are single letters.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Mix {
    pub(super) name: u64,
    pub(super) reads: String,
    pub(super) writes: String,
    pub(super) known: Known,
    /// Whether it rejects after it has written.
    pub(super) rejects: bool,
}

impl Mix {
    pub(super) fn new(name: u64, reads: &str, writes: &str) -> Mix {
        Mix { name, reads: reads.into(), writes: writes.into(), known: Known::Keys, rejects: false }
    }

    /// One that is known in another way.
    pub(super) fn known(self, known: Known) -> Mix {
        Mix { known, ..self }
    }

    /// One that takes everything back.
    pub(super) fn rejecting(self) -> Mix {
        Mix { rejects: true, ..self }
    }

    /// What it writes, given what it has read.
    fn mixed(&self, seen: &[u64]) -> u64 {
        seen.iter().fold(self.name, |sum, seen| sum.wrapping_mul(31).wrapping_add(*seen))
    }

    /// What it does to a state in which nobody else is; its answer, unless it rejects.
    pub(super) fn apply(&self, state: &mut State) -> Option<Vec<u64>> {
        let seen: Vec<_> = match self.known {
            Known::Range => state.values().copied().collect(),
            _ => letters(&self.reads).map(|key| state.get(key).copied().unwrap_or(0)).collect(),
        };
        if self.rejects {
            return None;
        }
        for key in letters(&self.writes) {
            state.insert(key.to_owned(), self.mixed(&seen));
        }
        Some(seen)
    }
}

/// The values of all keys.
pub(super) type State = BTreeMap<String, u64>;

impl Procedure for Mix {
    const NAME: &'static str = "mix";
    type Output = Vec<u64>;

    fn declare(&self, footprint: &mut Declaration<'_>) -> Result<()> {
        match self.known {
            Known::Keys => letters(&self.reads).try_for_each(|key| footprint.read(TABLE, key))?,
            Known::Range => footprint.read_range(footprint.table(TABLE)?, ..),
            Known::Not => footprint.unknown(),
        }
        letters(&self.writes).try_for_each(|key| footprint.write(TABLE, key))
    }

    fn run(&self, view: &View<'_>) -> Result<Vec<u64>> {
        let table = view.table(TABLE)?;
        let mut seen = Vec::new();
        if self.known == Known::Range {
            for record in view.scan(table, ..) {
                seen.push(number(&record?.1));
            }
        } else {
            for key in letters(&self.reads) {
                seen.push(view.get(table, key)?.map_or(0, |value| number(&value)));
            }
        }
        let value = self.mixed(&seen).to_le_bytes();
        letters(&self.writes).try_for_each(|key| view.put(table, key, value))?;
        if self.rejects { Err(Error::rejected("after it has written")) } else { Ok(seen) }
    }
}

/// Adds one to the key whose name stands under `pointer`, and has the pointer show the next one of a circle of three. What
/// it touches is found out, and moves whenever another one is executed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Follow;

/// Where [`Follow`] begins.
pub(super) const POINTER: &str = "pointer";

impl Procedure for Follow {
    const NAME: &'static str = "follow";
    type Output = u64;

    fn run(&self, view: &View<'_>) -> Result<u64> {
        let table = view.table(TABLE)?;
        let at = view.get(table, POINTER)?.map_or(0, |value| number(&value));
        let place = format!("place {at}");
        let count = view.get(table, &place)?.map_or(0, |value| number(&value));
        view.put(table, &place, (count + 1).to_le_bytes())?;
        view.put(table, POINTER, ((at + 1) % 3).to_le_bytes())?;
        Ok(at)
    }
}

fn letters(keys: &str) -> impl Iterator<Item = &str> {
    (0..keys.len()).map(|index| &keys[index..=index])
}

/// A value, as a number.
pub(super) fn number(value: &[u8]) -> u64 {
    u64::from_le_bytes(value.try_into().expect("values have eight bytes"))
}
