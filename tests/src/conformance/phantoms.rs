//! Serializable scans: a range that was read stays as it was.

use std::ops::Bound;

use synod::{Isolation, Result, Transaction};

use super::world::{commits, keys, unless_refused};
use super::{Mode, World};

/// A way to read a range.
type Read = fn(&World, &Transaction) -> Result<String>;

/// Committed keys, a way to read a range of them, and keys within that range that aren't there yet.
type Case = (&'static [&'static str], Read, &'static [&'static str]);

const CASES: &[Case] = &[
    (&["b", "d", "f"], |world, txn| keys(txn.scan(&world.table, "b"..="f")), &["bb", "c", "e"]),
    (&["b", "d", "f"], |world, txn| keys(txn.scan(&world.table, "a".."g")), &["a", "c", "ff"]),
    (&["b", "d", "f"], |world, txn| keys(txn.scan(&world.table, "c".."cz")), &["c", "cc"]),
    (&["b", "d", "f"], |world, txn| keys(txn.scan(&world.table, "e"..)), &["e", "g"]),
    (&["b", "d", "f"], |world, txn| keys(txn.scan(&world.table, ..="e")), &["", "a", "e"]),
    (&["b", "d", "f"], |world, txn| keys(txn.scan(&world.table, ..)), &["", "a", "c", "z"]),
    (&["b", "d", "f"], |world, txn| keys(txn.scan_rev(&world.table, ..)), &["", "a", "c", "z"]),
    (&["b", "d", "f"], |world, txn| keys(txn.scan_rev(&world.table, "c"..="e")), &["c", "dd", "e"]),
    (&["b", "d", "f"], |world, txn| keys(txn.scan_rev(&world.table, "g"..)), &["g", "h"]),
    (&["b", "d", "f"], |world, txn| keys(txn.scan_rev(&world.table, "c".."cz")), &["c", "cc"]),
    (
        &["b", "d", "f"],
        |world, txn| keys(txn.scan_rev(&world.table, (Bound::Excluded("b"), Bound::Excluded("f")))),
        &["bb", "e"],
    ),
    (&["b", "d", "f"], |world, txn| keys(txn.prefix(&world.table, "d")), &["da", "d\u{7f}"]),
    (&["b", "d", "f"], |world, txn| keys(txn.prefix(&world.table, "x")), &["x", "xx"]),
    (&[], |world, txn| keys(txn.scan(&world.table, ..)), &["", "a"]),
    (&[], |world, txn| keys(txn.scan_rev(&world.table, ..)), &["", "a"]),
    (&[], |world, txn| keys(txn.prefix(&world.table, "a")), &["a", "az"]),
    (&["b", "d", "f"], |world, txn| Ok(world.get(txn, "c")?.unwrap_or_default()), &["c"]),
    (
        &["b", "d", "f"],
        |world, txn| Ok(format!("{:?}", txn.multi_get(&world.table, &["c", "d", "x", "f", "b"])?)),
        &["c", "x"],
    ),
    (&["b", "d", "f"], |world, txn| Ok(txn.delete_range(&world.table, "c".."cz")?.to_string()), &["cc"]),
];

/// Reads, lets `change` happen, reads again: unless somebody is refused, both readings are equal.
fn assert_stays(world: &World, read: Read, what: &str, change: impl FnOnce(&Transaction) -> Result<()>) {
    let reader = world.begin(Isolation::Serializable);
    let first = read(world, &reader).unwrap();
    let writer = world.begin(Isolation::ReadCommitted);
    let _ = unless_refused(change(&writer)).is_some() && commits(writer);
    let second = unless_refused(read(world, &reader));
    if let Some(second) = second
        && commits(reader)
    {
        assert_eq!(first, second, "{what}");
    }
}

/// Inserts at the beginning, inside, at the end, into nothing.
pub fn nothing_appears_in_a_range_that_was_read(mode: &Mode) {
    for (number, (committed, read, inserted)) in CASES.iter().enumerate() {
        for key in *inserted {
            let world = World::with(mode, committed);
            let what = format!("case {number}: {key}");
            assert_stays(&world, *read, &what, |writer| writer.put(&world.table, key, ""));
        }
    }
}

/// Deletions.
pub fn nothing_vanishes_from_a_range_that_was_read(mode: &Mode) {
    for (number, (committed, read, _)) in CASES.iter().enumerate() {
        for key in *committed {
            let world = World::with(mode, committed);
            let what = format!("case {number}: {key}");
            assert_stays(&world, *read, &what, |writer| writer.delete(&world.table, key).map(|_| ()));
        }
    }
}

