//! The index against a `BTreeMap`, with nodes of full size.

extern crate synod_storage;

#[path = "../src/index/tests/model.rs"]
mod model;
#[path = "support/index.rs"]
mod support;

use support::verify;
