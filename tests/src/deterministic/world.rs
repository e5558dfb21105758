//! Engines for scripts, and what is in them.

use std::path::Path;
use std::sync::Arc;

use synod::device::Device;
use synod::{Bytes, Engine, Mode, Options, Result, Snapshot, Table};

use super::perform::{Dump, Fill, number};
use super::places::{Place, TABLES};
use super::script::Script;
use super::serial::State;

/// Options that know all procedures, and the tables' merge function, which adds. No checkpoint comes by itself.
pub fn options() -> Options {
    let add = |_: &[u8], old: Option<&[u8]>, by: &[u8]| {
        Ok(number(old).wrapping_add(number(Some(by))).to_le_bytes().to_vec())
    };
    Options::new()
        .mode(Mode::Deterministic)
        .checkpoint_log_bytes(u64::MAX)
        .merge(TABLES[0], add)
        .merge(TABLES[1], add)
        .procedure::<Script>()
        .procedure::<Dump>()
        .procedure::<Fill>()
}

/// Creates the tables, or finds them.
///
/// # Errors
/// What the engine says.
pub fn tables(engine: &Engine) -> Result<[Table; 2]> {
    Ok([engine.table(TABLES[0])?, engine.table(TABLES[1])?])
}

/// An engine in memory with the tables.
///
/// # Panics
/// If there's none to be had.
pub fn in_memory(options: Options) -> Engine {
    let engine = Engine::in_memory(options).expect("an engine in memory starts");
    tables(&engine).expect("the tables are created");
    engine
}

/// A database on a device, with the tables.
///
/// # Panics
/// If it can't be opened.
pub fn on_device(device: &(impl Device + Clone + 'static), options: Options) -> Engine {
    let options = options.device(Arc::new(device.clone()));
    let engine = Engine::open(Path::new("/db"), options).expect("the database opens");
    tables(&engine).expect("the tables are created");
    engine
}

/// The number that the newest snapshot sees in a place.
///
/// # Panics
/// If the engine fails, or there's something else.
pub fn value(engine: &Engine, place: Place) -> Option<u64> {
    let bytes = contents(engine).get(&(place.table, place.bytes())).cloned()?;
    Some(u64::from_le_bytes(bytes.try_into().expect("a number has eight bytes")))
}

/// What a snapshot sees, read upwards and downwards.
///
/// # Errors
/// What the engine says.
///
/// # Panics
/// If the two ways differ.
pub fn contents_at(engine: &Engine, snapshot: &Snapshot) -> Result<State> {
    let mut state = State::new();
    let names = engine.tables();
    for (number, name) in (0..).zip(TABLES).filter(|(_, name)| names.iter().any(|known| known == name)) {
        let table = engine.table(name)?;
        let owned = |(key, value): (Bytes, Bytes)| ((number, Vec::from(key)), Vec::from(value));
        let upwards = snapshot.scan(&table, ..).map(|record| record.map(owned));
        let upwards: Vec<_> = upwards.collect::<Result<_>>()?;
        let downwards = snapshot.scan_rev(&table, ..).map(|record| record.map(owned));
        let mut downwards: Vec<_> = downwards.collect::<Result<_>>()?;
        downwards.reverse();
        assert_eq!(upwards, downwards, "a snapshot's scans differ");
        state.extend(upwards);
    }
    Ok(state)
}

/// What the newest snapshot sees.
///
/// # Panics
/// If the engine fails.
pub fn contents(engine: &Engine) -> State {
    let snapshot = engine.snapshot().expect("there are free snapshots");
    contents_at(engine, &snapshot).expect("a snapshot can be read")
}

/// The hash of a state, from an engine that has never seen anything else.
///
/// # Panics
/// If the engine fails.
pub fn hash_of(state: &State) -> u64 {
    let engine = in_memory(options());
    let records = state.iter().map(|((table, key), value)| (*table, key.clone(), value.clone()));
    engine.execute(Fill(records.collect())).expect("an engine in memory has no reason to fail");
    newest_hash(&engine)
}

/// The hash of the state that an engine keeps.
///
/// # Panics
/// If it keeps none.
pub fn newest_hash(engine: &Engine) -> u64 {
    let stats = engine.stats().sequencing.expect("the mode is the deterministic one");
    stats.newest_state.expect("a procedure was executed").1
}
