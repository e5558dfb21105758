//! Batches: what is encoded is decoded, and bytes that no encoder made are refused.

use proptest::collection::vec;
use proptest::prelude::*;
use synod_sequencer::{
    ARGUMENTS_BYTES_MAX, Batch, BatchEncoder, BatchHeader, Malformed, PROCEDURE_BYTES_MAX, RequestRef,
    RequestTooLarge, StateHash,
};
use synod_storage::Timestamp;

const HEADER_BYTES: usize = 38;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Request {
    procedure: String,
    version: u32,
    arguments: Vec<u8>,
    footprint: Option<Vec<u8>>,
}

impl Request {
    fn borrowed(&self) -> RequestRef<'_> {
        RequestRef {
            procedure: &self.procedure,
            version: self.version,
            arguments: &self.arguments,
            footprint: self.footprint.as_deref(),
        }
    }
}

fn arbitrary_request() -> impl Strategy<Value = Request> {
    let bytes = || prop_oneof![vec(any::<u8>(), 0..20), vec(any::<u8>(), 0..400)];
    let version = prop_oneof![0..3_u32, any::<u32>()];
    ("\\PC{0,40}", version, bytes(), proptest::option::of(bytes())).prop_map(
        |(procedure, version, arguments, footprint)| Request { procedure, version, arguments, footprint },
    )
}

fn arbitrary_header() -> impl Strategy<Value = BatchHeader> {
    let verified = (any::<u64>(), any::<u64>()).prop_map(|(epoch, hash)| StateHash { epoch, hash });
    (any::<u64>(), 0..Timestamp::MAX.0 - (20 << 32), proptest::option::of(verified))
        .prop_map(|(epoch, first, verified)| BatchHeader { epoch, first: Timestamp(first), verified })
}

/// Requests 7 ns apart, from 100 on, as epoch 5.
fn encode(requests: &[Request]) -> Vec<u8> {
    let mut encoder = BatchEncoder::new();
    for (request, at) in requests.iter().zip((100..).step_by(7)) {
        encoder.push(Timestamp(at), &request.borrowed()).unwrap();
    }
    encoder.finish(5, None).to_vec()
}

fn sample() -> Vec<Request> {
    let request = |procedure: &str, version, arguments: &[u8], footprint: Option<&[u8]>| Request {
        procedure: procedure.to_owned(),
        version,
        arguments: arguments.to_vec(),
        footprint: footprint.map(<[u8]>::to_vec),
    };
    vec![
        request("transfer", 1, &[7; 150], None),
        request("", 300, b"", Some(b"")),
        request("überweisung", u32::MAX, b"a", Some(b"keys")),
    ]
}

/// Decodes and walks through everything; all that decodes is what it would be encoded as.
fn check_any(bytes: &[u8]) -> Result<(), Malformed> {
    let batch = Batch::decode(bytes)?;
    let mut encoder = BatchEncoder::new();
    for (at, request) in batch.requests() {
        encoder.push(at, &request).unwrap();
    }
    assert_eq!(encoder.len(), batch.len());
    let BatchHeader { epoch, verified, .. } = *batch.header();
    assert_eq!(encoder.finish(epoch, verified), bytes, "two encodings of one batch");
    Ok(())
}

fn refusal(bytes: &[u8]) -> &'static str {
    Batch::decode(bytes).unwrap_err().reason
}

