//! Writing rows, many in one transaction, whatever the mode.
//!
//! Under the deterministic mode only procedures write. So there rows travel as the arguments of one, in one piece:
//! `serde` takes a piece of bytes as a whole, and not byte by byte.

use crate::error::Result;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use synod::{
    Declaration, Durability, Engine, Mode, Procedure, Table, TransactOptions, TransactionOptions, View,
};

/// Rows to be written. They lie in one buffer, which is used again.
#[derive(Default)]
pub(crate) struct Rows<'a> {
    /// Each of them once.
    tables: Vec<&'a Table>,
    places: Vec<Place>,
    bytes: Vec<u8>,
}

/// How long a row is; key and value lie behind those of the rows before.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Place {
    /// Among the tables.
    table: u8,
    key_bytes: u32,
    value_bytes: u32,
}

impl<'a> Rows<'a> {
    /// Adds a row of a table, one of at most 256.
    pub(crate) fn push(&mut self, table: &'a Table, key: &[u8], value: &[u8]) {
        let known = self.tables.iter().position(|known| std::ptr::eq(*known, table));
        let table = known.unwrap_or_else(|| {
            self.tables.push(table);
            self.tables.len() - 1
        });
        let (key_bytes, value_bytes) = (key.len() as u32, value.len() as u32);
        self.places.push(Place { table: table as u8, key_bytes, value_bytes });
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(value);
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// The bytes of their keys and values.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Writes them in one transaction, waits for it as `level` asks, and forgets them.
    ///
    /// # Errors
    ///
    /// What the engine returns.
    pub(crate) fn write(&mut self, engine: &Engine, level: Durability) -> Result<()> {
        let transaction = TransactionOptions::new().durability(level);
        if engine.mode() == Mode::Deterministic {
            engine.execute_with(transaction, self.to_procedure())?;
        } else {
            let options = TransactOptions { transaction, ..TransactOptions::default() };
            let committed = engine.transact_with(&options, |txn| {
                let rows = rows(&self.places, &self.bytes);
                rows.into_iter().try_for_each(|(table, key, value)| txn.put(self.tables[table], key, value))
            })?;
            committed.handle.wait()?;
        }
        self.places.clear();
        self.bytes.clear();
        Ok(())
    }

    fn to_procedure(&self) -> PutRows {
        PutRows {
            tables: self.tables.iter().map(|table| table.name().to_owned()).collect(),
            places: self.places.clone(),
            bytes: Bytes::copy_from_slice(&self.bytes),
        }
    }
}

/// Each row: the place of its table, its key and its value.
fn rows<'b>(places: &'b [Place], mut bytes: &'b [u8]) -> impl Iterator<Item = (usize, &'b [u8], &'b [u8])> {
    places.iter().map(move |place| {
        let (key, rest) = bytes.split_at(place.key_bytes as usize);
        let (value, rest) = rest.split_at(place.value_bytes as usize);
        bytes = rest;
        (usize::from(place.table), key, value)
    })
}

/// The procedure that writes rows.
#[derive(Serialize, Deserialize)]
pub(crate) struct PutRows {
    tables: Vec<String>,
    places: Vec<Place>,
    bytes: Bytes,
}

impl Procedure for PutRows {
    const NAME: &'static str = "bench.put-rows";

    type Output = ();

    fn declare(&self, footprint: &mut Declaration<'_>) -> synod::Result<()> {
        let tables: Vec<&Table> =
            self.tables.iter().map(|name| footprint.table(name)).collect::<synod::Result<_>>()?;
        rows(&self.places, &self.bytes).for_each(|(table, key, _)| footprint.write_in(tables[table], key));
        Ok(())
    }

    fn run(&self, view: &View<'_>) -> synod::Result<()> {
        let tables: Vec<&Table> =
            self.tables.iter().map(|name| view.table(name)).collect::<synod::Result<_>>()?;
        rows(&self.places, &self.bytes)
            .try_for_each(|(table, key, value)| view.put(tables[table], key, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use synod::Options;

    #[test]
    fn rows_of_several_tables_are_written_under_every_mode() {
        for mode in Mode::ALL {
            let engine = Engine::in_memory(Options::new().mode(mode).procedure::<PutRows>()).expect("opens");
            let [ships, ports] = ["ships", "ports"].map(|name| engine.table(name).expect("created"));
            let mut batch = Rows::default();
            for round in 0..2u8 {
                batch.push(&ships, &[round], b"Rurik");
                batch.push(&ports, &[round, round], b"");
                batch.push(&ships, &[round, 1], &[round; 300]);
                assert_eq!((batch.len(), batch.bytes()), (3, 1 + 5 + 2 + 2 + 300));
                batch.write(&engine, Durability::None).expect("written");
                assert_eq!((batch.len(), batch.bytes()), (0, 0));
            }
            let snapshot = engine.snapshot().expect("a snapshot");
            let get = |table, key: &[u8]| snapshot.get(table, key).expect("readable");
            assert_eq!(get(&ships, &[1]).as_deref(), Some(&b"Rurik"[..]), "{mode}");
            assert_eq!(get(&ships, &[1, 1]).as_deref(), Some(&[1; 300][..]), "{mode}");
            assert_eq!(get(&ports, &[0, 0]).as_deref(), Some(&b""[..]), "{mode}");
            assert_eq!(snapshot.scan(&ports, ..).count(), 2, "{mode}");
        }
    }
}
