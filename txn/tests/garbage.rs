//! What garbage collection leaves: in the index, in version chains, of dropped tables.

mod common;

use std::sync::Arc;
use std::time::Duration;

use synod_storage::{Table, Timestamp, Version};
use synod_txn::{
    ActiveTransaction, BeginOptions, DeadlockPolicy, Durability, Expect, Intent, Isolation, Protocol,
    Snapshot, Store, TwoPhaseLocking,
};

use common::empty_store;

struct Scene {
    store: Arc<Store>,
    protocol: Arc<TwoPhaseLocking>,
    table: Arc<Table>,
}

impl Scene {
    fn new() -> Scene {
        let (store, table) = empty_store();
        let protocol = Arc::new(TwoPhaseLocking::new(store.clone(), DeadlockPolicy::Detect));
        Scene { store, protocol, table }
    }

    fn begin(&self) -> Box<dyn ActiveTransaction> {
        let lock_timeout = Duration::from_millis(1);
        let options =
            BeginOptions { isolation: Isolation::Serializable, lock_timeout, age: None, audit: false };
        self.protocol.begin(&options).unwrap()
    }

    fn write(&self, txn: &mut Box<dyn ActiveTransaction>, key: u16, value: Option<&[u8]>) {
        txn.write(&self.table, &key.to_be_bytes(), value, Expect::Anything).unwrap();
    }

    fn commit(&self, key: u16, value: Option<&[u8]>) {
        let mut txn = self.begin();
        self.write(&mut txn, key, value);
        txn.commit(Durability::None).unwrap();
    }

    /// How many records the index has, with or without a value.
    fn records(&self) -> usize {
        self.table.count_records(&crossbeam_epoch::pin())
    }

    /// How many versions a key has.
    fn versions(&self, key: u16) -> usize {
        let guard = crossbeam_epoch::pin();
        let record = self.table.index().get(&key.to_be_bytes(), &guard).expect("the key has a record");
        std::iter::successors(record.head(), |version| version.next()).count()
    }

    /// Sweeps until there's nothing more to do.
    fn sweep(&self) {
        while self.store.sweep() > 0 {}
    }
}

#[test]
fn aborted_insertions_leave_no_records() {
    let scene = Scene::new();
    scene.commit(500, Some(b"kept"));
    for _ in 0..3 {
        let mut txn = scene.begin();
        (0..1000).for_each(|key| scene.write(&mut txn, key, Some(b"never")));
        txn.abort();
        scene.sweep();
        assert_eq!((scene.records(), scene.store.garbage_records()), (1, 0));
    }
}

#[test]
fn rolled_back_and_deleted_insertions_leave_no_records() {
    let scene = Scene::new();
    let mut txn = scene.begin();
    let savepoint = txn.savepoint().unwrap();
    (0..100).for_each(|key| scene.write(&mut txn, key, Some(b"undone")));
    txn.rollback_to(savepoint).unwrap();
    (100..200).for_each(|key| {
        scene.write(&mut txn, key, Some(b"deleted"));
        scene.write(&mut txn, key, None);
    });
    scene.write(&mut txn, 200, Some(b"kept"));
    scene.store.sweep();
    assert_eq!(scene.records(), 201, "all of them are locked");
    txn.commit(Durability::None).unwrap();
    scene.sweep();
    assert_eq!((scene.records(), scene.store.garbage_records()), (1, 0));
}

#[test]
fn a_record_goes_when_no_snapshot_needs_it_and_nobody_has_locked_it() {
    let scene = Scene::new();
    scene.commit(1, Some(b"old"));
    let snapshot = Snapshot::newest(&scene.store).unwrap();
    scene.commit(1, None);
    scene.store.sweep();
    assert_eq!(scene.records(), 1, "the snapshot sees its value");
    let mut reader = scene.begin();
    reader
        .read(&scene.table, &1u16.to_be_bytes(), Intent::Read, &mut |seen| {
            assert!(seen.and_then(Version::value).is_none());
        })
        .unwrap();
    drop(snapshot);
    scene.store.sweep();
    assert_eq!(scene.records(), 1, "the reader has locked its absence");
    reader.commit(Durability::None).unwrap();
    scene.store.sweep();
    scene.store.sweep();
    assert_eq!((scene.records(), scene.store.garbage_records()), (0, 0));
}

