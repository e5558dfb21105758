//! Frames: what is written is read back, and bytes that were not written are refused.

use proptest::collection::vec;
use proptest::prelude::*;

use super::ahead::ReadAhead;
use super::decode::{Entry, Flaw, Frame, check_length, decode};
use super::frame::{BatchFrame, FRAME_HEADER_BYTES, FrameBuilder, SyncMark, crc32c};
use super::position::LogPosition;
use crate::{TableId, Timestamp};

type Write = (u32, Vec<u8>, Option<Vec<u8>>);

fn arbitrary_write() -> impl Strategy<Value = Write> {
    let table = prop_oneof![0..200_u32, any::<u32>()];
    (table, vec(any::<u8>(), 0..300), proptest::option::of(vec(any::<u8>(), 0..300)))
}

fn arbitrary_timestamp() -> impl Strategy<Value = Timestamp> {
    (0..=Timestamp::MAX.0).prop_map(Timestamp)
}

fn build(writes: &[Write], timestamp: Timestamp) -> Vec<u8> {
    let mut frame = FrameBuilder::new();
    frame.begin();
    for (table, key, value) in writes {
        match value {
            Some(value) => frame.put(TableId(*table), key, value).unwrap(),
            None => frame.delete(TableId(*table), key).unwrap(),
        }
    }
    frame.finish(timestamp).to_vec()
}

fn decode_commit(bytes: &[u8]) -> (Timestamp, Vec<Write>) {
    assert_eq!(check_length(bytes, bytes.len() as u64), Ok(bytes.len()));
    match decode(bytes) {
        Ok((timestamp, Frame::Entry(Entry::Commit { timestamp: inner, writes }))) => {
            assert_eq!(timestamp, inner);
            let own = |(table, key, value): (TableId, &[u8], Option<&[u8]>)| {
                (table.0, key.to_vec(), value.map(<[u8]>::to_vec))
            };
            (timestamp, writes.map(own).collect())
        }
        other => panic!("not a commit: {other:?}"),
    }
}

proptest! {
    #[test]
    fn commits_are_read_back(writes in vec(arbitrary_write(), 0..20), timestamp in arbitrary_timestamp()) {
        prop_assert_eq!(decode_commit(&build(&writes, timestamp)), (timestamp, writes));
    }

    #[test]
    fn a_changed_bit_is_noticed(
        writes in vec(arbitrary_write(), 1..4),
        timestamp in arbitrary_timestamp(),
        position in any::<prop::sample::Index>(),
        bit in 0..8_u8,
    ) {
        let mut bytes = build(&writes, timestamp);
        let position = position.index(bytes.len());
        bytes[position] ^= 1_u8 << bit;
        // Recovery reads the length, then as many bytes as it says, if they are there.
        if let Ok(length) = check_length(&bytes, bytes.len() as u64) {
            let flaw = decode(&bytes[..length]).unwrap_err();
            prop_assert_eq!(flaw, Flaw::Torn("a frame's checksum is wrong"));
        }
    }

    #[test]
    fn garbage_is_refused_without_a_panic(bytes in vec(any::<u8>(), FRAME_HEADER_BYTES..200)) {
        prop_assert!(decode(&bytes).is_err());
    }

    #[test]
    fn garbage_with_a_right_checksum_never_panics(
        kind in 0..7_u8,
        body in vec(prop_oneof![0..4_u8, any::<u8>()], 0..60),
        timestamp in any::<u64>(),
    ) {
        let mut frame = FrameBuilder::new();
        frame.replace_for_test(kind, &body);
        if let Ok((_, Frame::Entry(Entry::Commit { writes, .. }))) = decode(frame.finish(Timestamp(timestamp))) {
            // What was accepted was walked through to its very end.
            let encoded: usize = writes.map(|(_, key, value)| 3 + key.len() + value.map_or(0, <[u8]>::len)).sum();
            prop_assert!(encoded <= body.len());
        }
    }
}

/// A batch behind what a buffer holds already.
fn build_batch(body: &[u8], timestamp: Timestamp) -> Vec<u8> {
    let mut bytes = b"before".to_vec();
    BatchFrame::new(timestamp, body).unwrap().push_onto(&mut bytes);
    assert_eq!(bytes.drain(..6).as_slice(), b"before");
    bytes
}

