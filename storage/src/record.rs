//! Records: one key's place in memory.
//!
//! A record is one allocation: a *control word*, the head of the version chain, the key, and mostly
//! [`room`](crate::room) for a version. The control word belongs to the concurrency-control protocol; storage knows only two facts about it:
//! zero means that nobody holds or wants anything, and [`Record::DEAD`] means that the record has left
//! (or is about to leave) the index, so that whoever reached it must look the key up again.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::marker::PhantomData;
use std::ptr::{NonNull, null_mut};

use crossbeam_epoch::Guard;

use crate::prefetch::prefetch;
use crate::reclaim;
use crate::room::{ROOM_BYTES_MAX, Room};
use crate::sync::{AtomicBool, AtomicPtr, AtomicU64, Ordering};
use crate::version::{self, Version, VersionState};

/// The memory layout of a record's fixed part; the key's bytes follow it.
#[repr(C)]
pub(crate) struct Header {
    word: AtomicU64,
    head: AtomicPtr<version::Header>,
    /// True while the garbage collector has an entry for this record.
    queued: AtomicBool,
    /// The longest value that there is room for behind the key; 0 if there is no room.
    room: u16,
    key_len: u32,
}

const KEY_OFFSET: usize = std::mem::offset_of!(Header, key_len) + size_of::<u32>();

/// How much of a record [`Record::prefetch`] asks for: with a short key, also the version in its room.
const PREFETCHED_RECORD_BYTES: usize = 128;

/// How much of a version [`Record::prefetch_head`] asks for: its header, and a short value.
const PREFETCHED_VERSION_BYTES: usize = 128;

/// A record that can be used for as long as `'g` lasts (an epoch guard, or a lock in its word).
#[derive(Clone, Copy)]
pub struct Record<'g> {
    header: NonNull<Header>,
    lifetime: PhantomData<&'g Header>,
}

/// A record's address: what a transaction keeps of a record that it holds a lock on, and what the lock
/// table and the index know records by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordPtr(NonNull<Header>);

// SAFETY: an address by itself gives no access; `RecordPtr::get` is unsafe and says what must hold.
unsafe impl Send for RecordPtr {}
// SAFETY: as above.
unsafe impl Sync for RecordPtr {}

impl RecordPtr {
    /// The record at this address.
    ///
    /// # Safety
    /// The record must live through `'g`: it is reachable and the caller is pinned, or its control
    /// word isn't zero and won't be until `'g` ends.
    #[inline]
    pub unsafe fn get<'g>(self) -> Record<'g> {
        Record { header: self.0, lifetime: PhantomData }
    }

    /// The address as a number, to hash it.
    #[inline]
    pub fn address(self) -> usize {
        self.0.as_ptr().addr()
    }

    #[inline]
    pub(crate) fn as_raw(self) -> *mut Header {
        self.0.as_ptr()
    }

    #[inline]
    pub(crate) fn from_raw(raw: *mut Header) -> Option<RecordPtr> {
        NonNull::new(raw).map(RecordPtr)
    }
}

impl<'g> Record<'g> {
    /// In the control word: the record has left the index for good.
    pub const DEAD: u64 = 1 << 63;

