//! Transactions that run in their place in the order: what they leave in the store, and what they see there.

mod common;

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use crossbeam_epoch::{Guard, pin};
use proptest::collection::vec;
use proptest::prelude::*;
use synod_storage::{Table, Timestamp};
use synod_txn::{
    ActiveTransaction, Cursor, Direction, Execution, Expect, Footprint, Intent, Replaced, Snapshot, Store,
};

use common::empty_store;

struct Scene {
    store: Arc<Store>,
    table: Arc<Table>,
    /// What is to be cleared away.
    replaced: Vec<Replaced>,
}

impl Scene {
    fn new() -> Scene {
        let (store, table) = empty_store();
        Scene { store, table, replaced: Vec::new() }
    }

    /// Begins a transaction that may touch everything.
    fn begin(&self, at: u64, guard: &Guard) -> Running {
        let mut execution = Execution::new(self.store.clone());
        // SAFETY: the tests end each transaction before the guard, and run beside a writer only readers of the time
        // before it.
        unsafe { execution.begin(&self.everything(), Timestamp(at), guard) }.expect("there are free slots");
        Running { execution, table: self.table.clone() }
    }

    /// A footprint with everything in it.
    fn everything(&self) -> Arc<Footprint> {
        let mut footprint = Footprint::new();
        footprint.write_range(&self.table, Bound::Unbounded, Bound::Unbounded);
        // By itself as well: its record is looked up beforehand.
        footprint.write(&self.table, b"a");
        footprint.read(&self.table, b"b");
        footprint.seal();
        Arc::new(footprint)
    }

    /// Commits; others come to see it when the prefix has passed it. Returns by how much the state's hash has changed.
    fn commit(&mut self, mut running: Running, guard: &Guard) -> u64 {
        running.execution.commit(true, &mut self.replaced, guard)
    }

    /// Lets a transaction write these, and commits it.
    fn write(&mut self, at: u64, writes: &[(&str, Option<&str>)]) {
        let guard = pin();
        let mut running = self.begin(at, &guard);
        writes.iter().for_each(|(key, value)| running.write(key, *value));
        self.commit(running, &guard);
        self.discard(&guard);
    }

    fn discard(&mut self, guard: &Guard) {
        self.store.discard(0, &mut self.replaced, guard);
    }

    /// All up to here have run.
    fn pass(&self, at: u64) {
        self.store.oracle().observe(Timestamp(at));
    }

    fn sweep(&self) {
        while self.store.sweep() > 0 {}
    }

    fn versions(&self, key: &str) -> usize {
        let guard = pin();
        let record = self.table.index().get(key.as_bytes(), &guard).expect("the key has a record");
        std::iter::successors(record.head(), |version| version.next()).count()
    }

    fn seen_by(&self, snapshot: &Snapshot, key: &str) -> Option<String> {
        let mut seen = None;
        let mut visit = |version: Option<synod_storage::Version<'_>>| {
            seen = version.and_then(synod_storage::Version::value).map(text);
        };
        self.store.read_at(snapshot, &self.table, key.as_bytes(), &mut visit).unwrap();
        seen
    }
}

type Bounds = (Bound<&'static str>, Bound<&'static str>);

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

struct Running {
    execution: Execution,
    table: Arc<Table>,
}

impl Running {
    fn write(&mut self, key: &str, value: Option<&str>) {
        let value = value.map(str::as_bytes);
        self.execution.write(&self.table, key.as_bytes(), value, Expect::Anything).unwrap();
    }

    fn get(&mut self, key: &str) -> Option<String> {
        let mut seen = None;
        let mut visit = |version: Option<synod_storage::Version<'_>>| {
            seen = version.and_then(synod_storage::Version::value).map(text);
        };
        self.execution.read(&self.table, key.as_bytes(), Intent::Read, &mut visit).unwrap();
        seen
    }

    /// The keys that a scan of everything finds.
    fn keys(&mut self, direction: Direction) -> Vec<String> {
        let (keys, is_whole) = self.scan((Bound::Unbounded, Bound::Unbounded), direction);
        assert!(is_whole);
        keys
    }

    /// The keys that a scan finds, and whether it came to its end.
    fn scan(&mut self, (lower, upper): Bounds, direction: Direction) -> (Vec<String>, bool) {
        let mut keys = Vec::new();
        let bytes = |bound: Bound<&str>| bound.map(|key| key.as_bytes().to_vec());
        let mut cursor = Cursor::new(bytes(lower), bytes(upper), direction);
        while !cursor.is_done() {
            let mut visit = |key: &[u8], version: synod_storage::Version<'_>| {
                keys.extend(version.value().map(|_| text(key)));
            };
            if self.execution.scan(&self.table, &mut cursor, Intent::Read, &mut visit).is_err() {
                return (keys, false);
            }
        }
        (keys, true)
    }
}

