//! Errors and hangs.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use synod::Error;
use synod::errors::{StorageError, TransactionError};

/// Longer than anything in these tests takes, on a machine that does much else.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The storage error that an error is at bottom, if it is one.
pub fn storage_error(error: &Error) -> Option<&StorageError> {
    match error {
        Error::Storage(error) | Error::Transaction(TransactionError::Storage(error)) => Some(error),
        _ => None,
    }
}

/// Whether this is the answer of a log that has failed because of a file operation.
pub fn is_poisoned(error: &Error) -> bool {
    match storage_error(error) {
        Some(StorageError::Poisoned { cause }) => matches!(**cause, StorageError::Io { .. }),
        _ => false,
    }
}

/// Runs `work` in a thread of its own and returns its result.
///
/// # Panics
/// If it panics, or isn't done after [`PATIENCE`]; `what` says what hangs then.
pub fn in_time<T: Send + 'static>(what: &str, work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, result) = channel();
    let thread = std::thread::spawn(move || done.send(work()));
    match result.recv_timeout(PATIENCE) {
        Ok(result) => result,
        Err(RecvTimeoutError::Timeout) => panic!("{what} hangs"),
        Err(RecvTimeoutError::Disconnected) => match thread.join() {
            Err(panic) => std::panic::resume_unwind(panic),
            Ok(_) => unreachable!("a thread that ends without a panic has sent its result"),
        },
    }
}

/// Looks every millisecond whether `holds`.
///
/// # Panics
/// If it doesn't within [`PATIENCE`].
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let started = std::time::Instant::now();
    while !holds() {
        assert!(started.elapsed() < PATIENCE, "{what} did not come about");
        std::thread::sleep(Duration::from_millis(1));
    }
}
