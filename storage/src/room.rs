//! Room: memory for one version inside its record's allocation.
//!
//! To follow a pointer to cold memory costs as much as a hundred instructions. Most records have one version most of
//! the time, so that one lies right behind its record's key, and comes into the cache with it (Lim, Kaminsky &
//! Andersen, "Cicada: dependably fast multi-core in-memory transactions", SIGMOD 2017, section 3.3):
//!
//! ```text
//! record  | word | head ─┐| … | key | stamp | next | length | value |        allocated together
//!                        └──────────▲
//! ```
//!
//! A version in a room is one like any other. When it is replaced, the next one is allocated elsewhere; once nobody can
//! be reading the old one, the room is vacant again, and the next version but one may move in.
//!
//! **Invariant** The memory is freed once, after the last use of both. A version and its record may be retired one
//! soon after the other, and epochs don't say which is freed first. The stamp of the version that isn't any more decides:
//!
//! ```text
//!              occupy              version is freed
//!   vacant ──────────────► (stamp) ────────────────► vacant
//!      │                      │
//!      │ record is freed      │ record is freed
//!      ▼                      ▼           version is freed
//!   memory is freed        orphaned ────────────────► memory is freed
//! ```

use std::ptr::{NonNull, addr_of_mut, null_mut};

use crate::record;
use crate::sync::{AtomicPtr, AtomicU64, Ordering};
use crate::version::{EMBEDDED, Header, Version, VersionState};

/// The longest value that a record has room for. A room that isn't used is wasted, and of longer values the way to
/// their first byte is the lesser part of the cost.
pub(crate) const ROOM_BYTES_MAX: usize = 256;

/// Stamps that no version has.
const VACANT: u64 = 1 << 62;
const ORPHANED: u64 = VACANT | 1;

/// The room of a record that has one.
#[derive(Clone, Copy)]
pub(crate) struct Room(NonNull<Header>);

impl Room {
    /// Makes vacant room of a part of a record.
    ///
    /// # Safety
    /// There is memory for a version's header here, suitably aligned, and nobody else uses it.
    pub(crate) unsafe fn prepare(place: NonNull<Header>) {
        let header =
            Header { stamp: AtomicU64::new(VACANT), next: AtomicPtr::new(null_mut()), value_len: EMBEDDED };
        // SAFETY: passed on to the caller.
        unsafe { place.write(header) };
    }

    /// The room at an address.
    ///
    /// # Safety
    /// It has been prepared, and its record's memory lives as long as this is used.
    pub(crate) unsafe fn at(place: NonNull<Header>) -> Room {
        Room(place)
    }

    fn header(&self) -> &Header {
        // SAFETY: by the contract of `at`.
        unsafe { self.0.as_ref() }
    }

    /// Puts a version here, if the room is vacant.
    ///
    /// # Safety
    /// The value fits, and nobody else may write the record.
    #[inline]
    pub(crate) unsafe fn occupy<'g>(self, value: Option<&[u8]>, state: VersionState) -> Option<Version<'g>> {
        // Acquire: pairs with the release in `vacate`; whoever read the last version here is done with it.
        if self.header().stamp.load(Ordering::Acquire) != VACANT {
            return None;
        }
        self.header().next.store(null_mut(), Ordering::Relaxed);
        // SAFETY: vacant, it is looked at by nobody but those who may write the record: the caller.
        let version = unsafe {
            addr_of_mut!((*self.0.as_ptr()).value_len).write(EMBEDDED | Version::length_of(value));
            Version::fill(self.0, value)
        };
        // Relaxed: the version is published by the link to it.
        self.header().stamp.store(state.encode(), Ordering::Relaxed);
        Some(version)
    }

    /// Frees the version that is here. If the record was freed before, returns it: its memory is now the caller's
    /// to free.
    ///
    /// # Safety
    /// Nobody else may hold or reach the version.
    pub(crate) unsafe fn vacate(self) -> Option<NonNull<record::Header>> {
        // Release: whoever moves in next comes after all who have read what was here. Acquire: pairs with `abandon`.
        if self.header().stamp.swap(VACANT, Ordering::AcqRel) != ORPHANED {
            return None;
        }
        NonNull::new(self.header().next.load(Ordering::Relaxed).cast())
    }

