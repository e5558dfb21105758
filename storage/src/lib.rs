//! Storage: records and their version chains, the ordered index over them, and the write-ahead log.
//!
//! Nothing here knows what a transaction is. The layer above decides who may read or write a record
//! (it owns the meaning of a record's control word) and in which order commits reach the log.

mod blocks;
mod catalog;
pub mod checkpoint;
mod damage;
pub mod device;
mod error;
mod home;
pub mod index;
mod key_hash;
mod limits;
mod note;
mod prefetch;
pub mod reclaim;
mod record;
mod room;
#[doc(hidden)]
pub mod sync;
mod table;
mod timestamp;
mod version;
pub mod wal;

pub use catalog::{Catalog, DroppedTable};
pub use damage::Damage;
pub use error::{Error, Result};
pub use home::{CHECKPOINT_DIRECTORY, DATABASE_FILE, Home, Identity};
pub use key_hash::{in_table, key_hash, twin};
pub use limits::{KEY_BYTES_MAX, VALUE_BYTES_MAX, check_key, check_value};
pub use note::NoteFormat;
pub use record::{Record, RecordPtr};
pub use table::{Table, TableId};
pub use timestamp::Timestamp;
pub use version::{Version, VersionPtr, VersionState};
