//! An order-entry workload after TPC Benchmark C, Standard Specification, Revision 5.11 (TPC, 2010).
//!
//! A wholesale supplier has warehouses; each serves ten districts, each district three thousand customers, and
//! each warehouse stocks a hundred thousand items. Terminals enter orders, take payments, ask for an order's
//! state, deliver the oldest orders and look for items that run short.
//!
//! ```text
//!                     WAREHOUSE  w ──< DISTRICT  w,d ──< CUSTOMER  w,d,c ──< HISTORY  w,d,unique
//!                         │                │                  │  └ CUSTOMER_BY_NAME  w,d,last,first,c
//!        ITEM  i ──< STOCK  w,i            └──────< ORDER  w,d,o ┘
//!                         │                         │  └ ORDER_BY_CUSTOMER  w,d,c,o (newest first)
//!                         └────────< ORDER_LINE  w,d,o,n     └ NEW_ORDER  w,d,o (not yet delivered)
//! ```
//!
//! The way of a run, file by file:
//!
//! | step | files |
//! | --- | --- |
//! | what a row and a key look like | [`schema`], [`keys`], [`layout`], [`rows`] |
//! | how the values are drawn | [`values`], [`constants`], [`scale`] |
//! | the initial database | [`mod@load`] |
//! | the five transactions | [`new_order`], [`payment`], [`order_status`], [`delivery`], [`stock_level`] |
//! | those that update, as procedures | [`procedures`] |
//! | which one is next, and who runs it | [`deck`], [`terminal`], [`driver`], [`pacing`] |
//! | was it right, how fast was it | [`consistency`], [`audit`], [`report`], [`compare`] |
//!
//! # Where this keeps to the specification, and where it doesn't
//!
//! Kept: all nine tables with all their columns, the initial population (clause 4.3), the input of every
//! transaction (2.4.1 to 2.8.1) with NURand and its constants (2.1.6), the mix by shuffled deck (5.2.4.2), the
//! one percent of New-Orders that roll back (2.4.2.3), and the twelve consistency conditions (3.3.2), checked
//! after each run.
//!
//! Chosen, where the specification leaves room:
//!
//! - **Delivery is ten transactions**, one per district (2.7.2 allows it): fewer locks, held shorter. It runs
//!   at the terminal at once, there is no queue.
//! - **Order-Status and Stock-Level read a snapshot**: they write nothing, take no locks and never abort.
//! - **The hottest rows come last**: WAREHOUSE and DISTRICT are touched at the end of New-Order and Payment,
//!   so their locks are held for the shortest time. All transactions take locks in the order customer, stock,
//!   district, warehouse; only stock rows among themselves can deadlock, as they are taken in the order in
//!   which the terminal entered them.
//!
//! Left out: screens (5.2), keying and think times unless asked for, the ramp-up and the two-hour
//! measurement interval (5.5), the ratio of throughput to the size of the database (4.2), pricing, and the
//! auditor. So a figure from here is **not a TPC-C result**: it is called "new orders/min", and compares with
//! nothing but itself.

pub mod access;
pub mod audit;
mod awaited;
pub mod compare;
pub mod consistency;
pub mod constants;
pub mod deck;
pub mod delivery;
pub mod driver;
pub mod failure;
pub mod keys;
pub mod layout;
pub mod load;
pub mod new_order;
pub mod order_status;
pub mod pacing;
pub mod payment;
pub mod procedures;
pub mod report;
pub mod rows;
pub mod scale;
pub mod schema;
pub mod statistics;
pub mod stock_level;
pub mod terminal;
pub mod values;

pub use deck::{Kind, Mix};
pub use driver::{RunOptions, run};
pub use load::{LoadOptions, load};
pub use procedures::register;
pub use scale::Scale;
pub use schema::Database;
