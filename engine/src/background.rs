//! The engine's threads: one flushes the log, one removes garbage and publishes metrics, one takes checkpoints.

use std::sync::Arc;
use std::thread::{Builder, JoinHandle, current};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use synod_storage::Error as StorageError;
use synod_txn::{Mode, Store};

use crate::checkpoint::Checkpointer;
use crate::{Result, Stats};

/// How often garbage is swept.
const SWEEP_INTERVAL: Duration = Duration::from_millis(10);

/// How often it is looked whether a checkpoint is due.
const CHECKPOINT_LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// How rarely, while there's nothing to sweep.
const IDLE_SWEEP_INTERVAL: Duration = Duration::from_millis(100);

/// How often the statistics are handed to the `metrics` facade.
const METRICS_INTERVAL: Duration = Duration::from_secs(1);

pub(crate) struct Background {
    store: Arc<Store>,
    /// One for each thread that sleeps between its rounds.
    stops: Vec<Sender<()>>,
    checkpointer: Option<Arc<Checkpointer>>,
    threads: Vec<JoinHandle<()>>,
}

impl Background {
    /// Starts the threads: the flusher and the one for checkpoints only where there is a log.
    pub(crate) fn start(
        store: &Arc<Store>,
        mode: Mode,
        checkpointer: Option<&Arc<Checkpointer>>,
    ) -> Result<Self> {
        let mut background = Background {
            store: store.clone(),
            stops: Vec::new(),
            checkpointer: checkpointer.cloned(),
            threads: Vec::new(),
        };
        let stopped = background.add_stop();
        let sweeper = store.clone();
        background.spawn("synod-sweeper", move || {
            let mut interval = SWEEP_INTERVAL;
            let mut published = Instant::now();
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(interval) {
                interval = if sweeper.sweep() > 0 { SWEEP_INTERVAL } else { IDLE_SWEEP_INTERVAL };
                if published.elapsed() >= METRICS_INTERVAL {
                    published = Instant::now();
                    Stats::collect(mode, &sweeper).publish();
                }
            }
        })?;
        if store.log().is_some() {
            let flusher = store.clone();
            background.spawn("synod-flusher", move || flusher.run_flusher())?;
        }
        if let Some(checkpointer) = checkpointer {
            let (checkpointer, stopped) = (checkpointer.clone(), background.add_stop());
            background.spawn("synod-checkpoints", move || {
                while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(CHECKPOINT_LOOK_INTERVAL) {
                    checkpointer.take_if_due();
                }
            })?;
        }
        Ok(background)
    }

    fn add_stop(&mut self) -> Receiver<()> {
        let (stop, stopped) = bounded(1);
        self.stops.push(stop);
        stopped
    }

    fn spawn(&mut self, name: &'static str, work: impl FnOnce() + Send + 'static) -> Result<()> {
        let thread = Builder::new()
            .name(name.to_owned())
            .spawn(work)
            .map_err(|error| StorageError::io("start the thread", name, error))?;
        self.threads.push(thread);
        Ok(())
    }

    /// Stops the threads, the flusher after a last flush, and waits for them.
    pub(crate) fn stop(&mut self) {
        if let Some(log) = self.store.log() {
            log.stop_flusher();
        }
        if let Some(checkpointer) = &self.checkpointer {
            checkpointer.cancel();
        }
        for stop in &self.stops {
            // Full or gone means that the thread has its notice.
            let _ = stop.try_send(());
        }
        for thread in self.threads.drain(..) {
            // The flusher itself, if a waker that it called held the last handle: it can't wait for its own
            // end, which comes soon.
            if thread.thread().id() == current().id() {
                continue;
            }
            if thread.join().is_err() {
                tracing::error!("a background thread has panicked");
            }
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.stop();
    }
}
