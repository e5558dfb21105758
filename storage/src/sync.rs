//! Atomics and locks: the standard ones and parking_lot's, or those of the shuttle model checker under
//! `--cfg shuttle`, so that what is tested there is the code that runs.

#[cfg(not(shuttle))]
pub use parking_lot::{Condvar, Mutex, MutexGuard};
#[cfg(not(shuttle))]
pub use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};
#[cfg(not(shuttle))]
pub use std::thread::{Thread, current, park};

#[cfg(shuttle)]
pub use self::checked::{Condvar, Mutex, MutexGuard};
#[cfg(shuttle)]
pub use shuttle::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};
#[cfg(shuttle)]
pub use shuttle::thread::{Thread, current, park};

/// So many times whoever waits for another thread's few instructions looks again at once; then it gives way.
pub const SPINS: u32 = if cfg!(shuttle) { 0 } else { 64 };

/// Waits a moment for another thread to finish a few instructions: spins for the first [`SPINS`] rounds, then
/// gives up the processor, since the other thread may need it.
#[inline]
pub fn spin(round: u32) {
    if round < SPINS {
        std::hint::spin_loop();
    } else {
        give_way();
    }
}

/// Gives up the processor for the moment, if another thread needs it.
#[inline]
pub fn give_way() {
    #[cfg(shuttle)]
    shuttle::thread::yield_now();
    #[cfg(not(shuttle))]
    std::thread::yield_now();
}

/// shuttle's locks behind parking_lot's interface, as far as it is used here.
#[cfg(shuttle)]
mod checked {
    use std::ops::{Deref, DerefMut};
    use std::sync::PoisonError;
    use std::time::{Duration, Instant};

    /// A mutex that shuttle schedules.
    #[derive(Debug, Default)]
    pub struct Mutex<T>(shuttle::sync::Mutex<T>);

    /// A locked [`Mutex`].
    #[derive(Debug)]
    pub struct MutexGuard<'a, T> {
        mutex: &'a Mutex<T>,
        /// `None` only within a [`Condvar`]'s methods.
        held: Option<shuttle::sync::MutexGuard<'a, T>>,
    }

    impl<T> Mutex<T> {
        /// A new, unlocked mutex.
        pub const fn new(value: T) -> Self {
            Mutex(shuttle::sync::Mutex::new(value))
        }

        /// Locks; a panic elsewhere does not poison.
        pub fn lock(&self) -> MutexGuard<'_, T> {
            let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            MutexGuard { mutex: self, held: Some(held) }
        }

        /// Locks if nobody holds it.
        pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
            let held = self.0.try_lock().ok()?;
            Some(MutexGuard { mutex: self, held: Some(held) })
        }
    }

    impl<T> Deref for MutexGuard<'_, T> {
        type Target = T;

        fn deref(&self) -> &T {
            self.held.as_ref().expect("the mutex is locked")
        }
    }

    impl<T> DerefMut for MutexGuard<'_, T> {
        fn deref_mut(&mut self) -> &mut T {
            self.held.as_mut().expect("the mutex is locked")
        }
    }

    /// A condition variable that shuttle schedules; it knows no time.
    #[derive(Debug, Default)]
    pub struct Condvar(shuttle::sync::Condvar);

    /// Whether a wait ended by its deadline.
    pub struct WaitTimeoutResult(bool);

    impl WaitTimeoutResult {
        /// Whether it did.
        pub fn timed_out(&self) -> bool {
            self.0
        }
    }

    impl Condvar {
        /// A new condition variable.
        pub const fn new() -> Self {
            Condvar(shuttle::sync::Condvar::new())
        }

        /// Waits until notified.
        pub fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
            let held = guard.held.take().expect("the mutex is locked");
            guard.held = Some(self.0.wait(held).unwrap_or_else(PoisonError::into_inner));
        }

        /// Waits until notified; the deadline, which is for what goes wrong, never comes.
        pub fn wait_until<T>(&self, guard: &mut MutexGuard<'_, T>, _: Instant) -> WaitTimeoutResult {
            self.wait(guard);
            WaitTimeoutResult(false)
        }

        /// Unlocks for a moment, in which the time is over: such waits are parts of loops that go on anyway.
        pub fn wait_for<T>(&self, guard: &mut MutexGuard<'_, T>, _: Duration) -> WaitTimeoutResult {
            guard.held = None;
            shuttle::thread::yield_now();
            guard.held = guard.mutex.lock().held;
            WaitTimeoutResult(true)
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
}
