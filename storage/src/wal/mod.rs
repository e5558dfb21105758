//! The write-ahead log: what was committed, in the order in which it was committed.
//!
//! **The problem.** The database lives in memory; a commit must survive the memory. Writing pages in
//! place would cost a random write each, and leave half-written ones after a crash. So a commit is
//! *appended*, whole, to a file that is only ever read after a crash. The log is redo-only: nothing
//! uncommitted gets into it, so nothing has to be undone (Mohan et al., "ARIES", TODS 1992, with the
//! whole undo half left out, as in Silo: Tu et al., SOSP 2013, section 4.10).
//!
//! ```text
//! committing threads          one flusher                          DATABASE
//!  encode frame                                                    wal/0000000000000001.log
//!  draw timestamp    ┌─ shard ─┐                                       ├ header │ mark │ 11 12 13 …
//!  seal frame ─────► ├─ shard ─┼─► order by timestamp ─► write ─► sync  └───────────────────────────
//!  append            └─ shard ─┘   up to a bound                   wal/0000000000000002.log
//! ```
//!
//! **Order.** Threads append in whatever order they are scheduled, to separate buffers (`buffer`), and
//! never wait for the disk. Whoever flushes says up to which timestamp all commits have been appended
//! (the *bound*); what is above stays for the next flush. So the file is in commit order, and any
//! prefix of it is a state that the database was in. This is also why replay needs no sorting.
//!
//! **Frames** (`frame`, `decode`) carry their length and a checksum. **Segments** (`segment`) are files
//! of bounded length; one is synced in full before the next is begun.
//!
//! **Torn or damaged?** A crash leaves a torn tail, which is cut; damage further up would lose commits
//! that somebody was promised, and is an error that says where. To tell one from the other the log
//! contains notes of how far it was durable (`frame::SyncMark`, `tail`):
//!
//! ```text
//!  flush 1, synced      flush 2, not synced          crash
//! ─ frames ───────────┼─ mark: "durable to ┼" frames ──✗
//!                     └────────────────────┘ a flaw before ┼ is damage, one behind it a torn tail
//! ```
//!
//! **Failure.** After a failed write or sync nobody knows what is on the disk, and trying again makes
//! the kernel lie (see [`Device`](crate::device::Device)). The log is poisoned: this and every later flush
//! and append returns [`Error::Poisoned`], until the database is opened anew, which reads what is really
//! there.
//!
//! **Truncation.** What a checkpoint has made superfluous is removed, the oldest segments first. Those that
//! are kept can be read while the log is written (`live`).
//!
//! **Left out.** Compression; encryption.

mod ahead;
mod buffer;
mod decode;
mod frame;
mod kept;
mod live;
mod piece;
mod position;
mod reader;
mod recovery;
mod segment;
mod tail;
#[cfg(test)]
mod tests;
mod verify;
mod writer;

use std::sync::{Arc, OnceLock};

use self::buffer::{Batch, Shards};
use self::kept::Kept;
use self::recovery::Recovered;
use self::writer::{Counters, Place, Writer};
use crate::sync::{Mutex, Ordering};
use crate::{Error, Home, Result, Timestamp};

pub use self::decode::{Entry, Writes};
use self::frame::BatchFrame;
pub(crate) use self::frame::crc32c;
pub use self::frame::{FRAME_BYTES_MAX, FrameBuilder};
pub use self::kept::{LogEnd, SegmentInfo};
pub use self::live::LogReader;
pub use self::piece::{BatchPiece, Commits, Piece};
pub use self::position::{LogPosition, LogStart};
pub use self::recovery::{Cut, Recovery, Replay};
pub(crate) use self::segment::NUMBER_MAX as SEGMENT_NUMBER_MAX;
pub use self::segment::reaches_back_to_beginning;
pub use self::verify::{LogSummary, verify_log};
pub use crate::home::WAL_DIRECTORY;

/// How a log is to be written. It can be read whatever the options were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalOptions {
    /// The length in bytes at which a segment is left for the next. A frame that is longer gets a
    /// segment of its own.
    pub segment_bytes: u64,
    /// How far ahead of its end the log is filled with zeros, in bytes, so that small synced flushes are fast.
    /// They take that room on the disk for as long as the log is in use; 0 takes none.
    pub prepared_bytes: u64,
}

impl Default for WalOptions {
    fn default() -> Self {
        WalOptions { segment_bytes: 64 << 20, prepared_bytes: 1 << 20 }
    }
}

/// How far the log has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flushed {
    /// Every commit up to here is written: it survives the process, but perhaps not the machine.
    pub written: Timestamp,
    /// Every commit up to here survives a crash of the machine.
    pub durable: Timestamp,
}

/// What the log has done since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WalStats {
    /// Frames appended.
    pub frames: u64,
    /// Bytes of these frames.
    pub appended_bytes: u64,
    /// Bytes of frames that are appended but not yet written.
    pub buffered_bytes: u64,
    /// Calls of [`Wal::flush`].
    pub flushes: u64,
    /// Times that a segment was synced.
    pub fsyncs: u64,
    /// Segments written to.
    pub segments: u64,
    /// Bytes of zeros written ahead, so that small commits find the file prepared.
    pub prepared_bytes: u64,
}