proptest! {
    #[test]
    fn batches_are_read_back(
        requests in vec((arbitrary_request(), prop_oneof![1..300_u32, 1..=u32::MAX]), 1..20),
        header in arbitrary_header(),
    ) {
        let mut encoder = BatchEncoder::new();
        let mut timestamps = Vec::new();
        for (request, step) in &requests {
            let at = timestamps.last().map_or(header.first, |last: &Timestamp| Timestamp(last.0 + u64::from(*step)));
            let before = encoder.bytes();
            let bytes = encoder.push(at, &request.borrowed()).unwrap();
            prop_assert_eq!(bytes, encoder.bytes() - before);
            timestamps.push(at);
        }
        prop_assert_eq!(encoder.len(), requests.len());
        let bytes = encoder.finish(header.epoch, header.verified).to_vec();
        let batch = Batch::decode(&bytes).unwrap();
        prop_assert_eq!((batch.header(), batch.len()), (&header, requests.len()));
        prop_assert_eq!(Some(&batch.last()), timestamps.last());
        prop_assert_eq!(batch.requests().len(), requests.len());
        let borrowed = requests.iter().map(|(request, _)| request.borrowed());
        prop_assert!(batch.requests().eq(timestamps.into_iter().zip(borrowed)));
    }

    #[test]
    fn mutated_bytes_are_refused_or_make_sense(
        requests in vec(arbitrary_request(), 1..6),
        changes in vec((any::<prop::sample::Index>(), prop_oneof![0..3_u8, any::<u8>()]), 1..4),
        in_header in any::<bool>(),
    ) {
        let mut bytes = encode(&requests);
        for (position, value) in changes {
            let position = if in_header { position.index(HEADER_BYTES) } else { position.index(bytes.len()) };
            bytes[position] = value;
        }
        let _ = check_any(&bytes);
    }

    #[test]
    fn garbage_behind_a_header_is_refused_or_makes_sense(
        garbage in vec(prop_oneof![0..4_u8, any::<u8>()], 0..80),
        count in prop_oneof![0..12_u32, any::<u32>()],
    ) {
        let mut bytes = encode(&sample());
        bytes.truncate(HEADER_BYTES);
        bytes[18..22].copy_from_slice(&count.to_le_bytes());
        bytes.extend(garbage);
        let _ = check_any(&bytes);
    }

    #[test]
    fn bare_garbage_is_refused_or_makes_sense(bytes in vec(prop_oneof![0..3_u8, any::<u8>()], 0..120)) {
        let _ = check_any(&bytes);
    }
}

#[test]
fn a_batch_cut_anywhere_is_refused() {
    let bytes = encode(&sample());
    assert_eq!(check_any(&bytes), Ok(()));
    for cut in 0..bytes.len() {
        let flaw = Batch::decode(&bytes[..cut]).unwrap_err();
        assert!(flaw.offset <= cut, "{flaw}");
    }
    let longer = [&bytes[..], &[0]].concat();
    let flaw = Batch::decode(&longer).unwrap_err();
    assert_eq!((flaw.offset, flaw.reason), (bytes.len(), "there are bytes behind the last request"));
}

#[test]
fn what_no_encoder_writes_is_refused() {
    let good = encode(&sample());
    let with = |offset: usize, new: &[u8]| {
        let mut bytes = good.clone();
        bytes[offset..offset + new.len()].copy_from_slice(new);
        bytes
    };
    for version in [2, 4] {
        assert_eq!(refusal(&with(0, &[version])), "the format version is unknown to this build");
    }
    assert_eq!(refusal(&with(1, &[2])), "the flags of the header make no sense");
    assert_eq!(refusal(&with(22, &[1])), "the flags of the header make no sense");
    assert_eq!(refusal(&with(30, &[1])), "the flags of the header make no sense");
    assert_eq!(refusal(&with(10, &(Timestamp::MAX.0 - 13).to_le_bytes())), "the timestamps are out of range");
    assert_eq!(refusal(&with(10, &[0xff; 8])), "the timestamps are out of range");
    assert_eq!(refusal(&with(18, &[0])), "there are no requests");
    assert_eq!(refusal(&with(18, &[2])), "there are bytes behind the last request");
    assert_eq!(refusal(&with(18, &[0xff; 4])), "a request isn't whole");
    assert_eq!(refusal(&with(HEADER_BYTES, &[2])), "a request's flags are unknown to this build");
    let unordered = "the timestamps don't increase from the first on";
    assert_eq!(refusal(&with(HEADER_BYTES + 1, &[1])), unordered);
    let second = good.len() - encode(&sample()[1..]).len();
    assert_eq!(good[HEADER_BYTES + second + 1], 7, "the step to the second request");
    assert_eq!(refusal(&with(HEADER_BYTES + second + 1, &[0])), unordered);
    assert_eq!(refusal(&with(HEADER_BYTES + 3, &[0xff])), "a procedure's name isn't UTF-8");
    assert!(Batch::decode(&with(10, &(Timestamp::MAX.0 - 14).to_le_bytes())).is_ok());
}

