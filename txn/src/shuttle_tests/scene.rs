//! A store with one table, and what the scenarios do to it.

use std::ops::Bound;
use std::sync::{Arc, Once};
use std::time::Duration;

use crossbeam_epoch::pin;
use shuttle::thread;
use synod_storage::sync::Ordering;
use synod_storage::{Table, TableId, Version};

use crate::clock::ManualClock;
use crate::protocol::{ActiveTransaction, BeginOptions, Expect, Intent, Isolation, Protocol};
use crate::{
    Cursor, DeadlockPolicy, Direction, Durability, Error, MultiVersion, Optimistic, Result, Snapshot, Store,
    StoreOptions, TwoPhaseLocking,
};

/// A store in memory, whose clock stands still: timestamps are 1, 2, 3, …
pub(super) struct Scene {
    pub(super) store: Arc<Store>,
    pub(super) protocol: Arc<dyn Protocol>,
    pub(super) table: Arc<Table>,
}

pub(super) type Running = Box<dyn ActiveTransaction>;

impl Scene {
    pub(super) fn new(policy: DeadlockPolicy) -> Arc<Scene> {
        Scene::with_retention(policy, Duration::ZERO)
    }

    pub(super) fn with_retention(policy: DeadlockPolicy, retention: Duration) -> Arc<Scene> {
        Scene::under(|store| Arc::new(TwoPhaseLocking::new(store, policy)), retention)
    }

    pub(super) fn multi_version() -> Arc<Scene> {
        Scene::under(|store| Arc::new(MultiVersion::new(store, DeadlockPolicy::Detect)), Duration::ZERO)
    }

    /// Under the optimistic mode, with one byte under each of the keys.
    pub(super) fn optimistic(keys: &[&str]) -> Arc<Scene> {
        let scene = Scene::under(|store| Arc::new(Optimistic::new(store)), Duration::ZERO);
        scene.fill(keys);
        scene
    }

    fn under(protocol: impl FnOnce(Arc<Store>) -> Arc<dyn Protocol>, retention: Duration) -> Arc<Scene> {
        keep_retired_memory();
        let options = StoreOptions::empty(Arc::new(ManualClock::new(0, 0)));
        let store = Arc::new(Store::new(StoreOptions { retention, ..options }));
        let table = store.catalog().create(TableId(0), "t");
        let protocol = protocol(store.clone());
        Arc::new(Scene { store, protocol, table })
    }

    /// The same, with one byte under each of the keys.
    pub(super) fn holding(policy: DeadlockPolicy, keys: &[&str]) -> Arc<Scene> {
        let scene = Scene::new(policy);
        scene.fill(keys);
        scene
    }

    /// Puts one byte under each of the keys.
    pub(super) fn fill(&self, keys: &[&str]) {
        self.transact(Isolation::Serializable, |txn| keys.iter().try_for_each(|key| self.put(txn, key, 0)));
    }

    /// Uses up the slots that have bits of their own in a control word.
    pub(super) fn occupy_sharing_slots(&self) {
        for age in 0..24 {
            self.store.registry().claim(age).unwrap();
        }
    }

    pub(super) fn begin(&self, isolation: Isolation, age: Option<u64>) -> Running {
        let options = BeginOptions { isolation, lock_timeout: Duration::from_secs(60), age, audit: false };
        self.protocol.begin(&options).unwrap()
    }

    /// Runs `work` in a transaction until it commits; returns its result, and how often it was aborted.
    pub(super) fn transact<T>(
        &self,
        isolation: Isolation,
        mut work: impl FnMut(&mut Running) -> Result<T>,
    ) -> (T, usize) {
        let mut age = None;
        for aborts in 0.. {
            let mut txn = self.begin(isolation, age);
            age = Some(txn.age());
            let outcome = work(&mut txn).and_then(|value| txn.commit(Durability::None).map(|_| value));
            match outcome {
                Ok(value) => return (value, aborts),
                Err(Error::Aborted(abort)) => assert!(abort.is_retryable(), "{abort}"),
                Err(error) => panic!("{error}"),
            }
            thread::yield_now();
        }
        unreachable!("the loop ends by returning")
    }

    pub(super) fn get(&self, txn: &mut Running, key: &str, intent: Intent) -> Result<Option<u8>> {
        let mut found = None;
        let mut visit =
            |version: Option<Version<'_>>| found = version.and_then(Version::value).map(|value| value[0]);
        txn.read(&self.table, key.as_bytes(), intent, &mut visit)?;
        Ok(found)
    }

