//! SurrealKV: a log-structured merge tree, transactions validated at their commit.
//!
//! It has one space of keys: a table is a byte in front of them. Its commits are asynchronous and need tokio: a task of
//! its own writes the log, and the committing thread waits for it.

use super::Peer;
use super::shared::{CACHE_BYTES, Each, ReadOnly, Reads, Told, is_flushed, texts};
use crate::error::{Error, Result};
use crate::target::{About, Client, OpenOptions, Stop, TableNumber, Target, Txn, Work, copy};
use surrealkv::{Durability, LSMIterator, Mode, ReadOptions, Transaction, Tree, TreeBuilder};
use tokio::runtime::Runtime;

const NAME: &str = Peer::SurrealKv.name();
/// Tables are bytes, and the last one needs a byte behind it.
const TABLES_MAX: usize = 255;

struct SurrealKv {
    tree: Tree,
    runtime: Runtime,
    durability: Durability,
    about: About,
}

pub(super) fn open(options: &OpenOptions) -> Result<Box<dyn Target>> {
    if options.tables.len() > TABLES_MAX {
        return Err(Error::Settings(format!("{NAME} can have {TABLES_MAX} tables at most here")));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_time().build();
    let runtime = runtime.told(NAME)?;
    let builder =
        TreeBuilder::new().with_path(options.directory.clone()).with_block_cache_capacity(CACHE_BYTES as u64);
    let tree = {
        // It starts tasks.
        let _entered = runtime.enter();
        builder.build().told(NAME)?
    };
    let is_flushed = is_flushed(options.durability);
    let durability = if is_flushed { Durability::Immediate } else { Durability::Eventual };
    Ok(Box::new(SurrealKv { tree, runtime, durability, about: about(is_flushed) }))
}

fn about(is_flushed: bool) -> About {
    About {
        name: NAME.to_string(),
        engine: format!("surrealkv {}", Peer::SurrealKv.package().1),
        isolation: "snapshot, serializable for single records".to_string(),
        allows: texts(["write skew through scans"]),
        durability: match is_flushed {
            true => "its log is flushed, together with that of others",
            false => "nothing: its log is with the system, which writes it when it likes",
        }
        .to_string(),
        has_concurrent_writers: true,
        notes: texts([
            "transactions run at the same time on snapshots; what they write is validated at their commit, and so \
             is what they read by get_for_update, which is used for all single reads of transactions that write",
            "scans aren't validated",
            "a commit is a message to a task that writes the log, and one back",
            "one space of keys: a table is a byte in front of them",
        ]),
    }
}

impl Target for SurrealKv {
    fn about(&self) -> &About {
        &self.about
    }

    fn client(&self) -> Result<Box<dyn Client + '_>> {
        Ok(Box::new(SurrealKvClient(self)))
    }

    fn settle(&self) -> Result<()> {
        self.tree.flush_wal(true).told(NAME)
    }
}

impl Drop for SurrealKv {
    fn drop(&mut self) {
        // What was promised is in the log already, so there is nothing to do about an error.
        let _ = self.runtime.block_on(self.tree.close());
    }
}

struct SurrealKvClient<'t>(&'t SurrealKv);

impl Client for SurrealKvClient<'_> {
    fn attempt(&mut self, only_reads: bool, work: &mut Work<'_>) -> Result<(), Stop> {
        let SurrealKv { tree, runtime, durability, .. } = self.0;
        if only_reads {
            let transaction = tree.begin_with_mode(Mode::ReadOnly).told(NAME)?;
            return work(&mut ReadOnly(Access { transaction, key: Vec::new() }));
        }
        let transaction = tree.begin().told(NAME)?.with_durability(*durability);
        let mut update = Update(Access { transaction, key: Vec::new() });
        // Without a commit it is undone when it goes out of scope.
        work(&mut update)?;
        stopped(runtime.block_on(update.0.transaction.commit()))
    }
}

/// Tells a lost validation from a failure.
fn stopped<T>(outcome: surrealkv::Result<T>) -> Result<T, Stop> {
    match outcome {
        Err(surrealkv::Error::TransactionWriteConflict) => Err(Stop::Conflict("validation")),
        Err(surrealkv::Error::TransactionRetry) => Err(Stop::Conflict("too old to be validated")),
        outcome => Ok(outcome.told(NAME)?),
    }
}

/// A transaction.
struct Access {
    transaction: Transaction,
    /// The table's byte and the key, while they are needed.
    key: Vec<u8>,
}

impl Access {
    fn key(&mut self, table: TableNumber, key: &[u8]) {
        self.key.clear();
        self.key.push(table as u8);
        self.key.extend_from_slice(key);
    }
}

impl Reads for Access {
    fn get(&mut self, table: TableNumber, key: &[u8], value: &mut Vec<u8>) -> Result<bool, Stop> {
        self.key(table, key);
        Ok(copy(stopped(self.transaction.get(self.key.as_slice()))?.as_deref(), value))
    }

    fn scan(&mut self, table: TableNumber, from: &[u8], to: &[u8], each: &mut Each<'_>) -> Result<(), Stop> {
        let of_table = |key: &[u8]| [&[table as u8], key].concat();
        let end = if to.is_empty() { vec![table as u8 + 1] } else { of_table(to) };
        let mut options = ReadOptions::new();
        options.set_iterate_lower_bound(Some(of_table(from)));
        options.set_iterate_upper_bound(Some(end));
        let mut records = stopped(self.transaction.range_with_options(&options))?;
        let mut is_at_one = stopped(records.seek_first())?;
        while is_at_one {
            if !each(&records.key().user_key()[1..], &stopped(records.value_ref())?) {
                break;
            }
            is_at_one = stopped(records.next())?;
        }
        Ok(())
    }
}

/// A transaction that may write.
struct Update(Access);

impl Txn for Update {
    fn get(&mut self, table: TableNumber, key: &[u8], value: &mut Vec<u8>) -> Result<bool, Stop> {
        let Update(access) = self;
        access.key(table, key);
        let found = access.transaction.get_for_update(access.key.as_slice());
        Ok(copy(stopped(found)?.as_deref(), value))
    }

    fn put(&mut self, table: TableNumber, key: &[u8], value: &[u8]) -> Result<(), Stop> {
        let Update(access) = self;
        access.key(table, key);
        stopped(access.transaction.set(access.key.as_slice(), value))
    }

    fn delete(&mut self, table: TableNumber, key: &[u8]) -> Result<(), Stop> {
        let Update(access) = self;
        access.key(table, key);
        stopped(access.transaction.delete(access.key.as_slice()))
    }

    fn scan(&mut self, table: TableNumber, from: &[u8], to: &[u8], each: &mut Each<'_>) -> Result<(), Stop> {
        self.0.scan(table, from, to, each)
    }
}
