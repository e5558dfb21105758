//! How large the database is (clauses 1.2.1 and 4.3.3).

use serde::Serialize;

/// Districts of a warehouse; the same at every scale.
pub const DISTRICTS: u8 = 10;
/// Customers of a district share at most this many last names (clause 4.3.2.3).
pub const LAST_NAMES: u16 = 1_000;
/// The opening payment of each customer, in cents: the one HISTORY row of the population (clause 4.3.3.1).
pub const OPENING_PAYMENT_CENTS: i64 = 10 * 100;

const FULL_ITEMS: u32 = 100_000;
const FULL_CUSTOMERS: u16 = 3_000;
const FULL_UNDELIVERED: u32 = 900;
const SMALLEST_CUSTOMERS: u16 = 30;
const SMALLEST_ITEMS: u32 = 100;

/// The size of the initial database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Scale {
    /// Warehouses, at least one.
    pub warehouses: u16,
    /// Items, and stock rows of each warehouse.
    pub items: u32,
    /// Customers of each district; also its initial orders, one for each customer.
    pub customers: u16,
    /// The newest initial orders of each district, which aren't delivered yet.
    pub undelivered: u32,
}

impl Scale {
    /// The size that the specification demands for this many warehouses.
    pub fn full(warehouses: u16) -> Scale {
        Scale { warehouses, items: FULL_ITEMS, customers: FULL_CUSTOMERS, undelivered: FULL_UNDELIVERED }
    }

    /// Warehouses of `fraction` of the full size, for tests and smoke runs; not below 100 items and 30
    /// customers a district, and not above the full size.
    pub fn fraction(warehouses: u16, fraction: f64) -> Scale {
        let part = |full: f64, smallest: f64| (full * fraction).round().clamp(smallest, full);
        let customers = part(f64::from(FULL_CUSTOMERS), f64::from(SMALLEST_CUSTOMERS)) as u16;
        Scale {
            warehouses,
            items: part(f64::from(FULL_ITEMS), f64::from(SMALLEST_ITEMS)) as u32,
            customers,
            // The share of undelivered orders is that of the full size.
            undelivered: u32::from(customers) * FULL_UNDELIVERED / u32::from(FULL_CUSTOMERS),
        }
    }

    /// Whether this is the size that the specification demands.
    pub fn is_full(&self) -> bool {
        *self == Scale::full(self.warehouses)
    }

    /// Initial orders of each district.
    pub fn orders(&self) -> u32 {
        u32::from(self.customers)
    }

    /// Initial orders of each district that have been delivered: 2,100 at full size.
    pub fn delivered(&self) -> u32 {
        self.orders() - self.undelivered
    }

    /// How many different last names the customers of a district have.
    pub fn last_names(&self) -> u16 {
        self.customers.min(LAST_NAMES)
    }

    /// The identities of all warehouses.
    pub fn warehouse_ids(&self) -> std::ops::RangeInclusive<u16> {
        1..=self.warehouses
    }

    /// About how many rows the population has, index entries included. Order lines are ten on average.
    pub fn rows(&self) -> u64 {
        let district = u64::from(self.customers) * (1 + 1 + 1 + 1 + 1 + 10) + u64::from(self.undelivered) + 1;
        let warehouse = u64::from(self.items) + u64::from(DISTRICTS) * district + 1;
        u64::from(self.items) + u64::from(self.warehouses) * warehouse
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_size_is_that_of_the_specification() {
        let scale = Scale::full(2);
        assert_eq!((scale.items, scale.customers, scale.orders()), (100_000, 3_000, 3_000));
        assert_eq!((scale.delivered(), scale.undelivered, scale.last_names()), (2_100, 900, 1_000));
        assert!(scale.is_full());
        // 100 k items; a warehouse has 1 + 100 k stock and, in ten districts, 45,901 rows each.
        assert_eq!(scale.rows(), 100_000 + 2 * (1 + 100_000 + 10 * 45_901));
    }

    #[test]
    fn fractions_stay_within_their_bounds() {
        assert_eq!(Scale::fraction(1, 1.0), Scale::full(1));
        assert_eq!(Scale::fraction(3, 7.0), Scale::full(3));
        let tiny = Scale::fraction(1, 0.0);
        assert_eq!((tiny.items, tiny.customers, tiny.undelivered), (100, 30, 9));
        assert!(!tiny.is_full());
        let tenth = Scale::fraction(1, 0.1);
        assert_eq!(
            (tenth.items, tenth.customers, tenth.undelivered, tenth.last_names()),
            (10_000, 300, 90, 300)
        );
    }
}
