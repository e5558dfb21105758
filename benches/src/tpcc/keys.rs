//! Keys: the identities of rows, as big-endian bytes, so that byte order is numeric order.
//!
//! A key is as short as the identity allows (order lines take 8 bytes), because an index node holds keys, and
//! the fewer bytes tell two keys apart, the fewer cache lines a descent touches.
//!
//! ```text
//! warehouse  ww             item  iiii              customer           ww d cc
//! district   ww d           stock ww iiii           customer by name   ww d LAST 0 FIRST 0 cc
//! order      ww d oooo      new order ww d oooo     order by customer  ww d cc ~oooo
//! order line ww d oooo n                            history            ww d uuuuuuuu
//! ```

use serde::{Deserialize, Serialize};

/// A district of a warehouse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DistrictId {
    /// W_ID, from 1.
    pub warehouse: u16,
    /// D_ID, from 1 to 10.
    pub district: u8,
}

impl DistrictId {
    /// The key of the DISTRICT row, and the prefix of the keys of all that belongs to the district.
    #[inline]
    pub fn key(self) -> [u8; 3] {
        let [high, low] = self.warehouse.to_be_bytes();
        [high, low, self.district]
    }
}

impl std::fmt::Display for DistrictId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "(W {}, D {})", self.warehouse, self.district)
    }
}

/// Puts a short key together from its parts, without allocation.
#[inline]
fn concat<const LENGTH: usize>(parts: &[&[u8]]) -> [u8; LENGTH] {
    let mut key = [0; LENGTH];
    let mut at = 0;
    for part in parts {
        key[at..at + part.len()].copy_from_slice(part);
        at += part.len();
    }
    debug_assert_eq!(at, LENGTH, "a key's parts must fill it");
    key
}

/// The key of a WAREHOUSE row, and the prefix of all that belongs to the warehouse.
#[inline]
pub fn warehouse(warehouse: u16) -> [u8; 2] {
    warehouse.to_be_bytes()
}

/// The key of an ITEM row.
#[inline]
pub fn item(item: u32) -> [u8; 4] {
    item.to_be_bytes()
}

/// The key of a STOCK row.
#[inline]
pub fn stock(warehouse: u16, item: u32) -> [u8; 6] {
    concat(&[&warehouse.to_be_bytes(), &item.to_be_bytes()])
}

/// The key of a CUSTOMER row, and the prefix of the customer's entries in ORDER_BY_CUSTOMER.
#[inline]
pub fn customer(district: DistrictId, customer: u16) -> [u8; 5] {
    concat(&[&district.key(), &customer.to_be_bytes()])
}

/// The key of an ORDER row, of the NEW_ORDER row of the same order, and the prefix of its order lines.
#[inline]
pub fn order(district: DistrictId, order: u32) -> [u8; 7] {
    concat(&[&district.key(), &order.to_be_bytes()])
}

/// The key of an ORDER_LINE row.
#[inline]
pub fn order_line(district: DistrictId, order: u32, number: u8) -> [u8; 8] {
    concat(&[&district.key(), &order.to_be_bytes(), &[number]])
}

/// The key of an entry in ORDER_BY_CUSTOMER. The order's bits are inverted: the newest order comes first.
#[inline]
pub fn order_by_customer(district: DistrictId, customer: u16, order: u32) -> [u8; 9] {
    concat(&[&district.key(), &customer.to_be_bytes(), &(!order).to_be_bytes()])
}

/// The key of a HISTORY row, which has no identity of its own in the specification: see [`HistoryIds`].
#[inline]
pub fn history(district: DistrictId, unique: u64) -> [u8; 11] {
    concat(&[&district.key(), &unique.to_be_bytes()])
}

/// The prefix, in CUSTOMER_BY_NAME, of all customers of a district with this last name. Clears `key` first.
pub fn customer_name_prefix(district: DistrictId, last: &[u8], key: &mut Vec<u8>) {
    key.clear();
    key.extend_from_slice(&district.key());
    key.extend_from_slice(last);
    key.push(0);
}

/// The key of an entry in CUSTOMER_BY_NAME: sorted by last name, then first name. Clears `key` first.
pub fn customer_by_name(district: DistrictId, last: &[u8], first: &[u8], customer: u16, key: &mut Vec<u8>) {
    customer_name_prefix(district, last, key);
    key.extend_from_slice(first);
    key.push(0);
    key.extend_from_slice(&customer.to_be_bytes());
}

