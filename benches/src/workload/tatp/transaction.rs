//! The seven transactions.

use super::rows::{
    ACTIVE_AT, BITS_AT, DATA_A_AT, DIGITS, FACILITY_BYTES, KINDS, SUBSCRIBER_BYTES, VLR_AT, digits_of,
    forwarding_key, forwarding_row, kind_key, subscriber_key,
};
use super::{ACCESS, FACILITY, FORWARDING, NUMBER, SUBSCRIBER, TABLES};
use crate::error::Error;
use crate::target::{Stop, TableNumber, Txn};
use crate::workload::{Answer, Touch};
use serde::{Deserialize, Serialize};

/// A transaction. `kind` is a type of access or of facilities, from 1 to 4; times are hours of the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Transaction {
    /// Reads a subscriber.
    GetSubscriberData {
        /// Whose.
        subscriber: u32,
    },
    /// Reads where calls go between two hours.
    GetNewDestination {
        /// Whose.
        subscriber: u32,
        /// By which facility.
        kind: u8,
        /// They are sent on from here or before.
        start_hour: u8,
        /// They are sent on until after this.
        end_hour: u8,
    },
    /// Reads an access record.
    GetAccessData {
        /// Whose.
        subscriber: u32,
        /// Which one.
        kind: u8,
    },
    /// Changes a subscriber and a facility.
    UpdateSubscriberData {
        /// Which subscriber.
        subscriber: u32,
        /// Which facility.
        kind: u8,
        /// The subscriber's first bit.
        bit: bool,
        /// The facility's first byte of data.
        data: u8,
    },
    /// Notes the place of a subscriber, who is found by the telephone number.
    UpdateLocation {
        /// Whose number.
        subscriber: u32,
        /// The place.
        location: u32,
    },
    /// Sends calls on, for a subscriber who is found by the telephone number.
    InsertCallForwarding {
        /// Whose number.
        subscriber: u32,
        /// By which facility.
        kind: u8,
        /// From when.
        start_hour: u8,
        /// Until when.
        end_hour: u8,
        /// To whose number.
        to: u32,
    },
    /// Doesn't send calls on any more, for a subscriber who is found by the telephone number.
    DeleteCallForwarding {
        /// Whose number.
        subscriber: u32,
        /// By which facility.
        kind: u8,
        /// From when.
        start_hour: u8,
    },
}

/// The keys of all facilities of a subscriber.
fn facilities_of(subscriber: u32) -> [[u8; 5]; 2] {
    [kind_key(subscriber, 0), kind_key(subscriber, KINDS + 1)]
}

/// The keys of all forwardings of a facility that begin at some hour or before.
fn forwardings_until(subscriber: u32, kind: u8, start_hour: u8) -> [[u8; 6]; 2] {
    [forwarding_key(subscriber, kind, 0), forwarding_key(subscriber, kind, start_hour + 1)]
}

impl Transaction {
    pub(in crate::workload) fn only_reads(&self) -> bool {
        matches!(
            self,
            Transaction::GetSubscriberData { .. }
                | Transaction::GetNewDestination { .. }
                | Transaction::GetAccessData { .. }
        )
    }

