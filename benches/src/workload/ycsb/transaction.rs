//! A transaction: some operations, one after the other.

use super::values::{fill, stamp_of};
use super::{KEY_BYTES_MIN, TABLES};
use crate::error::Error;
use crate::target::{Stop, Txn};
use crate::workload::{Answer, Touch};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

/// What is done with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// It is read.
    Read,
    /// It gets another value.
    Update,
    /// It is read, and gets a value that follows from what it was.
    ReadModifyWrite,
    /// It comes into being.
    Insert,
    /// It and those behind it are read, so many in all.
    Scan(u16),
}

/// One action on one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// What is done.
    pub action: Action,
    /// The number that the key is made of.
    pub key: u64,
}

pub(super) type Operations = SmallVec<[Operation; 10]>;

/// Operations that take effect together.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Transaction {
    pub(super) key_bytes: u16,
    pub(super) value_bytes: u32,
    /// What blind updates are stamped with.
    pub(super) stamp: u64,
    pub(super) operations: Operations,
}

/// Makes `key` the bytes of a key: its number so that bytes and numbers sort alike, and zeros behind it.
pub(super) fn encode_key(number: u64, bytes: usize, key: &mut Vec<u8>) {
    key.clear();
    key.extend_from_slice(&number.to_be_bytes());
    key.resize(bytes.max(KEY_BYTES_MIN), 0);
}

impl Transaction {
    pub(in crate::workload) fn only_reads(&self) -> bool {
        self.operations.iter().all(|operation| matches!(operation.action, Action::Read | Action::Scan(_)))
    }

    pub(in crate::workload) fn declare(&self, touch: &mut dyn FnMut(Touch<'_>)) -> bool {
        let mut key = Vec::with_capacity(usize::from(self.key_bytes));
        for operation in &self.operations {
            encode_key(operation.key, usize::from(self.key_bytes), &mut key);
            touch(match operation.action {
                Action::Read => Touch::Read(0, &key),
                // Where the last of so many records lies isn't known.
                Action::Scan(_) => Touch::ReadRange(0, &key, &[]),
                Action::Update | Action::ReadModifyWrite | Action::Insert => Touch::Write(0, &key),
            });
        }
        true
    }

    pub(in crate::workload) fn run(&self, txn: &mut dyn Txn) -> Result<Answer, Stop> {
        let mut answer = Answer::default();
        let mut key = Vec::with_capacity(usize::from(self.key_bytes));
        let mut value = Vec::with_capacity(self.value_bytes as usize);
        for operation in &self.operations {
            encode_key(operation.key, usize::from(self.key_bytes), &mut key);
            self.perform(*operation, txn, &key, &mut value, &mut answer)?;
        }
        Ok(answer)
    }

    fn perform(
        &self,
        Operation { action, key: number }: Operation,
        txn: &mut dyn Txn,
        key: &[u8],
        value: &mut Vec<u8>,
        answer: &mut Answer,
    ) -> Result<(), Stop> {
        let bytes = self.value_bytes as usize;
        match action {
            Action::Read => {
                if txn.get(0, key, value)? || !super::items::may_be_missing(number) {
                    self.stamp_of(value, number)?;
                }
            }
            Action::ReadModifyWrite => {
                let is_there = txn.get_for_update(0, key, value)?;
                if is_there || !super::items::may_be_missing(number) {
                    let stamp = self.stamp_of(value, number)?;
                    fill(number, stamp.wrapping_add(1), bytes, value);
                    txn.put(0, key, value)?;
                    answer.sum += 1;
                }
            }
            Action::Update => {
                fill(number, self.stamp, bytes, value);
                txn.put(0, key, value)?;
            }
            Action::Insert => {
                fill(number, 0, bytes, value);
                txn.put(0, key, value)?;
                answer.rows += 1;
            }
            Action::Scan(records) => {
                let mut left = records;
                txn.scan(0, key, &[], &mut |_, value| {
                    std::hint::black_box(value);
                    left -= 1;
                    left > 0
                })?;
            }
        }
        Ok(())
    }

    /// The stamp of a value, which has to be there, and to belong to its key.
    fn stamp_of(&self, value: &[u8], number: u64) -> Result<u64, Stop> {
        if value.is_empty() {
            return Err(Stop::Failed(Error::MissingRow { table: TABLES[0], key: number.to_string() }));
        }
        let stamp = stamp_of(value, number).filter(|_| value.len() == self.value_bytes as usize);
        let problem = "which is not what was written at its key";
        stamp.ok_or(Stop::Failed(Error::MalformedRow { table: TABLES[0], length: value.len(), problem }))
    }
}