/// The last `LENGTH` bytes of a key, zeros if it is shorter.
fn tail<const LENGTH: usize>(key: &[u8]) -> [u8; LENGTH] {
    key.last_chunk::<LENGTH>().copied().unwrap_or([0; LENGTH])
}

/// The customer that a key of CUSTOMER or CUSTOMER_BY_NAME ends with.
pub fn customer_of(key: &[u8]) -> u16 {
    u16::from_be_bytes(tail(key))
}

/// The order that a key of ORDER or NEW_ORDER ends with.
pub fn order_of(key: &[u8]) -> u32 {
    u32::from_be_bytes(tail(key))
}

/// The order that a key of ORDER_BY_CUSTOMER ends with.
pub fn newest_order_of(key: &[u8]) -> u32 {
    !order_of(key)
}

/// The order and the line number that a key of ORDER_LINE ends with.
pub fn order_and_line_of(key: &[u8]) -> (u32, u8) {
    let [a, b, c, d, number] = tail(key);
    (u32::from_be_bytes([a, b, c, d]), number)
}

/// The district that a key begins with.
pub fn district_of(key: &[u8]) -> DistrictId {
    let [high, low, district] = key.first_chunk().copied().unwrap_or_default();
    DistrictId { warehouse: u16::from_be_bytes([high, low]), district }
}

/// Unique numbers for HISTORY rows, without a shared counter: 16 bits tell the run, 16 the thread in it, and
/// 32 count. The population is run 0.
#[derive(Clone, Debug)]
pub struct HistoryIds {
    next: u64,
}

impl HistoryIds {
    /// The numbers of one thread of one run.
    pub fn new(run: u16, thread: u16) -> HistoryIds {
        HistoryIds { next: u64::from(run) << 48 | u64::from(thread) << 32 }
    }

    /// The next number.
    pub fn next_id(&mut self) -> u64 {
        let id = self.next;
        self.next += 1;
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: DistrictId = DistrictId { warehouse: 258, district: 3 };

    #[test]
    fn byte_order_is_numeric_order() {
        assert!(order(HERE, 255) < order(HERE, 256));
        assert!(order_line(HERE, 255, 15) < order_line(HERE, 256, 1));
        assert!(stock(1, 100_000) < stock(2, 1));
        assert!(customer(HERE, 255) < customer(HERE, 256));
        assert!(order_by_customer(HERE, 7, 9) < order_by_customer(HERE, 7, 8), "the newest comes first");
        assert!(order_by_customer(HERE, 7, 1) < order_by_customer(HERE, 8, 9));
    }

    #[test]
    fn identities_come_back_out_of_keys() {
        assert_eq!(customer_of(&customer(HERE, 2_999)), 2_999);
        assert_eq!(order_of(&order(HERE, 123_456)), 123_456);
        assert_eq!(newest_order_of(&order_by_customer(HERE, 5, 123_456)), 123_456);
        assert_eq!(order_and_line_of(&order_line(HERE, 123_456, 15)), (123_456, 15));
        assert_eq!(district_of(&history(HERE, u64::MAX)), HERE);
        assert_eq!(warehouse(258), HERE.key()[..2]);
        assert_eq!(item(7), [0, 0, 0, 7]);
    }

    #[test]
    fn names_sort_by_last_then_first_then_customer() {
        let key = |last: &str, first: &str, customer| {
            let mut key = Vec::new();
            customer_by_name(HERE, last.as_bytes(), first.as_bytes(), customer, &mut key);
            key
        };
        assert!(key("BAR", "zz", 9) < key("BARBAR", "aa", 1), "a shorter last name comes first");
        assert!(key("BAR", "aa", 9) < key("BAR", "ab", 1));
        assert!(key("BAR", "aa", 1) < key("BAR", "aa", 2));
        assert_eq!(customer_of(&key("BAR", "aa", 300)), 300);
        let mut prefix = Vec::new();
        customer_name_prefix(HERE, b"BAR", &mut prefix);
        assert!(key("BAR", "aa", 1).starts_with(&prefix) && !key("BARBAR", "aa", 1).starts_with(&prefix));
    }

    #[test]
    fn history_ids_of_runs_and_threads_never_meet() {
        let mut first = HistoryIds::new(1, 0);
        assert_eq!((first.next_id(), first.next_id()), (1 << 48, (1 << 48) + 1));
        assert_eq!(HistoryIds::new(1, 1).next_id(), (1 << 48) + (1 << 32));
        assert_eq!(HistoryIds::new(2, 0).next_id(), 2 << 48);
    }
}
