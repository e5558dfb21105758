//! Batches: an epoch as bytes, for the log.
//!
//! The requests are encoded one by one as they come, and the header is filled in when the epoch ends, since only then
//! their number is known; so it is of fixed length:
//!
//! ```text
//!  0         1       2       10                18      22               30                    38
//!  ├ version ┼ flags ┼ epoch ┼ first timestamp ┼ count ┼ verified epoch ┼ verified state hash ┼ requests … ┤
//!                                                                         all numbers little-endian
//!  flags     1: an earlier epoch's state is verified; else both fields are zero
//!  request   flags: byte (1: there is a footprint)        nanoseconds after the request before: varint
//!            procedure's name: varint length, UTF-8       version: varint
//!            arguments: varint length, bytes              [footprint: varint length, bytes]
//! ```
//!
//! The first request has the first timestamp, and comes 0 nanoseconds after.
//!
//! The **verified state** is the hash of all live records after an earlier epoch, as the one who wrote the log found
//! it. Whoever executes the log again, here after a crash or elsewhere, compares, and learns at which epoch it has
//! come to another state.
//!
//! Checksums are the log's matter. Whatever bytes come in, decoding neither panics nor allocates, and there is one
//! encoding for each batch.

use synod_storage::Timestamp;

use crate::varint::{self, VARINT_BYTES_MAX};
use crate::{Malformed, RequestTooLarge};

/// The longest name of a procedure, in bytes.
pub const PROCEDURE_BYTES_MAX: usize = 255;

/// The longest arguments of a request, in bytes (64 MiB).
pub const ARGUMENTS_BYTES_MAX: usize = 64 << 20;

/// The longest footprint of a request, in bytes (64 MiB).
pub const FOOTPRINT_BYTES_MAX: usize = 64 << 20;

/// The version of the layout above, and of how a state is hashed.
const VERSION: u8 = 3;

const FLAGS_OFFSET: usize = 1;
const EPOCH_OFFSET: usize = 2;
const FIRST_OFFSET: usize = 10;
const COUNT_OFFSET: usize = 18;
const VERIFIED_EPOCH_OFFSET: usize = 22;
const VERIFIED_HASH_OFFSET: usize = 30;
const HEADER_BYTES: usize = 38;

/// The flag of a header that has a verified state.
const HAS_VERIFIED: u8 = 1;

/// The flag of a request that has a footprint.
const HAS_FOOTPRINT: u8 = 1;

/// Memory that an encoder keeps from one batch to the next, in bytes.
const KEPT_BYTES: usize = 16 << 20;

/// The hash of all live records after an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateHash {
    /// The epoch.
    pub epoch: u64,
    /// The hash.
    pub hash: u64,
}

/// What a batch says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    /// The epoch's number.
    pub epoch: u64,
    /// The timestamp of the first request.
    pub first: Timestamp,
    /// The state after an earlier epoch, if one is known that no earlier batch has told.
    pub verified: Option<StateHash>,
}

/// A request: what procedure is to be executed, on what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestRef<'a> {
    /// The procedure's name.
    pub procedure: &'a str,
    /// The procedure's version.
    pub version: u32,
    /// Its encoded arguments.
    pub arguments: &'a [u8],
    /// The encoded keys that it reads and writes, if they were found by trying; `None` if they follow from the
    /// arguments.
    pub footprint: Option<&'a [u8]>,
}

impl RequestRef<'_> {
    /// How many bytes of a batch this takes at most.
    ///
    /// # Errors
    /// [`RequestTooLarge`] if a part of it is longer than allowed.
    #[inline]
    fn bytes_max(&self) -> Result<usize, RequestTooLarge> {
        let with_length = |part, bytes: usize, limit| match bytes <= limit {
            // The limits are below 2^32.
            true => Ok(varint::length(bytes as u32) + bytes),
            false => Err(RequestTooLarge { part, bytes, limit }),
        };
        let procedure = with_length("procedure's name", self.procedure.len(), PROCEDURE_BYTES_MAX)?;
        let arguments = with_length("arguments", self.arguments.len(), ARGUMENTS_BYTES_MAX)?;
        let footprint = match self.footprint {
            Some(footprint) => with_length("footprint", footprint.len(), FOOTPRINT_BYTES_MAX)?,
            None => 0,
        };
        Ok(1 + VARINT_BYTES_MAX + procedure + varint::length(self.version) + arguments + footprint)
    }
}

