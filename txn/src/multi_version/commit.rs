//! Committing, and the check that makes it serializable.

use crossbeam_epoch::{Guard, pin};
use synod_storage::index::{Batch, Witness};
use synod_storage::sync::spin;
use synod_storage::{Record, Table, Timestamp, VersionState};

use super::transaction::{Tracking, Transaction};
use crate::abort::Change;
use crate::locking::commit::Committing;
use crate::protocol::CommitReceipt;
use crate::reads::{ReadRange, ReadSet, is_above};
use crate::visibility::visible_to;
use crate::{Abort, Durability, Store};

impl Transaction {
    pub(super) fn commit_checked(
        mut self: Box<Self>,
        durability: Durability,
    ) -> crate::Result<CommitReceipt> {
        let (Some(tracking), Some(snapshot)) = (self.tracking.take(), &self.snapshot) else {
            return self.writer.commit(durability, |_| Ok(()));
        };
        let (snapshot, is_audit) = (snapshot.timestamp(), self.is_audit);
        if self.writer.has_written() {
            return self.writer.commit(durability, |commit| {
                let checked = admit(commit, &tracking, snapshot);
                if is_audit { note_audit(commit.store, commit.slot, checked) } else { checked }
            });
        }
        let mut checked = check_reads(self.writer.store(), &tracking.reads, snapshot);
        if is_audit {
            checked = note_audit(self.writer.store(), self.writer.slot(), checked);
        }
        match checked {
            Ok(()) => self.writer.commit(durability, |_| Ok(())),
            Err(abort) => Err(self.writer.abort_because(abort)),
        }
    }
}

/// Notes what would have become of a transaction that is only audited. It commits.
fn note_audit(store: &Store, slot: u16, checked: Result<(), Abort>) -> Result<(), Abort> {
    let owner = store.registry().slot(slot);
    owner.counts.audited();
    if let Err(abort) = checked {
        owner.counts.would_abort();
        store.read_marks().note_example(owner.id(), abort);
    }
    Ok(())
}

/// The check of a transaction that has written something; the module has the picture.
fn admit(commit: &Committing<'_>, tracking: &Tracking, snapshot: Timestamp) -> Result<(), Abort> {
    let guard = pin();
    let &Committing { store, slot, at, .. } = commit;
    let marks = store.read_marks();
    store.registry().wait_for_marks(at, slot);
    let readers = commit.written().map(|record| (marks.of_record(record), record)).max_by_key(|read| read.0);
    let mut after = snapshot.max(tracking.gap_readers);
    let overwritten = readers.filter(|read| read.0 > after).map(|(read_at, record)| {
        after = read_at;
        record
    });
    let walked = leave_marks(store, &tracking.reads, at, slot, &guard);
    store.registry().slot(slot).marks_are_left(at);
    let mut earliest: Option<(Timestamp, Change)> = None;
    each_change(store, &tracking.reads, &walked, (snapshot, at), slot, &guard, |table, record, change| {
        let before = marks.comes_before(change);
        if earliest.as_ref().is_none_or(|known| before < known.0) {
            earliest = Some((before, Change::of(table, record, change)));
        }
    });
    let Some((before, change)) = earliest else { return Ok(()) };
    marks.note_pivot(at, before, store.snapshots().watermark());
    if before > after {
        return Ok(());
    }
    Err(Abort::Unserializable {
        change: Box::new(change),
        change_comes_before: before,
        comes_after: after,
        // SAFETY: the record is locked by the transaction.
        overwritten: overwritten.map(|record| unsafe { record.get() }.key().to_vec()),
    })
}

/// The check of a transaction that has written nothing, and counts as committed at its snapshot.
pub(super) fn check_reads(store: &Store, reads: &ReadSet, snapshot: Timestamp) -> Result<(), Abort> {
    // If all who could come before this snapshot have ended, nobody needs a mark of that time; and if nobody has
    // committed since, nothing has changed.
    if reads.is_empty() || store.snapshots().is_last_commit(snapshot, store.oracle()) {
        return Ok(());
    }
    let guard = pin();
    let marks = store.read_marks();
    let walked = leave_marks(store, reads, snapshot, NO_SLOT, &guard);
    // Whoever announces a commit from now on sees the marks; the others are waited for.
    let until = Timestamp::MAX;
    let mut found = None;
    each_change(store, reads, &walked, (snapshot, until), NO_SLOT, &guard, |table, record, change| {
        let before = marks.comes_before(change);
        if before <= snapshot && found.is_none() {
            found = Some((before, Change::of(table, record, change)));
        }
    });
    match found {
        None => Ok(()),
        Some((change_comes_before, change)) => Err(Abort::Unserializable {
            change: Box::new(change),
            change_comes_before,
            comes_after: snapshot,
            overwritten: None,
        }),
    }
}