    /// Allocates a record without versions. Its first value, as far as is known, will have `value_bytes` bytes: there
    /// is room for it, unless it is 0 or too long. It leaks unless it is inserted into an index, or handed to
    /// [`Record::free`].
    pub fn allocate(key: &[u8], word: u64, value_bytes: usize) -> Record<'g> {
        let room = if value_bytes <= ROOM_BYTES_MAX { value_bytes } else { 0 };
        let layout = layout(key.len(), room);
        // SAFETY: the layout has a size above zero, since it includes the header.
        let Some(header) = NonNull::new(unsafe { alloc(layout) }.cast::<Header>()) else {
            handle_alloc_error(layout)
        };
        // SAFETY: the allocation is ours alone and large enough for the header and the key.
        unsafe {
            header.write(Header {
                word: AtomicU64::new(word),
                head: AtomicPtr::new(null_mut()),
                queued: AtomicBool::new(false),
                room: room as u16,
                key_len: key.len() as u32,
            });
            header
                .cast::<u8>()
                .add(KEY_OFFSET)
                .copy_from_nonoverlapping(NonNull::new_unchecked(key.as_ptr().cast_mut()), key.len());
            if room > 0 {
                Room::prepare(header.byte_add(room_offset(key.len())).cast());
            }
        }
        Record { header, lifetime: PhantomData }
    }

    /// Makes a version for this record, in its room if possible; `None` makes a tombstone. It leaks unless it is
    /// linked, or handed to [`Version::free`].
    ///
    /// # Safety
    /// As for [`Record::embed`].
    #[inline]
    pub unsafe fn make_version(self, value: Option<&[u8]>, state: VersionState) -> Version<'g> {
        // SAFETY: passed on to the caller.
        unsafe { self.embed(value, state) }.unwrap_or_else(|| Version::allocate(value, state))
    }

    /// Makes a version in this record's room, if that is vacant and large enough.
    ///
    /// # Safety
    /// The protocol gave the caller, and nobody else, the right to write this record.
    #[inline]
    pub unsafe fn embed(self, value: Option<&[u8]>, state: VersionState) -> Option<Version<'g>> {
        if value.map_or(0, <[u8]>::len) > usize::from(self.header().room) {
            return None;
        }
        // SAFETY: it fits; the rest is passed on to the caller.
        unsafe { self.room()?.occupy(value, state) }
    }

    #[inline]
    fn room(self) -> Option<Room> {
        let header = self.header();
        if header.room == 0 {
            return None;
        }
        // SAFETY: it was prepared there by `allocate`.
        Some(unsafe { Room::at(self.header.byte_add(room_offset(header.key_len as usize)).cast()) })
    }

    #[inline]
    fn header(&self) -> &'g Header {
        // SAFETY: by the type's contract the allocation lives through 'g.
        unsafe { self.header.as_ref() }
    }

    /// The control word.
    #[inline]
    pub fn word(self) -> &'g AtomicU64 {
        &self.header().word
    }

    /// The key.
    #[inline]
    pub fn key(self) -> &'g [u8] {
        // SAFETY: `key_len` bytes were written behind the header before the record was published, and
        // never change; the pointer carries the whole allocation's provenance.
        unsafe {
            std::slice::from_raw_parts(
                self.header.cast::<u8>().add(KEY_OFFSET).as_ptr(),
                self.header().key_len as usize,
            )
        }
    }

    /// The newest version. Acquire: pairs with the release in [`Record::set_head`].
    #[inline]
    pub fn head(self) -> Option<Version<'g>> {
        // SAFETY: a linked version outlives every reader pinned while it was reachable.
        unsafe { Version::from_raw(self.header().head.load(Ordering::Acquire)) }
    }

    /// Asks for the record to be brought into the cache.
    #[inline]
    pub(crate) fn prefetch(self) {
        prefetch(self.header.as_ptr(), PREFETCHED_RECORD_BYTES);
    }

    /// Asks for the newest version to be brought into the cache. Reads the record.
    #[inline]
    pub fn prefetch_head(self) {
        // Relaxed: only a hint.
        prefetch(self.header().head.load(Ordering::Relaxed), PREFETCHED_VERSION_BYTES);
    }

    /// Publishes `head` as the newest version. Only for whom the protocol gave the right to write.
    #[inline]
    pub fn set_head(self, head: Option<Version<'_>>) {
        self.header().head.store(head.map_or(null_mut(), Version::as_raw), Ordering::Release);
    }

    /// Claims the right to put this record into a garbage queue: true for one caller, until the claim
    /// is given back. Whoever holds it is the only one who may remove the record, so a queue entry
    /// never outlives its record.
    #[inline]
    pub fn claim_garbage(self) -> bool {
        // AcqRel: release, so that the claim's holder, giving it back, sees the version for which
        // this claim was refused.
        !self.header().queued.swap(true, Ordering::AcqRel)
    }

    /// Gives the claim back. The caller must then look at the version chain once more: a writer that
    /// found the claim taken relied on it.
    #[inline]
    pub fn unclaim_garbage(self) {
        // AcqRel: acquire pairs with the refused claims of writers.
        self.header().queued.swap(false, Ordering::AcqRel);
    }

    /// The record's address.
    #[inline]
    pub fn ptr(self) -> RecordPtr {
        RecordPtr(self.header)
    }

    /// Frees the record and its versions once all threads that could be reading it have moved on.
    ///
    /// # Safety
    /// It must have left the index, be marked [`Record::DEAD`], and be retired only once.
    pub unsafe fn retire(self, guard: &Guard) {
        let ptr = self.ptr();
        // SAFETY: passed on to the caller; this runs when no pinned thread can hold the pointer.
        unsafe { reclaim::retire(guard, move || ptr.get().free()) };
    }

    /// Frees the record and its versions now.
    ///
    /// # Safety
    /// Nobody else may hold or reach it.
    pub unsafe fn free(self) {
        let mut version = self.head();
        while let Some(current) = version {
            version = current.next();
            // SAFETY: the chain belongs to this record alone, and `current` is not used again.
            unsafe { current.free() };
        }
        // SAFETY: nobody reaches the record; if a version that was in its room is still to be freed, that one frees
        // the memory.
        if self.room().is_none_or(|room| unsafe { room.abandon(self.header) }) {
            // SAFETY: as above.
            unsafe { deallocate(self.header) };
        }
    }
}

impl std::fmt::Debug for Record<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Record").field("key", &self.key()).finish_non_exhaustive()
    }
}

/// Frees a record's memory.
///
/// # Safety
/// It was allocated by [`Record::allocate`], and nobody uses it any more.
pub(crate) unsafe fn deallocate(record: NonNull<Header>) {
    // SAFETY: passed on to the caller.
    unsafe {
        let header = record.as_ref();
        let layout = layout(header.key_len as usize, usize::from(header.room));
        dealloc(record.as_ptr().cast(), layout);
    }
}

/// Where the room begins.
#[inline]
fn room_offset(key_len: usize) -> usize {
    (KEY_OFFSET + key_len).next_multiple_of(align_of::<version::Header>())
}

fn layout(key_len: usize, room: usize) -> Layout {
    let room_bytes = (version::BYTES_OFFSET + room).max(size_of::<version::Header>());
    let bytes = if room > 0 { room_offset(key_len) + room_bytes } else { KEY_OFFSET + key_len };
    Layout::from_size_align(bytes.max(size_of::<Header>()), align_of::<Header>())
        .expect("a key's length is limited far below isize::MAX")
}