#[test]
fn what_is_taken_back_leaves_no_record() {
    let mut scene = Scene::new();
    scene.write(10, &[("kept", Some("1"))]);
    scene.pass(10);
    let guard = pin();
    let mut rejected = scene.begin(20, &guard);
    for key in ["a", "b", "c", "kept"] {
        rejected.write(key, Some("never"));
        rejected.write(key, None);
        rejected.write(key, Some("never"));
    }
    rejected.execution.reject();
    let mut rolled_back = scene.begin(30, &guard);
    let savepoint = rolled_back.execution.savepoint().unwrap();
    ["a", "b", "d"].iter().for_each(|key| rolled_back.write(key, Some("undone")));
    rolled_back.execution.rollback_to(savepoint).unwrap();
    rolled_back.write("e", Some("deleted at once"));
    rolled_back.write("e", None);
    scene.commit(rolled_back, &guard);
    scene.pass(30);
    scene.discard(&guard);
    drop(guard);
    scene.sweep();
    assert_eq!((scene.table.count_records(&pin()), scene.store.garbage_records()), (1, 0));
    assert_eq!(scene.seen_by(&Snapshot::newest(&scene.store).unwrap(), "kept").as_deref(), Some("1"));
}

#[test]
fn nothing_is_cut_off_before_the_prefix_has_passed() {
    let mut scene = Scene::new();
    scene.write(10, &[("a", Some("old")), ("z", Some("old"))]);
    scene.pass(10);
    scene.write(20, &[("a", Some("new")), ("z", None)]);
    let before = Snapshot::newest(&scene.store).unwrap();
    scene.sweep();
    assert_eq!((scene.versions("a"), scene.versions("z")), (2, 2));
    assert_eq!(scene.seen_by(&before, "a").as_deref(), Some("old"));
    assert_eq!(scene.seen_by(&before, "z").as_deref(), Some("old"));
    scene.pass(20);
    scene.sweep();
    assert_eq!(scene.seen_by(&before, "z").as_deref(), Some("old"), "it is being read");
    drop(before);
    scene.sweep();
    assert_eq!((scene.versions("a"), scene.table.count_records(&pin())), (1, 1));
}

#[test]
fn what_the_prefix_has_passed_is_cut_off_at_once() {
    let mut scene = Scene::new();
    scene.write(10, &[("a", Some("old"))]);
    scene.pass(10);
    let guard = pin();
    let mut running = scene.begin(20, &guard);
    running.write("a", Some("new"));
    scene.commit(running, &guard);
    scene.pass(20);
    scene.discard(&guard);
    assert_eq!((scene.versions("a"), scene.store.garbage_records()), (1, 0));
}

#[test]
fn a_snapshot_that_is_long_open_keeps_one_version_and_not_all_after_it() {
    let mut scene = Scene::new();
    scene.write(10, &[("a", Some("old"))]);
    scene.pass(10);
    let old = Snapshot::newest(&scene.store).unwrap();
    for at in 11..50 {
        scene.write(at, &[("a", Some("new"))]);
        scene.pass(at);
        // The one that is read, the newest one, and the one before, which the next writer takes out.
        assert!(scene.versions("a") <= 3);
    }
    scene.write(50, &[("a", Some("50"))]);
    scene.pass(50);
    let newer = Snapshot::newest(&scene.store).unwrap();
    for at in 51..60 {
        // Whoever asks for a snapshot now gets one of the time of 50.
        scene.write(at, &[("a", Some("unseen"))]);
        assert_eq!(scene.seen_by(&Snapshot::newest(&scene.store).unwrap(), "a").as_deref(), Some("50"));
    }
    assert_eq!(scene.versions("a"), 2 + 9, "the prefix hasn't passed them");
    scene.pass(59);
    for at in 60..70 {
        scene.write(at, &[("a", Some("newest"))]);
        scene.pass(at);
        scene.sweep();
        assert_eq!(scene.seen_by(&old, "a").as_deref(), Some("old"));
        assert_eq!(scene.seen_by(&newer, "a").as_deref(), Some("50"));
    }
    drop((old, newer));
    scene.sweep();
    assert_eq!((scene.versions("a"), scene.store.garbage_records()), (1, 0));
}

