//! Ctrl-C ends a run early instead of killing it: what was measured so far is still checked and shown.

use std::sync::atomic::{AtomicBool, Ordering};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// From now on the first Ctrl-C sets the returned flag; the second one kills the process, as usual.
pub(crate) fn flag() -> &'static AtomicBool {
    let handler = on_interrupt as extern "C" fn(libc::c_int);
    // SAFETY: the handler has the right signature, and does only what is safe inside a signal handler.
    unsafe { libc::signal(libc::SIGINT, handler as libc::sighandler_t) };
    &INTERRUPTED
}

extern "C" fn on_interrupt(_signal: libc::c_int) {
    // Relaxed: the flag says nothing about other data.
    INTERRUPTED.store(true, Ordering::Relaxed);
    // SAFETY: `signal` may be called in a signal handler; it puts the default action back.
    unsafe { libc::signal(libc::SIGINT, libc::SIG_DFL) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_signal_sets_the_flag() {
        let flag = flag();
        assert!(!flag.load(Ordering::Relaxed));
        // SAFETY: raising a signal that has a handler is always allowed; the handler has run on return.
        unsafe { libc::raise(libc::SIGINT) };
        assert!(flag.load(Ordering::Relaxed));
    }
}
