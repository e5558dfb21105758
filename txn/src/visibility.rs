//! Which version of a record a reader sees.
//!
//! A snapshot at timestamp `S` sees the newest version whose commit timestamp is at most `S`:
//!
//! ```text
//! chain   pending (T9) ──► 70 ──► 40 ──► 10
//! S = 50                          ▲ this one, unless T9 commits at a timestamp ≤ 50
//! ```
//!
//! A pending version is decided by its writer's slot (Larson et al., "High-performance concurrency control
//! mechanisms for main-memory databases", VLDB 2011, section 2.5). A writer that hasn't announced its
//! commit will get a timestamp later than every snapshot taken so far. One that is in the middle of its
//! commit, at a timestamp within the snapshot, is waited for: it needs only to stamp its versions.

use synod_storage::sync::spin;
use synod_storage::{Record, Timestamp, Version, VersionState};

use crate::Registry;
use crate::registry::Committing;

/// The version that a snapshot at `at` sees; a tombstone counts as a version. The caller must be pinned.
#[inline]
pub(crate) fn visible_at<'g>(record: Record<'g>, at: Timestamp, registry: &Registry) -> Option<Version<'g>> {
    let mut version = record.head();
    while let Some(candidate) = version {
        if is_visible(candidate, at, registry) {
            return Some(candidate);
        }
        version = candidate.next();
    }
    None
}

/// As [`visible_at`], for a transaction that has pending versions of its own in `slot`, and overlooks them.
#[inline]
pub(crate) fn visible_to<'g>(
    record: Record<'g>,
    at: Timestamp,
    slot: u16,
    registry: &Registry,
) -> Option<Version<'g>> {
    let mut version = record.head();
    while let Some(candidate) = version {
        let is_own = matches!(candidate.state(), VersionState::Pending { slot: owner, .. } if owner == slot);
        if !is_own && is_visible(candidate, at, registry) {
            return Some(candidate);
        }
        version = candidate.next();
    }
    None
}

/// A record has a committed version from after the moment that was asked for.
pub(crate) struct Younger;

/// The version that a snapshot at `at` sees, if no newer one is committed. Whoever wants nothing else needs no
/// promise that older versions are kept: being pinned is enough.
#[inline]
pub(crate) fn newest_until<'g>(
    record: Record<'g>,
    at: Timestamp,
    registry: &Registry,
) -> Result<Option<Version<'g>>, Younger> {
    let mut version = record.head();
    while let Some(candidate) = version {
        // The link first: once a version is committed, what is older may be cut off.
        let older = candidate.next();
        match candidate.state() {
            VersionState::Committed(timestamp) if timestamp > at => return Err(Younger),
            VersionState::Committed(_) => return Ok(version),
            VersionState::Pending { slot, .. } if is_pending_visible(candidate, slot, at, registry) => {
                return Ok(version);
            }
            VersionState::Pending { .. } => version = older,
        }
    }
    Ok(None)
}

/// The time of a change that was committed after `since`, if there is one up to `until`. The change may be a later
/// one, for that may have put the earlier one out of the chain. `slot`'s own pending versions are overlooked.
#[inline]
pub(crate) fn changed_since(
    record: Record<'_>,
    (since, until): (Timestamp, Timestamp),
    slot: u16,
    registry: &Registry,
) -> Option<Timestamp> {
    let mut version = record.head();
    while let Some(candidate) = version {
        // The link first, as above.
        let older = candidate.next();
        if let VersionState::Pending { slot: owner, .. } = candidate.state()
            && (owner == slot || !is_pending_visible(candidate, owner, until, registry))
        {
            version = older;
            continue;
        }
        match candidate.state() {
            VersionState::Committed(at) => return (at > since).then_some(at),
            VersionState::Pending { .. } => unreachable!("it is committed, or was waited for"),
        }
    }
    None
}

/// The newest committed version; a tombstone counts as a version. The caller must be pinned.
#[inline]
pub(crate) fn latest_committed(record: Record<'_>) -> Option<Version<'_>> {
    let mut version = record.head();
    while let Some(candidate) = version {
        // The link first: once a version is committed, what is older may be cut off.
        let older = candidate.next();
        if let VersionState::Committed(_) = candidate.state() {
            break;
        }
        version = older;
    }
    version
}

#[inline]
fn is_visible(version: Version<'_>, at: Timestamp, registry: &Registry) -> bool {
    match version.state() {
        VersionState::Committed(timestamp) => timestamp <= at,
        VersionState::Pending { slot, .. } => is_pending_visible(version, slot, at, registry),
    }
}

#[cold]
fn is_pending_visible(version: Version<'_>, slot: u16, at: Timestamp, registry: &Registry) -> bool {
    for round in 0.. {
        let committing = registry.slot(slot).committing();
        // The slot may have moved on to another transaction meanwhile; then the version is stamped.
        if let VersionState::Committed(timestamp) = version.state() {
            return timestamp <= at;
        }
        match committing {
            Committing::No => return false,
            Committing::At(timestamp) if timestamp > at => return false,
            Committing::Announced | Committing::At(_) => spin(round),
        }
    }
    unreachable!("the loop ends by returning")
}
