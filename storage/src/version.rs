//! Versions: the values that a key has had, newest first.
//!
//! A version is a header and the value's bytes behind it, in an allocation of its own or in its record's
//! ([`room`](crate::room)). Its *stamp* is a commit timestamp, or, while its transaction is still running, a mark
//! that names the writer:
//!
//! ```text
//! committed   0 0 | timestamp (62 bits)
//! pending     1 0 | write index (32 bits) | writer's slot (16 bits)
//! ```
//!
//! Everything but the stamp and the link to the next older version is immutable, so readers need no
//! lock: whoever can reach a version while pinned to an epoch can read it.
//!
//! A chain gets shorter at two places: the end that nobody reads is *cut* off, by anyone; and the version
//! behind the newest one is *passed over*, by the one who holds the record's lock. To keep the two apart,
//! the link of a version that is being passed over is frozen: nobody cuts there.

use std::marker::PhantomData;
use std::ptr::{NonNull, null_mut};

use crossbeam_epoch::Guard;

use crate::Timestamp;
use crate::room::Room;
use crate::sync::{AtomicPtr, AtomicU64, Ordering};
use crate::{blocks, reclaim, record};

const PENDING: u64 = 1 << 63;

/// In a value's length: the version lives in its record's room.
pub(crate) const EMBEDDED: u32 = 1 << 31;

/// Instead of a value's length: there is none.
const TOMBSTONE: u32 = EMBEDDED - 1;

/// The lowest bit of a link: the version that it belongs to is being passed over.
const FROZEN: usize = 1;

/// The memory layout of a version's fixed part; the value's bytes follow it.
#[repr(C)]
pub(crate) struct Header {
    pub(crate) stamp: AtomicU64,
    pub(crate) next: AtomicPtr<Header>,
    /// With the mark [`EMBEDDED`].
    pub(crate) value_len: u32,
}

pub(crate) const BYTES_OFFSET: usize = std::mem::offset_of!(Header, value_len) + size_of::<u32>();

/// Whose a version is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionState {
    /// Written by a transaction that committed at this timestamp.
    Committed(Timestamp),
    /// Written by a transaction that is still running.
    Pending {
        /// The writer's slot in the transaction registry.
        slot: u16,
        /// The position in the writer's list of writes.
        index: u32,
    },
}

impl VersionState {
    #[inline]
    pub(crate) fn encode(self) -> u64 {
        match self {
            VersionState::Committed(timestamp) => {
                debug_assert!(timestamp <= Timestamp::MAX);
                timestamp.0
            }
            VersionState::Pending { slot, index } => PENDING | u64::from(index) << 16 | u64::from(slot),
        }
    }

    #[inline]
    fn decode(stamp: u64) -> Self {
        if stamp & PENDING == 0 {
            VersionState::Committed(Timestamp(stamp))
        } else {
            VersionState::Pending { slot: stamp as u16, index: (stamp >> 16) as u32 }
        }
    }
}

/// A version that can be read for as long as `'g` lasts (an epoch guard, or a lock on its record).
#[derive(Clone, Copy)]
pub struct Version<'g> {
    header: NonNull<Header>,
    lifetime: PhantomData<&'g Header>,
}

/// A version's address: what a transaction keeps of its own pending versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionPtr(NonNull<Header>);

// SAFETY: an address by itself gives no access; `VersionPtr::get` is unsafe and says what must hold.
unsafe impl Send for VersionPtr {}

impl VersionPtr {
    /// The version at this address.
    ///
    /// # Safety
    /// The version must live through `'g`: it is reachable and the caller is pinned, or it is the
    /// caller's own pending version.
    #[inline]
    pub unsafe fn get<'g>(self) -> Version<'g> {
        Version { header: self.0, lifetime: PhantomData }
    }
}

