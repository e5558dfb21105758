//! What each level keeps apart: the anomalies of Adya, "Weak Consistency" (MIT 1999), played one by one.

use std::sync::Mutex;
use std::sync::mpsc::channel;

use synod::{Bytes, Isolation, Transaction};

use super::world::{commits, keys, options, unless_refused};
use super::{Mode, World};

/// G1a: aborted reads, and dirty reads in general.
pub fn uncommitted_writes_are_not_read(mode: &Mode) {
    for level in mode.levels_from(Isolation::ReadCommitted) {
        let world = World::with(mode, &["a", "b"]);
        let writer = world.begin(Isolation::ReadCommitted);
        writer.put(&world.table, "a", "dirty").unwrap();
        writer.delete(&world.table, "b").unwrap();
        writer.insert(&world.table, "c", "dirty").unwrap();
        let read = |key| {
            let reader = world.begin(level);
            unless_refused(world.get(&reader, key))
        };
        assert!(read("a").is_none_or(|value| value.as_deref() == Some("a")));
        assert!(read("b").is_none_or(|value| value.as_deref() == Some("b")), "a dirty deletion");
        assert!(read("c").is_none_or(|value| value.is_none()), "a dirty insertion");
        let forward = unless_refused(keys(world.begin(level).scan(&world.table, ..)));
        assert!(forward.is_none_or(|found| found == "ab"));
        let backward = unless_refused(keys(world.begin(level).scan_rev(&world.table, ..)));
        assert!(backward.is_none_or(|found| found == "ba"));
        writer.abort();
        assert_eq!(read("a"), Some(Some("a".into())), "{level}: and nobody is in the way any more");
    }
}

/// G1b: intermediate reads.
pub fn intermediate_values_are_not_read(mode: &Mode) {
    for level in mode.levels_from(Isolation::ReadCommitted) {
        let world = World::with(mode, &["a"]);
        let reader = world.begin(level);
        let writer = world.begin(Isolation::ReadCommitted);
        writer.put(&world.table, "a", "first").unwrap();
        let seen = unless_refused(world.get(&reader, "a"));
        writer.put(&world.table, "a", "second").unwrap();
        let has_committed = commits(writer);
        for seen in [seen, unless_refused(world.get(&reader, "a"))].into_iter().flatten() {
            assert!(seen.as_deref() == Some("a") || (has_committed && seen.as_deref() == Some("second")));
        }
    }
}

/// The weakest level is as weak as it says.
pub fn read_uncommitted_reads_uncommitted_values(mode: &Mode) {
    if !mode.levels.contains(&Isolation::ReadUncommitted) {
        return;
    }
    let world = World::with(mode, &["a", "b"]);
    let writer = world.begin(Isolation::Serializable);
    writer.put(&world.table, "a", "dirty").unwrap();
    writer.delete(&world.table, "b").unwrap();
    writer.insert(&world.table, "c", "").unwrap();
    let reader = world.begin(Isolation::ReadUncommitted);
    assert_eq!(world.get(&reader, "a").unwrap().as_deref(), Some("dirty"));
    assert_eq!(keys(reader.scan(&world.table, ..)).unwrap(), "ac");
    assert_eq!(keys(reader.scan_rev(&world.table, ..)).unwrap(), "ca");
    writer.abort();
    assert_eq!(world.get(&reader, "a").unwrap().as_deref(), Some("a"));
    assert_eq!(keys(reader.scan(&world.table, ..)).unwrap(), "ab");
}

/// G0: dirty writes.
pub fn writes_of_two_transactions_do_not_mix(mode: &Mode) {
    for level in mode.levels_from(Isolation::ReadUncommitted) {
        let world = World::with(mode, &["x", "y"]);
        let (first, second) = (world.begin(level), world.begin(level));
        let steps = [(&first, "x", "1"), (&second, "x", "2"), (&second, "y", "2"), (&first, "y", "1")]
            .map(|(txn, key, value)| unless_refused(txn.put(&world.table, key, value)).is_some());
        let writers = [commits(first).then_some("1"), commits(second).then_some("2")];
        let (x, y) = (world.value("x"), world.value("y"));
        if writers == [None, None] {
            assert_eq!((x.as_deref(), y.as_deref()), (Some("x"), Some("y")), "{level}: {steps:?}");
        } else {
            assert_eq!(x, y, "{level}: {steps:?}");
            assert!(writers.contains(&x.as_deref()), "{level}: {steps:?}");
        }
    }
}

/// P4 at levels that must not have it.
pub fn no_update_is_lost(mode: &Mode) {
    for level in mode.levels_from(Isolation::RepeatableRead) {
        for existing in [&["n"][..], &[]] {
            let world = World::with(mode, existing);
            let both = [world.begin(level), world.begin(level)];
            let read = both.each_ref().map(|txn| unless_refused(world.get(txn, "n")));
            let mut count = 0;
            let mut expected = existing.first().copied().unwrap_or_default().to_owned();
            for (number, (txn, read)) in both.into_iter().zip(read).enumerate() {
                let Some(old) = read else { continue };
                let new = old.unwrap_or_default() + &number.to_string();
                if unless_refused(txn.put(&world.table, "n", &new)).is_some() && commits(txn) {
                    count += 1;
                    expected += &number.to_string();
                }
            }
            assert!(count <= 1, "{level}: both have read the old value and committed");
            assert_eq!(world.value("n").unwrap_or_default(), expected);
        }
    }
}

