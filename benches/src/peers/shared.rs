//! What peers have in common.

#![allow(dead_code, reason = "not every peer needs all of it, and each may be the only one that is built in")]

use crate::error::{Error, Result};
use crate::target::{Stop, TableNumber, Txn};
use synod::Durability;

/// The cache that a peer gets, if it has one of its own: enough for the data of these workloads.
pub(super) const CACHE_BYTES: usize = 1 << 30;

/// Takes a key and its value, and says whether it wants more.
pub(super) type Each<'e> = dyn FnMut(&[u8], &[u8]) -> bool + 'e;

/// Whether a commit waits for the disk.
pub(super) fn is_flushed(durability: Durability) -> bool {
    match durability {
        Durability::None | Durability::Buffered => false,
        Durability::Group | Durability::Sync => true,
    }
}

/// Texts as [`About`](crate::target::About) has them.
pub(super) fn texts<const N: usize>(texts: [&str; N]) -> Vec<String> {
    texts.map(str::to_string).to_vec()
}

/// Makes a peer's errors ours.
pub(super) trait Told<T> {
    /// Says whose error it is.
    fn told(self, name: &'static str) -> Result<T>;
}

impl<T, E: Into<Box<dyn std::error::Error + Send + Sync>>> Told<T> for Result<T, E> {
    fn told(self, name: &'static str) -> Result<T> {
        self.map_err(|error| Error::Peer { name, source: error.into() })
    }
}

/// A transaction that can only read.
pub(super) trait Reads {
    /// As [`Txn::get`].
    fn get(&mut self, table: TableNumber, key: &[u8], value: &mut Vec<u8>) -> Result<bool, Stop>;

    /// As [`Txn::scan`].
    fn scan(&mut self, table: TableNumber, from: &[u8], to: &[u8], each: &mut Each<'_>) -> Result<(), Stop>;
}

/// Refuses writes.
pub(super) struct ReadOnly<R>(pub(super) R);

fn refused() -> Stop {
    Stop::Failed(Error::Settings("a transaction writes that was said to read only".to_string()))
}

impl<R: Reads> Txn for ReadOnly<R> {
    fn get(&mut self, table: TableNumber, key: &[u8], value: &mut Vec<u8>) -> Result<bool, Stop> {
        self.0.get(table, key, value)
    }

    fn put(&mut self, _: TableNumber, _: &[u8], _: &[u8]) -> Result<(), Stop> {
        Err(refused())
    }

    fn delete(&mut self, _: TableNumber, _: &[u8]) -> Result<(), Stop> {
        Err(refused())
    }

    fn scan(&mut self, table: TableNumber, from: &[u8], to: &[u8], each: &mut Each<'_>) -> Result<(), Stop> {
        self.0.scan(table, from, to, each)
    }
}
