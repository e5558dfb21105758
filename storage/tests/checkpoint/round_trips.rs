//! What is written is what is read, whatever it is.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;
use synod_storage::checkpoint::{
    CheckpointOptions, CheckpointWriter, Compression, UnitBuffer, list_checkpoints,
};
use synod_storage::device::{Device, MemoryDevice};
use synod_storage::{DroppedTable, KEY_BYTES_MAX, TableId, Timestamp};

use crate::support::{Contents, Record, home, open, read_in_order, read_unit, records, verify, write};

const BOTH: [Compression; 2] = [Compression::None, Compression::Lz4];

/// Writes a checkpoint, reads it back, its units in an order that depends on `seed`, and compares.
fn check(contents: &Contents, compression: Compression, seed: u64) {
    let device = MemoryDevice::new();
    let home = home(&device);
    let info = write(&home, contents, compression).unwrap();
    let timestamp = contents.header.timestamp;
    assert_eq!(list_checkpoints(&device, home.directory()).unwrap(), [(timestamp, info.path.clone())]);
    assert_eq!((info.records, info.versions), contents.counts());
    assert_eq!((info.timestamp, info.tables), (timestamp, contents.tables.len() as u64));
    assert_eq!(info.bytes, device.open(&info.path).unwrap().size().unwrap());
    let reader = open(&device, &info.path, Some(home.identity())).unwrap();
    assert_eq!((reader.info(), reader.identity()), (info, home.identity()));
    let shuffle = |units: &mut Vec<_>| {
        for (index, random) in (1..units.len()).rev().zip(seeded(seed)) {
            units.swap(index, random as usize % (index + 1));
        }
    };
    assert!(read_in_order(&reader, shuffle).unwrap() == *contents, "something else was read");
    assert_eq!(verify(&reader), []);
}

fn seeded(seed: u64) -> impl Iterator<Item = u64> {
    let next = |state: &u64| Some(state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1));
    std::iter::successors(Some(seed), next).skip(1).map(|state| state >> 33)
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        1 => Just(Vec::new()),
        8 => vec(any::<u8>(), 0..12),
        8 => vec(0..4_u8, 0..6).prop_map(|end| [&b"a prefix that many keys share/"[..], &end].concat()),
        1 => (any::<u8>(), any::<u8>()).prop_map(|(byte, last)| {
            let mut key = vec![byte; KEY_BYTES_MAX];
            key[KEY_BYTES_MAX - 1] = last;
            key
        }),
    ]
}

fn value() -> impl Strategy<Value = Option<Vec<u8>>> {
    prop_oneof![
        3 => Just(None),
        1 => Just(Some(Vec::new())),
        12 => vec(any::<u8>(), 0..40).prop_map(Some),
        1 => (0..200_000_usize, any::<u8>()).prop_map(|(bytes, byte)| Some(vec![byte; bytes])),
    ]
}

/// Versions up to `timestamp`, newest first.
fn versions(timestamp: u64) -> impl Strategy<Value = Vec<(u64, Option<Vec<u8>>)>> {
    let times = prop_oneof![
        4 => btree_set(0..=timestamp, 1..2),
        1 => btree_set(0..=timestamp, 1..8),
        1 => btree_set(timestamp.saturating_sub(3)..=timestamp, 1..3),
    ];
    times.prop_flat_map(|times: BTreeSet<u64>| {
        let count = times.len();
        vec(value(), count).prop_map(move |values| times.iter().rev().copied().zip(values).collect())
    })
}

