//! Reading versions, not values: what a checkpoint stores of each record.
//!
//! Someone who may read at any timestamp from a *horizon* up to a snapshot's needs, of each record, the
//! versions from the newest one in the snapshot down to the one that the horizon sees:
//!
//! ```text
//!              horizon           snapshot
//! ────────────────┼─────────────────┼────────► time
//!  chain   10   30      40    55        70
//!               ▲       ▲     ▲ delivered: 55, 40, 30
//! ```

use synod_storage::index::Batch;
use synod_storage::{Record, Table, Timestamp, VersionState};

use crate::cursor::Cursor;
use crate::store::PREFETCH_DISTANCE;
use crate::visibility::visible_at;
use crate::{Snapshot, Store, TransactionId};

/// A version: when it was committed, and its value, or `None` for a tombstone.
pub type DatedValue<'v> = (Timestamp, Option<&'v [u8]>);

/// Who made a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writer {
    /// A transaction that committed at this time.
    Committed(Timestamp),
    /// A transaction that hasn't committed yet.
    Running(TransactionId),
}

/// A version in a chain: who made it, and its value, or `None` for a tombstone.
pub type ChainLink = (Writer, Option<Vec<u8>>);

/// Called with a key, and its versions, newest first; says whether to go on.
pub type VisitVersions<'a> = dyn FnMut(&[u8], &[DatedValue<'_>]) -> bool + 'a;

impl Store {
    /// All that is there of a key, newest first, uncommitted versions included: for people who want to see it.
    pub fn version_chain(&self, table: &Table, key: &[u8]) -> Vec<ChainLink> {
        let guard = crossbeam_epoch::pin();
        let mut next = table.index().get(key, &guard).and_then(Record::head);
        let mut chain = Vec::new();
        while let Some(version) = next {
            let writer = match version.state() {
                VersionState::Committed(at) => Writer::Committed(at),
                VersionState::Pending { slot, .. } => Writer::Running(self.registry().owner(slot)),
            };
            chain.push((writer, version.value().map(<[u8]>::to_vec)));
            next = version.next();
        }
        chain
    }

    /// Delivers the next records of a table, one leaf of the index at a time, each with the versions that a
    /// reader sees at any timestamp from `horizon` up to the snapshot's. Records that no such reader sees are
    /// left out. The cursor goes forward. If `visit` says stop, the cursor stands behind that record.
    ///
    /// The caller holds a snapshot at `horizon` or before, and if that isn't this one's timestamp there is a
    /// retention: otherwise versions may be missing. The thread is pinned to an epoch while `visit` runs.
    pub fn scan_versions(
        &self,
        snapshot: &Snapshot,
        horizon: Timestamp,
        table: &Table,
        cursor: &mut Cursor,
        visit: &mut VisitVersions<'_>,
    ) {
        let guard = crossbeam_epoch::pin();
        let mut batch = Batch::new();
        table.index().leaf_from(cursor.lower(), &mut batch, &guard);
        let records = batch.records();
        let mut versions = Vec::new();
        for (position, &record) in records.iter().enumerate() {
            if let Some(soon) = records.get(position + PREFETCH_DISTANCE) {
                soon.prefetch_head();
            }
            if cursor.is_above(record.key()) {
                cursor.finish();
                return;
            }
            versions.clear();
            self.collect_versions(record, snapshot.timestamp(), horizon, &mut versions);
            if !versions.is_empty() && !visit(record.key(), &versions) {
                cursor.move_past(record.key());
                return;
            }
        }
        cursor.move_to_fence(batch.fence());
    }

    fn collect_versions<'g>(
        &self,
        record: Record<'g>,
        newest: Timestamp,
        horizon: Timestamp,
        versions: &mut Vec<DatedValue<'g>>,
    ) {
        let mut next = visible_at(record, newest, self.registry());
        while let Some(version) = next {
            // Behind a committed version there are only committed ones.
            let VersionState::Committed(at) = version.state() else { break };
            versions.push((at, version.value()));
            if at <= horizon {
                break;
            }
            next = version.next();
        }
        // To find a deletion is the same as to find nothing.
        while versions.last().is_some_and(|(_, value)| value.is_none()) {
            versions.pop();
        }
    }
}
