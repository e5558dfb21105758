//! Commits that wait for the disk.

use super::store::{Store, at_level, run_together};
use super::work::Update;
use crate::error::Result;
use std::time::Instant;
use synod::Durability;

/// Commits of one client in one round, each waited for.
const WAITED_COMMITS: usize = 60;
const CLIENTS: usize = 64;
const COMMITS_OF_CLIENT: usize = 20;
const IN_FLIGHT: usize = 64;
const DEFERRED_COMMITS: usize = 4_000;

/// How many steps of transactions all of this takes.
pub(super) const RECORDED_STEPS: u64 =
    (2 * WAITED_COMMITS + CLIENTS * COMMITS_OF_CLIENT + DEFERRED_COMMITS) as u64;

/// The time of one waited commit of a single client, in nanoseconds.
fn waited_commit_ns(store: &Store, level: Durability) -> Result<f64> {
    let options = at_level(level);
    let started = Instant::now();
    for &key in store.first_keys().iter().cycle().take(WAITED_COMMITS) {
        store.execute(&options, Update { key })?;
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
            (0..COMMITS_OF_CLIENT).try_for_each(|_| store.execute(&options, Update { key: client }))
        })?;
        Ok(())
    })
}

/// One client that has 64 commits in flight.
pub(super) fn deferred(store: &Store) -> Result<f64> {
    let options = at_level(Durability::Group);
    commits_per_fsync(store, DEFERRED_COMMITS, || {
        let keys = store.first_keys().iter().cycle().take(DEFERRED_COMMITS);
        store.execute_all(&options, IN_FLIGHT, keys.map(|&key| Update { key }))
    })
}