proptest! {
    #[test]
    fn batches_are_read_back(written in vec(any::<u8>(), 0..300), timestamp in arbitrary_timestamp()) {
        let bytes = build_batch(&written, timestamp);
        prop_assert_eq!(check_length(&bytes, bytes.len() as u64), Ok(bytes.len()));
        match decode(&bytes) {
            Ok((outer, Frame::Entry(Entry::Batch { timestamp: inner, body }))) => {
                prop_assert_eq!((outer, inner, body), (timestamp, timestamp, &written[..]));
            }
            other => prop_assert!(false, "not a batch: {other:?}"),
        }
    }

    #[test]
    fn a_changed_bit_of_a_batch_is_noticed(
        body in vec(any::<u8>(), 0..60),
        position in any::<prop::sample::Index>(),
        bit in 0..8_u8,
    ) {
        let mut bytes = build_batch(&body, Timestamp(77));
        let position = position.index(bytes.len());
        bytes[position] ^= 1_u8 << bit;
        if let Ok(length) = check_length(&bytes, bytes.len() as u64) {
            prop_assert_eq!(decode(&bytes[..length]).unwrap_err(), Flaw::Torn("a frame's checksum is wrong"));
        }
    }

    #[test]
    fn what_is_read_ahead_comes_out_once_and_in_order(
        steps in vec((0..3_u8, any::<prop::sample::Index>(), 0..50_usize), 1..40),
    ) {
        let (mut ahead, mut model, mut next) = (ReadAhead::default(), Vec::new(), 0_u8);
        for (kind, index, more) in steps {
            let length = index.index(model.len() + 1);
            match kind {
                0 => {
                    for byte in ahead.extend_to(model.len() + more) {
                        prop_assert_eq!(*byte, 0);
                        next = next.wrapping_add(1);
                        *byte = next;
                        model.push(next);
                    }
                }
                1 => {
                    ahead.pass(length);
                    model.drain(..length);
                }
                _ => prop_assert_eq!(ahead.take(length), model.drain(..length).collect::<Vec<_>>()),
            }
            prop_assert_eq!(ahead.rest(), &model[..]);
        }
    }
}

#[test]
fn catalog_changes_are_read_back() {
    let mut frame = FrameBuilder::new();
    frame.create_table(TableId(300), "räksmörgås").unwrap();
    match decode(frame.finish(Timestamp(5))) {
        Ok((_, Frame::Entry(Entry::CreateTable { timestamp, table, name }))) => {
            assert_eq!((timestamp, table, name), (Timestamp(5), TableId(300), "räksmörgås"));
        }
        other => panic!("{other:?}"),
    }
    frame.drop_table(TableId(u32::MAX));
    match decode(frame.finish(Timestamp(6))) {
        Ok((_, Frame::Entry(Entry::DropTable { timestamp, table }))) => {
            assert_eq!((timestamp, table), (Timestamp(6), TableId(u32::MAX)));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_mark_is_read_back() {
    let at = LogPosition { segment: 3, offset: 70_000 };
    let mark = SyncMark { at, durable: LogPosition { segment: 2, offset: 5000 } };
    match decode(&mark.encode(Timestamp(9))) {
        Ok((timestamp, Frame::Mark(found))) => assert_eq!((timestamp, found), (Timestamp(9), mark)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn unknown_kinds_and_malformed_bodies_are_not_taken_for_torn_writes() {
    let mut frame = FrameBuilder::new();
    for (kind, body) in
        [(0, &b""[..]), (9, b""), (1, b"\x00\x05\x00ab"), (2, b"\x01\xff"), (3, b"\x01x"), (4, b"abc")]
    {
        frame.replace_for_test(kind, body);
        let flaw = decode(frame.finish(Timestamp(1))).unwrap_err();
        assert!(matches!(flaw, Flaw::Malformed(_)), "kind {kind}: {flaw:?}");
    }
}

#[test]
fn lengths_are_checked_before_anything_is_read() {
    assert!(check_length(&[], 0).is_err());
    let claiming = |length| [1, 2, 3, 4, length, 0, 0, 0, 1];
    assert!(check_length(&claiming(17)[..7], 7).is_err());
    assert!(check_length(&[0; 64], 64).is_err());
    assert!(check_length(&claiming(16), 64).is_err());
    assert!(check_length(&claiming(65), 64).is_err());
    assert!(check_length(&[255; 64], 64).is_err());
    assert_eq!(check_length(&claiming(64), 64), Ok(64));
}

#[test]
fn the_checksum_is_crc_32c() {
    // The check value of RFC 3720's CRC, as in the catalogue of parametrised CRC algorithms.
    assert_eq!(crc32c(b"123456789"), 0xe306_9283);
}

#[test]
fn a_frame_that_is_begun_anew_has_nothing_of_the_old_one() {
    let mut frame = FrameBuilder::new();
    assert!(frame.has_no_writes());
    frame.put(TableId(1), b"key", &vec![7; 3 << 20]).unwrap();
    assert!(!frame.has_no_writes());
    frame.begin();
    assert!(frame.has_no_writes());
    assert_eq!(decode_commit(frame.finish(Timestamp(2))), (Timestamp(2), Vec::new()));
}
