//! What commits do to tables, computed without the engine.

use std::collections::BTreeMap;

use synod::{Durability, Timestamp};

/// The table in which every logged commit has a key of its own: what is there has survived.
pub const LEDGER: &str = "ledger";

/// What only commits at [`Durability::None`] write to: they survive as far as a checkpoint has them. No other
/// table depends on it, so that the state of the others follows from the logged commits alone.
pub const VOLATILE: &str = "volatile";

/// The table whose merge function adds numbers.
pub const COUNTERS: &str = "counters";

/// Two tables that commits write to and delete from.
pub const PLAIN: [&str; 2] = ["left", "right"];

/// The tables that are there throughout.
pub const FIXED: [&str; 5] = [LEDGER, PLAIN[0], PLAIN[1], COUNTERS, VOLATILE];

/// One life of a table: its name, and how many tables had that name before.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The table's name.
    pub name: String,
    /// 0 for the fixed tables and for the first table of a name.
    pub life: u32,
}

impl Place {
    /// A table that is never dropped.
    pub fn fixed(name: &str) -> Place {
        Place { name: name.to_string(), life: 0 }
    }
}

/// A part of what a commit does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Writes a value.
    Put(Place, Vec<u8>, Vec<u8>),
    /// Deletes a key, which may be absent.
    Delete(Place, Vec<u8>),
    /// Deletes all keys from the first one on, up to but without the second one.
    DeleteRange(Place, Vec<u8>, Vec<u8>),
    /// Adds to a number.
    Merge(Place, Vec<u8>, u64),
}

/// A commit that is visible.
#[derive(Clone, Debug)]
pub struct Commit {
    /// Its key in the ledger; without meaning for a commit that isn't logged.
    pub number: u64,
    /// Its place in the commit order.
    pub timestamp: Timestamp,
    /// Its durability level.
    pub level: Durability,
    /// What it does, in order.
    pub effects: Vec<Effect>,
}

impl Commit {
    /// Whether the log holds it.
    pub fn is_logged(&self) -> bool {
        self.level != Durability::None
    }
}

/// The records of a table.
pub type Records = BTreeMap<Vec<u8>, Vec<u8>>;

/// The records of tables.
pub type State = BTreeMap<Place, Records>;

/// A number's key in the ledger.
pub fn ledger_key(number: u64) -> Vec<u8> {
    number.to_be_bytes().to_vec()
}

/// What a merge makes of an old value.
pub fn add(old: Option<&[u8]>, operand: &[u8]) -> Result<Vec<u8>, String> {
    let number = |bytes: &[u8]| bytes.try_into().map(u64::from_le_bytes).map_err(|_| "no number".to_string());
    let old = old.map_or(Ok(0), number)?;
    Ok(old.wrapping_add(number(operand)?).to_le_bytes().to_vec())
}

/// Lets a commit happen.
pub fn apply(state: &mut State, commit: &Commit) {
    for effect in &commit.effects {
        match effect {
            Effect::Put(place, key, value) => {
                state.entry(place.clone()).or_default().insert(key.clone(), value.clone());
            }
            Effect::Delete(place, key) => {
                state.entry(place.clone()).or_default().remove(key);
            }
            Effect::DeleteRange(place, from, to) => {
                let table = state.entry(place.clone()).or_default();
                table.retain(|key, _| !(from <= key && key < to));
            }
            Effect::Merge(place, key, operand) => {
                let table = state.entry(place.clone()).or_default();
                let old = table.get(key).map(Vec::as_slice);
                let new = add(old, &operand.to_le_bytes()).expect("the workload merges numbers only");
                table.insert(key.clone(), new);
            }
        }
    }
}

/// The state after these commits, in this order.
pub fn state_after<'c>(commits: impl IntoIterator<Item = &'c Commit>) -> State {
    let mut state: State = FIXED.iter().map(|name| (Place::fixed(name), Records::new())).collect();
    for commit in commits {
        apply(&mut state, commit);
    }
    state
}
