//! Reading several keys at a time.

use bytes::Bytes;
use smallvec::SmallVec;
use synod_txn::{Intent, TOGETHER_MAX};

use crate::{Result, Snapshot, Table, Transaction};

impl Transaction {
    /// The values of several keys of a table: the same as [`Transaction::get`] for each, but they are looked up side by side,
    /// so that the waits for memory overlap. Where a table is much larger than the processor's caches, ten keys take about
    /// half the time.
    ///
    /// ```
    /// # use synod::{Engine, Options};
    /// # let engine = Engine::in_memory(Options::new())?;
    /// # let stock = engine.table("stock")?;
    /// let found = engine.transact(|txn| {
    ///     txn.put(&stock, "apples", [3])?;
    ///     txn.multi_get(&stock, &["pears", "apples"])
    /// })?;
    /// assert_eq!(found, [None, Some(vec![3].into())]);
    /// # Ok::<(), synod::Error>(())
    /// ```
    ///
    /// # Errors
    /// As of [`Transaction::get`] for any of the keys.
    pub fn multi_get(&self, table: &Table, keys: &[impl AsRef<[u8]>]) -> Result<Vec<Option<Bytes>>> {
        copies(keys.len(), |copy| self.multi_get_with(table, keys, copy))
    }

    /// As [`Transaction::multi_get`], but looks at the values in place: `read` is called for each key, in their order, with
    /// the key's index and its value.
    ///
    /// # Errors
    /// As of [`Transaction::multi_get`]; `read` may have been called for some of the keys.
    pub fn multi_get_with(
        &self,
        table: &Table,
        keys: &[impl AsRef<[u8]>],
        read: impl FnMut(usize, Option<&[u8]>),
    ) -> Result<()> {
        self.read_together(table, keys, Intent::Read, read)
    }

    /// As [`Transaction::multi_get_with`], for keys that this transaction means to write next; see
    /// [`Transaction::get_for_update`]. Writing them in the same order saves looking them up again. Where keys are locked, up
    /// to 16 at a time are locked so that transactions that ask for them in one call don't end in a deadlock over them.
    ///
    /// ```
    /// # use synod::{Engine, Options};
    /// # let engine = Engine::in_memory(Options::new())?;
    /// # let stock = engine.table("stock")?;
    /// # engine.transact(|txn| ["apples", "pears"].iter().try_for_each(|key| txn.put(&stock, key, [3])))?;
    /// let keys = ["apples", "pears"];
    /// engine.transact(|txn| {
    ///     let mut left = [0; 2];
    ///     txn.multi_get_for_update_with(&stock, &keys, |nth, value| left[nth] = value.map_or(0, |value| value[0]))?;
    ///     keys.iter().zip(left).try_for_each(|(key, left)| txn.put(&stock, key, [left - 1]))
    /// })?;
    /// # assert_eq!(engine.snapshot()?.get(&stock, "pears")?.as_deref(), Some(&[2][..]));
    /// # Ok::<(), synod::Error>(())
    /// ```
    ///
    /// # Errors
    /// As of [`Transaction::get_for_update`] for any of the keys; `read` may have been called for some of them.
    pub fn multi_get_for_update_with(
        &self,
        table: &Table,
        keys: &[impl AsRef<[u8]>],
        read: impl FnMut(usize, Option<&[u8]>),
    ) -> Result<()> {
        self.read_together(table, keys, Intent::Update, read)
    }
}

impl Snapshot {
    /// The values of several keys of a table, looked up side by side: see [`Transaction::multi_get`].
    ///
    /// # Errors
    /// As of [`Snapshot::get`] for any of the keys.
    pub fn multi_get(&self, table: &Table, keys: &[impl AsRef<[u8]>]) -> Result<Vec<Option<Bytes>>> {
        copies(keys.len(), |copy| self.multi_get_with(table, keys, copy))
    }

    /// As [`Snapshot::multi_get`], but looks at the values in place: `read` is called for each key, in their order, with
    /// the key's index and its value.
    ///
    /// # Errors
    /// As of [`Snapshot::multi_get`]; `read` may have been called for some of the keys.
    pub fn multi_get_with(
        &self,
        table: &Table,
        keys: &[impl AsRef<[u8]>],
        read: impl FnMut(usize, Option<&[u8]>),
    ) -> Result<()> {
        self.read_together(table, keys, read)
    }
}

/// Copies of so many values, as `read_all` hands them over.
fn copies(
    count: usize,
    read_all: impl FnOnce(&mut dyn FnMut(usize, Option<&[u8]>)) -> Result<()>,
) -> Result<Vec<Option<Bytes>>> {
    let mut values = Vec::with_capacity(count);
    read_all(&mut |_, value| values.push(value.map(Bytes::copy_from_slice)))?;
    Ok(values)
}

/// Some keys in parts that can be looked up together, and the index of each part's first.
pub(crate) fn together<K: AsRef<[u8]>>(
    keys: &[K],
) -> impl Iterator<Item = (usize, SmallVec<[&[u8]; TOGETHER_MAX]>)> {
    let parts = keys.chunks(TOGETHER_MAX).enumerate();
    parts.map(|(part, keys)| (part * TOGETHER_MAX, keys.iter().map(AsRef::as_ref).collect()))
}
