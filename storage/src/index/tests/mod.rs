//! Tests with small nodes; `storage/tests/index_*.rs` run the same models with nodes of full size.

#[cfg(not(shuttle))]
extern crate self as synod_storage;

#[cfg(not(shuttle))]
mod basics;
#[cfg(not(shuttle))]
mod model;