    pub(in crate::workload) fn declare(&self, touch: &mut dyn FnMut(Touch<'_>)) -> bool {
        match *self {
            Transaction::GetSubscriberData { subscriber } => {
                touch(Touch::Read(SUBSCRIBER, &subscriber_key(subscriber)));
            }
            Transaction::GetNewDestination { subscriber, kind, start_hour, .. } => {
                touch(Touch::Read(FACILITY, &kind_key(subscriber, kind)));
                let [from, to] = forwardings_until(subscriber, kind, start_hour);
                touch(Touch::ReadRange(FORWARDING, &from, &to));
            }
            Transaction::GetAccessData { subscriber, kind } => {
                touch(Touch::Read(ACCESS, &kind_key(subscriber, kind)));
            }
            Transaction::UpdateSubscriberData { subscriber, kind, .. } => {
                touch(Touch::Write(SUBSCRIBER, &subscriber_key(subscriber)));
                touch(Touch::Write(FACILITY, &kind_key(subscriber, kind)));
            }
            Transaction::UpdateLocation { subscriber, .. } => {
                touch(Touch::Read(NUMBER, &digits_of(subscriber)));
                touch(Touch::Write(SUBSCRIBER, &subscriber_key(subscriber)));
            }
            Transaction::InsertCallForwarding { subscriber, kind, start_hour, .. } => {
                touch(Touch::Read(NUMBER, &digits_of(subscriber)));
                let [from, to] = facilities_of(subscriber);
                touch(Touch::ReadRange(FACILITY, &from, &to));
                touch(Touch::Write(FORWARDING, &forwarding_key(subscriber, kind, start_hour)));
            }
            Transaction::DeleteCallForwarding { subscriber, kind, start_hour } => {
                touch(Touch::Read(NUMBER, &digits_of(subscriber)));
                touch(Touch::Write(FORWARDING, &forwarding_key(subscriber, kind, start_hour)));
            }
        }
        true
    }

    /// Answers by how many forwardings there are more.
    pub(in crate::workload) fn run(&self, txn: &mut dyn Txn) -> Result<Answer, Stop> {
        let value = &mut Vec::with_capacity(SUBSCRIBER_BYTES);
        let rows = match *self {
            Transaction::GetSubscriberData { subscriber } => {
                read_subscriber(txn, value, subscriber, false)?;
                0
            }
            Transaction::GetNewDestination { subscriber, kind, start_hour, end_hour } => {
                new_destination(txn, value, subscriber, kind, start_hour, end_hour)?;
                0
            }
            Transaction::GetAccessData { subscriber, kind } => {
                if !txn.get(ACCESS, &kind_key(subscriber, kind), value)? {
                    return Err(Stop::Rejected("no such access"));
                }
                0
            }
            Transaction::UpdateSubscriberData { subscriber, kind, bit, data } => {
                update_subscriber(txn, value, subscriber, kind, bit, data)?;
                0
            }
            Transaction::UpdateLocation { subscriber, location } => {
                let subscriber = find(txn, value, subscriber)?;
                read_subscriber(txn, value, subscriber, true)?;
                value[VLR_AT..].copy_from_slice(&location.to_le_bytes());
                txn.put(SUBSCRIBER, &subscriber_key(subscriber), value)?;
                0
            }
            Transaction::InsertCallForwarding { subscriber, kind, start_hour, end_hour, to } => {
                let subscriber = find(txn, value, subscriber)?;
                insert_forwarding(txn, value, [kind, start_hour], subscriber, &forwarding_row(end_hour, to))?;
                1
            }
            Transaction::DeleteCallForwarding { subscriber, kind, start_hour } => {
                let subscriber = find(txn, value, subscriber)?;
                let key = forwarding_key(subscriber, kind, start_hour);
                if !txn.get_for_update(FORWARDING, &key, value)? {
                    return Err(Stop::Rejected("no such forwarding"));
                }
                txn.delete(FORWARDING, &key)?;
                -1
            }
        };
        Ok(Answer { sum: 0, rows })
    }
}

fn missing(table: TableNumber, subscriber: u32) -> Stop {
    Stop::Failed(Error::MissingRow { table: TABLES[table], key: subscriber.to_string() })
}

fn malformed(table: TableNumber, length: usize, problem: &'static str) -> Stop {
    Stop::Failed(Error::MalformedRow { table: TABLES[table], length, problem })
}

/// Finds a subscriber by the telephone number.
fn find(txn: &mut dyn Txn, value: &mut Vec<u8>, subscriber: u32) -> Result<u32, Stop> {
    if !txn.get(NUMBER, &digits_of(subscriber), value)? {
        return Err(missing(NUMBER, subscriber));
    }
    let number = value.as_slice().try_into().map(u32::from_be_bytes);
    number.map_err(|_| malformed(NUMBER, value.len(), "which is no subscriber's number"))
}

/// Makes `value` a subscriber's row, which has to be there.
fn read_subscriber(
    txn: &mut dyn Txn,
    value: &mut Vec<u8>,
    subscriber: u32,
    for_update: bool,
) -> Result<(), Stop> {
    let key = subscriber_key(subscriber);
    let is_there = match for_update {
        true => txn.get_for_update(SUBSCRIBER, &key, value)?,
        false => txn.get(SUBSCRIBER, &key, value)?,
    };
    match is_there {
        false => Err(missing(SUBSCRIBER, subscriber)),
        true if value.len() != SUBSCRIBER_BYTES || value[..DIGITS] != digits_of(subscriber) => {
            Err(malformed(SUBSCRIBER, value.len(), "which is not this subscriber's row"))
        }
        true => Ok(()),
    }
}

fn new_destination(
    txn: &mut dyn Txn,
    value: &mut Vec<u8>,
    subscriber: u32,
    kind: u8,
    start_hour: u8,
    end_hour: u8,
) -> Result<(), Stop> {
    if !txn.get(FACILITY, &kind_key(subscriber, kind), value)? || value.get(ACTIVE_AT) != Some(&1) {
        return Err(Stop::Rejected("no such facility that is active"));
    }
    let [from, to] = forwardings_until(subscriber, kind, start_hour);
    let mut is_found = false;
    txn.scan(FORWARDING, &from, &to, &mut |_, forwarding| {
        is_found |= forwarding.first().is_some_and(|ends| *ends > end_hour);
        true
    })?;
    if is_found { Ok(()) } else { Err(Stop::Rejected("no destination at that time")) }
}

/// Changes the subscriber first, as the specification has it: so a facility that isn't there undoes a write.
fn update_subscriber(
    txn: &mut dyn Txn,
    value: &mut Vec<u8>,
    subscriber: u32,
    kind: u8,
    bit: bool,
    data: u8,
) -> Result<(), Stop> {
    read_subscriber(txn, value, subscriber, true)?;
    value[BITS_AT] = value[BITS_AT] & !1 | u8::from(bit);
    txn.put(SUBSCRIBER, &subscriber_key(subscriber), value)?;
    let key = kind_key(subscriber, kind);
    if !txn.get_for_update(FACILITY, &key, value)? {
        return Err(Stop::Rejected("no such facility"));
    }
    if value.len() != FACILITY_BYTES {
        return Err(malformed(FACILITY, value.len(), "which is no facility"));
    }
    value[DATA_A_AT] = data;
    txn.put(FACILITY, &key, value)
}

/// Reads which facilities there are, as the specification has it, and adds the forwarding if it can.
fn insert_forwarding(
    txn: &mut dyn Txn,
    value: &mut Vec<u8>,
    [kind, start_hour]: [u8; 2],
    subscriber: u32,
    row: &[u8],
) -> Result<(), Stop> {
    let [from, to] = facilities_of(subscriber);
    let mut is_there = false;
    txn.scan(FACILITY, &from, &to, &mut |facility, _| {
        is_there |= facility.last() == Some(&kind);
        true
    })?;
    if !is_there {
        return Err(Stop::Rejected("no such facility"));
    }
    let key = forwarding_key(subscriber, kind, start_hour);
    if txn.get_for_update(FORWARDING, &key, value)? {
        return Err(Stop::Rejected("calls are sent on already"));
    }
    txn.put(FORWARDING, &key, row)
}
