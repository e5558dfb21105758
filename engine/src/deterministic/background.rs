//! The engine's own threads that run procedures, where nobody waits for them with a thread.

use std::sync::{Arc, Weak};
use std::thread::{Builder, JoinHandle, current};
use std::time::Duration;

use synod_storage::Error as StorageError;
use synod_storage::sync::{Condvar, Mutex};

use crate::engine::Inner;
use crate::{Engine, Result};

/// The threads, and what they are to do.
#[derive(Default)]
pub(crate) struct Helpers {
    wanted: Mutex<Wanted>,
    wakes: Condvar,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Default)]
struct Wanted {
    /// So many threads should look for something to run.
    now: usize,
    /// One should look when the interval is over, in case nobody else does.
    soon: bool,
    /// A future waits: whatever is left to do is to be done at once.
    by_futures: bool,
    must_stop: bool,
}

impl Helpers {
    /// Starts so many threads, which sleep until they are called.
    pub(crate) fn start(
        self: &Arc<Self>,
        engine: &Arc<Inner>,
        threads: usize,
        interval: Duration,
    ) -> Result<()> {
        for index in 0..threads {
            let (helpers, engine) = (self.clone(), Arc::downgrade(engine));
            let name = format!("synod-procedures-{index}");
            let work = move || helpers.live(&engine, interval);
            let thread = Builder::new().name(name.clone()).spawn(work);
            let thread = thread.map_err(|error| StorageError::io("start the thread", &name, error))?;
            self.threads.lock().push(thread);
        }
        Ok(())
    }

    /// Something was submitted that perhaps nobody waits for with a thread: one looks after the interval.
    pub(crate) fn call_soon(&self) {
        let mut wanted = self.wanted.lock();
        if !wanted.soon {
            wanted.soon = true;
            self.wakes.notify_one();
        }
    }

    /// Something is left to run.
    pub(crate) fn call(&self) {
        let mut wanted = self.wanted.lock();
        if wanted.by_futures {
            wanted.now += 1;
            self.wakes.notify_one();
            return;
        }
        drop(wanted);
        self.call_soon();
    }

    /// A future waits.
    pub(crate) fn call_for_future(&self) {
        self.wanted.lock().by_futures = true;
        self.call();
    }

    /// Ends the threads; the caller may be one of them.
    pub(crate) fn stop(&self) {
        self.wanted.lock().must_stop = true;
        self.wakes.notify_all();
        for thread in self.threads.lock().drain(..) {
            if thread.thread().id() != current().id() {
                // A helper that panicked has said so.
                let _ = thread.join();
            }
        }
    }

    /// Waits until there's something to do; false when it is time to end.
    fn wait(&self, interval: Duration) -> bool {
        let mut wanted = self.wanted.lock();
        loop {
            if wanted.must_stop {
                return false;
            }
            if wanted.now > 0 {
                wanted.now -= 1;
                return true;
            }
            if !wanted.soon {
                self.wakes.wait(&mut wanted);
            } else if self.wakes.wait_for(&mut wanted, interval).timed_out() && wanted.soon {
                wanted.soon = false;
                return true;
            }
        }
    }

    /// Runs what there is to run whenever it is called, until it is time to end.
    pub(super) fn live(&self, engine: &Weak<Inner>, interval: Duration) {
        while self.wait(interval) {
            let Some(inner) = engine.upgrade() else { return };
            Engine { inner }.run_ready(&|| false);
        }
    }
}
