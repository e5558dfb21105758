//! Atomics and locks: the standard ones and parking_lot's, or those of the shuttle model checker under
//! `--cfg shuttle`, so that what is tested there is the code that runs.

#[cfg(not(shuttle))]
pub use parking_lot::{Condvar, Mutex, MutexGuard};
#[cfg(not(shuttle))]
pub use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};

#[cfg(shuttle)]
pub use self::checked::{Condvar, Mutex, MutexGuard};
#[cfg(shuttle)]
pub use shuttle::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};

/// Waits a moment for another thread to finish a few instructions: spins for the first rounds, then
/// gives up the processor, since the other thread may need it.
#[inline]
pub fn spin(round: u32) {
    #[cfg(shuttle)]
    {
        let _ = round;
        shuttle::thread::yield_now();
    }
    #[cfg(not(shuttle))]
    if round < 64 {
        std::hint::spin_loop();
    } else {
        std::thread::yield_now();
    }
}

/// shuttle's locks behind parking_lot's interface, as far as it is used here.
#[cfg(shuttle)]
mod checked {
    use std::time::Instant;

    pub use shuttle::sync::MutexGuard;

    /// A mutex that shuttle schedules.
    #[derive(Debug, Default)]
    pub struct Mutex<T>(shuttle::sync::Mutex<T>);

    impl<T> Mutex<T> {
        /// A new, unlocked mutex.
        pub const fn new(value: T) -> Self {
            Mutex(shuttle::sync::Mutex::new(value))
        }

        /// Locks; a panic elsewhere does not poison.
        pub fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
        }

        /// Locks if nobody holds it.
        pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
            self.0.try_lock().ok()
        }
    }

    /// A condition variable that shuttle schedules; it knows no time, so nothing ever times out.
    #[derive(Debug, Default)]
    pub struct Condvar(shuttle::sync::Condvar);

    /// Whether a wait ended by its deadline: never, here.
    pub struct WaitTimeoutResult;

    impl WaitTimeoutResult {
        /// Always false under the model checker.
        pub fn timed_out(&self) -> bool {
            false
        }
    }

    impl Condvar {
        /// A new condition variable.
        pub const fn new() -> Self {
            Condvar(shuttle::sync::Condvar::new())
        }

        /// Waits until notified.
        pub fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
            replace_with(guard, |owned| {
                self.0.wait(owned).unwrap_or_else(std::sync::PoisonError::into_inner)
            });
        }

        /// Waits until notified; the deadline is ignored.
        pub fn wait_until<T>(&self, guard: &mut MutexGuard<'_, T>, _: Instant) -> WaitTimeoutResult {
            self.wait(guard);
            WaitTimeoutResult
        }

        /// Wakes one waiter.
        pub fn notify_one(&self) {
            self.0.notify_one();
        }

        /// Wakes all waiters.
        pub fn notify_all(&self) {
            self.0.notify_all();
        }
    }

    /// Replaces a value through a function that takes and gives ownership.
    fn replace_with<T>(slot: &mut T, f: impl FnOnce(T) -> T) {
        // SAFETY: `slot` is read once and written once; shuttle aborts the test if `f` panics, so the
        // moved-out value is never seen.
        unsafe { std::ptr::write(slot, f(std::ptr::read(slot))) };
    }
}
