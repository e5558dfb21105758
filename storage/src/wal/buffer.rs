//! Frames on their way to the disk: appended by many threads, taken by one.
//!
//! Appending threads must not wait for each other, nor for a flush. So there are several buffers, each
//! behind its own lock, held only while a frame is copied in; a flush swaps each for an empty one and
//! then works undisturbed. Every thread sees its own timestamps grow, so each buffer is a few ascending
//! runs, and sorting the lot by timestamp is close to merging.
//!
//! ```text
//! shard 0   12 15 19      ┐
//! shard 1   11 18 20      ├─ swap ─► batch up to 18:  11 12 13 14 15 17 18  ─► file
//! shard 2   13 14 17 21   ┘          kept for later:  19 20 21
//! ```

use crossbeam_utils::CachePadded;

use crate::sync::{AtomicU64, Mutex, Ordering};
use crate::{Error, Result, Timestamp};

/// The number of buffers; more than the threads that commit at once on the machines of today.
const SHARDS: usize = 32;

/// Memory that an emptied buffer keeps, in bytes.
const KEPT_BYTES: usize = 4 << 20;

/// One frame's place in a buffer.
#[derive(Clone, Copy, Debug)]
struct FramePlace {
    timestamp: Timestamp,
    start: usize,
    length: u32,
    /// The buffer's number within a batch.
    source: u32,
}

/// Frames one behind the other.
#[derive(Debug, Default)]
struct Buffer {
    bytes: Vec<u8>,
    places: Vec<FramePlace>,
}

impl Buffer {
    /// Adds a frame, which `write` puts behind what is there. Returns its length.
    #[inline]
    fn push(&mut self, timestamp: Timestamp, write: impl FnOnce(&mut Vec<u8>)) -> u32 {
        let start = self.bytes.len();
        write(&mut self.bytes);
        // A frame has at most FRAME_BYTES_MAX bytes, far below 2^32.
        let length = (self.bytes.len() - start) as u32;
        self.places.push(FramePlace { timestamp, start, length, source: 0 });
        length
    }

    fn frame(&self, place: FramePlace) -> &[u8] {
        &self.bytes[place.start..place.start + place.length as usize]
    }

    fn clear(&mut self) {
        if self.bytes.capacity() > KEPT_BYTES {
            *self = Buffer::default();
        }
        self.bytes.clear();
        self.places.clear();
    }
}

/// One buffer, and counts of all that ever went into it.
#[derive(Debug, Default)]
struct Shard {
    buffer: Mutex<Buffer>,
    // Written under the lock only. Relaxed suffices: they are statistics, read one by one.
    frames: AtomicU64,
    bytes: AtomicU64,
}

/// The buffers that frames are appended to.
#[derive(Debug)]
pub(super) struct Shards {
    shards: Box<[CachePadded<Shard>]>,
}

impl Shards {
    pub(super) fn new() -> Self {
        Shards { shards: (0..SHARDS).map(|_| CachePadded::new(Shard::default())).collect() }
    }

    /// Appends a frame, which `write` puts behind what is there, to the buffer of a shard; any number is a shard. Returns
    /// how many bytes it holds.
    #[inline]
    pub(super) fn append(
        &self,
        shard: usize,
        timestamp: Timestamp,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> usize {
        let shard = &self.shards[shard % SHARDS];
        let mut buffer = shard.buffer.lock();
        let length = buffer.push(timestamp, write);
        shard.frames.store(shard.frames.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        shard.bytes.store(shard.bytes.load(Ordering::Relaxed) + u64::from(length), Ordering::Relaxed);
        buffer.bytes.len()
    }

    /// How many frames were ever appended.
    pub(super) fn frames(&self) -> u64 {
        self.shards.iter().map(|shard| shard.frames.load(Ordering::Relaxed)).sum()
    }

    /// How many bytes were ever appended.
    pub(super) fn bytes(&self) -> u64 {
        self.shards.iter().map(|shard| shard.bytes.load(Ordering::Relaxed)).sum()
    }
}

/// The frames of one flush, and those that came too early for it.
#[derive(Debug)]
pub(super) struct Batch {
    /// Emptied buffers to swap in, then the buffers swapped out; the last one holds what an earlier
    /// flush left.
    sources: Vec<Buffer>,
    /// What this flush leaves for the next.
    later: Buffer,
    /// The frames of this flush, ordered by timestamp.
    order: Vec<FramePlace>,
}

impl Batch {
    pub(super) fn new() -> Self {
        let sources = (0..=SHARDS).map(|_| Buffer::default()).collect();
        Batch { sources, later: Buffer::default(), order: Vec::new() }
    }

    /// Takes everything out of the shards; what has a timestamp up to `bound` becomes this batch.
    /// Holds each shard's lock for the exchange of two pointers.
    ///
    /// # Errors
    /// [`Error::OutOfOrder`] if a frame isn't above `last`, the last one written, or two are equal.
    pub(super) fn collect(&mut self, shards: &Shards, bound: Timestamp, last: Timestamp) -> Result<()> {
        self.sources.iter_mut().for_each(Buffer::clear);
        std::mem::swap(&mut self.sources[SHARDS], &mut self.later);
        for (shard, source) in shards.shards.iter().zip(&mut self.sources) {
            std::mem::swap(&mut *shard.buffer.lock(), source);
        }
        self.order.clear();
        for (number, source) in self.sources.iter().enumerate() {
            for place in &source.places {
                if place.timestamp <= bound {
                    self.order.push(FramePlace { source: number as u32, ..*place });
                } else {
                    self.later.push(place.timestamp, |bytes| bytes.extend_from_slice(source.frame(*place)));
                }
            }
        }
        // A stable sort finds the ascending runs and merges them.
        self.order.sort_by_key(|place| place.timestamp);
        check_order(&self.order, last)
    }

    /// The frames in order.
    pub(super) fn frames(&self) -> impl Iterator<Item = (Timestamp, &[u8])> {
        self.order.iter().map(|place| (place.timestamp, self.sources[place.source as usize].frame(*place)))
    }
}

/// Checks that timestamps grow strictly, beginning above `last`.
fn check_order(order: &[FramePlace], mut last: Timestamp) -> Result<()> {
    for place in order {
        if place.timestamp <= last {
            return Err(Error::OutOfOrder { timestamp: place.timestamp, last });
        }
        last = place.timestamp;
    }
    Ok(())
}
