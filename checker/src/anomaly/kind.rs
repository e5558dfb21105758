//! The names of what can go wrong.

use std::fmt;

/// Which reasons make up a cycle, from the worst to the mildest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Only overwrites: dirty writes.
    G0,
    /// Overwrites and reads: circular information flow.
    G1c,
    /// One anti-dependency.
    GSingle,
    /// Several anti-dependencies, never two in a row.
    GNonadjacent,
    /// Several anti-dependencies, two of them in a row.
    G2,
}

/// Which order, other than that of the data, a cycle needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Order {
    /// None.
    Data,
    /// That of transactions in a session.
    Session,
    /// That of what ended before something else began.
    RealTime,
}

/// What a cycle is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CycleKind {
    /// Which order it needs.
    pub order: Order,
    /// Which reasons.
    pub family: Family,
    /// Whether an anti-dependency is one of a predicate: of what was *not* found in a range.
    pub is_predicate: bool,
}

/// `G0`, `G-single`, `G2-item`, `G-single-predicate-realtime`, … Without `-predicate`, and in `G2-item`, all
/// anti-dependencies are of items; `G2` has one of a predicate.
impl fmt::Display for CycleKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match (self.family, self.is_predicate) {
            (Family::G0, _) => "G0",
            (Family::G1c, _) => "G1c",
            (Family::GSingle, false) => "G-single",
            (Family::GSingle, true) => "G-single-predicate",
            (Family::GNonadjacent, false) => "G-nonadjacent",
            (Family::GNonadjacent, true) => "G-nonadjacent-predicate",
            (Family::G2, false) => "G2-item",
            (Family::G2, true) => "G2",
        })?;
        formatter.write_str(match self.order {
            Order::Data => "",
            Order::Session => "-session",
            Order::RealTime => "-realtime",
        })
    }
}

/// What is wrong. Sorted from the worst to the mildest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// A list has the same element twice.
    DuplicateElements,
    /// The versions of a register would have to come before each other.
    CyclicVersions,
    /// Somebody read what nobody had written.
    UnwrittenRead,
    /// Two reads of a list, neither of which begins with the other.
    IncompatibleOrder,
    /// Somebody who committed wrote on top of what an aborted transaction had written.
    DirtyUpdate,
    /// Aborted read: of what an aborted transaction had written.
    G1a,
    /// Intermediate read: of what its writer replaced later.
    G1b,
    /// A transaction doesn't see its own writes.
    Internal,
    /// Observed transaction vanishes.
    ObservedVanishes,
    /// Two transactions read the same version of a register and both replaced it.
    LostUpdate,
    /// A cycle of dependencies.
    Cycle(CycleKind),
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::DuplicateElements => formatter.write_str("duplicate elements"),
            Kind::CyclicVersions => formatter.write_str("cyclic versions"),
            Kind::UnwrittenRead => formatter.write_str("unwritten read"),
            Kind::IncompatibleOrder => formatter.write_str("incompatible order"),
            Kind::DirtyUpdate => formatter.write_str("dirty update"),
            Kind::G1a => formatter.write_str("G1a"),
            Kind::G1b => formatter.write_str("G1b"),
            Kind::Internal => formatter.write_str("internal inconsistency"),
            Kind::ObservedVanishes => formatter.write_str("OTV"),
            Kind::LostUpdate => formatter.write_str("lost update"),
            Kind::Cycle(kind) => kind.fmt(formatter),
        }
    }
}

impl Kind {
    /// What it is, in a few words.
    pub fn meaning(self) -> &'static str {
        match self {
            Kind::DuplicateElements => "a list has an element twice",
            Kind::CyclicVersions => "no order of a register's values fits",
            Kind::UnwrittenRead => "a read of what nobody wrote",
            Kind::IncompatibleOrder => "two reads of a list that can't both be right",
            Kind::DirtyUpdate => "a write on top of what was rolled back",
            Kind::G1a => "aborted read",
            Kind::G1b => "intermediate read",
            Kind::Internal => "a transaction that doesn't see its own writes",
            Kind::ObservedVanishes => "an observed transaction vanishes",
            Kind::LostUpdate => "of two updates one is lost",
            Kind::Cycle(kind) => match kind.family {
                Family::G0 => "writes that come before each other",
                Family::G1c => "circular information flow",
                Family::GSingle => "a read that is too old, once",
                Family::GNonadjacent => "reads that are too old, never two in a row",
                Family::G2 => "reads that are too old, two in a row",
            },
        }
    }
}

/// A well-known shape of an anomaly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Pattern {
    /// Two transactions replace the same version of a key.
    LostUpdate,
    /// Two transactions each write what the other one has read.
    WriteSkew,
    /// Two readers see two writes in opposite orders.
    LongFork,
    /// A reader sees a part of what a transaction did.
    ReadSkew,
    /// A reader sees a key before and after a change.
    NonrepeatableRead,
    /// A scan misses a key of a transaction that its reader has seen, or that it saw in another scan.
    Phantom,
    /// Two transactions could be ordered, if nobody had looked (Fekete, O'Neil and O'Neil, 2004).
    ReadOnlyAnomaly,
    /// A read that doesn't see what was there before it began.
    StaleRead,
}

impl fmt::Display for Pattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Pattern::LostUpdate => "lost update",
            Pattern::WriteSkew => "write skew",
            Pattern::LongFork => "long fork",
            Pattern::ReadSkew => "read skew",
            Pattern::NonrepeatableRead => "non-repeatable read",
            Pattern::Phantom => "phantom",
            Pattern::ReadOnlyAnomaly => "read-only transaction anomaly",
            Pattern::StaleRead => "stale read",
        })
    }
}