#[test]
fn who_comes_before_sees_nothing_of_what_comes_after() {
    let mut scene = Scene::new();
    scene.write(10, &[("a", Some("1")), ("c", Some("1")), ("d", Some("1"))]);
    scene.pass(10);
    let guard = pin();
    let mut earlier = scene.begin(20, &guard);
    let mut later = scene.begin(30, &guard);
    later.write("a", Some("2"));
    later.write("b", Some("2"));
    later.write("c", None);
    let check = |earlier: &mut Running, when: &str| {
        let seen = ["a", "b", "c", "d"].map(|key| earlier.get(key));
        assert_eq!(seen.map(Option::unwrap_or_default), ["1", "", "1", "1"], "{when}");
        assert_eq!(earlier.keys(Direction::Forward), ["a", "c", "d"], "{when}");
        assert_eq!(earlier.keys(Direction::Backward), ["d", "c", "a"], "{when}");
    };
    check(&mut earlier, "while it runs");
    scene.commit(later, &guard);
    scene.discard(&guard);
    scene.sweep();
    check(&mut earlier, "when it has committed");
    let mut last = scene.begin(40, &guard);
    last.write("d", Some("3"));
    last.execution.reject();
    check(&mut earlier, "when another one was rejected");
    earlier.execution.reject();
}

#[test]
fn own_writes_are_seen_and_others_are_kept_for_savepoints() {
    let mut scene = Scene::new();
    scene.write(10, &[("a", Some("1"))]);
    scene.pass(10);
    let guard = pin();
    let mut running = scene.begin(20, &guard);
    running.write("a", Some("2"));
    let outer = running.execution.savepoint().unwrap();
    running.write("a", Some("3"));
    running.write("b", Some("3"));
    let inner = running.execution.savepoint().unwrap();
    running.write("a", None);
    assert_eq!((running.get("a"), running.get("b").as_deref()), (None, Some("3")));
    running.execution.rollback_to(inner).unwrap();
    assert_eq!(running.get("a").as_deref(), Some("3"));
    running.execution.rollback_to(outer).unwrap();
    assert!(running.execution.rollback_to(inner).is_err(), "it was made after the other");
    assert_eq!((running.get("a").as_deref(), running.get("b")), (Some("2"), None));
    running.write("b", Some("4"));
    assert_eq!(running.get("b").as_deref(), Some("4"), "it is read by its own place in the footprint");
    scene.commit(running, &guard);
    scene.pass(20);
    scene.discard(&guard);
    let newest = Snapshot::newest(&scene.store).unwrap();
    assert_eq!(scene.seen_by(&newest, "a").as_deref(), Some("2"));
    assert_eq!((scene.versions("a"), scene.versions("b")), (1, 1));
}

#[test]
fn a_scan_comes_as_far_as_was_declared() {
    use Bound::{Excluded, Included, Unbounded};
    let mut scene = Scene::new();
    let keys = ["a", "b", "c", "d", "e", "f", "g", "h"];
    scene.write(10, &keys.map(|key| (key, Some("1"))));
    scene.pass(10);
    let guard = pin();
    // From b to f in three parts, two of which overlap and two of which touch; and h.
    let ranges =
        [(Included("b"), Excluded("d")), (Included("c"), Included("d")), (Excluded("d"), Included("f"))];
    let mut footprint = Footprint::new();
    for (lower, upper) in ranges.into_iter().chain([(Included("h"), Unbounded)]) {
        let bytes = |bound: Bound<&str>| bound.map(|key| key.as_bytes().to_vec());
        footprint.read_range(&scene.table, bytes(lower), bytes(upper));
    }
    // A key that was declared by itself is no part of any range.
    footprint.read(&scene.table, b"g");
    footprint.seal();
    let mut execution = Execution::new(scene.store.clone());
    // SAFETY: nobody else runs; it ends before the guard.
    unsafe { execution.begin(&Arc::new(footprint), Timestamp(20), &guard) }.unwrap();
    let mut running = Running { execution, table: scene.table.clone() };
    let mut check = |range: Bounds, upwards: &str, downwards: &str, is_whole: bool| {
        let (found, came_to_end) = running.scan(range, Direction::Forward);
        assert_eq!((found.concat(), came_to_end), (upwards.to_owned(), is_whole), "{range:?}");
        let (found, came_to_end) = running.scan(range, Direction::Backward);
        assert_eq!((found.concat(), came_to_end), (downwards.to_owned(), is_whole), "{range:?}");
    };
    check((Included("b"), Included("f")), "bcdef", "fedcb", true);
    check((Included("c"), Excluded("e")), "cd", "dc", true);
    check((Included("h"), Unbounded), "h", "h", true);
    check((Included("e"), Included("g")), "ef", "", false);
    check((Included("a"), Included("c")), "", "cb", false);
    check((Unbounded, Unbounded), "", "h", false);
    check((Included("f"), Unbounded), "f", "h", false);
    check((Included("g"), Included("g")), "", "", false);
    check((Excluded("a"), Excluded("a\0")), "", "", true);
    check((Included("g"), Excluded("g")), "", "", true);
    running.execution.reject();
}

