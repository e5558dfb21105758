//! Where a procedure's answer is put down, and picked up.

use std::task::Waker;

use synod_storage::Timestamp;
use synod_storage::sync::{AtomicBool, AtomicU64, Mutex, Ordering};

use super::Executed;
use crate::{Error, Result};

/// The place for one answer.
pub(crate) struct Answer<T> {
    /// Whether the answer may be picked up.
    is_there: AtomicBool,
    outcome: Mutex<Option<Result<Executed<T>>>>,
    waiter: Mutex<Option<Waker>>,
    /// Where in the order the answer was given.
    at: AtomicU64,
}

/// What has the place for an answer in it.
pub(crate) trait HasAnswer<T>: Send + Sync {
    fn answer(&self) -> &Answer<T>;
}

impl<T: Send> HasAnswer<T> for Answer<T> {
    fn answer(&self) -> &Answer<T> {
        self
    }
}

impl<T> Default for Answer<T> {
    fn default() -> Self {
        Answer {
            is_there: AtomicBool::new(false),
            outcome: Mutex::new(None),
            waiter: Mutex::new(None),
            at: AtomicU64::new(0),
        }
    }
}

impl<T> Answer<T> {
    /// Whether the answer is there.
    pub(crate) fn is_there(&self) -> bool {
        // Acquire: pairs with the release in `publish`; what the procedure did is seen.
        self.is_there.load(Ordering::Acquire)
    }

    /// Puts the answer down; nobody gets it before [`Answer::publish`].
    pub(crate) fn put(&self, outcome: Result<Executed<T>>) {
        *self.outcome.lock() = Some(outcome);
    }

    /// Where in the order the answer was given.
    pub(crate) fn at(&self) -> Timestamp {
        // Relaxed: it was stored before the answer was published.
        Timestamp(self.at.load(Ordering::Relaxed))
    }

    /// Lets the answer be picked up, which was given at this place in the order. Returns who waits for it, to be woken.
    pub(crate) fn publish(&self, at: Timestamp) -> Option<Waker> {
        self.at.store(at.0, Ordering::Relaxed);
        self.is_there.store(true, Ordering::Release);
        // Under the lock: whoever was about to wait sees the answer, or is found here.
        self.waiter.lock().take()
    }

    /// Has `waker` called when the answer is there; false if it is there already.
    pub(crate) fn wait_with(&self, waker: &Waker) -> bool {
        let mut waiter = self.waiter.lock();
        if self.is_there() {
            return false;
        }
        if !waiter.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *waiter = Some(waker.clone());
        }
        true
    }

    /// What was put down, as bytes: equal ones for equal answers.
    pub(crate) fn encoded(&self) -> Vec<u8>
    where
        T: serde::Serialize,
    {
        match &*self.outcome.lock() {
            None => Vec::new(),
            Some(Ok(executed)) => postcard::to_stdvec(&executed.output).unwrap_or_default(),
            Some(Err(error)) => format!("error: {error}").into_bytes(),
        }
    }

    /// The error that was put down, if it was one.
    pub(crate) fn error(&self) -> Option<Error> {
        self.outcome.lock().as_ref().and_then(|outcome| outcome.as_ref().err().cloned())
    }

    /// The answer, once.
    pub(crate) fn take(&self) -> Option<Result<Executed<T>>> {
        if self.is_there() { self.outcome.lock().take() } else { None }
    }
}
