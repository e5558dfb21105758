//! What jobs declare is all that they touch.

use crate::harness::Loaded;
use synod::{Isolation, Mode};
use synod_bench::target::{Stop, Target, Txn};
use synod_bench::workload::{Job, Touch, Workload};

/// Keys from the first on, to before the second; an empty one is none.
type Range = (usize, Vec<u8>, Vec<u8>);

/// A transaction that panics when a job touches what it hasn't declared.
struct Declared<'t> {
    txn: &'t mut dyn Txn,
    reads: Vec<(usize, Vec<u8>)>,
    writes: Vec<(usize, Vec<u8>)>,
    ranges: Vec<Range>,
}

impl Declared<'_> {
    fn new<'t>(txn: &'t mut dyn Txn, job: &Job) -> Declared<'t> {
        let (mut reads, mut writes, mut ranges) = (Vec::new(), Vec::new(), Vec::new());
        let is_known = job.declare(&mut |touch| match touch {
            Touch::Read(table, key) => reads.push((table, key.to_vec())),
            Touch::Write(table, key) => writes.push((table, key.to_vec())),
            Touch::ReadRange(table, from, to) => ranges.push((table, from.to_vec(), to.to_vec())),
        });
        assert!(is_known, "{job:?}");
        Declared { txn, reads, writes, ranges }
    }

    fn must_write(&self, table: usize, key: &[u8]) {
        assert!(self.writes.contains(&(table, key.to_vec())), "{key:?} of table {table} isn't to be written");
    }
}

impl Txn for Declared<'_> {
    fn get(&mut self, table: usize, key: &[u8], value: &mut Vec<u8>) -> Result<bool, Stop> {
        let place = (table, key.to_vec());
        let is_declared = self.reads.contains(&place) || self.writes.contains(&place);
        assert!(is_declared, "{key:?} of table {table} isn't to be read");
        self.txn.get(table, key, value)
    }

    fn get_for_update(&mut self, table: usize, key: &[u8], value: &mut Vec<u8>) -> Result<bool, Stop> {
        self.must_write(table, key);
        self.txn.get_for_update(table, key, value)
    }

    fn put(&mut self, table: usize, key: &[u8], value: &[u8]) -> Result<(), Stop> {
        self.must_write(table, key);
        self.txn.put(table, key, value)
    }

    fn delete(&mut self, table: usize, key: &[u8]) -> Result<(), Stop> {
        self.must_write(table, key);
        self.txn.delete(table, key)
    }

    fn scan(
        &mut self,
        table: usize,
        from: &[u8],
        to: &[u8],
        each: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), Stop> {
        let is_declared = self.ranges.iter().any(|(declared, first, last)| {
            let ends_within = last.is_empty() || !to.is_empty() && to <= last.as_slice();
            *declared == table && first.as_slice() <= from && ends_within
        });
        assert!(is_declared, "{from:?} to {to:?} of table {table} isn't to be read");
        self.txn.scan(table, from, to, each)
    }
}

/// Runs so many jobs, and looks at what they touch.
pub(crate) fn declares_what_it_touches(workload: &dyn Workload, jobs: u64) {
    let loaded = Loaded::new(workload, (Mode::TwoPhaseLocking, Isolation::Serializable));
    let mut client = loaded.target.client().expect("a client");
    let mut generator = workload.generator(&loaded.past, 99);
    for _ in 0..jobs {
        let job = generator.next();
        let outcome = client.attempt(job.only_reads(), &mut |txn| {
            let mut declared = Declared::new(txn, &job);
            assert!(!job.only_reads() || declared.writes.is_empty(), "{job:?} is said to read only");
            job.run(&mut declared).map(drop)
        });
        assert!(matches!(outcome, Ok(()) | Err(Stop::Rejected(_))), "{job:?}: {outcome:?}");
    }
}
