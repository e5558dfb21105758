//! Reconnaissance: running a transaction once on a snapshot, only to find out what it touches (Thomson et al., SIGMOD 2012,
//! section 3.2.1).
//!
//! It reads the past and keeps its writes to itself. What comes of it is thrown away, but for the footprint. By the time
//! the transaction has its place in the order things may have changed, and the footprint with them; then it is found out
//! while it runs there, and the transaction is put in once more.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use crossbeam_epoch::pin;
use synod_storage::{Table, TableId, Timestamp, Version, VersionState, check_key, check_value};

use super::Footprint;
use crate::cursor::{Cursor, Direction};
use crate::protocol::{ActiveTransaction, CommitReceipt, Expect, Intent, Savepoint, Visit, VisitKey};
use crate::store::scan_step;
use crate::visibility::visible_at;
use crate::{Abort, Durability, Error, Result, Snapshot};

/// A transaction that only finds out what it touches.
pub struct Reconnaissance {
    snapshot: Snapshot,
    footprint: Footprint,
    written: BTreeMap<(TableId, Vec<u8>), OwnVersion>,
    /// What `written` was at each savepoint.
    savepoints: Vec<(u64, Vec<OwnWrite>)>,
    savepoint_serial: u64,
    write_count: u64,
}

/// A key of a table, and what was written under it.
type OwnWrite = ((TableId, Vec<u8>), Option<Vec<u8>>);

