//! Transactions as users see them.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use synod_storage::{Timestamp, Version};
use synod_txn::{
    Abort, ActiveTransaction, CommitReceipt, Cursor, Durability, Expect, Footprint, Intent, Isolation,
    Reconnaissance, Savepoint, Snapshot as StoreSnapshot, TransactionId,
};

use crate::history::{Recording, recorded};
use crate::multi_get::together;
use crate::{CommitHandle, Engine, Error, Result, Table};

/// A transaction: reads and writes that take effect together, or not at all. It can be sent to another
/// thread. Dropping it aborts it.
///
/// After the engine has aborted it, every operation returns that abort again.
pub struct Transaction {
    engine: Engine,
    isolation: Isolation,
    durability: Durability,
    pub(crate) body: RefCell<Body>,
    /// What an engine that records history notes.
    recording: Option<RefCell<Box<Recording>>>,
}

/// What carries a transaction.
pub(crate) enum Body {
    /// A protocol.
    ReadWrite(Box<dyn ActiveTransaction>),
    /// A snapshot, and the newest commit that was read from it.
    ReadOnly(StoreSnapshot, Timestamp),
}

impl Transaction {
    pub(crate) fn new(
        engine: Engine,
        body: Body,
        (isolation, durability): (Isolation, Durability),
        recording: Option<Box<Recording>>,
    ) -> Self {
        let (body, recording) = (RefCell::new(body), recording.map(RefCell::new));
        let transaction = Transaction { engine, isolation, durability, body, recording };
        transaction.record(|recording| recording.named(transaction.id()));
        transaction
    }

    /// Records what comes from now on, as another transaction.
    pub(crate) fn start_recording(&mut self, recording: Box<Recording>) {
        self.recording = Some(RefCell::new(recording));
        self.record(|recording| recording.named(self.id()));
    }

    /// Notes that what is recorded has committed, at this time if it has written anything.
    pub(crate) fn record_commit(&self, at: Option<Timestamp>) {
        self.record(|recording| recording.committed(at));
    }

    /// What was recorded: it ends when it is dropped.
    pub(crate) fn take_recording(&mut self) -> Option<Box<Recording>> {
        self.recording.take().map(RefCell::into_inner)
    }

    /// What a reconnaissance has touched.
    pub(crate) fn reconnoitred(self) -> Footprint {
        let Body::ReadWrite(mut active) = self.body.into_inner() else { return Footprint::new() };
        let any: &mut dyn std::any::Any = &mut *active;
        let mut footprint = any.downcast_mut().map_or_else(Footprint::new, Reconnaissance::take_footprint);
        footprint.seal();
        footprint
    }

    /// Notes something, if the engine records history.
    #[inline]
    fn record(&self, note: impl FnOnce(&mut Recording)) {
        if let Some(recording) = &self.recording {
            note(&mut recording.borrow_mut());
        }
    }

    /// The value of a key.
    pub fn get(&self, table: &Table, key: impl AsRef<[u8]>) -> Result<Option<Bytes>> {
        self.get_with(table, key, |value| value.map(Bytes::copy_from_slice))
    }

    /// The value of a key, looked at in place: saves the copy that [`Transaction::get`] makes.
    ///
    /// ```
    /// # use synod::{Engine, Options};
    /// # let engine = Engine::in_memory(Options::new())?;
    /// # let table = engine.table("t")?;
    /// let len = engine.transact(|txn| {
    ///     txn.put(&table, "key", "value")?;
    ///     txn.get_with(&table, "key", |value| value.map(<[u8]>::len))
    /// })?;
    /// assert_eq!(len, Some(5));
    /// # Ok::<(), synod::Error>(())
    /// ```
    pub fn get_with<T>(
        &self,
        table: &Table,
        key: impl AsRef<[u8]>,
        read: impl FnOnce(Option<&[u8]>) -> T,
    ) -> Result<T> {
        self.read(table, key.as_ref(), Intent::Read, read)
    }