#[test]
fn whoever_has_looked_ahead_sees_what_has_happened_since() {
    let histories: [&[Option<&str>]; 7] = [
        &[],
        &[Some("new")],
        &[None],
        // Another record under the same key.
        &[None, Some("new")],
        &[None, Some("new"), None],
        &[Some("new"), None],
        &[None, None, Some("new")],
    ];
    for before in [None, Some("old")] {
        for history in histories {
            let mut scene = Scene::new();
            scene.write(10, &[("a", before), ("b", before)]);
            scene.pass(10);
            let (guard, footprint) = (pin(), scene.everything());
            let mut execution = Execution::new(scene.store.clone());
            // SAFETY: it stays on this thread, which stays pinned.
            unsafe { execution.look_ahead(&footprint, &guard) };
            for (value, at) in history.iter().zip(11..) {
                scene.write(at, &[("a", *value), ("b", *value)]);
                scene.pass(at);
                scene.sweep();
            }
            // SAFETY: as in `Scene::begin`.
            unsafe { execution.begin(&footprint, Timestamp(30), &guard) }.unwrap();
            let mut running = Running { execution, table: scene.table.clone() };
            let expected = history.last().copied().unwrap_or(before).map(str::to_owned);
            assert_eq!((running.get("a"), running.get("b")), (expected.clone(), expected.clone()));
            running.write("a", Some("own"));
            scene.commit(running, &guard);
            scene.pass(30);
            let snapshot = Snapshot::newest(&scene.store).unwrap();
            let seen = (scene.seen_by(&snapshot, "a"), scene.seen_by(&snapshot, "b"));
            assert_eq!(seen, (Some("own".to_owned()), expected), "{before:?}, then {history:?}");
        }
    }
}

#[test]
fn looking_ahead_for_another_transaction_is_in_vain() {
    let mut scene = Scene::new();
    scene.write(10, &[("a", Some("old")), ("c", Some("old"))]);
    let guard = pin();
    let mut execution = Execution::new(scene.store.clone());
    let mut other = Footprint::new();
    other.read(&scene.table, b"c");
    other.seal();
    // SAFETY: it stays on this thread, which stays pinned.
    unsafe { execution.look_ahead(&Arc::new(other), &guard) };
    // SAFETY: as in `Scene::begin`.
    unsafe { execution.begin(&scene.everything(), Timestamp(20), &guard) }.unwrap();
    let mut running = Running { execution, table: scene.table.clone() };
    assert_eq!((running.get("a"), running.get("b")), (Some("old".to_owned()), None));
    running.execution.reject();
}

/// What a transaction does: writes (or deletions), and whether it commits in the end.
type Work = (Vec<(u8, Option<u8>)>, bool);

fn work() -> impl Strategy<Value = Vec<Work>> {
    vec((vec((0..6u8, proptest::option::weighted(0.7, 0..3u8)), 0..8), any::<bool>()), 1..12)
}

proptest! {
    #[test]
    fn changes_of_the_hash_add_up_to_the_hash_of_the_state(transactions in work()) {
        let mut scene = Scene::new();
        let (mut hash, mut model) = (0u64, BTreeMap::new());
        for ((writes, commits), at) in transactions.into_iter().zip((10..).step_by(10)) {
            let guard = pin();
            let mut running = scene.begin(at, &guard);
            let mut changed = model.clone();
            for (number, value) in writes {
                let key = ["a", "b", "c", "d", "e", "f"][usize::from(number)];
                let value = value.map(|value| value.to_string());
                running.write(key, value.as_deref());
                match value {
                    Some(value) => changed.insert(key.to_owned(), value),
                    None => changed.remove(key),
                };
            }
            if commits {
                model = changed;
                hash = hash.wrapping_add(scene.commit(running, &guard));
            } else {
                running.execution.reject();
            }
            scene.pass(at);
            scene.discard(&guard);
            let snapshot = Snapshot::newest(&scene.store).unwrap();
            prop_assert_eq!(hash, scene.store.state_hash(&snapshot));
            for (key, value) in &model {
                let seen = scene.seen_by(&snapshot, key);
                prop_assert_eq!(seen.as_ref(), Some(value));
            }
        }
    }
}
