//! Commits that wait for the disk.

use super::store::{Store, VALUE_BYTES, at_level, run_together};
use crate::error::Result;
use std::collections::VecDeque;
use std::time::Instant;
use synod::{CommitHandle, Durability, TransactOptions};

/// Commits of one client in one round, each waited for.
const WAITED_COMMITS: usize = 60;
const CLIENTS: usize = 64;
const COMMITS_OF_CLIENT: usize = 20;
const IN_FLIGHT: usize = 64;
const DEFERRED_COMMITS: usize = 4_000;

/// How many steps of transactions all of this takes.
pub(super) const RECORDED_STEPS: u64 =
    (2 * WAITED_COMMITS + CLIENTS * COMMITS_OF_CLIENT + DEFERRED_COMMITS) as u64;

/// One update in a transaction of its own; the handle tells when it is durable.
fn update(store: &Store, options: &TransactOptions, key: u64) -> Result<CommitHandle> {
    let value = [b'u'; VALUE_BYTES];
    let committed =
        store.engine.transact_with(options, |txn| txn.put(&store.table, key.to_be_bytes(), value))?;
    Ok(committed.handle)
}

/// The time of one waited commit of a single client, in nanoseconds.
fn waited_commit_ns(store: &Store, level: Durability) -> Result<f64> {
    let options = at_level(level);
    let started = Instant::now();
    for key in store.first_keys().iter().cycle().take(WAITED_COMMITS) {
        update(store, &options, *key)?.wait()?;
    }
    Ok(started.elapsed().as_nanos() as f64 / WAITED_COMMITS as f64)
}

/// A Sync commit of a single client.
pub(super) fn sync_commit(store: &Store) -> Result<f64> {
    waited_commit_ns(store, Durability::Sync)
}

/// A Group commit of a single client.
pub(super) fn group_commit(store: &Store) -> Result<f64> {
    waited_commit_ns(store, Durability::Group)
}

/// Runs `work`, which commits `commits` times, and returns how many commits shared one fsync.
fn commits_per_fsync(store: &Store, commits: usize, work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let fsyncs_so_far = || store.engine.stats().log.map_or(0, |log| log.fsyncs);
    let before = fsyncs_so_far();
    work()?;
    let fsyncs = fsyncs_so_far().saturating_sub(before);
    Ok(commits as f64 / fsyncs.max(1) as f64)
}

/// 64 clients, each waiting for each of its commits.
pub(super) fn many_clients(store: &Store) -> Result<f64> {
    let options = at_level(Durability::Group);
    let clients: Vec<u64> = (0..CLIENTS as u64).map(|client| client % store.records).collect();
    commits_per_fsync(store, CLIENTS * COMMITS_OF_CLIENT, || {
        run_together(&clients, |&client| {
            (0..COMMITS_OF_CLIENT).try_for_each(|_| {
                update(store, &options, client)?.wait()?;
                Ok(())
            })
        })?;
        Ok(())
    })
}

/// One client that has 64 commits in flight.
pub(super) fn deferred(store: &Store) -> Result<f64> {
    let options = at_level(Durability::Group);
    commits_per_fsync(store, DEFERRED_COMMITS, || {
        let mut pending = VecDeque::with_capacity(IN_FLIGHT);
        for key in store.first_keys().iter().cycle().take(DEFERRED_COMMITS) {
            if pending.len() == IN_FLIGHT {
                pending.pop_front().map(CommitHandle::wait).transpose()?;
            }
            pending.push_back(update(store, &options, *key)?);
        }
        pending.into_iter().try_for_each(|handle| handle.wait().map(drop))?;
        Ok(())
    })
}
