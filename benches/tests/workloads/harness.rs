//! A workload on an engine of ours, in a directory of its own.

use crate::declared::declares_what_it_touches;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use synod::{Durability, Isolation, Mode};
use synod_bench::Result;
use synod_bench::target::{OpenOptions, Outcome, Stop, SynodTarget, Tally, Target, Txn, name_of};
use synod_bench::workload::{Job, Past, Rules, Workload};
use tempfile::TempDir;

/// Rows that are loaded at once.
const BATCH: u64 = 300;
/// Threads that run jobs.
const THREADS: u64 = 2;

/// Every mode at its strongest level, and snapshot isolation, which loses no updates and no inserted keys either.
pub(crate) const ALL: [(Mode, Isolation); 5] = [
    (Mode::TwoPhaseLocking, Isolation::Serializable),
    (Mode::Optimistic, Isolation::Serializable),
    (Mode::MultiVersion, Isolation::Serializable),
    (Mode::MultiVersion, Isolation::Snapshot),
    (Mode::Deterministic, Isolation::Serializable),
];

/// An engine with a workload's rows.
pub(crate) struct Loaded<'w> {
    pub(crate) workload: &'w dyn Workload,
    pub(crate) target: SynodTarget,
    pub(crate) past: Past,
    /// How many jobs were rejected.
    pub(crate) rejected: u64,
    _directory: TempDir,
}

impl<'w> Loaded<'w> {
    pub(crate) fn new(workload: &'w dyn Workload, (mode, isolation): (Mode, Isolation)) -> Loaded<'w> {
        let directory = TempDir::new().expect("a directory");
        let place = OpenOptions {
            in_flight: 1,
            directory: directory.path().to_path_buf(),
            tables: workload.tables().to_vec(),
            durability: Durability::None,
            threads: THREADS as usize,
        };
        let target = SynodTarget::open(mode, isolation, &place).expect("it opens");
        let mut client = target.client().expect("a client");
        for first in (0..workload.rows()).step_by(BATCH as usize) {
            let mut rows = Vec::new();
            workload.load(first..workload.rows().min(first + BATCH), &mut |table, key, value| {
                rows.push((table, key.to_vec(), value.to_vec()));
            });
            assert_eq!(rows.len() as u64, BATCH.min(workload.rows() - first), "a row for each number");
            client.load(&rows).expect("it loads");
        }
        drop(client);
        Loaded { workload, target, past: Past::default(), rejected: 0, _directory: directory }
    }

    /// Runs so many jobs on all threads together.
    pub(crate) fn run(&mut self, jobs: u64) {
        let all = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let (all, this) = (&all, &*self);
                scope.spawn(move || {
                    let outcomes = this.run_jobs(thread, jobs / THREADS);
                    all.lock().expect("no thread has panicked").extend(outcomes);
                });
            }
        });
        for outcome in all.into_inner().expect("no thread has panicked") {
            match outcome {
                Outcome::Committed(answer) => {
                    self.past.answers += answer;
                    self.past.committed += 1;
                }
                Outcome::Rejected => self.rejected += 1,
            }
        }
    }

    fn run_jobs(&self, seed: u64, jobs: u64) -> Vec<Outcome> {
        let mut client = self.target.client().expect("a client");
        let mut generator = self.workload.generator(&self.past, seed);
        let mut tally = Tally::default();
        let mut execute = || client.execute(&generator.next(), &mut tally).expect("it runs");
        (0..jobs).map(|_| execute()).collect()
    }

    /// Runs one job.
    pub(crate) fn execute(&self, job: &Job) -> Result<Outcome> {
        self.target.client().expect("a client").execute(job, &mut Tally::default())
    }

    /// Changes the data behind the workload's back.
    pub(crate) fn tamper(&self, mut work: impl FnMut(&mut dyn Txn) -> Result<(), Stop>) {
        let mut client = self.target.client().expect("a client");
        client.attempt(false, &mut |txn| work(txn)).expect("the data are changed");
    }

    fn rules(&self) -> Rules {
        let mut client = self.target.client().expect("a client");
        self.workload.check(&mut *client, &self.past).expect("the check runs")
    }

    /// All rules that are broken, and how.
    pub(crate) fn broken(&self) -> BTreeMap<&'static str, String> {
        self.rules().into_iter().filter_map(|(rule, problem)| Some((rule, problem?))).collect()
    }

    /// The first row of a table from some key on, its value changed as `change` says.
    pub(crate) fn with_value(&self, table: usize, change: impl Fn(&mut Vec<u8>)) {
        self.tamper(|txn| {
            let (key, mut value) = first_row(txn, table)?;
            change(&mut value);
            txn.put(table, &key, &value)
        });
    }

    /// Takes the first row of a table away.
    pub(crate) fn without_a_row(&self, table: usize) {
        self.tamper(|txn| {
            let (key, _) = first_row(txn, table)?;
            txn.delete(table, &key)
        });
    }
}

