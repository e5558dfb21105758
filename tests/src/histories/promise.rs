//! What the engine's levels promise, in the words of the checker.

use synod::Isolation;
use synod_checker::Level;

/// What a level promises.
pub fn promise(level: Isolation) -> Level {
    match level {
        Isolation::ReadUncommitted => Level::ReadUncommitted,
        Isolation::ReadCommitted => Level::ReadCommitted,
        Isolation::RepeatableRead => Level::RepeatableRead,
        Isolation::Snapshot => Level::StrongSnapshotIsolation,
        Isolation::Serializable => Level::StrictSerializable,
    }
}

/// A stronger level, which it doesn't keep.
pub fn beyond(level: Isolation) -> Option<Level> {
    match level {
        Isolation::ReadUncommitted => Some(Level::ReadCommitted),
        Isolation::ReadCommitted => Some(Level::RepeatableRead),
        Isolation::RepeatableRead | Isolation::Snapshot => Some(Level::Serializable),
        Isolation::Serializable => None,
    }
}
