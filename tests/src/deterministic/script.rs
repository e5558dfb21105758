//! The little language, and what a script says beforehand that it will touch.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::places::{Bounds, Ends, Place, Span};

/// A procedure whose arguments say what it does.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Script {
    /// Under which the [witness](super::witness) knows it.
    pub id: u64,
    /// What it does.
    pub steps: Vec<Step>,
    /// What it says of that beforehand.
    pub declares: Declares,
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // On one line, whatever was asked for: there are many of them.
        let Script { id, steps, declares } = self;
        write!(f, "script {id}, which declares {declares:?}: {steps:?}")
    }
}

/// What a script says beforehand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Declares {
    /// Nothing: the engine has to find out.
    Unknown,
    /// Each key and range that a step may touch.
    Each,
    /// Each key by itself as read, and all of a table as written, if anything in it is.
    Tables,
    /// Each key as a range.
    Ranges,
    /// As `Each`, but for one declaration.
    AllBut(u8),
}

/// A step of a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// Reads a key.
    Get(Place),
    /// Reads a key for update.
    GetForUpdate(Place),
    /// Writes a number.
    Put(Place, u64),
    /// Writes a number where there is nothing.
    Insert(Place, u64),
    /// Deletes a key.
    Delete(Place),
    /// Adds to the number that is there.
    Add(Place, u64),
    /// The same, by the table's merge function.
    Merge(Place, u64),
    /// Reads up to so many records of a range, upwards or downwards.
    Scan {
        /// The range.
        span: Span,
        /// Whether it goes downwards.
        is_backward: bool,
        /// It stops after so many.
        limit: u8,
    },
    /// Adds one to each number in a range, while it scans the range.
    Bump {
        /// The range.
        span: Span,
        /// Whether it goes downwards.
        is_backward: bool,
    },
    /// Deletes a range.
    DeleteRange(Span),
    /// Makes a savepoint.
    Savepoint,
    /// Rolls back to the newest savepoint, if there is one.
    RollBack,
    /// Rejects if the number there, modulo 8, is below this.
    RejectIf(Place, u8),
    /// Writes a number to the second place if that in the first one is odd.
    PutIfOdd(Place, Place, u64),
    /// Writes to the second place what is in the first one, or deletes it.
    Copy(Place, Place),
    /// Takes the number there, modulo 12, for the key to go on with, so many times; and adds 1 to where that ends.
    Follow(Place, u8),
    /// Writes a random number.
    Random(Place),
    /// Writes the time.
    Now(Place),
    /// Panics.
    Panic,
}

/// What a step has answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Seen {
    /// Nothing of interest.
    Nothing,
    /// A value.
    Value(Option<Vec<u8>>),
    /// Yes or no.
    Flag(bool),
    /// So many.
    Count(u64),
    /// Records.
    Records(Vec<(Vec<u8>, Vec<u8>)>),
}

/// What came of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It committed; this is what its steps have answered.
    Done(Vec<Seen>),
    /// It rejected.
    Rejected,
    /// It has touched what it hadn't declared.
    Outside,
    /// It panicked.
    Panicked,
    /// Something else.
    Failed(String),
}

/// One declaration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// Which of the tables.
    pub table: u8,
    /// What of it.
    pub what: What,
    /// Whether it is written.
    pub writes: bool,
}

/// What is declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// One key.
    Key(Vec<u8>),
    /// A range of keys.
    Range(Bounds),
}

impl Step {
    /// What the step may touch, whatever it finds.
    fn accesses(self) -> Vec<Access> {
        let read = |place: Place| Access::key(place, false);
        let written = |place: Place| Access::key(place, true);
        match self {
            Step::Get(place) | Step::RejectIf(place, _) => vec![read(place)],
            Step::GetForUpdate(place)
            | Step::Put(place, _)
            | Step::Insert(place, _)
            | Step::Delete(place)
            | Step::Add(place, _)
            | Step::Merge(place, _)
            | Step::Random(place)
            | Step::Now(place) => vec![written(place)],
            Step::PutIfOdd(from, to, _) | Step::Copy(from, to) => vec![read(from), written(to)],
            Step::Scan { span, .. } => vec![Access::range(span, false)],
            Step::Bump { span, .. } | Step::DeleteRange(span) => vec![Access::range(span, true)],
            Step::Follow(Place { table, .. }, _) => {
                vec![Access::range(Span { table, ends: Ends::All }, true)]
            }
            Step::Savepoint | Step::RollBack | Step::Panic => Vec::new(),
        }
    }
}

impl Access {
    fn key(place: Place, writes: bool) -> Access {
        Access { table: place.table, what: What::Key(place.bytes()), writes }
    }

    fn range(span: Span, writes: bool) -> Access {
        Access { table: span.table, what: What::Range(span.bounds()), writes }
    }

    /// A key as a range of one.
    fn into_range(self) -> Access {
        let what = match self.what {
            What::Key(key) => {
                What::Range((std::ops::Bound::Included(key.clone()), std::ops::Bound::Included(key)))
            }
            range => range,
        };
        Access { what, ..self }
    }
}

impl Script {
    /// What it declares; `None` if that is left to the engine.
    pub fn declared(&self) -> Option<Vec<Access>> {
        let mut each: Vec<Access> = self.steps.iter().flat_map(|step| step.accesses()).collect();
        match self.declares {
            Declares::Unknown => return None,
            Declares::Each => {}
            Declares::Ranges => each = each.into_iter().map(Access::into_range).collect(),
            Declares::Tables => {
                let written = |table: u8| each.iter().any(|access| access.table == table && access.writes);
                let all = |table| Access::range(Span { table, ends: Ends::All }, true);
                let tables: Vec<_> = [0, 1].into_iter().filter(|&table| written(table)).map(all).collect();
                let is_range = |access: &Access| matches!(access.what, What::Range(_));
                each.iter_mut().filter(|access| !is_range(access)).for_each(|access| access.writes = false);
                each.extend(tables);
            }
            Declares::AllBut(number) => {
                if !each.is_empty() {
                    each.remove(usize::from(number) % each.len());
                }
            }
        }
        Some(each)
    }
}