    /// Gives the room up, because its record is freed. True if the memory is the caller's to free; otherwise a version
    /// that was here is still to be freed, and whoever does that frees both.
    ///
    /// # Safety
    /// Nobody else may hold or reach the record.
    pub(crate) unsafe fn abandon(self, record: NonNull<record::Header>) -> bool {
        // The link is nobody's any more: the version, if there is one, is out of its chain, and no thread reads it.
        self.header().next.store(record.as_ptr().cast(), Ordering::Relaxed);
        // Release: `vacate` reads the link. Acquire: pairs with `vacate`.
        self.header().stamp.swap(ORPHANED, Ordering::AcqRel) == VACANT
    }
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use super::*;
    use crate::{Record, Timestamp};

    const VALUE: Option<&[u8]> = Some(b"value");

    fn committed(at: u64) -> VersionState {
        VersionState::Committed(Timestamp(at))
    }

    #[test]
    fn a_room_is_used_again_when_its_version_is_freed() {
        let record = Record::allocate(b"key", 0, 5);
        // SAFETY: nobody else knows the record.
        unsafe {
            let first = record.embed(VALUE, committed(1)).expect("the room is vacant");
            assert_eq!((first.value(), first.state()), (VALUE, committed(1)));
            assert!(record.embed(None, committed(2)).is_none(), "the room is taken");
            let second = record.make_version(VALUE, committed(2));
            second.set_next(Some(first));
            record.set_head(Some(second));
            second.set_next(None);
            first.free();
            assert!(record.embed(Some(b"longer"), committed(3)).is_none(), "too long");
            let third = record.embed(None, committed(3)).expect("the room is vacant again");
            assert!(third == first && third.value().is_none() && third.next().is_none());
            third.set_next(Some(second));
            record.set_head(Some(third));
            record.free();
        }
    }

    #[test]
    fn a_version_may_be_freed_after_its_record() {
        let record = Record::allocate(b"", 0, ROOM_BYTES_MAX);
        // SAFETY: nobody else knows them.
        unsafe {
            let version = record.embed(VALUE, committed(1)).expect("the room is vacant");
            record.free();
            version.free();
        }
    }

    #[test]
    fn there_is_no_room_for_nothing_and_for_long_values() {
        for bytes in [0, ROOM_BYTES_MAX + 1] {
            let record = Record::allocate(b"key", 0, bytes);
            // SAFETY: nobody else knows the record.
            unsafe {
                assert!(record.embed(Some(b""), committed(1)).is_none());
                record.free();
            }
        }
    }
}

#[cfg(all(test, shuttle))]
mod tests {
    use std::mem::MaybeUninit;

    use shuttle::{check_dfs, thread};

    use super::*;
    use crate::Timestamp;

    /// Whichever comes first, the memory is freed once.
    #[test]
    fn a_version_and_its_record_are_freed_in_any_order() {
        check_dfs(
            || {
                let place =
                    NonNull::from(Box::leak(Box::new(MaybeUninit::<Header>::uninit()))).cast::<Header>();
                let address = place.as_ptr() as usize;
                // SAFETY: the memory is there until the end.
                let room = move || unsafe { Room::at(NonNull::new_unchecked(address as *mut Header)) };
                // SAFETY: as above; and a tombstone takes no bytes behind the header.
                unsafe {
                    Room::prepare(place);
                    room().occupy(None, VersionState::Committed(Timestamp(1))).expect("it is vacant");
                }
                // SAFETY: nobody looks at the version or at the record.
                let other = thread::spawn(move || unsafe { room().vacate().is_some() });
                let frees_record = unsafe { room().abandon(NonNull::dangling()) };
                assert!(frees_record ^ other.join().unwrap(), "exactly one frees the memory");
                // SAFETY: it was leaked above.
                drop(unsafe { Box::from_raw(place.as_ptr().cast::<MaybeUninit<Header>>()) });
            },
            None,
        );
    }
}
