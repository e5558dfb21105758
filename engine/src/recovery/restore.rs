//! Putting one key's versions into a table that nobody reads yet, and that nobody collects garbage in at this moment.

use std::sync::atomic::Ordering;

use crossbeam_epoch::Guard;
use synod_storage::index::Insertion;
use synod_storage::{Record, Table, Timestamp, Version, VersionState};
use synod_txn::RecoveredGarbage;

use super::Cutoff;

/// The record of a key, put into the index if it isn't there.
fn record_for<'g>(table: &'g Table, key: &[u8], value_bytes: usize, guard: &'g Guard) -> Record<'g> {
    match add(table, key, value_bytes, guard) {
        Insertion::Inserted(record) | Insertion::Present(record) => record,
        Insertion::Refused(_) => unreachable!("every insertion is admitted during recovery"),
    }
}

/// Puts a record, with room for a value, into the index; `None` if there is one with that key.
pub(super) fn insert<'g>(
    table: &'g Table,
    key: &[u8],
    value_bytes: usize,
    guard: &'g Guard,
) -> Option<Record<'g>> {
    match add(table, key, value_bytes, guard) {
        Insertion::Inserted(record) => Some(record),
        Insertion::Present(_) | Insertion::Refused(_) => None,
    }
}

fn add<'g>(table: &'g Table, key: &[u8], value_bytes: usize, guard: &'g Guard) -> Insertion<'g> {
    table.index().insert(key, || Record::allocate(key, 0, value_bytes), |_| true, guard)
}

/// Writes a commit's version of a key on top of those before it, and frees these unless they are kept.
///
/// `found` is the key's record, if it was there when it was looked up.
pub(super) fn write(
    (table, key, value): (&Table, &[u8], Option<&[u8]>),
    found: Option<Record<'_>>,
    (at, cutoff): (Timestamp, Cutoff),
    garbage: &mut Vec<RecoveredGarbage>,
    guard: &Guard,
) {
    // An earlier write may have removed the record since it was looked up, or made it.
    let found = found.filter(|record| record.word().load(Ordering::Relaxed) != Record::DEAD);
    let found = found.or_else(|| if value.is_none() { table.index().get(key, guard) } else { None });
    let is_kept = cutoff.keeps(at);
    if value.is_none() {
        match found {
            None => return,
            // Whoever has noted it as garbage relies on its staying where it is, and removes it.
            Some(record) if !is_kept && record.claim_garbage() => {
                record.word().store(Record::DEAD, Ordering::Relaxed);
                table.index().remove(record, guard);
                return;
            }
            Some(_) => {}
        }
    }
    let record = found.unwrap_or_else(|| record_for(table, key, value.map_or(0, <[u8]>::len), guard));
    let old = record.head();
    // SAFETY: nobody else writes this key's versions.
    let version = unsafe { record.make_version(value, VersionState::Committed(at)) };
    if is_kept {
        version.set_next(old);
    }
    record.set_head(Some(version));
    match old {
        // SAFETY: it is unlinked, and nobody else reads or writes this key's versions.
        Some(old) if !is_kept => unsafe { free_chain(old) },
        Some(_) => note_garbage((table, record), at, garbage),
        None => {}
    }
}

/// Takes note, once, of a record with versions that can go in time. Later its table may be dropped, and the
/// record be gone.
pub(super) fn note_garbage(
    (table, record): (&Table, Record<'_>),
    ripe_at: Timestamp,
    garbage: &mut Vec<RecoveredGarbage>,
) {
    if record.claim_garbage() {
        garbage.push(RecoveredGarbage { ripe_at, table: table.id(), record: record.ptr() });
    }
}

/// Frees a version and all older ones.
///
/// # Safety
/// They must be unlinked, and nobody else may hold them.
unsafe fn free_chain(version: Version<'_>) {
    let mut next = Some(version);
    while let Some(version) = next {
        next = version.next();
        // SAFETY: passed on to the caller.
        unsafe { version.free() };
    }
}