impl<'g> Version<'g> {
    /// Allocates a version; `None` makes a tombstone. It leaks unless it is linked into a record,
    /// or handed to [`Version::free`].
    pub fn allocate(value: Option<&[u8]>, state: VersionState) -> Version<'g> {
        let header = blocks::allocate(bytes_for(value.map_or(0, <[u8]>::len))).cast::<Header>();
        // SAFETY: the allocation is ours alone and large enough for the header and the bytes.
        unsafe {
            header.write(Header {
                stamp: AtomicU64::new(state.encode()),
                next: AtomicPtr::new(null_mut()),
                value_len: Version::length_of(value),
            });
            Version::fill(header, value)
        }
    }

    /// A value's length, or what stands in its place for a tombstone.
    #[inline]
    pub(crate) fn length_of(value: Option<&[u8]>) -> u32 {
        value.map_or(TOMBSTONE, |value| value.len() as u32)
    }

    /// Makes a version of a header by writing the value behind it.
    ///
    /// # Safety
    /// There is memory for the value, and nobody else uses it.
    #[inline]
    pub(crate) unsafe fn fill(header: NonNull<Header>, value: Option<&[u8]>) -> Version<'g> {
        let bytes = value.unwrap_or_default();
        // SAFETY: passed on to the caller.
        unsafe {
            header
                .cast::<u8>()
                .add(BYTES_OFFSET)
                .copy_from_nonoverlapping(NonNull::new_unchecked(bytes.as_ptr().cast_mut()), bytes.len());
        }
        Version { header, lifetime: PhantomData }
    }

    #[inline]
    fn header(&self) -> &'g Header {
        // SAFETY: by the type's contract the allocation lives through 'g.
        unsafe { self.header.as_ref() }
    }

    /// Who wrote this version, and when. Pairs with the release in [`Version::commit`]: whoever sees a
    /// commit timestamp sees everything that its writer did before.
    #[inline]
    pub fn state(self) -> VersionState {
        VersionState::decode(self.header().stamp.load(Ordering::Acquire))
    }

    /// Turns a pending version into a committed one. Only its writer may call this.
    #[inline]
    pub fn commit(self, timestamp: Timestamp) {
        self.header().stamp.store(timestamp.0, Ordering::Release);
    }

    /// The value, or `None` for a tombstone.
    #[inline]
    pub fn value(self) -> Option<&'g [u8]> {
        let len = self.header().value_len & !EMBEDDED;
        if len == TOMBSTONE {
            return None;
        }
        // SAFETY: `value_len` bytes were written behind the header before the version was published,
        // and never change; the pointer carries the whole allocation's provenance.
        Some(unsafe {
            std::slice::from_raw_parts(self.header.cast::<u8>().add(BYTES_OFFSET).as_ptr(), len as usize)
        })
    }

    /// The next older version. Acquire: pairs with the release that linked this chain together.
    #[inline]
    pub fn next(self) -> Option<Version<'g>> {
        // SAFETY: a linked version outlives every reader pinned while it was reachable.
        unsafe { Version::from_raw(thawed(self.header().next.load(Ordering::Acquire))) }
    }

    /// Links an unpublished version in front of `next`.
    #[inline]
    pub fn set_next(self, next: Option<Version<'_>>) {
        self.header().next.store(next.map_or(null_mut(), Version::as_raw), Ordering::Release);
    }

    /// Cuts off all older versions and retires them. Several threads may cut one chain at once: the
    /// swap hands each version to exactly one of them.
    ///
    /// # Safety
    /// No reader that starts later may need what is older than this version.
    pub unsafe fn cut(self, guard: &Guard) -> usize {
        let mut retired = 0;
        let next = &self.header().next;
        let mut first = next.load(Ordering::Acquire);
        loop {
            if first.is_null() || is_frozen(first) {
                // The older ones belong to the chain without this version.
                return 0;
            }
            // AcqRel: as below.
            match next.compare_exchange_weak(first, null_mut(), Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => break,
                Err(found) => first = found,
            }
        }
        let mut older = first;
        // SAFETY: the exchange made this thread the only owner of the link to `older`.
        while let Some(version) = unsafe { Version::from_raw(thawed(older)) } {
            retired += 1;
            let next = &version.header().next;
            // Acquire: pairs with the release that linked the older version. A link that is null stays so.
            older = next.load(Ordering::Acquire);
            if !older.is_null() {
                // AcqRel: acquire as above; release lets a second cutter, which finds null, know that nothing is left
                // for it.
                older = next.swap(null_mut(), Ordering::AcqRel);
            }
            // SAFETY: it is unreachable for readers that pin from now on.
            unsafe { version.retire(guard) };
        }
        retired
    }

    /// Takes the next older version out of the chain, and retires it; false if it was cut off meanwhile. Those
    /// behind it stay.
    ///
    /// # Safety
    /// This is the newest version, its record is locked by the caller, and no reader that starts later may
    /// need the next older one.
    pub unsafe fn pass_over_next(self, guard: &Guard) -> bool {
        let link = &self.header().next;
        let raw = link.load(Ordering::Acquire);
        // SAFETY: a linked version outlives this pinned thread.
        let Some(older) = (unsafe { Version::from_raw(raw) }) else { return false };
        let next = &older.header().next;
        let mut behind = next.load(Ordering::Acquire);
        // Frozen, the link stays as it is: what is behind can't be retired by a cut there.
        while let Err(found) =
            next.compare_exchange_weak(behind, frozen(behind), Ordering::AcqRel, Ordering::Acquire)
        {
            behind = found;
        }
        // Release: readers that come this way see what is behind.
        if link.compare_exchange(raw, behind, Ordering::AcqRel, Ordering::Relaxed).is_err() {
            // A cut has taken both.
            return false;
        }
        // SAFETY: nobody who pins from now on can reach it, and only one lock holder passes over it.
        unsafe { older.retire(guard) };
        true
    }

    /// Frees the version once all threads that could be reading it have moved on.
    ///
    /// # Safety
    /// It must be unlinked, and retired only once.
    #[inline]
    pub unsafe fn retire(self, guard: &Guard) {
        // What it looks like is known now. Then it may not be in the cache any more.
        reclaim::retire_version(guard, Unlinked { header: self.header, value_len: self.header().value_len });
    }

    /// Frees the version now.
    ///
    /// # Safety
    /// Nobody else may hold or reach it.
    pub unsafe fn free(self) {
        // SAFETY: passed on to the caller.
        unsafe { free(self.header, self.header().value_len) };
    }

    /// The version's address.
    #[inline]
    pub fn ptr(self) -> VersionPtr {
        VersionPtr(self.header)
    }

    #[inline]
    pub(crate) fn as_raw(self) -> *mut Header {
        self.header.as_ptr()
    }

    /// The version behind a bare pointer; `None` for null.
    ///
    /// # Safety
    /// The pointer must come from [`Version::as_raw`], and the version must live through `'g`.
    #[inline]
    pub(crate) unsafe fn from_raw(raw: *mut Header) -> Option<Version<'g>> {
        NonNull::new(raw).map(|header| Version { header, lifetime: PhantomData })
    }
}