/// A write-ahead log, open for appending.
///
/// All methods may be called from any thread. Dropping it writes nothing: what was not flushed is gone,
/// as in a crash.
#[derive(Debug)]
pub struct Wal {
    shards: Shards,
    flusher: Mutex<Flusher>,
    failure: OnceLock<Arc<Error>>,
    counters: Arc<Counters>,
    home: Arc<Home>,
    kept: Arc<Kept>,
    /// Held by the one who removes segments: whether some are removed, but perhaps not durably.
    removing: Mutex<bool>,
}

/// What only the thread that flushes touches.
#[derive(Debug)]
struct Flusher {
    writer: Writer,
    batch: Batch,
    flushed: Flushed,
}

impl Wal {
    /// Opens the log of a database, calls `replay` with what comes behind `start`, piece by piece in commit
    /// order, cuts off a torn tail, and makes all that was replayed durable.
    ///
    /// Memory is bounded by the longest frame, and 1 MiB. Costs a read of the log from `start` on, and decodes
    /// some GB/s.
    ///
    /// # Errors
    /// - [`Error::Corrupt`] if the log is damaged where a crash can't explain it, a segment is missing or
    ///   belongs to another database, or it doesn't reach from `start.after` to `start.reaches`; `replay` may
    ///   have been called with what stands before,
    /// - [`Error::UnknownFormat`] if another version wrote it,
    /// - [`Error::Io`], and whatever `replay` returns.
    pub fn open(
        home: &Arc<Home>,
        options: WalOptions,
        start: LogStart,
        replay: &mut Replay<'_>,
    ) -> Result<(Wal, Recovery)> {
        let home = Arc::clone(home);
        let directory = home.directory().join(WAL_DIRECTORY);
        let WalOptions { segment_bytes, prepared_bytes } = options;
        let place = Place { home: Arc::clone(&home), directory, segment_bytes, prepared_bytes };
        let Recovered { last: segment, kept: segments, found } = recovery::recover(&place, start, replay)?;
        let (counters, kept) = (Arc::new(Counters::default()), Arc::new(Kept::default()));
        segments.into_iter().for_each(|segment| kept.add_whole(segment));
        let last = found.last_timestamp;
        let writer = Writer::open(place, segment, last, (Arc::clone(&counters), Arc::clone(&kept)))?;
        let flushed = Flushed { written: last, durable: last };
        let wal = Wal {
            shards: Shards::new(),
            flusher: Mutex::new(Flusher { writer, batch: Batch::new(), flushed }),
            failure: OnceLock::new(),
            counters,
            home,
            kept,
            removing: Mutex::new(false),
        };
        Ok((wal, found))
    }

    /// The segments that can be read, in order.
    pub fn segments(&self) -> Vec<SegmentInfo> {
        self.kept.segments()
    }

    /// Up to where the log is durable.
    pub fn durable_end(&self) -> LogEnd {
        self.kept.durable()
    }

    /// The timestamp after which all commits are still in the log.
    pub fn oldest_timestamp(&self) -> Timestamp {
        self.kept.oldest()
    }

    /// Where replay has to begin behind a checkpoint that holds all commits up to `timestamp`, and what of the
    /// log must be there. To be called when these commits are durable.
    pub fn start_after(&self, timestamp: Timestamp) -> LogStart {
        self.kept.start_after(timestamp)
    }

    /// Removes the segments below `number`, but never the one that is being written. Returns how many bytes
    /// that has freed. Appending and flushing go on meanwhile.
    ///
    /// # Errors
    /// [`Error::Io`]. Some segments may be gone then, and the rest goes at the next attempt; the log isn't
    /// poisoned by that.
    pub fn remove_before(&self, number: u64) -> Result<u64> {
        let mut is_unsynced = self.removing.lock();
        let number = number.min(self.durable_end().position.segment);
        // First from the list, so that nobody begins to read them.
        self.kept.remove_before(number);
        let directory = self.home.directory().join(WAL_DIRECTORY);
        let device = self.home.device();
        let mut freed = 0;
        for (_, path) in segment::list(&**device, &directory)?.into_iter().filter(|found| found.0 < number) {
            freed += device.open(&path)?.size()?;
            *is_unsynced = true;
            device.remove(&path)?;
        }
        if *is_unsynced {
            device.sync_directory(&directory)?;
            *is_unsynced = false;
        }
        Ok(freed)
    }