    /// The value of a key that this transaction means to write next. Others can go on reading it, but not
    /// write it, nor mean to; so two transactions that read and then write the same key wait for each other
    /// instead of colliding. (In the optimistic mode nobody waits: the one that commits later is aborted, at
    /// every level.)
    ///
    /// ```
    /// # use synod::{Engine, Options};
    /// # let engine = Engine::in_memory(Options::new())?;
    /// # let stock = engine.table("stock")?;
    /// # engine.transact(|txn| txn.put(&stock, "apples", [3]))?;
    /// engine.transact(|txn| {
    ///     let left = txn.get_for_update(&stock, "apples")?.map_or(0, |value| value[0]);
    ///     txn.put(&stock, "apples", [left - 1])
    /// })?;
    /// # Ok::<(), synod::Error>(())
    /// ```
    pub fn get_for_update(&self, table: &Table, key: impl AsRef<[u8]>) -> Result<Option<Bytes>> {
        self.get_for_update_with(table, key, |value| value.map(Bytes::copy_from_slice))
    }

    /// As [`Transaction::get_for_update`], without a copy: `read` gets the value where it lies. It must not call back
    /// into this transaction.
    ///
    /// ```
    /// # use synod::{Engine, Options};
    /// # let engine = Engine::in_memory(Options::new())?;
    /// # let stock = engine.table("stock")?;
    /// # engine.transact(|txn| txn.put(&stock, "apples", [3]))?;
    /// engine.transact(|txn| {
    ///     let left = txn.get_for_update_with(&stock, "apples", |value| value.map_or(0, |value| value[0]))?;
    ///     txn.put(&stock, "apples", [left - 1])
    /// })?;
    /// # Ok::<(), synod::Error>(())
    /// ```
    pub fn get_for_update_with<T>(
        &self,
        table: &Table,
        key: impl AsRef<[u8]>,
        read: impl FnOnce(Option<&[u8]>) -> T,
    ) -> Result<T> {
        self.read(table, key.as_ref(), Intent::Update, read)
    }

    /// Whether a key has a value.
    pub fn contains(&self, table: &Table, key: impl AsRef<[u8]>) -> Result<bool> {
        self.get_with(table, key, |value| value.is_some())
    }