impl PartialEq for Version<'_> {
    /// Identity, not equality of values.
    fn eq(&self, other: &Self) -> bool {
        self.header == other.header
    }
}

/// A version that is out of its chain. It is freed when this is dropped, so that mustn't be before all threads have moved on
/// that may be reading it.
pub(crate) struct Unlinked {
    header: NonNull<Header>,
    /// With the mark [`EMBEDDED`].
    value_len: u32,
}

// SAFETY: it is its owner's alone, but for readers, and may be freed by any thread.
unsafe impl Send for Unlinked {}
// SAFETY: shared, it gives no access.
unsafe impl Sync for Unlinked {}

impl Drop for Unlinked {
    fn drop(&mut self) {
        // SAFETY: whoever has unlinked it has promised that it is retired once; and by now nobody reads it.
        unsafe { free(self.header, self.value_len) };
    }
}

fn frozen(link: *mut Header) -> *mut Header {
    link.map_addr(|address| address | FROZEN)
}

#[inline]
fn thawed(link: *mut Header) -> *mut Header {
    link.map_addr(|address| address & !FROZEN)
}

fn is_frozen(link: *mut Header) -> bool {
    link.addr() & FROZEN != 0
}

/// Frees a version.
///
/// # Safety
/// It has this length, mark included, and nobody may hold or reach it.
unsafe fn free(header: NonNull<Header>, value_len: u32) {
    if value_len & EMBEDDED != 0 {
        // SAFETY: the room was prepared before a version moved in; the rest is passed on to the caller.
        if let Some(record) = unsafe { Room::at(header).vacate() } {
            // SAFETY: it was left to this thread.
            unsafe { record::deallocate(record) };
        }
        return;
    }
    let len = if value_len == TOMBSTONE { 0 } else { value_len as usize };
    // SAFETY: allocated in `Version::allocate` for as many bytes.
    unsafe { blocks::free(header.cast(), bytes_for(len)) };
}

/// The bytes of a version with a value so long.
fn bytes_for(value_len: usize) -> usize {
    (BYTES_OFFSET + value_len).max(size_of::<Header>())
}
