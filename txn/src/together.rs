//! Records that were looked up ahead, several at a time, so that the waits for memory overlap.
//!
//! What was found may leave the index before it is read. So it counts only if it isn't marked dead when it is read: a record
//! is marked before it is taken out, so one that isn't is as good as one that is looked up at that moment. If it is, or
//! nothing was found, the key is looked up again, alone.

use crossbeam_epoch::Guard;
use synod_storage::index::Index;
use synod_storage::sync::Ordering;
use synod_storage::{Record, Table, key_hash};

/// The most keys that are looked up at a time.
pub const TOGETHER_MAX: usize = 16;

/// What was found under each of some keys.
pub(crate) type Found<'g> = [Option<Record<'g>>; TOGETHER_MAX];

/// Looks up [`TOGETHER_MAX`] keys or fewer.
pub(crate) fn look_up<'g>(table: &'g Table, keys: &[&[u8]], guard: &'g Guard) -> Found<'g> {
    let mut found = [None; TOGETHER_MAX];
    let mut places = found.iter_mut();
    Index::get_together(
        keys.len(),
        |at| (table.index(), keys[at], key_hash(keys[at])),
        guard,
        |record| {
            if let Some(place) = places.next() {
                *place = record;
            }
        },
    );
    found
}

/// Looks up [`TOGETHER_MAX`] keys or fewer, and hands each of them, in order, to `read`, with the record that it has then.
pub(crate) fn for_each<'k>(
    table: &Table,
    keys: &[&'k [u8]],
    guard: &Guard,
    mut read: impl FnMut(usize, &'k [u8], Option<Record<'_>>),
) {
    let found = look_up(table, keys, guard);
    for (nth, (key, ahead)) in keys.iter().zip(found).enumerate() {
        read(nth, key, if_alive(ahead).or_else(|| table.index().get(key, guard)));
    }
}

/// A record that was looked up ahead, if it is still in the index.
#[inline]
pub(crate) fn if_alive(ahead: Option<Record<'_>>) -> Option<Record<'_>> {
    // SeqCst: as those who look whether the record to which a gap belongs is dead.
    ahead.filter(|record| record.word().load(Ordering::SeqCst) & Record::DEAD == 0)
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use super::*;
    use synod_storage::TableId;

    #[test]
    fn what_has_left_the_index_no_longer_counts() {
        let catalog = synod_storage::Catalog::new();
        let table = catalog.create(TableId(0), "t");
        let guard = crossbeam_epoch::pin();
        for key in [b"a", b"c"] {
            table.index().insert_unasked(key, || Record::allocate(key, 0, 0), &guard);
        }
        let found = look_up(&table, &[b"c", b"b", b"a"], &guard);
        let keys = |found: &Found<'_>| -> Vec<Option<Vec<u8>>> {
            found.iter().take(3).map(|ahead| if_alive(*ahead).map(|record| record.key().to_vec())).collect()
        };
        assert_eq!(keys(&found), [Some(b"c".to_vec()), None, Some(b"a".to_vec())]);
        if let Some(record) = found[0] {
            record.word().store(Record::DEAD, Ordering::SeqCst);
        }
        assert_eq!(keys(&found), [None, None, Some(b"a".to_vec())]);
    }
}