/// Encodes batches in a buffer that is used again and again.
///
/// ```
/// use synod_sequencer::{Batch, BatchEncoder, BatchHeader, RequestRef};
/// use synod_storage::Timestamp;
///
/// let mut encoder = BatchEncoder::new();
/// let request = RequestRef { procedure: "transfer", version: 1, arguments: b"a b 10", footprint: None };
/// encoder.push(Timestamp(100), &request)?;
/// let batch = Batch::decode(encoder.finish(7, None)).unwrap();
/// assert_eq!(*batch.header(), BatchHeader { epoch: 7, first: Timestamp(100), verified: None });
/// assert!(batch.requests().eq([(Timestamp(100), request)]));
/// encoder.begin();
/// # assert!(encoder.is_empty());
/// # Ok::<(), synod_sequencer::RequestTooLarge>(())
/// ```
#[derive(Debug)]
pub struct BatchEncoder {
    /// A header, and the requests so far.
    bytes: Vec<u8>,
    requests: u32,
    first: Timestamp,
    last: Timestamp,
}

impl Default for BatchEncoder {
    fn default() -> Self {
        Self::new()
    }
}

impl BatchEncoder {
    /// An encoder that has begun a batch.
    pub fn new() -> Self {
        let (first, last) = (Timestamp::MIN, Timestamp::MIN);
        BatchEncoder { bytes: vec![0; HEADER_BYTES], requests: 0, first, last }
    }

    /// Begins a batch; whatever the encoder held is gone.
    pub fn begin(&mut self) {
        if self.bytes.capacity() > KEPT_BYTES {
            self.bytes = vec![0; HEADER_BYTES];
        }
        self.bytes.truncate(HEADER_BYTES);
        self.requests = 0;
    }

    /// Adds a request with this timestamp behind those before; returns how many bytes it takes. Costs a copy of it.
    ///
    /// # Errors
    /// [`RequestTooLarge`]; the batch is then as it was before.
    ///
    /// # Panics
    /// If the timestamp isn't after that of the request before, or is so by more than 32 bits of nanoseconds.
    #[inline]
    pub fn push(&mut self, at: Timestamp, request: &RequestRef<'_>) -> Result<usize, RequestTooLarge> {
        let bytes_max = request.bytes_max()?;
        let step = self.step_to(at);
        // More than it needs: numbers are put down as if they were of full length.
        self.bytes.reserve(bytes_max + 1 + 2 * VARINT_BYTES_MAX);
        let start = self.bytes.len();
        let flags = if request.footprint.is_some() { HAS_FOOTPRINT } else { 0 };
        // The lengths were checked: they are below 2^32.
        self.numbers(Some(flags), &[step, request.procedure.len() as u32]);
        self.bytes.extend_from_slice(request.procedure.as_bytes());
        self.numbers(None, &[request.version, request.arguments.len() as u32]);
        self.bytes.extend_from_slice(request.arguments);
        if let Some(footprint) = request.footprint {
            self.numbers(None, &[footprint.len() as u32]);
            self.bytes.extend_from_slice(footprint);
        }
        self.requests += 1;
        Ok(self.bytes.len() - start)
    }

    /// How long after the request before the next one comes.
    #[inline]
    fn step_to(&mut self, at: Timestamp) -> u32 {
        if self.requests == 0 {
            (self.first, self.last) = (at, at);
            return 0;
        }
        assert!(at > self.last, "the requests of a batch come one after another");
        let step = u32::try_from(at.0 - self.last.0).expect("an epoch doesn't stay open for longer");
        self.last = at;
        step
    }

