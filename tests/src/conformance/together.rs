//! Reading several keys at a time is reading each of them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use synod::{Error, Isolation, Transaction, TransactionOptions};

use super::world::{commits, text, unless_refused};
use super::{Mode, World};
use crate::random::Random;

/// Pairs of keys of which one is there.
const PAIRS: u64 = 20;
const MOVES: u64 = 2_000;

fn key(number: u64) -> String {
    format!("{number:03}")
}

fn together(world: &World, txn: &Transaction, keys: &[String]) -> synod::Result<Vec<Option<String>>> {
    Ok(txn.multi_get(&world.table, keys)?.iter().map(|value| value.as_ref().map(text)).collect())
}

/// Among keys that are there and that aren't, written, deleted and inserted by the transaction itself, asked for twice.
pub fn several_keys_are_read_like_each_alone(mode: &Mode) {
    for level in mode.levels_from(Isolation::ReadUncommitted) {
        let (world, mut random) = (World::with(mode, &[]), Random::new(level as u64));
        (0..100).step_by(2).for_each(|number| world.fill(&[&key(number)]));
        for _ in 0..100 {
            let txn = world.begin(level);
            for _ in 0..random.below(4) {
                let key = key(random.below(100));
                match random.below(2) {
                    0 => txn.put(&world.table, key, "own").unwrap(),
                    _ => txn.delete(&world.table, key).map(drop).unwrap(),
                }
            }
            let keys: Vec<String> = (0..random.below(40)).map(|_| key(random.below(110))).collect();
            let alone: Vec<_> = keys.iter().map(|key| world.get(&txn, key).unwrap()).collect();
            assert_eq!(together(&world, &txn, &keys).unwrap(), alone, "{level}: {keys:?}");
            let mut seen = Vec::new();
            txn.multi_get_with(&world.table, &keys, |index, value| seen.push((index, value.map(text))))
                .unwrap();
            assert_eq!(seen, alone.into_iter().enumerate().collect::<Vec<_>>(), "{level}: {keys:?}");
            if random.below(2) == 0 {
                assert!(commits(txn));
            }
        }
        let keys: Vec<String> = (0..110).map(key).collect();
        let snapshot = world.snapshot();
        let alone: Vec<_> = keys.iter().map(|key| snapshot.get(&world.table, key).unwrap()).collect();
        assert_eq!(snapshot.multi_get(&world.table, &keys).unwrap(), alone);
        let reader = world.engine.begin(TransactionOptions::new().read_only()).unwrap();
        assert_eq!(reader.multi_get(&world.table, &keys).unwrap(), alone);
    }
}

/// Read to be written, and written in any order, with other reads and writes in between: against a map.
pub fn several_keys_are_read_and_written_as_a_map_would(mode: &Mode) {
    for level in mode.levels_from(Isolation::ReadUncommitted) {
        let (world, mut random) = (World::with(mode, &[]), Random::new(100 + level as u64));
        let mut model = BTreeMap::new();
        for round in 0..150 {
            let txn = world.begin(level);
            let mut own: BTreeMap<String, String> = model.clone();
            for _ in 0..1 + random.below(3) {
                let mut keys: Vec<String> = (0..random.below(20)).map(|_| key(random.below(40))).collect();
                let mut seen = Vec::new();
                let see = |_, value: Option<&[u8]>| seen.push(value.map(text));
                match random.below(2) {
                    0 => txn.multi_get_for_update_with(&world.table, &keys, see),
                    _ => txn.multi_get_with(&world.table, &keys, see),
                }
                .unwrap();
                assert_eq!(seen, keys.iter().map(|key| own.get(key).cloned()).collect::<Vec<_>>(), "{level}");
                if random.below(2) == 0 {
                    keys.reverse();
                }
                keys.extend((0..random.below(4)).map(|_| key(random.below(40))));
                for key in keys {
                    let value = format!("{round} {}", random.below(1000));
                    match random.below(4) {
                        0 => assert_eq!(txn.delete(&world.table, &key).unwrap(), own.remove(&key).is_some()),
                        1 => assert_eq!(world.get(&txn, &key).unwrap(), own.get(&key).cloned()),
                        _ => {
                            txn.put(&world.table, &key, &value).unwrap();
                            own.insert(key, value);
                        }
                    }
                }
            }
            if random.below(4) > 0 {
                assert!(commits(txn));
                model = own;
            }
        }
        assert_eq!(world.records().into_iter().collect::<BTreeMap<_, _>>(), model, "{level}");
    }
}