    pub(super) fn put(&self, txn: &mut Running, key: &str, value: u8) -> Result<()> {
        txn.write(&self.table, key.as_bytes(), Some(&[value]), Expect::Anything).map(|_| ())
    }

    pub(super) fn delete(&self, txn: &mut Running, key: &str) -> Result<bool> {
        txn.write(&self.table, key.as_bytes(), None, Expect::Told)
    }

    /// Reads and adds one.
    pub(super) fn increment(&self, txn: &mut Running, key: &str, intent: Intent) -> Result<()> {
        let old = self.get(txn, key, intent)?.unwrap_or(0);
        self.put(txn, key, old + 1)
    }

    /// The keys of a range, in ascending order, as one word.
    pub(super) fn keys(
        &self,
        txn: &mut Running,
        from: &str,
        to: &str,
        direction: Direction,
    ) -> Result<String> {
        let bound = |key: &str| Bound::Included(key.as_bytes().to_vec());
        let mut cursor = Cursor::new(bound(from), bound(to), direction);
        let mut keys: Vec<u8> = Vec::new();
        while !cursor.is_done() {
            txn.scan(&self.table, &mut cursor, Intent::Read, &mut |key, version| {
                if version.value().is_some() {
                    keys.extend_from_slice(key);
                }
            })?;
        }
        if direction == Direction::Backward {
            keys.reverse();
        }
        Ok(String::from_utf8(keys).unwrap())
    }

    /// What a snapshot has under a key.
    pub(super) fn see(&self, snapshot: &Snapshot, key: &str) -> Option<u8> {
        let mut found = None;
        let mut visit =
            |version: Option<Version<'_>>| found = version.and_then(Version::value).map(|value| value[0]);
        self.store.read_at(snapshot, &self.table, key.as_bytes(), &mut visit).unwrap();
        found
    }

    /// What a new transaction finds under a key.
    pub(super) fn value(&self, key: &str) -> Option<u8> {
        self.transact(Isolation::Serializable, |txn| self.get(txn, key, Intent::Read)).0
    }

    /// Nobody holds or wants anything any more.
    pub(super) fn assert_unlocked(&self) {
        let guard = pin();
        let mut batch = synod_storage::index::Batch::new();
        let mut start = Bound::Unbounded;
        loop {
            self.table.index().leaf_from(start, &mut batch, &guard);
            for record in batch.records() {
                let word = record.word().load(Ordering::SeqCst);
                assert_eq!(word, 0, "{record:?} is left locked: {word:#x}");
            }
            let Some(fence) = batch.fence() else { break };
            start = Bound::Included(fence);
        }
        // SAFETY: the end mark lives as long as the table.
        assert_eq!(unsafe { self.table.end().get() }.word().load(Ordering::SeqCst), 0);
    }

    /// Starts a thread that acts on the scene.
    pub(super) fn thread(
        self: &Arc<Self>,
        act: impl FnOnce(&Scene) + Send + 'static,
    ) -> thread::JoinHandle<()> {
        let scene = self.clone();
        thread::spawn(move || act(&scene))
    }
}

/// Runs a scenario in many interleavings.
pub(super) fn explore(scenario: impl Fn() + Send + Sync + Copy + 'static) {
    shuttle::check_random(scenario, 200);
    shuttle::check_pct(scenario, 200, 3);
}

/// Runs a scenario in which one thread has to be interrupted at one certain step, in so many interleavings
/// that every step is come to.
pub(super) fn interrupt_everywhere(scenario: impl Fn() + Send + Sync + Copy + 'static) {
    shuttle::check_pct(scenario, 2_500, 2);
}

/// Starts all threads, if they aren't started yet, and waits for them.
pub(super) fn join(threads: impl IntoIterator<Item = thread::JoinHandle<()>>) {
    let threads: Vec<_> = threads.into_iter().collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

/// Holds back the reclamation of memory in this process: what is retired in one interleaving must not be
/// freed, and its atomics read, in another one.
fn keep_retired_memory() {
    static PINNED: Once = Once::new();
    PINNED.call_once(|| {
        let (is_pinned, waits) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let _guard = pin();
            is_pinned.send(()).unwrap();
            loop {
                std::thread::park();
            }
        });
        waits.recv().unwrap();
    });
}
