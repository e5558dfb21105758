//! What is written down of a transaction.

use synod::Timestamp;

/// An operation. Keys are single bytes, values unique numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Reads a key.
    Get(u8),
    /// Reads a key that is meant to be written.
    GetForUpdate(u8),
    /// Reads the keys from the first to the second, both included.
    Scan(u8, u8),
    /// The same in descending order.
    ScanBackward(u8, u8),
    /// Reads only the first record of a range.
    First(u8, u8),
    /// Writes.
    Put(u8, u64),
    /// Writes if the key is absent.
    Insert(u8, u64),
    /// Deletes.
    Delete(u8),
}

/// What the engine answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To a read of one key.
    Value(Option<u64>),
    /// To a scan.
    Records(Vec<(u8, u64)>),
    /// To a write.
    Done,
    /// To an insertion: whether the key was absent. To a deletion: whether it was present.
    Success(bool),
}

/// A committed transaction.
#[derive(Clone, Debug)]
pub struct Committed {
    /// What it did, in order.
    pub steps: Vec<(Request, Answer)>,
    /// The moment before it began.
    pub began: u64,
    /// The moment after its commit was acknowledged.
    pub ended: u64,
    /// Its commit timestamp, if it has written anything.
    pub wrote_at: Option<Timestamp>,
}

impl Committed {
    /// Whether one of these steps has an effect on others.
    pub fn writes(steps: &[(Request, Answer)]) -> bool {
        steps.iter().any(|step| match step {
            (Request::Put(..), _) => true,
            (Request::Insert(..) | Request::Delete(_), answer) => *answer == Answer::Success(true),
            _ => false,
        })
    }
}
