//! Tests with small nodes; `storage/tests/index_*.rs` run the model and the stress tests again with
//! nodes of full size.

#[cfg(not(shuttle))]
extern crate self as synod_storage;

#[cfg(not(shuttle))]
mod basics;
#[cfg(shuttle)]
mod interleavings;
mod invariants;
#[cfg(not(shuttle))]
mod model;
#[cfg(not(shuttle))]
mod shortcuts;
#[cfg(not(shuttle))]
mod stress;

use invariants::verify;