/// A version that is in no chain.
struct OwnVersion(Version<'static>);

// SAFETY: nobody else knows the version.
unsafe impl Send for OwnVersion {}

impl OwnVersion {
    fn new(value: Option<&[u8]>) -> Self {
        OwnVersion(Version::allocate(value, VersionState::Committed(Timestamp::MAX)))
    }
}

impl Drop for OwnVersion {
    fn drop(&mut self) {
        // SAFETY: nobody else knows it.
        unsafe { self.0.free() };
    }
}

impl Reconnaissance {
    /// One that reads at a snapshot.
    pub fn new(snapshot: Snapshot) -> Self {
        Reconnaissance {
            snapshot,
            footprint: Footprint::default(),
            written: BTreeMap::new(),
            savepoints: Vec::new(),
            savepoint_serial: 0,
            write_count: 0,
        }
    }

    /// What has been touched so far; from then on it begins anew.
    pub fn take_footprint(&mut self) -> Footprint {
        std::mem::take(&mut self.footprint)
    }

    fn own(&self, table: &Table, key: &[u8]) -> Option<Version<'_>> {
        self.written.get(&(table.id(), key.to_vec())).map(|own| own.0)
    }

    /// Calls `look` with what the transaction sees of a key.
    fn look<T>(&self, table: &Table, key: &[u8], look: impl FnOnce(Option<Version<'_>>) -> T) -> T {
        if let Some(own) = self.own(table, key) {
            return look(Some(own));
        }
        let guard = pin();
        let (at, registry) = (self.snapshot.timestamp(), self.snapshot.store().registry());
        let record = table.index().get(key, &guard);
        look(record.and_then(|record| visible_at(record, at, registry)))
    }

    /// Delivers one step of a scan: what the snapshot has, and over it what was written.
    fn deliver(&self, table: &Arc<Table>, cursor: &mut Cursor, visit: &mut Visit<'_>) {
        let (guard, before) = (pin(), cursor.clone());
        let (at, registry) = (self.snapshot.timestamp(), self.snapshot.store().registry());
        let mut found: BTreeMap<&[u8], Version<'_>> = BTreeMap::new();
        scan_step(table, cursor, &guard, |record| {
            if let Some(version) = visible_at(record, at, registry) {
                found.insert(record.key(), version);
            }
        });
        let (lower, upper) = before.covered_until(cursor);
        for ((_, key), own) in
            self.written.range((table.id(), Vec::new())..).take_while(|((id, _), _)| *id == table.id())
        {
            if is_within(key, lower, upper) {
                found.insert(key, own.0);
            }
        }
        match before.direction {
            Direction::Forward => found.iter().for_each(|(key, version)| visit(key, *version)),
            Direction::Backward => found.iter().rev().for_each(|(key, version)| visit(key, *version)),
        }
    }
}

fn is_within(key: &[u8], lower: Bound<&[u8]>, upper: Bound<&[u8]>) -> bool {
    use std::ops::RangeBounds;
    <(Bound<&[u8]>, Bound<&[u8]>) as RangeBounds<[u8]>>::contains(&(lower, upper), key)
}

impl ActiveTransaction for Reconnaissance {
    fn read(
        &mut self,
        table: &Arc<Table>,
        key: &[u8],
        intent: Intent,
        visit: &mut VisitKey<'_>,
    ) -> Result<()> {
        check_key(key)?;
        match intent {
            Intent::Read => self.footprint.read(table, key),
            Intent::Update | Intent::Write => self.footprint.write(table, key),
        }
        self.look(table, key, visit);
        Ok(())
    }

    fn write(
        &mut self,
        table: &Arc<Table>,
        key: &[u8],
        value: Option<&[u8]>,
        expect: Expect,
    ) -> Result<bool> {
        check_key(key)?;
        check_value(value.unwrap_or_default())?;
        self.footprint.write(table, key);
        let had_value =
            self.look(table, key, |version| version.is_some_and(|version| version.value().is_some()));
        if had_value && expect == Expect::Absent {
            return Err(Error::KeyExists { table: table.name().to_owned(), key: key.to_vec() });
        }
        if value.is_some() || had_value {
            self.write_count += 1;
            self.written.insert((table.id(), key.to_vec()), OwnVersion::new(value));
        }
        Ok(had_value)
    }

    fn scan(
        &mut self,
        table: &Arc<Table>,
        cursor: &mut Cursor,
        intent: Intent,
        visit: &mut Visit<'_>,
    ) -> Result<()> {
        let before = cursor.clone();
        self.deliver(table, cursor, visit);
        let (lower, upper) = before.covered_until(cursor);
        let (lower, upper) = (lower.map(<[u8]>::to_vec), upper.map(<[u8]>::to_vec));
        match intent {
            Intent::Read => self.footprint.read_range(table, lower, upper),
            Intent::Update | Intent::Write => self.footprint.write_range(table, lower, upper),
        }
        Ok(())
    }

    fn write_count(&self) -> u64 {
        self.write_count
    }

    fn savepoint(&mut self) -> Result<Savepoint> {
        self.savepoint_serial += 1;
        let copy = |(place, own): (&(TableId, Vec<u8>), &OwnVersion)| {
            (place.clone(), own.0.value().map(<[u8]>::to_vec))
        };
        self.savepoints.push((self.savepoint_serial, self.written.iter().map(copy).collect()));
        Ok(Savepoint { transaction: u64::MAX, serial: self.savepoint_serial })
    }

    fn rollback_to(&mut self, savepoint: Savepoint) -> Result<()> {
        let position = self.savepoints.iter().position(|(serial, _)| *serial == savepoint.serial);
        let Some(position) = position.filter(|_| savepoint.transaction == u64::MAX) else {
            return Err(Error::UnknownSavepoint);
        };
        self.savepoints.truncate(position + 1);
        let kept = &self.savepoints[position].1;
        self.written =
            kept.iter().map(|(place, value)| (place.clone(), OwnVersion::new(value.as_deref()))).collect();
        self.write_count += 1;
        Ok(())
    }

    /// There is nothing to commit.
    fn commit(self: Box<Self>, _durability: Durability) -> Result<CommitReceipt> {
        Ok(CommitReceipt { timestamp: self.snapshot.timestamp(), wrote: false })
    }

    fn abort(self: Box<Self>) {}

    fn age(&self) -> u64 {
        self.snapshot.timestamp().0
    }

    fn slot(&self) -> Option<u16> {
        None
    }

    fn abort_reason(&self) -> Option<&Abort> {
        None
    }
}

impl std::fmt::Debug for Reconnaissance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reconnaissance").field("at", &self.snapshot.timestamp()).finish_non_exhaustive()
    }
}
