//! Reading one key, and writing one: for a write, too, looks at most, and changes nothing that others see.

use std::sync::Arc;

use crossbeam_epoch::{Guard, pin};
use synod_storage::{Record, Table, Version, VersionState, check_value};

use super::transaction::Transaction;
use crate::protocol::{Expect, Intent, Isolation, VisitNth};
use crate::together::{if_alive, look_up};
use crate::visibility::{Younger, latest_committed, newest_until};
use crate::{Abort, Error, Result, VisitKey};

impl Transaction {
    pub(super) fn read_key(
        &mut self,
        table: &Arc<Table>,
        key: &[u8],
        intent: Intent,
        visit: &mut VisitKey<'_>,
    ) -> Result<()> {
        if let Some(own) = self.buffers.writes.get(table, key) {
            visit(Some(own));
            return Ok(());
        }
        let guard = pin();
        let version = self.look_up(table, key, None, self.notes(intent), &guard)?;
        visit(version);
        Ok(())
    }

    /// Reads several keys.
    pub(super) fn read_keys(
        &mut self,
        table: &Arc<Table>,
        keys: &[&[u8]],
        intent: Intent,
        visit: &mut VisitNth<'_>,
    ) -> Result<()> {
        let guard = pin();
        let found = look_up(table, keys, &guard);
        self.recent.forget();
        for (nth, (key, ahead)) in keys.iter().zip(found).enumerate() {
            if let Some(own) = self.buffers.writes.get(table, key) {
                visit(nth, Some(own));
                continue;
            }
            visit(nth, self.look_up(table, key, ahead, self.notes(intent), &guard)?);
        }
        Ok(())
    }

    /// Writes or deletes one key; returns whether it had a value.
    pub(super) fn write_key(
        &mut self,
        table: &Arc<Table>,
        key: &[u8],
        value: Option<&[u8]>,
        expect: Expect,
    ) -> Result<bool> {
        check_value(value.unwrap_or_default())?;
        let had_value = match expect {
            Expect::Anything => true,
            Expect::Told | Expect::Absent => self.has_value(table, key)?,
        };
        if had_value && expect == Expect::Absent {
            return Err(Error::KeyExists { table: table.name().to_owned(), key: key.to_vec() });
        }
        if value.is_none() && !had_value {
            return Ok(false);
        }
        self.count_write();
        let record = self.recent.find(table, key).map(Record::ptr);
        let mark = self.writes_before_savepoint();
        self.buffers.writes.put((table, key, record), value, self.slot, mark);
        Ok(had_value)
    }

    /// Whether there is a value for this transaction. Noted at every level: a write rests on the answer.
    fn has_value(&mut self, table: &Arc<Table>, key: &[u8]) -> Result<bool> {
        if let Some(own) = self.buffers.writes.get(table, key) {
            return Ok(own.value().is_some());
        }
        let guard = pin();
        Ok(self.look_up(table, key, None, true, &guard)?.and_then(Version::value).is_some())
    }

    /// Whether what is read with this intent has to be so still at the commit.
    pub(super) fn notes(&self, intent: Intent) -> bool {
        self.isolation == Isolation::Serializable || intent == Intent::Update
    }

    /// The committed version that this transaction sees under a key, whose record may have been looked up ahead.
    #[inline]
    fn look_up<'g>(
        &mut self,
        table: &'g Arc<Table>,
        key: &[u8],
        ahead: Option<Record<'g>>,
        is_noted: bool,
        guard: &'g Guard,
    ) -> Result<Option<Version<'g>>> {
        let version = if is_noted {
            self.look_up_and_note(table, key, ahead, guard)?
        } else {
            if_alive(ahead).or_else(|| table.index().get(key, guard)).and_then(latest_committed)
        };
        self.note_timestamp(version);
        Ok(version)
    }

    #[inline]
    fn look_up_and_note<'g>(
        &mut self,
        table: &'g Arc<Table>,
        key: &[u8],
        ahead: Option<Record<'g>>,
        guard: &'g Guard,
    ) -> Result<Option<Version<'g>>> {
        let noted = self.recent.find(table, key);
        loop {
            let found = noted.or_else(|| if_alive(ahead)).or_else(|| table.index().get(key, guard));
            let seen = found.map(|record| (record, newest_until(record, self.moment, self.store.registry())));
            match seen {
                Some((record, Ok(Some(version)))) if version.value().is_some() => {
                    if noted.is_none() {
                        self.buffers.reads.note_record(table, record.ptr());
                        // SAFETY: it has a value at this transaction's moment.
                        unsafe {
                            match ahead {
                                None => self.recent.note(table, record.ptr()),
                                Some(_) => self.recent.note_another(table, record.ptr()),
                            }
                        }
                    }
                    return Ok(Some(version));
                }
                Some((_, Err(Younger))) => self.extend(guard)?,
                Some((_, Ok(absent))) => {
                    self.buffers.reads.note_absent(table, key);
                    return Ok(absent);
                }
                None => {
                    self.buffers.reads.note_absent(table, key);
                    return Ok(None);
                }
            }
        }
    }

    #[inline]
    pub(super) fn note_timestamp(&mut self, version: Option<Version<'_>>) {
        if let Some(VersionState::Committed(timestamp)) = version.map(Version::state) {
            self.newest_read = self.newest_read.max(timestamp);
        }
    }

    /// Moves this transaction's moment on to the present, if all that it has read is so still; otherwise aborts.
    #[cold]
    pub(super) fn extend(&mut self, guard: &Guard) -> Result<()> {
        let now = self.store.oracle().last();
        let (reads, registry) = (&self.buffers.reads, self.store.registry());
        if !reads.is_empty()
            && let Some(change) = reads.find_change((self.moment, now), self.slot, registry, guard)
        {
            return Err(self.abort_because(Abort::ReadChanged { change }));
        }
        // Only now: the earlier moment protects the records that were looked at.
        self.registered().read_since(now);
        self.moment = now;
        Ok(())
    }
}
