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

/// Transactions with more operations go through them one by one.
const TOGETHER_MAX: usize = 64;

pub(super) type Operations = SmallVec<[Operation; 10]>;

/// Operations that take effect together.
#[derive(Debug, Serialize, Deserialize)]
pub struct Transaction {
    pub(super) key_bytes: u16,
    pub(super) value_bytes: u32,
    /// What blind updates are stamped with.
    pub(super) stamp: u64,
    pub(super) one_by_one: bool,
    pub(super) operations: Operations,
}

impl Clone for Transaction {
    fn clone(&self) -> Self {
        // A copy of all at once: what is cloned for each transaction is part of what is measured.
        Transaction { operations: Operations::from_slice(&self.operations), ..*self }
    }
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
        if !self.one_by_one && self.can_read_together() {
            return self.run_together(txn);
        }
        let mut answer = Answer::default();
        let mut key = Vec::with_capacity(usize::from(self.key_bytes));
        let mut value = Vec::with_capacity(self.value_bytes as usize);
        for operation in &self.operations {
            encode_key(operation.key, usize::from(self.key_bytes), &mut key);
            self.perform(*operation, txn, &key, &mut value, &mut answer)?;
        }
        Ok(answer)
    }

    /// Whether it begins with all that it reads: several records, none of them twice, and no scans and insertions.
    fn can_read_together(&self) -> bool {
        let is_simple = |operation: &Operation| {
            let is_loaded = !super::items::may_be_missing(operation.key);
            is_loaded && matches!(operation.action, Action::Read | Action::ReadModifyWrite)
        };
        let differs = |(nth, operation): (usize, &Operation)| {
            self.operations[..nth].iter().all(|earlier| earlier.key != operation.key)
        };
        // Among more of them, looking for one that is there twice would take longer than reading together saves.
        (2..=TOGETHER_MAX).contains(&self.operations.len())
            && self.operations.iter().all(is_simple)
            && self.operations.iter().enumerate().all(differs)
    }

    /// Hands over all keys that it reads, then all that it changes, then writes these.
    fn run_together(&self, txn: &mut dyn Txn) -> Result<Answer, Stop> {
        self.read_together(txn, Action::Read, |_, _| {})?;
        let mut stamps: SmallVec<[(u64, u64); 10]> = SmallVec::new();
        self.read_together(txn, Action::ReadModifyWrite, |number, stamp| stamps.push((number, stamp)))?;
        let mut key = Vec::with_capacity(usize::from(self.key_bytes));
        let mut value = Vec::with_capacity(self.value_bytes as usize);
        for (number, stamp) in &stamps {
            encode_key(*number, usize::from(self.key_bytes), &mut key);
            fill(*number, stamp.wrapping_add(1), self.value_bytes as usize, &mut value);
            txn.put(0, &key, &value)?;
        }
        Ok(Answer { sum: stamps.len() as i64, rows: 0 })
    }

    /// Reads all keys with this action; hands the number and the stamp of each to `seen`.
    fn read_together(
        &self,
        txn: &mut dyn Txn,
        action: Action,
        mut seen: impl FnMut(u64, u64),
    ) -> Result<(), Stop> {
        let numbers: SmallVec<[u64; 10]> = self
            .operations
            .iter()
            .filter(|operation| operation.action == action)
            .map(|operation| operation.key)
            .collect();
        let bytes = usize::from(self.key_bytes);
        let mut keys: SmallVec<[u8; 128]> = SmallVec::from_elem(0, numbers.len() * bytes);
        for (number, key) in numbers.iter().zip(keys.chunks_exact_mut(bytes)) {
            key[..KEY_BYTES_MIN].copy_from_slice(&number.to_be_bytes());
        }
        let keys: SmallVec<[&[u8]; 10]> = keys.chunks_exact(bytes).collect();
        let mut outcome = Ok(());
        txn.get_many(0, &keys, action == Action::ReadModifyWrite, &mut |nth, value| match self
            .stamp_of(value.unwrap_or_default(), numbers[nth])
        {
            Ok(stamp) => seen(numbers[nth], stamp),
            Err(stop) => outcome = Err(stop),
        })?;
        outcome
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