/// At every level, reading for update protects what is there.
pub fn no_update_is_lost_after_reading_for_update(mode: &Mode) {
    for level in mode.levels_from(Isolation::ReadUncommitted) {
        let world = World::with(mode, &["n"]);
        let (first, second) = (world.begin(level), world.begin(level));
        let read =
            [&first, &second].map(|txn| unless_refused(txn.get_for_update(&world.table, "n")).flatten());
        let writes = |txn: Transaction, read: &Option<Bytes>, by: &str| {
            let new = read.as_ref().map(|read| [read, by.as_bytes()].concat());
            new.is_some_and(|new| unless_refused(txn.put(&world.table, "n", new)).is_some()) && commits(txn)
        };
        let committed = [writes(first, &read[0], "1"), writes(second, &read[1], "2")];
        let expected = match committed {
            [true, true] => panic!("{level}: both have read the old value, and committed"),
            [true, false] => "n1",
            [false, true] => "n2",
            [false, false] => "n",
        };
        assert_eq!(world.value("n").as_deref(), Some(expected), "{level}");
    }
}

/// At every level, a merge is one step, also into nothing: another one tries to get in between its reading of
/// the old value and its writing of the new one.
pub fn no_merge_is_lost(mode: &Mode) {
    for level in mode.levels_from(Isolation::ReadUncommitted) {
        for existing in [&["n"][..], &[]] {
            let (interrupt, interrupted) = channel();
            let (go_on, may_go_on) = channel::<()>();
            let may_go_on = Mutex::new(may_go_on);
            let append = move |_: &[u8], old: Option<&[u8]>, operand: &[u8]| {
                if operand == b"1" && interrupt.send(()).is_ok() {
                    // An error means that the other one is through.
                    let _ = may_go_on.lock().expect("no panic").recv();
                }
                Ok([old.unwrap_or_default(), operand].concat())
            };
            let world = World::open(mode.in_memory(options().merge("t", append)));
            world.fill(existing);
            let merges = |operand: &str| {
                let txn = world.begin(level);
                unless_refused(txn.merge(&world.table, "n", operand)).is_some() && commits(txn)
            };
            let committed = std::thread::scope(|scope| {
                let other = scope.spawn(|| {
                    interrupted.recv().expect("the first merge reads the old value");
                    let has_committed = merges("2");
                    drop((interrupted, go_on));
                    has_committed
                });
                [merges("1"), other.join().expect("no panic")]
            });
            let value = world.value("n").unwrap_or_default();
            for (operand, has_committed) in ["1", "2"].into_iter().zip(committed) {
                assert_eq!(value.contains(operand), has_committed, "{level}: {value}, {committed:?}");
            }
        }
    }
}

/// P2, for present and for absent keys.
pub fn what_was_read_stays(mode: &Mode) {
    for level in mode.levels_from(Isolation::RepeatableRead) {
        for key in ["present", "absent", "deleted"] {
            let world = World::with(mode, &["present", "deleted", "z"]);
            world.engine.transact(|txn| txn.delete(&world.table, "deleted")).unwrap();
            let reader = world.begin(level);
            let first = world.get(&reader, key).unwrap();
            let writer = world.begin(Isolation::ReadCommitted);
            let is_written =
                unless_refused(writer.put(&world.table, key, "new")).is_some() && commits(writer);
            let second = unless_refused(world.get(&reader, key));
            if second.is_some() && commits(reader) {
                assert_eq!(second, Some(first), "{level}, {key}");
            }
            assert_eq!(world.value(key).as_deref() == Some("new"), is_written);
        }
    }
}

/// G-single: read skew.
pub fn two_reads_are_of_one_state(mode: &Mode) {
    for level in mode.levels_from(Isolation::RepeatableRead) {
        let world = World::with(mode, &[]);
        let put_both = |txn: &Transaction, value: &str| {
            txn.put(&world.table, "x", value)?;
            txn.put(&world.table, "y", value)
        };
        world.engine.transact(|txn| put_both(txn, "old")).unwrap();
        let reader = world.begin(level);
        let x = world.get(&reader, "x").unwrap();
        let writer = world.begin(level);
        let _ = unless_refused(put_both(&writer, "new")).is_some() && commits(writer);
        let y = unless_refused(world.get(&reader, "y"));
        if let Some(y) = y
            && commits(reader)
        {
            assert_eq!(x, y, "{level}");
        }
    }
}

/// G2-item: write skew.
pub fn disjoint_writes_after_crossed_reads_do_not_both_commit(mode: &Mode) {
    // A snapshot lets it through.
    for level in mode.levels_from(Isolation::RepeatableRead).filter(|level| *level != Isolation::Snapshot) {
        for existing in [&["x", "y"][..], &[]] {
            let world = World::with(mode, existing);
            let both = [world.begin(level), world.begin(level)];
            let mut has_read = [true; 2];
            for key in ["x", "y"] {
                for (txn, has_read) in both.iter().zip(&mut has_read) {
                    *has_read &= unless_refused(world.get(txn, key)).is_some();
                }
            }
            let mut written = [false; 2];
            for (number, txn) in both.iter().enumerate().filter(|(number, _)| has_read[*number]) {
                let key = ["x", "y"][number];
                written[number] = unless_refused(txn.put(&world.table, key, "taken")).is_some();
            }
            let committed = both
                .into_iter()
                .zip(written)
                .map(|(txn, written)| written && commits(txn))
                .filter(|&done| done);
            assert!(committed.count() <= 1, "{level}: {existing:?}");
        }
    }
}