/// The first row of a table.
pub(crate) fn first_row(txn: &mut dyn Txn, table: usize) -> Result<(Vec<u8>, Vec<u8>), Stop> {
    let mut row = (Vec::new(), Vec::new());
    txn.scan(table, &[], &[], &mut |key, value| {
        row = (key.to_vec(), value.to_vec());
        false
    })?;
    Ok(row)
}

/// Jobs touch what they declare, and the rules hold under every mode, after so many jobs of which some must have committed, and some be rejected if asked.
pub(crate) fn holds_everywhere(workload: &dyn Workload, jobs: u64, some_are_rejected: bool) {
    for (mode, isolation) in ALL {
        let mut loaded = Loaded::new(workload, (mode, isolation));
        let name = format!("{} under {}", workload.name(), name_of(mode, isolation));
        assert_eq!(loaded.broken(), BTreeMap::new(), "{name}, loaded");
        loaded.run(jobs);
        assert_eq!(loaded.broken(), BTreeMap::new(), "{name}");
        assert_eq!(loaded.past.committed + loaded.rejected, jobs, "{name}");
        assert!(loaded.past.committed > jobs / 2, "{name}: {} committed", loaded.past.committed);
        assert_eq!(loaded.rejected > 0, some_are_rejected, "{name}: {} rejected", loaded.rejected);
    }
    declares_what_it_touches(workload, jobs / 2);
}

/// A change of the data, and the rules that it breaks: a part of the name of each.
pub(crate) type Tampering<'t> = (&'t str, Vec<&'t str>, Box<dyn Fn(&Loaded<'_>) + 't>);

/// Each change breaks the rules that it should, and no others; and each rule is broken by one of them.
pub(crate) fn goes_red(workload: &dyn Workload, jobs: u64, tamperings: &[Tampering<'_>]) {
    let (mut all, mut seen) = (BTreeSet::new(), BTreeSet::new());
    for (what, wanted, tamper) in tamperings {
        let mut loaded = Loaded::new(workload, (Mode::Optimistic, Isolation::Serializable));
        loaded.run(jobs);
        all.extend(loaded.rules().into_keys());
        assert_eq!(loaded.broken(), BTreeMap::new(), "before {what}");
        tamper(&loaded);
        let broken = loaded.broken();
        assert_eq!(broken.len(), wanted.len(), "{what}: {broken:?}");
        assert!(
            wanted.iter().all(|part| broken.keys().any(|rule| rule.contains(part))),
            "{what}: {broken:?}, and not {wanted:?}"
        );
        seen.extend(broken.into_keys());
    }
    assert_eq!(all, seen, "each rule can be broken");
}

/// How many of so many jobs are of each kind.
pub(crate) fn shares<K: Ord>(
    workload: &dyn Workload,
    jobs: u64,
    kind: impl Fn(&Job) -> K,
) -> BTreeMap<K, u64> {
    let (past, mut shares) = (Past::default(), BTreeMap::new());
    let mut generator = workload.generator(&past, 7);
    for _ in 0..jobs {
        *shares.entry(kind(&generator.next())).or_default() += 1;
    }
    shares
}

/// Says that settings are refused, with a text that has `part` in it.
pub(crate) fn is_refused<T>(made: Result<T>, part: &str) {
    let text = made.err().expect("refused").to_string();
    assert!(text.contains(part), "{text}");
}