/// Nobody's slot.
const NO_SLOT: u16 = u16::MAX;

/// The records that lie in the ranges which were read, each with the position of its range.
type Walked<'g> = Vec<(usize, Record<'g>)>;

/// Marks all that was read as read at `at`, but for what `slot` itself has written. Returns what was found in the
/// ranges: nothing is inserted there any more by somebody who hasn't seen the marks.
fn leave_marks<'g>(
    store: &Store,
    reads: &'g ReadSet,
    at: Timestamp,
    slot: u16,
    guard: &'g Guard,
) -> Walked<'g> {
    let marks = store.read_marks();
    for (_, record) in reads.records(guard) {
        if !is_pending_of(record, slot) {
            marks.mark_record(record.ptr(), at);
        }
    }
    let mut walked = Walked::new();
    for (position, (table, range)) in reads.ranges().enumerate() {
        let known = walked.len();
        for round in 0.. {
            if mark_range(store, table, range, position, (at, slot), &mut walked, guard) {
                break;
            }
            walked.truncate(known);
            spin(round);
        }
    }
    walked
}

fn is_pending_of(record: Record<'_>, slot: u16) -> bool {
    record.head().is_some_and(
        |head| matches!(head.state(), VersionState::Pending { slot: owner, .. } if owner == slot),
    )
}

/// Marks the records of a range, their gaps, and the gap behind the last; false if something has moved meanwhile
/// and it has to be done again.
fn mark_range<'g>(
    store: &Store,
    table: &'g Table,
    range: &ReadRange,
    position: usize,
    (at, slot): (Timestamp, u16),
    walked: &mut Walked<'g>,
    guard: &'g Guard,
) -> bool {
    let marks = store.read_marks();
    let mut witnesses: Vec<Witness> = Vec::new();
    let mut batch = Batch::new();
    let mut fence: Option<&[u8]> = None;
    let boundary = loop {
        let start = fence.map_or(range.lower.as_ref().map(Vec::as_slice), std::ops::Bound::Included);
        table.index().leaf_from(start, &mut batch, guard);
        witnesses.push(batch.witness());
        let within = batch.records().partition_point(|record| !is_above(record.key(), &range.upper));
        for &record in &batch.records()[..within] {
            marks.mark_gap(record.ptr(), at);
            if !is_pending_of(record, slot) {
                marks.mark_record(record.ptr(), at);
            }
            walked.push((position, record));
        }
        match (batch.records().get(within), batch.fence()) {
            (Some(behind), _) => break Some(*behind),
            (None, None) => break None,
            (None, Some(next)) => fence = Some(next),
        }
    };
    marks.mark_gap(boundary.map_or(table.end(), Record::ptr), at);
    // The marks first, these looks afterwards: who inserts has changed a leaf, or sees a mark; who removes a record
    // has marked it as dead, or takes its marks along.
    let is_alive =
        |record: &Record<'_>| record.word().load(synod_storage::sync::Ordering::SeqCst) & Record::DEAD == 0;
    let known = walked.iter().rev().take_while(|(of, _)| *of == position);
    known.map(|(_, record)| record).chain(boundary.as_ref()).all(is_alive)
        && witnesses.iter().all(|witness| table.index().is_current(witness))
}

/// Visits every change of what was read that was committed after `since` and up to `until`. Commits that are going
/// on, up to then, are waited for.
fn each_change(
    store: &Store,
    reads: &ReadSet,
    walked: &Walked<'_>,
    (since, until): (Timestamp, Timestamp),
    slot: u16,
    guard: &Guard,
    mut visit: impl FnMut(&Table, Record<'_>, Timestamp),
) {
    let mut look = |table: &Table, record: Record<'_>| {
        let mut version = visible_to(record, until, slot, store.registry());
        while let Some(current) = version {
            match current.state() {
                VersionState::Committed(at) if at > since => visit(table, record, at),
                _ => break,
            }
            version = current.next();
        }
    };
    for (table, record) in reads.records(guard) {
        look(table, record);
    }
    let tables: Vec<_> = reads.ranges().map(|(table, _)| table).collect();
    for &(range, record) in walked {
        look(tables[range], record);
    }
}