    /// Sets the value of a key.
    ///
    /// # Errors
    /// If the key or the value is too long ([`KEY_BYTES_MAX`](crate::KEY_BYTES_MAX),
    /// [`VALUE_BYTES_MAX`](crate::VALUE_BYTES_MAX)); the transaction goes on.
    pub fn put(&self, table: &Table, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<()> {
        self.write(table, key.as_ref(), Some(value.as_ref()), Expect::Anything).map(|_| ())
    }

    /// Sets the value of a key that has none.
    ///
    /// ```
    /// # use synod::{Engine, Options, TransactionOptions};
    /// # let engine = Engine::in_memory(Options::new())?;
    /// # let users = engine.table("users")?;
    /// let txn = engine.begin(TransactionOptions::new())?;
    /// txn.insert(&users, "ann", "ann@example.org")?;
    /// assert!(txn.insert(&users, "ann", "other@example.org").unwrap_err().is_key_exists());
    /// txn.commit()?; // with the first value
    /// # Ok::<(), synod::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the key has a value ([`Error::is_key_exists`]); the transaction goes on.
    pub fn insert(&self, table: &Table, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<()> {
        self.write(table, key.as_ref(), Some(value.as_ref()), Expect::Absent).map(|_| ())
    }

    /// Deletes a key; returns whether it had a value.
    pub fn delete(&self, table: &Table, key: impl AsRef<[u8]>) -> Result<bool> {
        self.write(table, key.as_ref(), None, Expect::Told)
    }

    /// Combines the value of a key with `operand`, by the merge function that the table was given in
    /// [`Options::merge`](crate::Options::merge).
    ///
    /// ```
    /// use synod::{Engine, Options};
    ///
    /// let add = |_key: &[u8], old: Option<&[u8]>, by: &[u8]| {
    ///     let number = |bytes: &[u8]| bytes.try_into().map(u64::from_le_bytes).map_err(|e| format!("{e}"));
    ///     Ok((old.map_or(Ok(0), number)? + number(by)?).to_le_bytes().to_vec())
    /// };
    /// let engine = Engine::in_memory(Options::new().merge("visits", add))?;
    /// let visits = engine.table("visits")?;
    /// engine.transact(|txn| txn.merge(&visits, "home", 1u64.to_le_bytes()))?;
    /// engine.transact(|txn| txn.merge(&visits, "home", 2u64.to_le_bytes()))?;
    /// let sum = engine.snapshot()?.get(&visits, "home")?;
    /// assert_eq!(sum.as_deref(), Some(&3u64.to_le_bytes()[..]));
    /// # Ok::<(), synod::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the table has no merge function, or the function refuses; the transaction goes on.
    pub fn merge(&self, table: &Table, key: impl AsRef<[u8]>, operand: impl AsRef<[u8]>) -> Result<()> {
        let key = key.as_ref();
        let name = || table.name().to_owned();
        let Some(merge) = &table.merge else { return Err(Error::NoMergeFunction { table: name() }) };
        loop {
            let combine = |old: Option<&[u8]>| (merge(key, old, operand.as_ref()), old.is_some());
            let (merged, is_present) = self.read(table, key, Intent::Update, combine)?;
            let value = merged.map_err(|reason| Error::MergeFailed { table: name(), reason })?;
            // A present key is locked by now. An absent one isn't, below repeatable read: if it has got a
            // value meanwhile, that is to be merged.
            let expect = if is_present { Expect::Anything } else { Expect::Absent };
            match self.write(table, key, Some(&value), expect) {
                Err(error) if error.is_key_exists() => {}
                outcome => return outcome.map(|_| ()),
            }
        }
    }

    /// Marks a point to which [`Transaction::rollback_to`] can return.
    ///
    /// ```
    /// # use synod::{Engine, Options, TransactionOptions};
    /// # let engine = Engine::in_memory(Options::new())?;
    /// # let table = engine.table("t")?;
    /// let txn = engine.begin(TransactionOptions::new())?;
    /// txn.put(&table, "a", "kept")?;
    /// let savepoint = txn.savepoint()?;
    /// txn.put(&table, "b", "undone")?;
    /// txn.rollback_to(&savepoint)?;
    /// assert!(txn.contains(&table, "a")? && !txn.contains(&table, "b")?);
    /// # Ok::<(), synod::Error>(())
    /// ```
    pub fn savepoint(&self) -> Result<Savepoint> {
        match &mut *self.body.borrow_mut() {
            Body::ReadWrite(active) => {
                let savepoint = active.savepoint()?;
                self.record(|recording| recording.savepoint(savepoint));
                Ok(savepoint)
            }
            Body::ReadOnly(..) => Err(synod_txn::Error::ReadOnly.into()),
        }
    }

    /// Undoes all writes since the savepoint. The savepoint stays valid; those made after it don't. Locks
    /// are kept.
    pub fn rollback_to(&self, savepoint: &Savepoint) -> Result<()> {
        match &mut *self.body.borrow_mut() {
            Body::ReadWrite(active) => active.rollback_to(*savepoint)?,
            Body::ReadOnly(..) => return Err(synod_txn::Error::ReadOnly.into()),
        }
        self.record(|recording| recording.rollback_to(*savepoint));
        Ok(())
    }

    /// Commits, and waits as the durability level asks. Returns the commit timestamp; for a transaction that
    /// wrote nothing, that of the newest commit it has read, or may have read the deletion of.
    ///
    /// # Errors
    /// An abort, after which nothing has happened; or a failure of the log. If the log fails while this
    /// waits, the effects are visible, but may not survive; every later commit fails.
    pub fn commit(self) -> Result<Timestamp> {
        let (engine, receipt, durability) = self.commit_now()?;
        engine.inner.store.wait_durable(receipt.timestamp, durability)?;
        Ok(receipt.timestamp)
    }

    /// Commits, and returns at once: the effects are visible and in order, and the handle tells when they are
    /// durable. So one thread can keep many commits in flight.
    ///
    /// ```
    /// # use synod::{Engine, Options, TransactionOptions};
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let engine = Engine::open(directory.path(), Options::new())?;
    /// # let table = engine.table("t")?;
    /// let mut in_flight = Vec::new();
    /// for number in 0..10u8 {
    ///     let txn = engine.begin(TransactionOptions::new())?;
    ///     txn.put(&table, [number], "")?;
    ///     in_flight.push(txn.commit_deferred()?);
    /// }
    /// for handle in in_flight {
    ///     handle.wait()?; // or handle.await?
    /// }
    /// # Ok::<(), synod::Error>(())
    /// ```
    pub fn commit_deferred(self) -> Result<CommitHandle> {
        let (engine, receipt, durability) = self.commit_now()?;
        Ok(CommitHandle::new(engine, receipt, durability))
    }

    fn commit_now(self) -> Result<(Engine, CommitReceipt, Durability)> {
        let receipt = match self.body.into_inner() {
            Body::ReadWrite(active) => active.commit(self.durability)?,
            Body::ReadOnly(snapshot, newest_read) => {
                let forgotten = snapshot.store().newest_forgotten().min(snapshot.timestamp());
                CommitReceipt { timestamp: newest_read.max(forgotten), wrote: false }
            }
        };
        if let Some(recording) = self.recording {
            recording.into_inner().committed(receipt.wrote.then_some(receipt.timestamp));
        }
        Ok((self.engine, receipt, self.durability))
    }

    /// Undoes everything. The same as dropping the transaction.
    pub fn abort(self) {}

    /// Why the engine has aborted this transaction, if it has.
    pub fn abort_reason(&self) -> Option<Abort> {
        match &*self.body.borrow() {
            Body::ReadWrite(active) => active.abort_reason().cloned(),
            Body::ReadOnly(..) => None,
        }
    }

    /// The isolation level that it was begun at: its own, or else the engine's ([`Options::isolation`]). One that is
    /// declared read-only may get more than that, and never less.
    ///
    /// ```
    /// use synod::{Engine, Isolation, Options, TransactionOptions};
    ///
    /// let engine = Engine::in_memory(Options::new().isolation(Isolation::ReadCommitted))?;
    /// assert_eq!(engine.begin(TransactionOptions::new())?.isolation(), Isolation::ReadCommitted);
    /// let stronger = TransactionOptions::new().isolation(Isolation::Serializable);
    /// assert_eq!(engine.begin(stronger)?.isolation(), Isolation::Serializable);
    /// # Ok::<(), synod::Error>(())
    /// ```
    ///
    /// [`Options::isolation`]: crate::Options::isolation
    pub fn isolation(&self) -> Isolation {
        self.isolation
    }

    /// Its name, as in aborts and in [`Engine::waiting`]. `None` if it reads a snapshot and nobody notices it.
    pub fn id(&self) -> Option<TransactionId> {
        match &*self.body.borrow() {
            Body::ReadWrite(active) => {
                active.slot().map(|slot| self.engine.inner.store.registry().owner(slot))
            }
            Body::ReadOnly(..) => None,
        }
    }

    pub(crate) fn age(&self) -> Option<u64> {
        match &*self.body.borrow() {
            Body::ReadWrite(active) => Some(active.age()),
            Body::ReadOnly(..) => None,
        }
    }

    /// The slot of this transaction, for recording.
    #[inline]
    fn own_slot(&self) -> Option<u16> {
        self.recording.as_ref()?;
        match &*self.body.borrow() {
            Body::ReadWrite(active) => active.slot(),
            Body::ReadOnly(..) => None,
        }
    }

    pub(crate) fn check_table(&self, table: &Table) -> Result<()> {
        table.check_engine(self.engine.inner.id)
    }

    fn read<T>(
        &self,
        table: &Table,
        key: &[u8],
        intent: Intent,
        read: impl FnOnce(Option<&[u8]>) -> T,
    ) -> Result<T> {
        self.check_table(table)?;
        let mut read = Some(read);
        let mut result = None;
        let own = self.own_slot();
        let mut visit = |version: Option<Version<'_>>| {
            self.record(|recording| recording.get(&table.inner, key, recorded(version, own)));
            result = read.take().map(|read| read(version.and_then(Version::value)));
        };
        match &mut *self.body.borrow_mut() {
            Body::ReadWrite(active) => active.read(&table.inner, key, intent, &mut visit)?,
            Body::ReadOnly(snapshot, newest_read) => {
                let read_at = snapshot.store().read_at(snapshot, &table.inner, key, &mut visit)?;
                *newest_read = (*newest_read).max(read_at);
            }
        }
        Ok(result.expect("a successful read visits exactly once"))
    }

    /// Reads several keys, in parts that can be looked up together.
    pub(crate) fn read_together(
        &self,
        table: &Table,
        keys: &[impl AsRef<[u8]>],
        intent: Intent,
        mut read: impl FnMut(usize, Option<&[u8]>),
    ) -> Result<()> {
        self.check_table(table)?;
        let own = self.own_slot();
        for (start, keys) in together(keys) {
            let mut visit = |nth: usize, version: Option<Version<'_>>| {
                self.record(|recording| recording.get(&table.inner, keys[nth], recorded(version, own)));
                read(start + nth, version.and_then(Version::value));
            };
            match &mut *self.body.borrow_mut() {
                Body::ReadWrite(active) => active.read_together(&table.inner, &keys, intent, &mut visit)?,
                Body::ReadOnly(snapshot, newest_read) => {
                    let store = snapshot.store();
                    let read_at = store.read_together_at(snapshot, &table.inner, &keys, &mut visit)?;
                    *newest_read = (*newest_read).max(read_at);
                }
            }
        }
        Ok(())
    }