    /// Adds a byte, if there is one, and up to two varints.
    #[inline]
    fn numbers(&mut self, byte: Option<u8>, numbers: &[u32]) {
        let mut encoded = [0; 1 + 2 * VARINT_BYTES_MAX];
        let mut end = 0;
        if let Some(byte) = byte {
            encoded[0] = byte;
            end = 1;
        }
        for number in numbers {
            end = varint::encode(&mut encoded, end, *number);
        }
        // A copy of constant length is a few instructions, one of `end` bytes a call.
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&encoded);
        self.bytes.truncate(start + end);
    }

    /// Completes the batch of an epoch, with the state after an earlier one, if one is known that no earlier batch has
    /// told. May be called again with others.
    ///
    /// # Panics
    /// If no request was added.
    pub fn finish(&mut self, epoch: u64, verified: Option<StateHash>) -> &[u8] {
        assert!(self.requests > 0, "a batch has at least one request");
        let flags = if verified.is_some() { HAS_VERIFIED } else { 0 };
        let verified = verified.unwrap_or(StateHash { epoch: 0, hash: 0 });
        self.bytes[0] = VERSION;
        self.bytes[FLAGS_OFFSET] = flags;
        self.fill(EPOCH_OFFSET, epoch.to_le_bytes());
        self.fill(FIRST_OFFSET, self.first.0.to_le_bytes());
        self.fill(COUNT_OFFSET, self.requests.to_le_bytes());
        self.fill(VERIFIED_EPOCH_OFFSET, verified.epoch.to_le_bytes());
        self.fill(VERIFIED_HASH_OFFSET, verified.hash.to_le_bytes());
        &self.bytes
    }

    fn fill<const N: usize>(&mut self, offset: usize, bytes: [u8; N]) {
        self.bytes[offset..offset + N].copy_from_slice(&bytes);
    }

    /// How many requests were added.
    pub fn len(&self) -> usize {
        self.requests as usize
    }

    /// Whether none was added.
    pub fn is_empty(&self) -> bool {
        self.requests == 0
    }

    /// The batch's length so far, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }
}

/// A batch, read from its bytes, and checked to its end.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    header: BatchHeader,
    last: Timestamp,
    count: u32,
    /// The requests' bytes.
    body: &'a [u8],
}

impl<'a> Batch<'a> {
    /// Reads a batch. Costs a few nanoseconds a request; nothing is copied.
    ///
    /// # Errors
    /// [`Malformed`] if the bytes aren't what a [`BatchEncoder`] of this version makes.
    pub fn decode(bytes: &'a [u8]) -> Result<Batch<'a>, Malformed> {
        let malformed = |offset, reason| Err(Malformed { offset, reason });
        if bytes.first().is_some_and(|version| *version != VERSION) {
            return malformed(0, "the format version is unknown to this build");
        }
        let Some((fields, body)) = bytes.split_at_checked(HEADER_BYTES) else {
            return malformed(bytes.len(), "the bytes end within the header");
        };
        let number = |offset| u64::from_le_bytes(field(fields, offset));
        let (verified_epoch, hash) = (number(VERIFIED_EPOCH_OFFSET), number(VERIFIED_HASH_OFFSET));
        let verified = match fields[FLAGS_OFFSET] {
            HAS_VERIFIED => Some(StateHash { epoch: verified_epoch, hash }),
            0 if (verified_epoch, hash) == (0, 0) => None,
            _ => return malformed(FLAGS_OFFSET, "the flags of the header make no sense"),
        };
        let (first, count) = (number(FIRST_OFFSET), u32::from_le_bytes(field(fields, COUNT_OFFSET)));
        if count == 0 {
            return malformed(COUNT_OFFSET, "there are no requests");
        }
        let header = BatchHeader { epoch: number(EPOCH_OFFSET), first: Timestamp(first), verified };
        let last = check_requests(body, count, header.first)?;
        Ok(Batch { header, last, count, body })
    }

    /// What the batch says of itself.
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// The timestamp of the last request.
    pub fn last(&self) -> Timestamp {
        self.last
    }

    /// How many requests there are.
    #[allow(clippy::len_without_is_empty, reason = "there is at least one")]
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// The requests, each with its timestamp, in order. Costs a few nanoseconds a request; nothing is copied.
    pub fn requests(&self) -> Requests<'a> {
        Requests { last: self.header.first, left: self.count, rest: self.body }
    }
}

