//! An engine in the deterministic mode, and threads that act on it.

use std::sync::{Arc, Once};
use std::time::Duration;

use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::thread::{self, JoinHandle};
use shuttle::{Config, Runner};
use synod_storage::Timestamp;
use synod_txn::clock::ManualClock;

use super::super::Executor;
use super::procedures::{Follow, Mix, State, TABLE, number};
use crate::recovery::Recovered;
use crate::{Engine, Mode, Options, Snapshot, Table};

/// In so many interleavings of each kind.
const INTERLEAVINGS: usize = 1000;

/// An engine, whose clock stands still, with one empty table.
pub(super) struct Scene {
    pub(super) engine: Engine,
    pub(super) table: Table,
}

/// What came of a [`Mix`].
pub(super) struct Done {
    pub(super) mix: Mix,
    pub(super) at: Timestamp,
    pub(super) epoch: u64,
    pub(super) output: Vec<u64>,
}

impl Scene {
    /// With so many threads at work at a time, at most.
    pub(super) fn new(workers: usize) -> Arc<Scene> {
        keep_retired_memory();
        let options = Options::new()
            .mode(Mode::Deterministic)
            .clock(Arc::new(ManualClock::new(0, 0)))
            .workers(workers)
            .epoch_interval(Duration::from_secs(1))
            .procedure::<Mix>()
            .procedure::<Follow>();
        let engine = Engine::build(Recovered::nothing(), options);
        let table = engine.table(TABLE).unwrap();
        Arc::new(Scene { engine, table })
    }

    pub(super) fn executor(&self) -> &Executor {
        self.engine.inner.executor.as_ref().unwrap()
    }

    /// Executes it, and waits.
    pub(super) fn execute(&self, mix: Mix) -> Done {
        let executed = self.engine.execute(mix.clone()).unwrap();
        let epoch = executed.position.unwrap().epoch;
        Done { mix, at: executed.timestamp, epoch, output: executed.output }
    }

    /// A thread that executes these, one after the other. What is to be rejected leaves nothing.
    pub(super) fn client(self: &Arc<Self>, mixes: impl IntoIterator<Item = Mix>) -> JoinHandle<Vec<Done>> {
        let mixes: Vec<_> = mixes.into_iter().collect();
        self.thread(move |scene| {
            let mut done = Vec::new();
            for mix in mixes {
                match mix.rejects {
                    false => done.push(scene.execute(mix)),
                    true => assert!(scene.engine.execute(mix).is_err()),
                }
            }
            done
        })
    }

    /// A thread that acts on the scene.
    pub(super) fn thread<T: Send + 'static>(
        self: &Arc<Self>,
        act: impl FnOnce(&Scene) -> T + Send + 'static,
    ) -> JoinHandle<T> {
        let scene = self.clone();
        thread::spawn(move || act(&scene))
    }

    /// One of the engine's own threads; it ends when they are stopped.
    pub(super) fn helper(&self) -> JoinHandle<()> {
        let (helpers, engine) = (self.executor().helpers.clone(), Arc::downgrade(&self.engine.inner));
        thread::spawn(move || helpers.live(&engine, Duration::ZERO))
    }

    /// All that a snapshot sees.
    pub(super) fn state(&self, snapshot: &Snapshot) -> State {
        let records = snapshot.scan(&self.table, ..).map(crate::Result::unwrap);
        records.map(|(key, value)| (String::from_utf8(key.to_vec()).unwrap(), number(&value))).collect()
    }

    /// Nothing is in flight, and state, answers and the hash that was kept up are those of executing one after the other.
    pub(super) fn assert_serial(&self, mut done: Vec<Done>) {
        done.sort_by_key(|done| done.at);
        let mut state = State::new();
        for Done { mix, at, output, .. } in &done {
            assert_eq!(mix.apply(&mut state).as_ref(), Some(output), "{mix:?} at {at:?}");
        }
        let snapshot = self.engine.snapshot().unwrap();
        assert_eq!(self.state(&snapshot), state);
        let core = self.executor().core();
        assert!(core.is_idle(), "something is left in the order");
        assert_eq!(core.hashes().0, self.engine.inner.store.state_hash(&snapshot_of(&self.engine)));
    }
}

fn snapshot_of(engine: &Engine) -> synod_txn::Snapshot {
    synod_txn::Snapshot::newest(&engine.inner.store).unwrap()
}

/// Waits for clients; what they have done.
pub(super) fn join(clients: impl IntoIterator<Item = JoinHandle<Vec<Done>>>) -> Vec<Done> {
    // First all are started.
    let clients: Vec<_> = clients.into_iter().collect();
    clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
}

/// Runs a scenario in many interleavings.
pub(super) fn explore(scenario: impl Fn() + Send + Sync + Copy + 'static) {
    run(RandomScheduler::new(INTERLEAVINGS), scenario);
    run(PctScheduler::new(3, INTERLEAVINGS), scenario);
}

fn run(scheduler: impl Scheduler + 'static, scenario: impl Fn() + Send + Sync + 'static) {
    let mut config = Config::new();
    // A whole engine needs more than shuttle's 32 KiB.
    config.stack_size = 256 << 10;
    Runner::new(scheduler, config).run(scenario);
}

/// Holds back the reclamation of memory in this process: what is retired in one interleaving must not be freed, and its
/// atomics read, in another one.
fn keep_retired_memory() {
    static PINNED: Once = Once::new();
    PINNED.call_once(|| {
        let (is_pinned, waits) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let _guard = crossbeam_epoch::pin();
            is_pinned.send(()).unwrap();
            loop {
                std::thread::park();
            }
        });
        waits.recv().unwrap();
    });
}
