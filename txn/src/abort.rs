//! Why a transaction was aborted: a value, not a failure.

use std::fmt;
use std::time::Duration;

use synod_storage::{Record, Table, Timestamp};

use crate::TransactionId;

/// The engine ended a transaction in favour of others. All its effects are undone and its locks are
/// released; trying the same work again usually succeeds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Abort {
    /// The transaction was part of a cycle of transactions that waited for each other, and was chosen
    /// as the victim. The cycle starts with the victim; each member waits for the next, the last for
    /// the first.
    Deadlock {
        /// Who waited for what.
        cycle: Vec<DeadlockMember>,
    },
    /// An older transaction needed a lock that this one held (wound-wait).
    Wounded {
        /// The older transaction.
        by: TransactionId,
    },
    /// This transaction needed a lock that an older one held (wait-die).
    Died {
        /// The older transaction.
        holder: TransactionId,
        /// The table in which the lock was wanted.
        table: String,
        /// The key whose lock was wanted; `None` for the gap behind the last key.
        key: Option<Vec<u8>>,
    },
    /// Somebody else held a lock that this transaction needed (no-wait).
    LockBusy {
        /// The holder.
        holder: TransactionId,
        /// The table in which the lock was wanted.
        table: String,
        /// The key whose lock was wanted; `None` for the gap behind the last key.
        key: Option<Vec<u8>>,
    },
    /// A lock wasn't granted within the transaction's lock timeout.
    LockTimeout {
        /// How long the transaction waited.
        waited: Duration,
        /// The table in which the lock was wanted.
        table: String,
        /// The key whose lock was wanted; `None` for the gap behind the last key.
        key: Option<Vec<u8>>,
    },
    /// Somebody else has committed a change of a record that this transaction means to change, after the moment
    /// that this one reads at (multi-version: the first updater wins).
    WriteConflict {
        /// The other's change.
        change: Change,
    },
    /// Something that this transaction has read was changed before it could commit (optimistic: validation).
    ReadChanged {
        /// The change.
        change: Change,
    },
    /// This transaction has read something before `change` overwrote it, and comes after a transaction that comes
    /// after that change: no order of the three explains what they saw (multi-version, serializable).
    Unserializable {
        /// The change.
        change: Box<Change>,
        /// The one who made it has itself read what a commit at this time overwrote (or it is that commit).
        change_comes_before: Timestamp,
        /// This transaction comes after one that committed, or read, at this time.
        comes_after: Timestamp,
        /// What that one read, and this transaction overwrote; `None` if it is the gap that a new key went into, or
        /// if that one had just committed before this transaction began.
        overwritten: Option<Vec<u8>>,
    },
}

/// A committed change of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The table.
    pub table: String,
    /// The key.
    pub key: Vec<u8>,
    /// When the change was committed.
    pub at: Timestamp,
}

impl Change {
    pub(crate) fn of(table: &Table, record: Record<'_>, at: Timestamp) -> Self {
        Change { table: table.name().to_owned(), key: record.key().to_vec(), at }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", Place { table: &self.table, key: Some(&self.key) }, self.at)
    }
}

/// One transaction in a deadlock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadlockMember {
    /// The transaction.
    pub transaction: TransactionId,
    /// The table in which it waits for a lock.
    pub table: String,
    /// The key that it waits for; `None` for the gap behind the last key.
    pub key: Option<Vec<u8>>,
}

impl Abort {
    /// A short, stable name for tables and metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Abort::Deadlock { .. } => "deadlock",
            Abort::Wounded { .. } => "wounded",
            Abort::Died { .. } => "died",
            Abort::LockBusy { .. } => "lock busy",
            Abort::LockTimeout { .. } => "lock timeout",
            Abort::WriteConflict { .. } => "write conflict",
            Abort::ReadChanged { .. } => "read changed",
            Abort::Unserializable { .. } => "unserializable",
        }
    }

    /// Whether trying the same work again makes sense. True for every conflict between transactions,
    /// but not for a lock timeout: it has used up the patience that the caller granted, and the holder
    /// may be the caller itself.
    pub fn is_retryable(&self) -> bool {
        !matches!(self, Abort::LockTimeout { .. })
    }
}

impl fmt::Display for Abort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Abort::Deadlock { cycle } => {
                write!(f, "deadlock: ")?;
                for member in cycle {
                    write!(f, "{} waits for {}, held by ", member.transaction, Place::of(member))?;
                }
                match cycle.first() {
                    Some(first) => write!(f, "{}", first.transaction),
                    None => write!(f, "nobody"),
                }
            }
            Abort::Wounded { by } => write!(f, "wounded by the older transaction {by}"),
            Abort::Died { holder, table, key } => {
                write!(
                    f,
                    "{} is held by the older transaction {holder}",
                    Place { table, key: key.as_deref() }
                )
            }
            Abort::LockBusy { holder, table, key } => {
                write!(f, "{} is held by transaction {holder}", Place { table, key: key.as_deref() })
            }
            Abort::LockTimeout { waited, table, key } => {
                let place = Place { table, key: key.as_deref() };
                write!(f, "no lock on {place} within {} ms", waited.as_millis())
            }
            Abort::WriteConflict { change } => {
                write!(f, "somebody else has changed {change}, after the snapshot of this transaction")
            }
            Abort::ReadChanged { change } => write!(f, "what was read was changed meanwhile: {change}"),
            Abort::Unserializable { change, change_comes_before, comes_after, overwritten } => {
                write!(
                    f,
                    "not serializable: it read before the change of {change}, which comes before \
                     {change_comes_before}, and itself comes after {comes_after}"
                )?;
                match overwritten {
                    Some(key) => write!(f, ", when \"{}\" was read, which it overwrites", key.escape_ascii()),
                    None => Ok(()),
                }
            }
        }
    }
}

/// A key in a table, written for people.
struct Place<'a> {
    table: &'a str,
    key: Option<&'a [u8]>,
}

impl<'a> Place<'a> {
    fn of(member: &'a DeadlockMember) -> Self {
        Place { table: &member.table, key: member.key.as_deref() }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.key {
            Some(key) => write!(f, "{}[\"{}\"]", self.table, key.escape_ascii()),
            None => write!(f, "the end of {}", self.table),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadlock_names_its_cycle() {
        let member = |id, key: &str| DeadlockMember {
            transaction: TransactionId(id),
            table: "accounts".into(),
            key: Some(key.into()),
        };
        let abort = Abort::Deadlock { cycle: vec![member(7, "a"), member(9, "b")] };
        assert_eq!(
            abort.to_string(),
            "deadlock: T7 waits for accounts[\"a\"], held by T9 waits for accounts[\"b\"], held by T7"
        );
        assert!(abort.is_retryable());
    }
}