    pub(crate) fn write(
        &self,
        table: &Table,
        key: &[u8],
        value: Option<&[u8]>,
        expect: Expect,
    ) -> Result<bool> {
        let had_value = self.writable(table)?.write(&table.inner, key, value, expect)?;
        if value.is_some() || had_value {
            self.record(|recording| recording.put(&table.inner, key, value));
        }
        Ok(had_value)
    }

    pub(crate) fn writable(
        &self,
        table: &Table,
    ) -> Result<std::cell::RefMut<'_, Box<dyn ActiveTransaction>>> {
        self.check_table(table)?;
        let body = self.body.borrow_mut();
        std::cell::RefMut::filter_map(body, |body| match body {
            Body::ReadWrite(active) => Some(active),
            Body::ReadOnly(..) => None,
        })
        .map_err(|_| synod_txn::Error::ReadOnly.into())
    }

    /// The next records of a scan.
    pub(crate) fn scan_some(
        &self,
        table: &Arc<synod_storage::Table>,
        cursor: &mut Cursor,
        intent: Intent,
        visit: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<()> {
        let before = self.recording.is_some().then(|| cursor.clone());
        let own = self.own_slot();
        let mut found = Vec::new();
        let visit = &mut |key: &[u8], version: Version<'_>| {
            if before.is_some() {
                found.push((Bytes::copy_from_slice(key), recorded(Some(version), own)));
            }
            if let Some(value) = version.value() {
                visit(key, value);
            }
        };
        match &mut *self.body.borrow_mut() {
            Body::ReadWrite(active) => active.scan(table, cursor, intent, visit)?,
            Body::ReadOnly(snapshot, newest_read) => {
                let read_at = snapshot.store().scan_at(snapshot, table, cursor, visit);
                *newest_read = (*newest_read).max(read_at);
            }
        }
        if let Some(before) = before {
            self.record(|recording| recording.scan(table, (&before, cursor), found));
        }
        Ok(())
    }

    pub(crate) fn write_count(&self) -> u64 {
        match &*self.body.borrow() {
            Body::ReadWrite(active) => active.write_count(),
            Body::ReadOnly(..) => 0,
        }
    }
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction")
            .field("isolation", &self.isolation)
            .field("durability", &self.durability)
            .finish_non_exhaustive()
    }
}
