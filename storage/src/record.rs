//! Records: one key's place in memory.
//!
//! A record is one allocation: a *control word*, the head of the version chain, and the key. The
//! control word belongs to the concurrency-control protocol; storage knows only two facts about it:
//! zero means that nobody holds or wants anything, and [`Record::DEAD`] means that the record has left
//! (or is about to leave) the index, so that whoever reached it must look the key up again.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::marker::PhantomData;
use std::ptr::{NonNull, null_mut};

use crossbeam_epoch::Guard;

use crate::prefetch::prefetch;
use crate::sync::{AtomicPtr, AtomicU32, AtomicU64, Ordering};
use crate::version::{self, Version};

/// The memory layout of a record's fixed part; the key's bytes follow it.
#[repr(C)]
pub(crate) struct Header {
    word: AtomicU64,
    head: AtomicPtr<version::Header>,
    /// 1 while the garbage collector has an entry for this record.
    queued: AtomicU32,
    key_len: u32,
}

const KEY_OFFSET: usize = std::mem::offset_of!(Header, key_len) + size_of::<u32>();

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

    /// Allocates a record without versions. It leaks unless it is inserted into an index, or handed to
    /// [`Record::free`].
    pub fn allocate(key: &[u8], word: u64) -> Record<'g> {
        let layout = layout(key.len());
        // SAFETY: the layout has a size above zero, since it includes the header.
        let Some(header) = NonNull::new(unsafe { alloc(layout) }.cast::<Header>()) else {
            handle_alloc_error(layout)
        };
        // SAFETY: the allocation is ours alone and large enough for the header and the key.
        unsafe {
            header.write(Header {
                word: AtomicU64::new(word),
                head: AtomicPtr::new(null_mut()),
                queued: AtomicU32::new(0),
                key_len: key.len() as u32,
            });
            header
                .cast::<u8>()
                .add(KEY_OFFSET)
                .copy_from_nonoverlapping(NonNull::new_unchecked(key.as_ptr().cast_mut()), key.len());
        }
        Record { header, lifetime: PhantomData }
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
        self.header().queued.swap(1, Ordering::AcqRel) == 0
    }

    /// Gives the claim back. The caller must then look at the version chain once more: a writer that
    /// found the claim taken relied on it.
    #[inline]
    pub fn unclaim_garbage(self) {
        // AcqRel: acquire pairs with the refused claims of writers.
        self.header().queued.swap(0, Ordering::AcqRel);
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
        unsafe { guard.defer_unchecked(move || ptr.get().free()) };
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
        let layout = layout(self.key().len());
        // SAFETY: allocated in `allocate` with this very layout.
        unsafe { dealloc(self.header.cast::<u8>().as_ptr(), layout) };
    }
}

impl std::fmt::Debug for Record<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Record").field("key", &self.key()).finish_non_exhaustive()
    }
}

fn layout(key_len: usize) -> Layout {
    let bytes = KEY_OFFSET + key_len;
    Layout::from_size_align(bytes.max(size_of::<Header>()), align_of::<Header>())
        .expect("a key's length is limited far below isize::MAX")
}
