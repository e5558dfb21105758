//! The places that scripts were given in the order, as they told themselves when they ran.
//!
//! A client that gets an error isn't told where in the order it was. So a script notes its time whenever it is run in a
//! place. One that has touched what the engine hadn't foreseen takes its note back, since it will be put in again.

use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use synod::Timestamp;

static NOTES: LazyLock<Mutex<HashMap<u64, BTreeSet<Timestamp>>>> = LazyLock::new(Mutex::default);

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// A number that no other script of this process has.
pub fn fresh_id() -> u64 {
    // Relaxed: only uniqueness counts.
    NEXT_ID.fetch_add(1, Ordering::Relaxed)
}

/// A script runs in this place.
pub fn note(id: u64, at: Timestamp) {
    NOTES.lock().entry(id).or_default().insert(at);
}

/// What a script has noted of this place counts for nothing: it will be put in again.
pub fn take_back(id: u64, at: Timestamp) {
    if let Some(places) = NOTES.lock().get_mut(&id) {
        places.remove(&at);
    }
}

/// The place of a script; `None` if it hasn't run.
///
/// # Panics
/// If it has run in two.
pub fn place_of(id: u64) -> Option<Timestamp> {
    let notes = NOTES.lock();
    let places = notes.get(&id)?;
    assert!(places.len() < 2, "script {id} has run in several places: {places:?}");
    places.first().copied()
}
