//! Isolation levels, and what each of them forbids.
//!
//! ```text
//!                         strict serializable
//!                       ┌──────────┴─────────────┐
//!        strong snapshot isolation    strong session serializable
//!                       └──────────┬─────────────┤
//!             strong session snapshot isolation  serializable
//!                                  └─────┬───────┴──────┐
//!                             snapshot isolation   repeatable read
//!                                        └──────┬───────┘
//!                                     monotonic atomic view
//!                                        read committed
//!                                       read uncommitted
//! ```
//!
//! A level forbids whatever a level below it forbids. By Adya's definitions (1999; Adya, Liskov and O'Neil, 2000):
//! read uncommitted is PL-1, read committed PL-2, repeatable read PL-2.99, serializable PL-3. Monotonic atomic view is
//! that of Bailis and others (2013). Snapshot isolation is what Cerone and Gotsman (2018) have shown it to be: no cycle
//! but those with two anti-dependencies in a row. The strong (session) levels forbid the same cycles when real time (the
//! order of sessions) is added to the reasons, as in Kingsbury and Alvaro (2020).

use crate::anomaly::{CycleKind, Family, Kind, Order};
use std::fmt;
use std::str::FromStr;

/// An isolation level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// No dirty writes.
    ReadUncommitted,
    /// Only committed, final writes are read, and information doesn't flow in circles.
    ReadCommitted,
    /// Who has seen one effect of a transaction sees all of them from then on.
    MonotonicAtomicView,
    /// What was read stays as it is; phantoms may appear.
    RepeatableRead,
    /// Each transaction reads from one moment's state, and of two that change the same key one fails.
    SnapshotIsolation,
    /// Some order of the transactions explains everything.
    Serializable,
    /// Snapshot isolation, and a session sees what it did before.
    StrongSessionSnapshotIsolation,
    /// Snapshot isolation, and everyone sees what was committed before they began.
    StrongSnapshotIsolation,
    /// Serializable in an order that each session agrees with.
    StrongSessionSerializable,
    /// Serializable in an order that real time agrees with.
    StrictSerializable,
}

impl Level {
    /// All levels, each after those below it.
    pub const ALL: [Level; 10] = [
        Level::ReadUncommitted,
        Level::ReadCommitted,
        Level::MonotonicAtomicView,
        Level::RepeatableRead,
        Level::SnapshotIsolation,
        Level::Serializable,
        Level::StrongSessionSnapshotIsolation,
        Level::StrongSnapshotIsolation,
        Level::StrongSessionSerializable,
        Level::StrictSerializable,
    ];

    /// The levels right below this one: what satisfies this one satisfies them.
    pub fn below(self) -> &'static [Level] {
        use Level::*;
        match self {
            ReadUncommitted => &[],
            ReadCommitted => &[ReadUncommitted],
            MonotonicAtomicView => &[ReadCommitted],
            RepeatableRead | SnapshotIsolation => &[MonotonicAtomicView],
            Serializable => &[RepeatableRead, SnapshotIsolation],
            StrongSessionSnapshotIsolation => &[SnapshotIsolation],
            StrongSnapshotIsolation => &[StrongSessionSnapshotIsolation],
            StrongSessionSerializable => &[Serializable, StrongSessionSnapshotIsolation],
            StrictSerializable => &[StrongSessionSerializable, StrongSnapshotIsolation],
        }
    }

    /// Whether this level, or one below it, forbids something.
    pub fn forbids(self, kind: Kind) -> bool {
        self.forbids_itself(kind) || self.below().iter().any(|level| level.forbids(kind))
    }

    fn forbids_itself(self, kind: Kind) -> bool {
        match kind {
            Kind::DuplicateElements | Kind::CyclicVersions | Kind::UnwrittenRead => {
                self == Level::ReadUncommitted
            }
            Kind::IncompatibleOrder | Kind::DirtyUpdate | Kind::G1a | Kind::G1b | Kind::Internal => {
                self == Level::ReadCommitted
            }
            Kind::ObservedVanishes => self == Level::MonotonicAtomicView,
            Kind::LostUpdate => matches!(self, Level::RepeatableRead | Level::SnapshotIsolation),
            Kind::Cycle(kind) => self.forbids_cycle(kind),
        }
    }

    fn forbids_cycle(self, CycleKind { order, family, is_predicate }: CycleKind) -> bool {
        match self {
            Level::ReadUncommitted => order == Order::Data && family == Family::G0,
            Level::ReadCommitted => order == Order::Data && family <= Family::G1c,
            Level::MonotonicAtomicView => false,
            Level::RepeatableRead => order == Order::Data && !is_predicate,
            Level::SnapshotIsolation => order == Order::Data && family <= Family::GNonadjacent,
            Level::Serializable => order == Order::Data,
            Level::StrongSessionSnapshotIsolation => {
                order <= Order::Session && family <= Family::GNonadjacent
            }
            Level::StrongSnapshotIsolation => family <= Family::GNonadjacent,
            Level::StrongSessionSerializable => order <= Order::Session,
            Level::StrictSerializable => true,
        }
    }

    /// Its name as an argument: `snapshot-isolation`.
    pub fn id(self) -> String {
        self.to_string().replace(' ', "-")
    }
}

impl fmt::Display for Level {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Level::ReadUncommitted => "read uncommitted",
            Level::ReadCommitted => "read committed",
            Level::MonotonicAtomicView => "monotonic atomic view",
            Level::RepeatableRead => "repeatable read",
            Level::SnapshotIsolation => "snapshot isolation",
            Level::Serializable => "serializable",
            Level::StrongSessionSnapshotIsolation => "strong session snapshot isolation",
            Level::StrongSnapshotIsolation => "strong snapshot isolation",
            Level::StrongSessionSerializable => "strong session serializable",
            Level::StrictSerializable => "strict serializable",
        })
    }
}

/// A text that names no level.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no level {0:?}; there are: {all}", all = Level::ALL.map(Level::id).join(", "))]
pub struct UnknownLevel(pub String);

impl FromStr for Level {
    type Err = UnknownLevel;

    fn from_str(text: &str) -> Result<Level, UnknownLevel> {
        let level = Level::ALL.into_iter().find(|level| level.id() == text);
        level.ok_or_else(|| UnknownLevel(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_can_be_read_back() {
        for level in Level::ALL {
            assert_eq!(level.id().parse(), Ok(level));
        }
        let error = "serialisable".parse::<Level>().expect_err("misspelt").to_string();
        assert!(error.contains("\"serialisable\"") && error.contains("strict-serializable"), "{error}");
    }

    #[test]
    fn levels_are_listed_after_those_below() {
        for (place, level) in Level::ALL.iter().enumerate() {
            assert!(level.below().iter().all(|below| Level::ALL[..place].contains(below)), "{level}");
        }
    }
}
