//! Two-phase locking: waiting, deadlocks and their policies, fairness, many transactions.

mod deadlocks;
mod fairness;
mod policies;
mod slots;
mod stage;
mod timeouts;
mod upgrades;
mod waiting;