fn contents() -> impl Strategy<Value = Contents> {
    let timestamp = prop_oneof![1..300_u64, Just(Timestamp::MAX.0), 1..=Timestamp::MAX.0];
    timestamp.prop_flat_map(|timestamp| {
        let records = btree_map(key(), versions(timestamp), 0..60);
        let tables = btree_map(0..u32::MAX - 1, (".{0,40}", records), 0..=4);
        let dropped = vec((any::<u32>(), ".{0,40}", 0..=timestamp), 0..3);
        let gap = prop_oneof![Just(0), 0..1000_u32];
        (tables, dropped, gap).prop_map(move |(tables, dropped, gap)| {
            let mut contents = Contents::empty(timestamp);
            for (id, (name, records)) in tables {
                let records: BTreeMap<_, _> = records;
                // No two tables have the same name.
                let name = format!("{id}: {name}");
                contents = contents.with_table(id, &name, records.into_iter().collect::<Vec<Record>>());
            }
            let next_table = &mut contents.header.next_table.0;
            *next_table = next_table.saturating_add(gap);
            let own = |(id, name, at): (u32, String, u64)| DroppedTable {
                id: TableId(id),
                name: name.into(),
                at: Timestamp(at),
            };
            contents.dropped = dropped.into_iter().map(own).collect();
            contents
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_contents_are_read_back_from_units_in_any_order(contents in contents(), seed: u64) {
        for compression in BOTH {
            check(&contents, compression, seed);
        }
    }
}

#[test]
fn a_checkpoint_without_tables_or_with_empty_ones_is_read_back() {
    for compression in BOTH {
        check(&Contents::empty(0), compression, 0);
        check(&Contents::empty(7).with_table(0, "", Vec::new()), compression, 0);
        let between = Contents::empty(7).with_table(1, "one", Vec::new());
        let between = between.with_table(2, "two", records(3, 10)).with_table(9, "nine", Vec::new());
        check(&between, compression, 0);
    }
}

/// One record goes on for more than a unit, with others before and behind it.
fn long_chain() -> Contents {
    let value = vec![7; 50_000];
    let mut table = records(300, 20_000);
    let chain = (1..=60).rev().map(|at| (at, (at % 7 != 0).then(|| value.clone()))).collect();
    table[150].1 = chain;
    Contents::empty(60).with_table(0, "before", records(2, 5)).with_table(5, "long", table)
}

#[test]
fn a_record_of_many_blocks_stays_in_one_unit() {
    for compression in BOTH {
        for seed in 0..5 {
            check(&long_chain(), compression, seed);
        }
    }
}

#[test]
fn units_are_about_a_mebibyte_and_are_read_by_many_threads_at_once() {
    let contents = long_chain();
    let device = MemoryDevice::new();
    let home = home(&device);
    let info = write(&home, &contents, Compression::None).unwrap();
    let reader = open(&device, &info.path, None).unwrap();
    let units = reader.units();
    assert!((6..20).contains(&units.len()), "{} units", units.len());
    let reading = |unit| read_unit(&reader, unit, &mut UnitBuffer::default()).unwrap();
    let found = std::thread::scope(|scope| {
        let workers: Vec<_> = units.iter().map(|unit| scope.spawn(|| reading(unit))).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect::<Vec<_>>()
    });
    assert!(found == [&contents.tables[0].2[..], &contents.tables[1].2].concat());
}

#[test]
fn an_error_of_the_visitor_is_passed_on() {
    let device = MemoryDevice::new();
    let contents = Contents::empty(1).with_table(0, "t", records(3, 1));
    let info = write(&home(&device), &contents, Compression::None).unwrap();
    let reader = open(&device, &info.path, None).unwrap();
    let mut calls = 0;
    let refused = reader.read_unit(&reader.units()[0], &mut UnitBuffer::default(), &mut |_, _| {
        calls += 1;
        Err(synod_storage::Error::KeyTooLong { bytes: 7 })
    });
    assert!(matches!(refused, Err(synod_storage::Error::KeyTooLong { bytes: 7 })));
    assert_eq!(calls, 1);
}

#[test]
fn compression_makes_what_repeats_itself_smaller_and_nothing_larger() {
    let size = |records, compression| {
        let contents = Contents::empty(1).with_table(0, "t", records);
        write(&home(&MemoryDevice::new()), &contents, compression).unwrap().bytes
    };
    let repeating = || vec![(b"key".to_vec(), vec![(1, Some(vec![9; 1 << 20]))])];
    assert!(size(repeating(), Compression::Lz4) < 20_000);
    let random = || records(100, 10_000);
    assert!(size(random(), Compression::Lz4) <= size(random(), Compression::None));
}

#[test]
fn a_writer_refuses_what_is_out_of_order() {
    let refused = |misuse: &dyn Fn(&mut CheckpointWriter)| {
        let device = MemoryDevice::new();
        let home = home(&device);
        let header = Contents::empty(10).with_table(9, "", Vec::new()).header;
        let panic = catch_unwind(AssertUnwindSafe(|| {
            let mut writer = CheckpointWriter::create(&home, header, CheckpointOptions::default()).unwrap();
            misuse(&mut writer);
        }));
        let panic = panic.expect_err("not refused");
        assert_eq!(device.list(&crate::support::directory()).unwrap(), [] as [std::path::PathBuf; 0]);
        panic.downcast::<&str>().unwrap().to_string()
    };
    let add = |writer: &mut CheckpointWriter, key: &[u8], at: u64| {
        writer.add(key, [(Timestamp(at), None)]).unwrap();
    };
    let begin = |writer: &mut CheckpointWriter, id| writer.begin_table(TableId(id), "t").unwrap();
    assert_eq!(refused(&|writer| add(writer, b"k", 1)), "a table comes before its records");
    for (first, second) in [(b"b", b"a"), (b"b", b"b")] {
        let misuse = |writer: &mut CheckpointWriter| {
            begin(writer, 1);
            add(writer, first, 1);
            add(writer, second, 1);
        };
        assert_eq!(refused(&misuse), "keys come in order");
    }
    for second in [3, 2] {
        let misuse = |writer: &mut CheckpointWriter| {
            begin(writer, 3);
            begin(writer, second);
        };
        assert_eq!(refused(&misuse), "tables come in order");
    }
    let later = |writer: &mut CheckpointWriter| {
        begin(writer, 1);
        add(writer, b"k", 11);
    };
    assert_eq!(refused(&later), "a version is later than the checkpoint");
    // Its reader would refuse it.
    assert_eq!(refused(&|writer| begin(writer, 10)), "a table has a number that no table has had");
}

#[test]
fn a_record_without_versions_is_left_out() {
    let device = MemoryDevice::new();
    let home = home(&device);
    let mut contents = Contents::empty(5).with_table(0, "t", records(3, 10));
    contents.tables[0].2[1].1.clear();
    let info = write(&home, &contents, Compression::None).unwrap();
    contents.tables[0].2.remove(1);
    assert_eq!(info.records, 2);
    let reader = open(&device, &info.path, None).unwrap();
    assert_eq!(read_in_order(&reader, |_| {}).unwrap(), contents);
}
