//! Other engines, for the same workloads to run on.
//!
//! | peer | feature | what it is |
//! | --- | --- | --- |
//! | `rocksdb` | `rocksdb` | log-structured merge tree; transactions with locks (`TransactionDB`) |
//! | `rocksdb-optimistic` | `rocksdb` | the same tree; transactions validated at their commit |
//! | `redb` | `redb` | copy-on-write tree in one file; one writer at a time |
//! | `fjall` | `fjall` | log-structured merge tree; transactions validated at their commit |
//! | `lmdb` | `lmdb` | copy-on-write tree in a memory map; one writer at a time |
//! | `sqlite` | `sqlite` | SQL tables with a log ahead of them; one writer at a time |
//! | `surrealkv` | `surrealkv` | log-structured merge tree; transactions validated at their commit |
//!
//! Each is set up as its own documentation recommends, with a gibibyte of cache where it has one of its own.
//! None is built in by default: the feature `peers` takes all. What a commit waits for is mapped so:
//!
//! | [`Durability`](synod::Durability) | a peer's commit |
//! | --- | --- |
//! | `None`, `Buffered` | doesn't wait for the disk: the system writes when it likes |
//! | `Group`, `Sync` | has waited for a flush, which commits share if the engine does so by itself |

#[cfg(feature = "fjall")]
mod fjall;
#[cfg(feature = "lmdb")]
mod lmdb;
#[cfg(feature = "redb")]
mod redb;
#[cfg(feature = "rocksdb")]
mod rocksdb;
#[cfg(any(
    feature = "fjall",
    feature = "lmdb",
    feature = "redb",
    feature = "rocksdb",
    feature = "sqlite",
    feature = "surrealkv"
))]
mod shared;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(feature = "surrealkv")]
mod surrealkv;

use crate::error::{Error, Result};
use crate::target::{OpenOptions, Target};
use std::fmt;
use std::str::FromStr;

/// Another engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Peer {
    /// RocksDB, with locks.
    RocksDb,
    /// RocksDB, validating.
    RocksDbOptimistic,
    /// redb.
    Redb,
    /// fjall, validating.
    Fjall,
    /// LMDB.
    Lmdb,
    /// SQLite.
    Sqlite,
    /// SurrealKV.
    SurrealKv,
}

impl Peer {
    /// All of them, built in or not.
    pub const ALL: [Peer; 7] = [
        Peer::RocksDb,
        Peer::RocksDbOptimistic,
        Peer::Redb,
        Peer::Fjall,
        Peer::Lmdb,
        Peer::Sqlite,
        Peer::SurrealKv,
    ];

    /// Its name, for people and for commands.
    pub const fn name(self) -> &'static str {
        match self {
            Peer::RocksDb => "rocksdb",
            Peer::RocksDbOptimistic => "rocksdb-optimistic",
            Peer::Redb => "redb",
            Peer::Fjall => "fjall",
            Peer::Lmdb => "lmdb",
            Peer::Sqlite => "sqlite",
            Peer::SurrealKv => "surrealkv",
        }
    }

    /// The Cargo feature that builds it in.
    pub const fn feature(self) -> &'static str {
        match self {
            Peer::RocksDbOptimistic => "rocksdb",
            other => other.name(),
        }
    }

    /// The package that it comes in, and its version. A test compares them to `Cargo.lock`.
    pub const fn package(self) -> (&'static str, &'static str) {
        match self {
            Peer::RocksDb | Peer::RocksDbOptimistic => ("librocksdb-sys", "0.19.0+11.8.1"),
            Peer::Redb => ("redb", "4.5.0"),
            Peer::Fjall => ("fjall", "3.1.13"),
            Peer::Lmdb => ("heed", "0.22.1"),
            Peer::Sqlite => ("rusqlite", "0.41.1"),
            Peer::SurrealKv => ("surrealkv", "1.2.0"),
        }
    }

    /// Whether it is built in.
    pub const fn is_built(self) -> bool {
        match self {
            Peer::RocksDb | Peer::RocksDbOptimistic => cfg!(feature = "rocksdb"),
            Peer::Redb => cfg!(feature = "redb"),
            Peer::Fjall => cfg!(feature = "fjall"),
            Peer::Lmdb => cfg!(feature = "lmdb"),
            Peer::Sqlite => cfg!(feature = "sqlite"),
            Peer::SurrealKv => cfg!(feature = "surrealkv"),
        }
    }

    /// Opens it, with what its directory has, or anew.
    ///
    /// # Errors
    ///
    /// If it isn't built in, or if it can't open its files.
    pub fn open(self, options: &OpenOptions) -> Result<Box<dyn Target>> {
        if self.is_built() {
            let directory = &options.directory;
            std::fs::create_dir_all(directory)
                .map_err(|source| Error::io("cannot create the directory", directory, source))?;
        }
        match self {
            #[cfg(feature = "rocksdb")]
            Peer::RocksDb => rocksdb::open_pessimistic(options),
            #[cfg(feature = "rocksdb")]
            Peer::RocksDbOptimistic => rocksdb::open_optimistic(options),
            #[cfg(feature = "redb")]
            Peer::Redb => redb::open(options),
            #[cfg(feature = "fjall")]
            Peer::Fjall => fjall::open(options),
            #[cfg(feature = "lmdb")]
            Peer::Lmdb => lmdb::open(options),
            #[cfg(feature = "sqlite")]
            Peer::Sqlite => sqlite::open(options),
            #[cfg(feature = "surrealkv")]
            Peer::SurrealKv => surrealkv::open(options),
            #[allow(unreachable_patterns)]
            missing => Err(missing.is_missing()),
        }
    }

    fn is_missing(self) -> Error {
        let feature = self.feature();
        Error::Settings(format!("{self} isn't built in: build with --features {feature} (or peers)"))
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Peer {
    type Err = String;

    fn from_str(text: &str) -> Result<Peer, String> {
        let known = Peer::ALL.into_iter().find(|peer| peer.name() == text);
        known.ok_or_else(|| {
            let names = Peer::ALL.map(Peer::name).join(", ");
            format!("unknown engine \"{text}\": there are {names}")
        })
    }
}