/// Threads add one to several counters each, which they have read together.
pub fn counters_count_when_read_together(mode: &Mode) {
    let world = World::with(mode, &[]);
    let count = |value: Option<&[u8]>| value.map_or(0, |value| text(value).parse::<u64>().unwrap());
    let add = |txn: &Transaction, keys: &[String], for_update: bool| {
        let mut counts = Vec::new();
        let see = |_, value: Option<&[u8]>| counts.push(count(value));
        match for_update {
            true => txn.multi_get_for_update_with(&world.table, keys, see),
            false => txn.multi_get_with(&world.table, keys, see),
        }?;
        let put = |(key, count): (&String, u64)| txn.put(&world.table, key, (count + 1).to_string());
        keys.iter().zip(counts).try_for_each(put)
    };
    std::thread::scope(|scope| {
        for thread in 0..3 {
            let (world, add) = (&world, &add);
            scope.spawn(move || {
                let mut random = Random::new(thread);
                for round in 0..300 {
                    let first = random.below(10);
                    let keys: Vec<String> = (first..first + 5).map(key).collect();
                    world.engine.transact(|txn| add(txn, &keys, round % 2 == 0)).unwrap();
                }
            });
        }
    });
    let sum: u64 = world.records().iter().map(|(_, value)| value.parse::<u64>().unwrap()).sum();
    assert_eq!(sum, 3 * 300 * 5);
}

/// One of the keys is being written.
pub fn uncommitted_writes_are_not_read_among_several(mode: &Mode) {
    let keys = ["a", "b", "c", "d"].map(String::from);
    let committed: Vec<_> = keys.iter().cloned().map(Some).collect();
    for level in mode.levels_from(Isolation::ReadCommitted) {
        for place in 0..keys.len() {
            let world = World::with(mode, &["a", "b", "c", "d"]);
            let writer = world.begin(level);
            writer.put(&world.table, &keys[place], "uncommitted").unwrap();
            let reader = world.begin(level);
            if let Some(seen) = unless_refused(together(&world, &reader, &keys)) {
                assert_eq!(seen, committed, "{level}, {place}");
            }
        }
    }
}

/// Wrong keys and tables are errors, wherever they stand.
pub fn wrong_keys_among_several_are_refused(mode: &Mode) {
    let (world, other) = (World::with(mode, &["a"]), World::with(mode, &["a"]));
    let txn = world.begin(Isolation::Serializable);
    let long = "k".repeat(synod::KEY_BYTES_MAX + 1);
    for keys in [[long.clone(), "a".into()], ["a".into(), long.clone()]] {
        assert!(txn.multi_get(&world.table, &keys).is_err());
        assert!(world.snapshot().multi_get(&world.table, &keys).is_err());
    }
    assert!(txn.multi_get(&other.table, &["a"]).is_err());
    assert!(world.snapshot().multi_get(&other.table, &["a"]).is_err());
    assert_eq!(txn.multi_get(&world.table, &["a"]).unwrap(), [Some("a".into())]);
    assert_eq!(txn.multi_get(&world.table, &[] as &[&str]).unwrap(), []);
}

/// Of each pair one key is there at any time, though never the same for long: records come and go, and those that were
/// looked up ahead may be gone when they are read.
pub fn several_keys_are_of_one_state_while_records_come_and_go(mode: &Mode) {
    let world = World::with(mode, &[]);
    (0..PAIRS).for_each(|pair| world.fill(&[&key(pair * 2)]));
    let keys: Vec<String> = (0..PAIRS * 2).map(key).collect();
    let is_over = AtomicBool::new(false);
    let read = |txn: &Transaction| {
        let seen = together(&world, txn, &keys)?;
        Ok::<_, Error>(seen.chunks(2).filter(|pair| pair[0].is_some() != pair[1].is_some()).count())
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut random = Random::new(7);
            for _ in 0..MOVES {
                let pair = random.below(PAIRS);
                let moved = world.engine.transact(|txn| {
                    let [from, to] = match txn.contains(&world.table, key(pair * 2))? {
                        true => [pair * 2, pair * 2 + 1],
                        false => [pair * 2 + 1, pair * 2],
                    };
                    assert!(txn.delete(&world.table, key(from))?);
                    txn.put(&world.table, key(to), "moved")
                });
                moved.unwrap();
            }
            is_over.store(true, Ordering::Relaxed);
        });
        while !is_over.load(Ordering::Relaxed) {
            assert_eq!(world.engine.transact(read).unwrap() as u64, PAIRS);
            let seen = world.snapshot().multi_get(&world.table, &keys).unwrap();
            assert_eq!(seen.iter().filter(|value| value.is_some()).count() as u64, PAIRS);
        }
    });
}
