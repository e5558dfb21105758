//! A batch: the input is its bytes, as they stand in a frame of the log.

use synod_sequencer::{Batch, BatchEncoder, BatchHeader, RequestRef, StateHash};
use synod_storage::Timestamp;

use super::{Outcome, Target};

pub(super) const TARGET: Target = Target { name: "batch", seeds, judge, repair: <[u8]>::to_vec };

/// What is understood is what its requests would be encoded as: there is one encoding for each batch.
fn judge(input: &[u8]) -> Outcome {
    let batch = match Batch::decode(input) {
        Ok(batch) => batch,
        Err(flaw) => {
            assert!(flaw.offset <= input.len(), "{flaw}");
            return Outcome::refused(&flaw);
        }
    };
    let mut encoder = BatchEncoder::new();
    for (at, request) in batch.requests() {
        assert!(batch.header().first <= at && at <= batch.last(), "{at} is none of the batch's timestamps");
        encoder.push(at, &request).expect("it was in a batch before");
    }
    assert_eq!(encoder.len(), batch.len(), "requests were counted that aren't there");
    let BatchHeader { epoch, verified, .. } = *batch.header();
    assert_eq!(encoder.finish(epoch, verified), input, "a batch has two encodings");
    Outcome::Accepted
}

/// Batches with one request and with several, with footprints and a verified state and without.
fn seeds() -> Vec<Vec<u8>> {
    let request =
        |procedure, version, arguments, footprint| RequestRef { procedure, version, arguments, footprint };
    let plain = request("transfer", 1, b"from here to there", None);
    let tried = request("räksmörgås", 300, b"", Some(b"two keys"));
    let long = request("new_order", 0, &[7; 300], Some(&[]));
    let verified = Some(StateHash { epoch: 3, hash: 0x0123_4567_89ab_cdef });
    let seed = |requests: &[RequestRef<'_>], verified| {
        let mut encoder = BatchEncoder::new();
        for (request, at) in requests.iter().zip((1000..).step_by(400)) {
            encoder.push(Timestamp(at), request).expect("it is small");
        }
        encoder.finish(7, verified).to_vec()
    };
    vec![
        seed(&[plain], None),
        seed(&[tried], verified),
        seed(&[long], None),
        seed(&[plain, tried, plain], None),
        seed(&[tried, long, plain], verified),
    ]
}
