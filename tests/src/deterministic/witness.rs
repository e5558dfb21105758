//! The places that scripts were given in the order, as they told themselves when they ran.
//!
//! A client that gets an error isn't told where in the order it was. So a script notes its time whenever it is run in its
//! place; the last note counts, since the runs before were of another place, or came to nothing.

use std::collections::HashMap;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use synod::Timestamp;

static NOTES: LazyLock<Mutex<HashMap<u64, Timestamp>>> = LazyLock::new(Mutex::default);

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// A number that no other script of this process has.
pub fn fresh_id() -> u64 {
    // Relaxed: only uniqueness counts.
    NEXT_ID.fetch_add(1, Ordering::Relaxed)
}

/// A script runs in this place.
pub fn note(id: u64, at: Timestamp) {
    NOTES.lock().insert(id, at);
}

/// What a script has just noted counts for nothing: it will be put in again.
pub fn take_back(id: u64) {
    NOTES.lock().remove(&id);
}

/// The place of a script; `None` if it hasn't run.
pub fn place_of(id: u64) -> Option<Timestamp> {
    NOTES.lock().get(&id).copied()
}