/// A reader that inserts into its own range splits it.
pub fn a_gap_stays_closed_around_ones_own_insertions(mode: &Mode) {
    for key in ["c", "e", "ba", "f", "g"] {
        for is_undone in [false, true] {
            let world = World::with(mode, &["b", "h"]);
            let reader = world.begin(Isolation::Serializable);
            assert_eq!(keys(reader.scan(&world.table, "a"..="h")).unwrap(), "bh");
            let savepoint = reader.savepoint().unwrap();
            for own in ["d", "bb", "f"] {
                reader.put(&world.table, own, "").unwrap();
            }
            if is_undone {
                reader.rollback_to(&savepoint).unwrap();
            }
            // Not scanned again before the others come: that would lock the new gaps, too.
            let first = if is_undone { "bh" } else { "bbbdfh" };
            let writer = world.begin(Isolation::Serializable);
            let _ = unless_refused(writer.put(&world.table, key, "")).is_some() && commits(writer);
            let second = unless_refused(keys(reader.scan(&world.table, "a"..="h")));
            if let Some(second) = second
                && commits(reader)
            {
                assert_eq!(first, second, "{key}, undone: {is_undone}");
            }
        }
    }
}

/// Write skew over a predicate.
pub fn two_that_find_a_range_empty_do_not_both_fill_it(mode: &Mode) {
    let reads: [Read; 3] = [
        |world, txn| keys(txn.scan(&world.table, "m".."n")),
        |world, txn| keys(txn.scan_rev(&world.table, "m".."n")),
        |world, txn| keys(txn.prefix(&world.table, "m")),
    ];
    for committed in [&["a", "z"][..], &[]] {
        for read in reads {
            let world = World::with(mode, committed);
            let both = [world.begin(Isolation::Serializable), world.begin(Isolation::Serializable)];
            let found = both.each_ref().map(|txn| unless_refused(read(&world, txn)));
            let put = |number: usize| {
                let is_empty = found[number].as_deref() == Some("");
                is_empty && unless_refused(both[number].put(&world.table, format!("m{number}"), "")).is_some()
            };
            let written = [put(0), put(1)];
            let committed = both.into_iter().zip(written).filter(|(_, written)| *written);
            let committed = committed.map(|(txn, _)| commits(txn)).filter(|&done| done).count();
            assert!(committed <= 1);
            assert_eq!(world.keys().iter().filter(|key| key.starts_with('m')).count(), committed);
        }
    }
}

/// Records without a value lie in the range while it is read, and are collected meanwhile.
pub fn remains_of_aborted_insertions_do_not_open_a_gap(mode: &Mode) {
    for key in ["c", "d", "e", "f"] {
        let world = World::with(mode, &["b", "h"]);
        let keeper = world.snapshot();
        let aborted = world.begin(Isolation::Serializable);
        aborted.put(&world.table, "d", "").unwrap();
        aborted.put(&world.table, "f", "").unwrap();
        aborted.abort();
        world.fill(&["e"]);
        world.engine.transact(|txn| txn.delete(&world.table, "e")).unwrap();
        let reader = world.begin(Isolation::Serializable);
        assert_eq!(keys(reader.scan(&world.table, ..)).unwrap(), "bh");
        drop(keeper);
        let writer = world.begin(Isolation::Serializable);
        let _ = unless_refused(writer.put(&world.table, key, "")).is_some() && commits(writer);
        let second = unless_refused(keys(reader.scan_rev(&world.table, ..)));
        if let Some(second) = second
            && commits(reader)
        {
            assert_eq!(second, "hb", "{key}");
        }
    }
}

/// A table of several leaves, in both directions, and with a scan that stops in the middle.
pub fn nothing_appears_in_a_range_of_many_leaves(mode: &Mode) {
    let reads: [Read; 4] = [
        |world, txn| keys(txn.scan(&world.table, "k010".."k290")),
        |world, txn| keys(txn.scan_rev(&world.table, "k010".."k290")),
        |world, txn| keys(txn.scan(&world.table, "k010"..).take(100)),
        |world, txn| keys(txn.scan_rev(&world.table, ..="k290").take(100)),
    ];
    let present: Vec<String> = (0..300).map(|number| format!("k{number:03}")).collect();
    let world = World::with(mode, &present.iter().map(String::as_str).collect::<Vec<_>>());
    for read in reads {
        for number in (3..300).step_by(17) {
            let key = format!("k{number:03}x");
            assert_stays(&world, read, &key, |writer| writer.put(&world.table, &key, ""));
            world.engine.transact(|txn| txn.delete(&world.table, &key)).unwrap();
        }
    }
    assert_eq!(world.keys(), present);
}
