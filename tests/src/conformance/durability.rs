//! Commits that are waited for later, and what survives a crash. On a device in memory.

use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use synod::device::{MemoryDevice, Survival};
use synod::errors::TransactionError;
use synod::{CommitHandle, Durability, Engine, Error, Isolation, Options, Timestamp, TransactionOptions};

use super::world::{fails_with, options, text, wait_until};
use super::{Mode, World};

fn open_on(mode: &Mode, device: &MemoryDevice, options: Options) -> World {
    let options = (mode.choose)(options.device(Arc::new(device.clone())));
    World::open(Engine::open(Path::new("/database"), options).expect("the database opens"))
}

fn put_deferred(world: &World, key: u8, level: Durability) -> CommitHandle {
    let txn = world.engine.begin(TransactionOptions::new().durability(level)).unwrap();
    txn.put(&world.table, [key], [key]).unwrap();
    txn.commit_deferred().unwrap()
}

/// Many in flight at once.
pub fn deferred_commits_become_durable(mode: &Mode) {
    for level in Durability::ALL {
        let world = open_on(mode, &MemoryDevice::new(), options());
        let handles: Vec<_> = (0..50).map(|key| put_deferred(&world, key, level)).collect();
        assert_eq!(world.keys().len(), 50, "they are visible at once");
        assert!(handles.is_sorted_by_key(CommitHandle::timestamp));
        for handle in handles {
            let at = handle.timestamp();
            if !level.waits() {
                assert!(handle.is_done());
            }
            assert_eq!(handle.wait().unwrap(), at);
        }
        let last = put_deferred(&world, 50, level);
        wait_until("a handle is done by itself", || last.is_done());
    }
}

/// Waits for a future on this thread.
///
/// # Panics
/// If nobody wakes it within twenty seconds.
pub fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark {
        thread: Thread,
        is_awake: AtomicBool,
    }
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.is_awake.store(true, Ordering::SeqCst);
            self.thread.unpark();
        }
    }
    let unpark = Arc::new(Unpark { thread: std::thread::current(), is_awake: AtomicBool::new(false) });
    let waker = Waker::from(unpark.clone());
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        wait_until("the future is woken", || {
            std::thread::park_timeout(Duration::from_secs(1));
            unpark.is_awake.swap(false, Ordering::SeqCst)
        });
    }
}

/// Awaited one after the other, and from several threads.
pub fn deferred_commits_are_futures(mode: &Mode) {
    for level in Durability::ALL {
        let world = open_on(mode, &MemoryDevice::new(), options());
        std::thread::scope(|scope| {
            for thread in 0..4u8 {
                let world = &world;
                scope.spawn(move || {
                    let handles: Vec<_> =
                        (0..10).map(|number| put_deferred(world, thread * 10 + number, level)).collect();
                    block_on(async {
                        for handle in handles {
                            let at = handle.timestamp();
                            assert_eq!(handle.await.unwrap(), at);
                        }
                    });
                });
            }
        });
        assert_eq!(world.keys().len(), 40);
    }
}

/// Everything that waited for its durability is there again, and what is there is a prefix.
pub fn acknowledged_commits_survive_a_crash(mode: &Mode) {
    for (level, seed) in Durability::ALL.into_iter().zip(1..) {
        let device = MemoryDevice::new();
        let world = open_on(mode, &device, options());
        for key in 0..30 {
            put_deferred(&world, key, level).wait().unwrap();
        }
        let crashed = device.crash(Survival::Random { seed });
        drop(world);
        let world = open_on(mode, &crashed, options());
        let survivors: Vec<u8> = world.records().iter().map(|(key, _)| key.as_bytes()[0]).collect();
        assert_eq!(survivors, (0..survivors.len() as u8).collect::<Vec<_>>(), "{level}: no prefix");
        match level {
            Durability::Sync | Durability::Group => assert_eq!(survivors.len(), 30, "{level}"),
            Durability::None => assert_eq!(survivors.len(), 0, "{level}"),
            Durability::Buffered => {}
        }
    }
}

/// Whoever finds a key absent and is acknowledged finds it absent after a crash, too, although nothing but
/// the log remembers the deletion.
pub fn absence_is_acknowledged_only_when_durable(mode: &Mode) {
    for is_read_only in [false, true] {
        let device = MemoryDevice::new();
        let world = open_on(mode, &device, options().flush_interval(Duration::from_secs(3600)));
        world.fill(&["k"]);
        let deleter = world.engine.begin(TransactionOptions::new().durability(Durability::Buffered)).unwrap();
        deleter.delete(&world.table, "k").unwrap();
        deleter.commit().unwrap();
        world.collect_garbage();
        let options_of_reader = TransactionOptions::new().durability(Durability::Sync);
        let options_of_reader = if is_read_only { options_of_reader.read_only() } else { options_of_reader };
        let reader = world.engine.begin(options_of_reader).unwrap();
        assert_eq!(reader.get(&world.table, "k").unwrap(), None);
        reader.commit().unwrap();
        let crashed = device.crash(Survival::Nothing);
        drop(world);
        assert_eq!(open_on(mode, &crashed, options()).value("k"), None, "it was acknowledged as absent");
    }
}

/// Within the retention, replaced versions are recovered; past it, nobody is told half of the truth.
pub fn the_past_outlives_a_reopening(mode: &Mode) {
    let device = MemoryDevice::new();
    let retained = || options().retention(Duration::from_secs(3600));
    let world = open_on(mode, &device, retained());
    let put = |world: &World, value: &str| -> Timestamp {
        let txn = world.begin(Isolation::Serializable);
        txn.put(&world.table, "k", value).unwrap();
        txn.commit().unwrap()
    };
    let (first, second) = (put(&world, "1"), put(&world, "2"));
    assert_eq!(
        world.engine.snapshot_at(first).unwrap().get(&world.table, "k").unwrap().map(text),
        Some("1".into())
    );
    let World { engine, table } = world;
    drop(table);
    engine.close().unwrap();
    let world = open_on(mode, &device, retained());
    let third = put(&world, "3");
    assert!(third > second, "timestamps go on");
    let at = |at| world.engine.snapshot_at(at).unwrap().get(&world.table, "k").unwrap().map(text);
    assert_eq!([at(first), at(second), at(third)].map(Option::unwrap), ["1", "2", "3"]);
    let World { engine, table } = world;
    drop(table);
    engine.close().unwrap();
    let world = open_on(mode, &device, options());
    let is_too_old =
        |error: &Error| matches!(error, Error::Transaction(TransactionError::SnapshotTooOld { .. }));
    assert!(fails_with(world.engine.snapshot_at(first), is_too_old));
}