/// The requests of a batch; see [`Batch::requests`].
#[derive(Clone, Debug)]
pub struct Requests<'a> {
    /// The timestamp of the request before.
    last: Timestamp,
    left: u32,
    rest: &'a [u8],
}

impl<'a> Iterator for Requests<'a> {
    type Item = (Timestamp, RequestRef<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        // All were walked through when the batch was decoded, so this stops at their end only.
        let (step, request, rest) = split_request(self.rest).ok()?;
        let at = Timestamp(self.last.0 + u64::from(step));
        (self.last, self.left, self.rest) = (at, self.left - 1, rest);
        Some((at, request))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left as usize, Some(self.left as usize))
    }
}

impl ExactSizeIterator for Requests<'_> {}

/// Checks that the bytes behind a header are so many requests, and nothing else. Returns the last one's timestamp.
fn check_requests(body: &[u8], count: u32, first: Timestamp) -> Result<Timestamp, Malformed> {
    let (mut last, mut rest) = (first, body);
    let at = |rest: &[u8]| HEADER_BYTES + body.len() - rest.len();
    for index in 0..count {
        let malformed = |reason| Malformed { offset: at(rest), reason };
        let (step, _, behind) = split_request(rest).map_err(malformed)?;
        if (step == 0) != (index == 0) {
            return Err(malformed("the timestamps don't increase from the first on"));
        }
        let next = last.0.checked_add(u64::from(step)).map(Timestamp);
        last = next
            .filter(|next| *next <= Timestamp::MAX)
            .ok_or(malformed("the timestamps are out of range"))?;
        rest = behind;
    }
    match rest {
        [] => Ok(last),
        rest => Err(Malformed { offset: at(rest), reason: "there are bytes behind the last request" }),
    }
}

const CUT_SHORT: &str = "a request isn't whole";

/// Takes a request off the front, and how long after the one before it comes, or says why there is none.
#[inline]
fn split_request(bytes: &[u8]) -> Result<(u32, RequestRef<'_>, &[u8]), &'static str> {
    let (&flags, rest) = bytes.split_first().ok_or(CUT_SHORT)?;
    if flags > HAS_FOOTPRINT {
        return Err("a request's flags are unknown to this build");
    }
    let (step, rest) = varint::split(rest).ok_or(CUT_SHORT)?;
    let (procedure, rest) = split_part(rest, PROCEDURE_BYTES_MAX)?;
    let procedure = std::str::from_utf8(procedure).map_err(|_| "a procedure's name isn't UTF-8")?;
    let (version, rest) = varint::split(rest).ok_or(CUT_SHORT)?;
    let (arguments, rest) = split_part(rest, ARGUMENTS_BYTES_MAX)?;
    let (footprint, rest) = match flags {
        0 => (None, rest),
        _ => {
            let (footprint, rest) = split_part(rest, FOOTPRINT_BYTES_MAX)?;
            (Some(footprint), rest)
        }
    };
    Ok((step, RequestRef { procedure, version, arguments, footprint }, rest))
}

/// Takes bytes off the front that their length stands before.
#[inline]
fn split_part(bytes: &[u8], bytes_max: usize) -> Result<(&[u8], &[u8]), &'static str> {
    let (length, rest) = varint::split(bytes).ok_or(CUT_SHORT)?;
    if length as usize > bytes_max {
        return Err("a part of a request is longer than allowed");
    }
    rest.split_at_checked(length as usize).ok_or(CUT_SHORT)
}

/// The `N` bytes at `offset`, which are there.
#[inline]
fn field<const N: usize>(bytes: &[u8], offset: usize) -> [u8; N] {
    let mut field = [0; N];
    field.copy_from_slice(&bytes[offset..offset + N]);
    field
}
