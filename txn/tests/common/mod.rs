//! What several of the tests begin with.

use std::sync::Arc;

use synod_storage::{Table, TableId};
use synod_txn::clock::ManualClock;
use synod_txn::{Store, StoreOptions};

/// A store in memory with an empty table, whose clock stands still: timestamps are 1, 2, 3, …
pub(crate) fn empty_store() -> (Arc<Store>, Arc<Table>) {
    let store = Arc::new(Store::new(StoreOptions::empty(Arc::new(ManualClock::new(0, 0)))));
    let table = store.catalog().create(TableId(0), "t");
    (store, table)
}