#[test]
fn versions_are_cut_at_once_without_snapshots_and_later_with_them() {
    let scene = Scene::new();
    for round in 0..10u8 {
        scene.commit(1, Some(&[round]));
        assert_eq!(scene.versions(1), 1, "nobody can see the old one");
    }
    let snapshots: Vec<_> = (10..20u8)
        .map(|round| {
            scene.commit(1, Some(&[round]));
            scene.commit(1, Some(&[round + 100]));
            Snapshot::newest(&scene.store).unwrap()
        })
        .collect();
    assert!(scene.versions(1) > 10, "each snapshot keeps its own");
    let read = |snapshot: &Snapshot| {
        let mut found = 0;
        let mut visit = |version: Option<Version<'_>>| {
            found = version.and_then(Version::value).map_or(0, |value| value[0]);
        };
        scene.store.read_at(snapshot, &scene.table, &1u16.to_be_bytes(), &mut visit).unwrap();
        found
    };
    for (snapshot, round) in snapshots.iter().zip(110..) {
        scene.sweep();
        assert_eq!(read(snapshot), round);
    }
    drop(snapshots);
    scene.sweep();
    assert_eq!((scene.versions(1), scene.store.garbage_records()), (1, 0));
}

#[test]
fn a_dropped_table_goes_with_the_last_transaction_that_may_have_locked_it() {
    let scene = Scene::new();
    let Scene { store, protocol: _, table } = &scene;
    let weak = Arc::downgrade(table);
    scene.commit(1, Some(b"value"));
    let mut reader = scene.begin();
    reader.read(table, &1u16.to_be_bytes(), Intent::Read, &mut |_| ()).unwrap();
    store.remove_table(table.id(), Timestamp(1));
    let Scene { store, protocol, table } = scene;
    drop(table);
    store.sweep();
    assert!(weak.upgrade().is_some(), "a record of it is locked");
    let late = BeginOptions {
        isolation: Isolation::Serializable,
        lock_timeout: Duration::ZERO,
        age: None,
        audit: false,
    };
    let late = protocol.begin(&late).unwrap();
    drop(reader);
    store.sweep();
    assert!(weak.upgrade().is_none(), "whoever begins after the drop can't lock anything in it");
    drop(late);
}

#[test]
fn a_snapshot_that_is_long_open_keeps_one_version_and_not_all_after_it() {
    let scene = Scene::new();
    let read = |snapshot: &Snapshot, key: u16| {
        let mut found = None;
        let mut visit =
            |version: Option<Version<'_>>| found = version.and_then(Version::value).map(<[u8]>::to_vec);
        scene.store.read_at(snapshot, &scene.table, &key.to_be_bytes(), &mut visit).unwrap();
        found
    };
    let mut snapshots = Vec::new();
    for round in 0..3u8 {
        for step in 0..100u8 {
            scene.commit(1, Some(&[round, step]));
            scene.commit(2, step.is_multiple_of(2).then_some(b"even"));
        }
        snapshots.push(Snapshot::newest(&scene.store).unwrap());
    }
    for step in 0..100u8 {
        scene.commit(1, Some(&[9, step]));
        scene.commit(2, Some(&[step]));
        // Those that are read, and the newest one.
        assert!(scene.versions(1) <= 4 && scene.versions(2) <= 4);
        scene.store.sweep();
        for (round, snapshot) in (0..).zip(&snapshots) {
            assert_eq!(read(snapshot, 1), Some(vec![round, 99]));
            assert_eq!(read(snapshot, 2), None);
        }
    }
    snapshots.clear();
    scene.sweep();
    assert_eq!((scene.versions(1), scene.versions(2), scene.store.garbage_records()), (1, 1, 0));
}
