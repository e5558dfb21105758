//! Sequenced transactions, as far as the log is concerned: batches of them are appended, and may run before they are.
//!
//! ```text
//!   appended          open: may run, and be visible
//! ├─────────── … 41 ┼ 45  52  60 ─►
//!                   └ so far the log may be flushed
//! ```

use std::sync::{OnceLock, Weak};

use synod_storage::Timestamp;
use synod_storage::sync::{AtomicU64, Ordering};

/// Whoever runs sequenced transactions before their batch is appended.
pub trait OpenBatch: Send + Sync {
    /// Appends the batch that is open, if one is. The caller is flushing the log: who waits for it to have done so waits
    /// for this, and must not be waited for here.
    fn append(&self);
}

/// How far the newest batches are appended.
///
/// **Invariant** Whoever asks for the [bound](BatchBound::bound) finds all visible transactions up to it in batches that are
/// appended, and don't go beyond it.
pub(crate) struct BatchBound {
    /// The last transaction of the newest batch that was appended.
    appended: AtomicU64,
    /// The first transaction of the open batch; [`Timestamp::MAX`] if none is open.
    open: AtomicU64,
    appender: OnceLock<Weak<dyn OpenBatch>>,
}

impl BatchBound {
    pub(crate) fn new() -> Self {
        BatchBound {
            appended: AtomicU64::new(Timestamp::MIN.0),
            open: AtomicU64::new(Timestamp::MAX.0),
            appender: OnceLock::new(),
        }
    }

    /// Who is to be asked for the open batch.
    pub(crate) fn set_appender(&self, appender: Weak<dyn OpenBatch>) {
        // Whoever has come first stays.
        _ = self.appender.set(appender);
    }

    /// A batch begins with the transaction at `first`, which may run now.
    pub(crate) fn begin(&self, first: Timestamp) {
        // Release: whoever sees something of it sees that it is open.
        self.open.store(first.0, Ordering::Release);
    }

    /// The open batch was appended, up to the transaction at `last`.
    pub(crate) fn end(&self, last: Timestamp) {
        // Release: whoever flushes up to here finds the batch in the log's buffers.
        self.appended.store(last.0, Ordering::Release);
        self.open.store(Timestamp::MAX.0, Ordering::Release);
    }

    /// Whether a batch is open.
    pub(crate) fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire) != Timestamp::MAX.0
    }

    /// Has the open batch appended, if one is open. Another one may be open by the time this returns.
    pub(crate) fn append_open(&self) {
        if self.is_open()
            && let Some(appender) = self.appender.get().and_then(Weak::upgrade)
        {
            appender.append();
        }
    }

    /// Up to where all is appended, if all that is visible now, and all other commits, come before `others` says. May lie
    /// below an earlier answer, which holds on: where a batch was taken for appended by its end, while it still counts as
    /// open.
    pub(crate) fn bound(&self, others: impl FnOnce() -> Timestamp) -> Timestamp {
        let visible = others();
        // Only now: a batch with something visible has begun before.
        let open = self.open.load(Ordering::Acquire);
        // Only now: if that isn't open any more, this is its end, or a later one's. Nobody else commits while sequenced
        // transactions haven't all run, so nothing is missing below.
        let appended = self.appended.load(Ordering::Acquire);
        visible.max(Timestamp(appended)).min(Timestamp(open - 1))
    }
}