#[test]
fn lengths_that_no_encoder_writes_are_refused_before_anything_is_looked_for() {
    let header = &encode(&sample()[..1])[..HEADER_BYTES];
    let with = |request: &[&[u8]]| [header, &request.concat()].concat();
    let name = [b'n'; PROCEDURE_BYTES_MAX + 1];
    let good = with(&[&[0, 0, 0xff, 1], &name[1..], &[1, 0]]);
    assert!(Batch::decode(&good).is_ok());
    let too_long = "a part of a request is longer than allowed";
    assert_eq!(refusal(&with(&[&[0, 0, 0x80, 2], &name, &[1, 0]])), too_long);
    // 64 MiB and one byte.
    assert_eq!(refusal(&with(&[&[0, 0, 1, b'n', 1], &[0x81, 0x80, 0x80, 0x20]])), too_long);
    assert_eq!(refusal(&with(&[&[1, 0, 1, b'n', 1, 0], &[0x81, 0x80, 0x80, 0x20]])), too_long);
    assert_eq!(refusal(&with(&[&[0, 0, 1, b'n', 1], &[0x80, 0x80, 0x80, 0x20]])), "a request isn't whole");
}

#[test]
fn a_part_that_is_too_long_is_refused_and_the_batch_stays_as_it_was() {
    let mut encoder = BatchEncoder::new();
    let fits = "n".repeat(PROCEDURE_BYTES_MAX);
    let request = RequestRef { procedure: &fits, version: 0, arguments: b"", footprint: None };
    encoder.push(Timestamp(100), &request).unwrap();
    let before = encoder.finish(5, None).to_vec();
    // Never touched, so it takes no memory.
    let huge = vec![0; ARGUMENTS_BYTES_MAX + 1];
    let name = "n".repeat(PROCEDURE_BYTES_MAX + 1);
    for (refused, part) in [
        (RequestRef { procedure: &name, ..request }, "procedure's name"),
        (RequestRef { arguments: &huge, ..request }, "arguments"),
        (RequestRef { footprint: Some(&huge), ..request }, "footprint"),
    ] {
        let RequestTooLarge { part: told, bytes, limit } =
            encoder.push(Timestamp(101), &refused).unwrap_err();
        assert_eq!((told, bytes), (part, limit + 1));
        assert_eq!(encoder.len(), 1);
        assert_eq!(encoder.finish(5, None), before);
    }
}

#[test]
fn a_batch_that_is_begun_anew_has_nothing_of_the_old_one() {
    let mut encoder = BatchEncoder::new();
    let long = vec![7; 20 << 20];
    for arguments in [&b"short"[..], &long, b"again"] {
        encoder.begin();
        assert!(encoder.is_empty());
        let request = RequestRef { procedure: "p", version: 1, arguments, footprint: None };
        let first = Timestamp(100 + arguments.len() as u64);
        encoder.push(first, &request).unwrap();
        let verified = (arguments.len() < 10).then_some(StateHash { epoch: 1, hash: 2 });
        let batch = Batch::decode(encoder.finish(5, verified)).unwrap();
        assert_eq!(batch.header(), &BatchHeader { epoch: 5, first, verified });
        assert!(batch.requests().eq([(first, request)]));
    }
}

#[test]
#[should_panic(expected = "a batch has at least one request")]
fn a_batch_without_requests_is_not_finished() {
    BatchEncoder::new().finish(5, None);
}

#[test]
#[should_panic(expected = "the requests of a batch come one after another")]
fn requests_with_the_same_timestamp_are_not_taken() {
    let request = RequestRef { procedure: "p", version: 1, arguments: b"", footprint: None };
    let mut encoder = BatchEncoder::new();
    encoder.push(Timestamp(100), &request).unwrap();
    let _ = encoder.push(Timestamp(100), &request);
}

#[test]
fn the_layout_is_what_the_documentation_says() {
    let request = RequestRef { procedure: "ab", version: 200, arguments: b"xyz", footprint: Some(b"k") };
    let mut encoder = BatchEncoder::new();
    encoder.push(Timestamp(258), &request).unwrap();
    encoder.push(Timestamp(258 + 300), &RequestRef { footprint: None, ..request }).unwrap();
    let bytes = encoder.finish(9, Some(StateHash { epoch: 3, hash: 0x0807_0605_0403_0201 }));
    let header = [3, 1, 9, 0, 0, 0, 0, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0];
    let mut expected = [&header[..], &[1, 2, 3, 4, 5, 6, 7, 8]].concat();
    expected.extend([&[1, 0, 2][..], b"ab", &[200, 1, 3], b"xyz", &[1], b"k"].concat());
    expected.extend([&[0, 0xac, 2, 2][..], b"ab", &[200, 1, 3], b"xyz"].concat());
    assert_eq!(bytes, expected);
}
