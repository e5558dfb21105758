//! Nobody waits for those who came later.

use std::sync::mpsc::channel;
use std::thread::scope;

use synod::DeadlockPolicy;

use crate::stage::Stage;

#[test]
fn a_writer_is_served_before_readers_that_came_after_it() {
    let stage = Stage::new(DeadlockPolicy::Detect, &["k"]);
    let (first, writer, late) = (stage.begin(), stage.begin(), stage.begin());
    stage.read(&first, "k").unwrap();
    scope(|scope| {
        let (served, order) = channel();
        let served_late = served.clone();
        let stage = &stage;
        scope.spawn(move || {
            stage.put(&writer, "k").unwrap();
            served.send("writer").unwrap();
            writer.commit().unwrap();
        });
        stage.wait_for_waits(1);
        scope.spawn(move || {
            stage.read(&late, "k").unwrap();
            served_late.send("late reader").unwrap();
            late.commit().unwrap();
        });
        stage.wait_for_waits(2);
        assert!(
            order.try_recv().is_err(),
            "the first reader is in the writer's way, and the writer in the other's"
        );
        first.commit().unwrap();
        assert_eq!(order.iter().collect::<Vec<_>>(), ["writer", "late reader"]);
    });
}

#[test]
fn an_inserter_is_served_before_scanners_that_came_after_it() {
    let stage = Stage::new(DeadlockPolicy::Detect, &["a", "z"]);
    let (first, inserter, late) = (stage.begin(), stage.begin(), stage.begin());
    assert_eq!(first.scan(&stage.table, "b".."y").count(), 0);
    scope(|scope| {
        let (served, order) = channel();
        let (finish, may_finish) = channel::<()>();
        let served_late = served.clone();
        let stage = &stage;
        scope.spawn(move || {
            stage.put(&inserter, "m").unwrap();
            inserter.commit().unwrap();
            served.send(1).unwrap();
        });
        stage.wait_for_waits(1);
        scope.spawn(move || {
            let found = late.scan(&stage.table, "b".."y").count();
            // Keeps the gap until the inserter is through; but it had to wait for the inserter before.
            let _ = may_finish.recv_timeout(std::time::Duration::from_secs(3));
            served_late.send(found).unwrap();
        });
        stage.wait_for_waits(2);
        first.commit().unwrap();
        assert_eq!(order.recv().unwrap(), 1, "the inserter comes first");
        finish.send(()).unwrap();
        assert_eq!(order.recv().unwrap(), 1, "the late scanner finds what was inserted");
    });
}

#[test]
fn a_stream_of_overlapping_readers_does_not_starve_a_writer() {
    let stage = Stage::new(DeadlockPolicy::Detect, &["k"]);
    let is_over = std::sync::atomic::AtomicBool::new(false);
    scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                // Each holds its lock until another one's turn has begun, as far as the writer lets it.
                while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
                    let reader = stage.begin();
                    stage.read(&reader, "k").unwrap();
                    std::thread::yield_now();
                    reader.commit().unwrap();
                }
            });
        }
        for _ in 0..50 {
            let writer = stage.begin();
            stage.put(&writer, "k").unwrap();
            writer.commit().unwrap();
        }
        is_over.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}
