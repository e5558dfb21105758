//! The change feed: committed transactions, in commit order, as they become durable.
//!
//! The log already is that feed; this reads it back, from the files, up to where they are durable:
//!
//! ```text
//! log     gone ✗ ├── 41 45 52 60 ──┤ 71 74 (not durable yet)
//!                    ▲             ▲
//! changes(from: 41) begins here,   waits here
//! ```
//!
//! So a consumer sees nothing that a crash could take back, each commit once, and whatever it does, it slows
//! down nobody. It goes on where it was by the timestamp of the last change that it has dealt with. What the
//! feed has no memory for is what a checkpoint has made superfluous: `Options::log_kept_bytes` keeps more.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use synod_storage::wal::{BatchPiece, LogReader, Piece, Writes};
use synod_storage::{Error as StorageError, TableId, Timestamp};

use crate::{Engine, Error, Result};

/// How often a consumer that waits looks whether the engine was closed.
const CLOSED_CHECK_INTERVAL: Duration = Duration::from_millis(50);

/// One committed transaction, a batch of them, or the creation or drop of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its place in the commit order: `changes(timestamp)` goes on behind it.
    pub timestamp: Timestamp,
    /// What has changed.
    pub kind: ChangeKind,
}

/// What has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// A transaction committed. What it wrote, each key once.
    Commit(Vec<Write>),
    /// A table was created.
    CreateTable(Arc<str>),
    /// A table was dropped, with all that was in it.
    DropTable(Arc<str>),
    /// Procedures were executed, the last of them at this change's timestamp. The log has their names and
    /// arguments, not what they wrote; these are the bytes that it has.
    Batch(Bytes),
}

/// What a transaction did to one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// The table's name.
    pub table: Arc<str>,
    /// The key.
    pub key: Bytes,
    /// The new value; `None` if the key was deleted.
    pub value: Option<Bytes>,
}

/// The changes after some timestamp; see [`Engine::changes`]. As an iterator it waits for what is to come, and
/// ends when the engine is closed.
pub struct Changes {
    engine: Engine,
    reader: LogReader,
    /// Read and not yet delivered: about 1 MiB.
    ready: VecDeque<Change>,
    names: HashMap<TableId, Arc<str>>,
    position: Timestamp,
}

impl Engine {
    /// The transactions that committed after `from`, in commit order, each exactly once: first those that the
    /// log still has, then those to come, as soon as they are durable. Commits at [`Durability::None`] aren't
    /// among them.
    ///
    /// To mirror a database, take a [`snapshot`](Engine::snapshot), copy what it sees, and go on with the
    /// changes after its [timestamp](crate::Snapshot::timestamp).
    ///
    /// ```
    /// use synod::{ChangeKind, Engine, Options};
    ///
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let path = directory.path();
    /// let engine = Engine::open(path, Options::new())?;
    /// let table = engine.table("t")?;
    /// let before = engine.snapshot()?.timestamp();
    /// engine.transact(|txn| txn.put(&table, "key", "value"))?;
    /// let change = engine.changes(before)?.try_next()?.expect("it is durable");
    /// assert!(matches!(&change.kind, ChangeKind::Commit(writes) if writes[0].key == "key"));
    /// # Ok::<(), synod::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Storage`] with `Gone` if the log no longer reaches back to `from`, [`Error::NoLog`] for an
    /// engine in memory.
    ///
    /// [`Durability::None`]: crate::Durability::None
    pub fn changes(&self, from: Timestamp) -> Result<Changes> {
        self.check_open()?;
        let log = self.inner.store.log().ok_or(Error::NoLog)?;
        let reader = log.wal().read_after(from)?;
        Ok(Changes {
            engine: self.clone(),
            reader,
            ready: VecDeque::new(),
            names: HashMap::new(),
            position: from,
        })
    }
}

