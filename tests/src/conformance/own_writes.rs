//! A transaction sees its own writes, wherever it looks, and at every level.

use synod::{Isolation, Transaction};

use super::world::{keys, records};
use super::{Mode, World};

fn at_every_level(mode: &Mode, committed: &[&str], act: impl Fn(&World, &Transaction)) {
    for level in mode.levels_from(Isolation::ReadUncommitted) {
        let world = World::with(mode, committed);
        let txn = world.begin(level);
        act(&world, &txn);
        txn.commit().expect("nobody is in the way");
    }
}

/// Point reads.
pub fn puts_and_deletes_are_read_back(mode: &Mode) {
    at_every_level(mode, &["a", "b"], |world, txn| {
        let get = |key| world.get(txn, key).unwrap();
        txn.put(&world.table, "a", "new").unwrap();
        txn.insert(&world.table, "c", "third").unwrap();
        assert!(txn.delete(&world.table, "b").unwrap());
        assert!(!txn.delete(&world.table, "b").unwrap(), "it is deleted already");
        assert!(!txn.delete(&world.table, "never").unwrap());
        assert_eq!([get("a"), get("b"), get("c")], [Some("new".into()), None, Some("third".into())]);
        assert!(!txn.contains(&world.table, "b").unwrap());
        txn.insert(&world.table, "b", "again").unwrap();
        assert_eq!(get("b"), Some("again".into()));
        assert_eq!(txn.get_for_update(&world.table, "b").unwrap().as_deref(), Some(&b"again"[..]));
        assert!(txn.delete(&world.table, "c").unwrap());
        assert_eq!(get("c"), None);
        txn.put(&world.table, "", "the empty key").unwrap();
        assert_eq!(get(""), Some("the empty key".into()));
    });
}

/// Scans of every kind.
pub fn scans_see_own_writes_in_all_directions(mode: &Mode) {
    at_every_level(mode, &["a", "b", "ba", "c"], |world, txn| {
        let table = &world.table;
        txn.put(table, "bb", "").unwrap();
        txn.delete(table, "b").unwrap();
        txn.put(table, "c", "changed").unwrap();
        txn.put(table, "d", "").unwrap();
        assert_eq!(keys(txn.scan(table, ..)).unwrap(), "ababbcd");
        assert_eq!(keys(txn.scan_rev(table, ..)).unwrap(), "dcbbbaa");
        assert_eq!(keys(txn.prefix(table, "b")).unwrap(), "babb");
        assert_eq!(keys(txn.scan(table, "b".."c")).unwrap(), "babb");
        assert_eq!(keys(txn.scan_rev(table, "b"..="c")).unwrap(), "cbbba");
        assert_eq!(keys(txn.scan(table, "x"..)).unwrap(), "");
        assert_eq!(keys(txn.scan(table, "c".."b")).unwrap(), "", "crossed bounds are an empty range");
        let found = records(txn.scan(table, "c"..="c")).unwrap();
        assert_eq!(found, [("c".to_owned(), "changed".to_owned())]);
    });
}

/// A scan that is under way.
pub fn a_scan_sees_what_is_written_while_it_goes_on(mode: &Mode) {
    at_every_level(mode, &["b", "d"], |world, txn| {
        let table = &world.table;
        let mut scan = txn.scan(table, ..);
        let mut next = || scan.next().map(|record| super::world::text(record.unwrap().0));
        assert_eq!(next().as_deref(), Some("b"));
        txn.put(table, "a", "behind it").unwrap();
        txn.put(table, "c", "before it").unwrap();
        assert_eq!(next().as_deref(), Some("c"));
        txn.delete(table, "d").unwrap();
        txn.put(table, "e", "").unwrap();
        assert_eq!(next().as_deref(), Some("e"));
        txn.put(table, "f", "behind all that there was").unwrap();
        assert_eq!(next().as_deref(), Some("f"));
        assert_eq!(next(), None);
        txn.put(table, "g", "too late").unwrap();
        assert_eq!(next(), None, "a scan that has ended stays so");
        let mut backward = txn.scan_rev(table, ..);
        assert_eq!(backward.next().unwrap().unwrap().0, "g");
        txn.delete_range(table, "c".."g").unwrap();
        assert_eq!(backward.next().unwrap().unwrap().0, "b");
    });
}

/// Deletion of ranges.
pub fn deleted_ranges_are_gone(mode: &Mode) {
    at_every_level(mode, &["a", "b", "c", "d"], |world, txn| {
        let table = &world.table;
        txn.put(table, "bb", "").unwrap();
        txn.delete(table, "c").unwrap();
        assert_eq!(txn.delete_range(table, "b".."d").unwrap(), 2, "b and bb; c was gone");
        assert_eq!(txn.delete_range(table, "b".."d").unwrap(), 0);
        assert_eq!(keys(txn.scan(table, ..)).unwrap(), "ad");
        txn.put(table, "c", "back").unwrap();
        assert_eq!(keys(txn.scan(table, ..)).unwrap(), "acd");
        assert_eq!(txn.delete_range(table, ..).unwrap(), 3);
        assert_eq!(keys(txn.scan_rev(table, ..)).unwrap(), "");
    });
}

/// Merges.
pub fn merges_add_up(mode: &Mode) {
    at_every_level(mode, &["a"], |world, txn| {
        let table = &world.table;
        txn.merge(table, "a", "+1").unwrap();
        txn.merge(table, "a", "+2").unwrap();
        txn.merge(table, "n", "new").unwrap();
        txn.delete(table, "n").unwrap();
        txn.merge(table, "n", "newer").unwrap();
        assert_eq!(world.get(txn, "a").unwrap().as_deref(), Some("a+1+2"));
        assert_eq!(world.get(txn, "n").unwrap().as_deref(), Some("newer"));
    });
}
