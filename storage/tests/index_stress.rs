//! Many threads on one index, with nodes of full size.

extern crate synod_storage;

#[path = "../src/index/tests/stress.rs"]
mod stress;
#[path = "support/index.rs"]
mod support;

use support::verify;