    /// Takes a frame into memory, to be written by a later [`Wal::flush`]. `shard` is any number; if
    /// threads use different ones, they don't wait for each other. Never waits for the disk.
    ///
    /// `timestamp` is the one that the frame was finished with. Timestamps are unique, and above that
    /// of [`Recovery::last_timestamp`].
    ///
    /// Returns how many bytes now wait in the buffer that this shard shares with a few others: whoever
    /// appends faster than the disk writes can notice by that. Costs an uncontended lock and a copy of the
    /// frame.
    ///
    /// # Errors
    /// [`Error::Poisoned`] if the log has failed; the frame will not be written.
    #[inline]
    pub fn append(&self, shard: usize, timestamp: Timestamp, frame: &[u8]) -> Result<usize> {
        self.check()?;
        Ok(self.shards.append(shard, timestamp, |bytes| bytes.extend_from_slice(frame)))
    }

    /// As [`Wal::append`], for a batch: bytes that mean something to a higher layer only, of which `timestamp` is that of the
    /// last transaction. They are put into a frame where it stays, which costs a copy of them and one pass of CRC-32C.
    ///
    /// # Errors
    /// As [`Wal::append`]; [`Error::TransactionTooLarge`] if the frame would pass [`FRAME_BYTES_MAX`].
    #[inline]
    pub fn append_batch(&self, shard: usize, timestamp: Timestamp, body: &[u8]) -> Result<usize> {
        self.check()?;
        let frame = BatchFrame::new(timestamp, body)?;
        Ok(self.shards.append(shard, timestamp, |bytes| frame.push_onto(bytes)))
    }

    /// Writes every frame up to `bound`, in the order of their timestamps, and makes them durable, with
    /// all that was written before, if `sync` is set. Frames above stay in memory.
    ///
    /// The caller promises that whatever will have a timestamp up to `bound` has been appended.
    ///
    /// One flush runs at a time, others wait for it; appending goes on. Costs two copies of the frames
    /// and a `write` for every 256 KiB, and, if `sync` is set and something isn't durable yet, one
    /// `fdatasync`: about 0.1 ms on a server's disk for a few KiB. Every `segment_bytes` it begins a
    /// segment, which costs three more.
    ///
    /// # Errors
    /// [`Error::Poisoned`] if this or an earlier flush failed. Which of its frames are on the disk is
    /// not known; opening the log again shows it.
    pub fn flush(&self, bound: Timestamp, sync: bool) -> Result<Flushed> {
        self.with_flusher(|flusher, shards| flusher.flush(shards, bound, sync))
    }

    /// Writes all that was appended, makes it durable, and notes outside of the log how far it goes, so that
    /// later damage anywhere in it is told from a torn tail. To be called when nobody appends any more,
    /// before the log is dropped. Costs up to two `fdatasync`.
    ///
    /// # Errors
    /// As [`Wal::flush`].
    pub fn close(&self) -> Result<()> {
        self.with_flusher(|flusher, shards| {
            flusher.flush(shards, Timestamp::MAX, true)?;
            flusher.writer.note_end()
        })
    }

    /// The bytes of frames that are appended but not yet written. Reads one number per shard.
    pub fn buffered_bytes(&self) -> u64 {
        // Relaxed: an estimate while others append and flush, so the difference may even be negative.
        let written = self.counters.frame_bytes.load(Ordering::Relaxed);
        self.shards.bytes().saturating_sub(written)
    }

    /// What the log has done since it was opened. The numbers are read one by one, while others change.
    pub fn stats(&self) -> WalStats {
        let counters = &self.counters;
        WalStats {
            frames: self.shards.frames(),
            appended_bytes: self.shards.bytes(),
            buffered_bytes: self.buffered_bytes(),
            flushes: counters.flushes.load(Ordering::Relaxed),
            fsyncs: counters.fsyncs.load(Ordering::Relaxed),
            segments: counters.segments.load(Ordering::Relaxed),
            prepared_bytes: counters.prepared_bytes.load(Ordering::Relaxed),
        }
    }

    #[inline]
    fn check(&self) -> Result<()> {
        match self.failure.get() {
            None => Ok(()),
            Some(cause) => Err(Error::Poisoned { cause: Arc::clone(cause) }),
        }
    }

    /// Runs `work` as the only flusher; its failure poisons the log.
    fn with_flusher<T>(&self, work: impl FnOnce(&mut Flusher, &Shards) -> Result<T>) -> Result<T> {
        let mut flusher = self.flusher.lock();
        self.check()?;
        self.counters.flushes.fetch_add(1, Ordering::Relaxed);
        work(&mut flusher, &self.shards).map_err(|error| {
            // Set under the lock and only once: whoever comes next finds it.
            let cause = self.failure.get_or_init(|| Arc::new(error));
            Error::Poisoned { cause: Arc::clone(cause) }
        })
    }
}

impl Flusher {
    fn flush(&mut self, shards: &Shards, bound: Timestamp, sync: bool) -> Result<Flushed> {
        self.batch.collect(shards, bound, self.writer.last())?;
        self.writer.write(self.batch.frames())?;
        if sync {
            self.writer.sync()?;
        }
        self.flushed.written = self.flushed.written.max(bound);
        if self.writer.is_durable() {
            self.flushed.durable = self.flushed.written;
        }
        Ok(self.flushed)
    }
}
