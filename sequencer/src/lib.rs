//! Sequencing: which transactions there are, and in which order they take effect, before any of them runs.
//!
//! ```text
//! requests ─► Sequencer ─┬─► whoever executes, in this order
//!     (order, timestamps) └─► BatchEncoder ─► Log ─► whoever executes the same elsewhere, or later
//!                               (bytes)
//! ```
//!
//! - [`Sequencer`]: puts requests into epochs, and gives each its timestamp. A pure state machine.
//! - [`BatchEncoder`], [`Batch`]: an epoch as bytes.
//! - [`Log`]: keeps batches in order, and says how far they are durable. [`MemoryLog`] keeps them in memory.
//!
//! Nothing here knows what a request does, or runs it.

mod batch;
mod error;
mod log;
mod memory_log;
mod sequencer;
mod varint;

pub use batch::{
    ARGUMENTS_BYTES_MAX, Batch, BatchEncoder, BatchHeader, FOOTPRINT_BYTES_MAX, PROCEDURE_BYTES_MAX,
    RequestRef, Requests, StateHash,
};
pub use error::{Error, Malformed, Overloaded, RequestTooLarge, Result};
pub use log::{Batches, Log, LoggedBatch};
pub use memory_log::MemoryLog;
pub use sequencer::{EPOCH_NS_MAX, Epoch, Place, Sequencer, Settings};