impl Changes {
    /// The next change, if there is one that is durable. Never waits but for the disk. Reads about a MiB of
    /// the log at a time.
    ///
    /// # Errors
    /// [`Error::Storage`] with `Gone` if the consumer has fallen so far behind that the log was removed before
    /// it was read; [`Error::Closed`]; and whatever reading says.
    pub fn try_next(&mut self) -> Result<Option<Change>> {
        self.engine.check_open()?;
        while self.ready.is_empty() {
            let log = self.engine.inner.store.log().ok_or(Error::NoLog)?;
            let Some(piece) = self.reader.next(log.wal())? else { return Ok(None) };
            self.take(piece)?;
        }
        let next = self.ready.pop_front();
        if let Some(change) = &next {
            self.position = change.timestamp;
        }
        Ok(next)
    }

    /// The next change; waits for it, at most for `timeout`.
    ///
    /// # Errors
    /// As [`Changes::try_next`].
    pub fn next_timeout(&mut self, timeout: Duration) -> Result<Option<Change>> {
        let deadline = Instant::now().checked_add(timeout);
        loop {
            let engine = self.engine.clone();
            let log = engine.inner.store.log().ok_or(Error::NoLog)?;
            // Before the look: what becomes durable behind it ends the wait.
            let known = log.durable();
            if let Some(change) = self.try_next()? {
                return Ok(Some(change));
            }
            let left =
                deadline.map_or(CLOSED_CHECK_INTERVAL, |end| end.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return Ok(None);
            }
            log.check()?;
            log.wait_for_more(known, left.min(CLOSED_CHECK_INTERVAL));
        }
    }

    /// The timestamp of the last change delivered, or where the feed began.
    pub fn reached(&self) -> Timestamp {
        self.position
    }

    fn take(&mut self, piece: Piece) -> Result<()> {
        match piece {
            Piece::Commits(commits) => {
                for (timestamp, writes) in commits.iter() {
                    let kind = ChangeKind::Commit(self.writes(writes)?);
                    self.ready.push_back(Change { timestamp, kind });
                }
            }
            Piece::CreateTable { timestamp, table, name } => {
                let name: Arc<str> = name.into();
                self.names.insert(table, name.clone());
                self.ready.push_back(Change { timestamp, kind: ChangeKind::CreateTable(name) });
            }
            Piece::DropTable { timestamp, table } => {
                let kind = ChangeKind::DropTable(self.name(table)?);
                self.ready.push_back(Change { timestamp, kind });
            }
            Piece::Batch(BatchPiece { timestamp, body, .. }) => {
                self.ready.push_back(Change { timestamp, kind: ChangeKind::Batch(body.into()) });
            }
        }
        Ok(())
    }

    fn writes(&mut self, writes: Writes<'_>) -> Result<Vec<Write>> {
        let owned = writes.map(|(table, key, value)| {
            let table = self.name(table)?;
            let (key, value) = (Bytes::copy_from_slice(key), value.map(Bytes::copy_from_slice));
            Ok(Write { table, key, value })
        });
        owned.collect()
    }

    fn name(&mut self, id: TableId) -> Result<Arc<str>> {
        if let Some(name) = self.names.get(&id) {
            return Ok(name.clone());
        }
        let store = &self.engine.inner.store;
        // A name is forgotten only after the log that mentions the table is gone.
        let name: Arc<str> = store
            .catalog()
            .name_of(id)
            .ok_or_else(|| {
                let oldest = store.log().map_or(Timestamp::MAX, |log| log.wal().oldest_timestamp());
                Error::Storage(StorageError::Gone { asked: self.position, oldest })
            })?
            .into();
        self.names.insert(id, name.clone());
        Ok(name)
    }
}

impl Iterator for Changes {
    type Item = Result<Change>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.next_timeout(Duration::MAX) {
                Ok(Some(change)) => return Some(Ok(change)),
                Ok(None) => {}
                Err(Error::Closed) => return None,
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changes").field("position", &self.position).finish_non_exhaustive()
    }
}
