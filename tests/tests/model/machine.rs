//! The engine and the model, driven together.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use synod::clock::ManualClock;
use synod::device::MemoryDevice;
use synod::{
    Bytes, Durability, Engine, Mode, Options, Result, Savepoint, Snapshot, Table, Timestamp, Transaction,
    TransactionOptions,
};

use crate::operation::{Key, Operation, PREPARED_KEYS, Range, prepared_key};

type State = BTreeMap<Key, Vec<u8>>;

/// What a transaction has done so far, in the model.
struct Open {
    txn: Transaction,
    state: State,
    savepoints: Vec<(Savepoint, State, bool)>,
    has_written: bool,
}

pub(crate) struct Machine {
    device: MemoryDevice,
    clock: Arc<ManualClock>,
    mode: Mode,
    retention: Duration,
    engine: Engine,
    table: Table,
    committed: State,
    /// The state as of each commit since the database was opened, and the one that it was opened with.
    history: Vec<(Timestamp, State)>,
    snapshots: Vec<(Snapshot, State)>,
    open: Option<Open>,
}

impl Machine {
    /// With retention nothing is ever garbage; without, whatever no snapshot needs goes at once.
    pub(crate) fn new(mode: Mode, retention: Duration) -> Machine {
        let (device, clock) = (MemoryDevice::new(), Arc::new(ManualClock::new(1, 0)));
        let (engine, table) = open(&device, &clock, mode, retention);
        let committed: State = (0..PREPARED_KEYS).map(|number| (prepared_key(number), vec![1])).collect();
        let at = {
            let txn = engine.begin(TransactionOptions::new()).unwrap();
            committed.iter().try_for_each(|(key, value)| txn.put(&table, key, value)).unwrap();
            txn.commit().unwrap()
        };
        Machine {
            history: vec![(at, committed.clone())],
            committed,
            device,
            clock,
            mode,
            retention,
            engine,
            table,
            snapshots: Vec::new(),
            open: None,
        }
    }

    pub(crate) fn apply(&mut self, operation: &Operation) {
        match operation {
            Operation::Commit => self.commit(),
            Operation::Abort => self.open = None,
            Operation::Snapshot => {
                let snapshot = self.engine.snapshot().unwrap();
                self.snapshots.push((snapshot, self.committed.clone()));
            }
            Operation::ReadSnapshot(choice) => {
                if let Some((snapshot, state)) = pick(&self.snapshots, *choice) {
                    assert_snapshot(snapshot, &self.table, state);
                }
            }
            Operation::DropSnapshot(choice) => {
                if !self.snapshots.is_empty() {
                    self.snapshots.swap_remove(choice % self.snapshots.len());
                }
            }
            Operation::TimeTravel(choice) => self.travel(*choice),
            Operation::Reopen => self.reopen(),
            operation => {
                let open = self.open.get_or_insert_with(|| Open {
                    txn: self.engine.begin(TransactionOptions::new()).unwrap(),
                    state: self.committed.clone(),
                    savepoints: Vec::new(),
                    has_written: false,
                });
                open.apply(&self.table, operation);
            }
        }
    }

    fn commit(&mut self) {
        let Some(open) = self.open.take() else { return };
        self.clock.advance(10);
        let at = open.txn.commit().unwrap();
        if open.has_written {
            let newest = self.history.last().map_or(Timestamp::MIN, |(at, _)| *at);
            assert!(at > newest, "commit timestamps grow");
            self.committed = open.state;
            self.history.push((at, self.committed.clone()));
        } else {
            assert_eq!(open.state, self.committed);
        }
    }

    /// Without retention, the past is refused.
    fn travel(&self, choice: usize) {
        let Some((at, state)) = pick(&self.history, choice) else { return };
        match self.engine.snapshot_at(*at) {
            Ok(snapshot) => assert_snapshot(&snapshot, &self.table, state),
            Err(error) => assert!(self.retention.is_zero(), "{error}"),
        }
    }

    fn reopen(&mut self) {
        self.open = None;
        self.snapshots.clear();
        let newest = self.history.last().map(|(at, _)| *at);
        let elsewhere = Engine::in_memory(Options::new()).unwrap();
        self.table = elsewhere.table("closed").unwrap();
        std::mem::replace(&mut self.engine, elsewhere).close().unwrap();
        (self.engine, self.table) = open(&self.device, &self.clock, self.mode, self.retention);
        self.history.clear();
        if let Some(newest) = newest {
            self.history.push((newest, self.committed.clone()));
        }
        assert_snapshot(&self.engine.snapshot().unwrap(), &self.table, &self.committed);
    }

    /// The last looks.
    pub(crate) fn finish(mut self) {
        for (snapshot, state) in &self.snapshots {
            assert_snapshot(snapshot, &self.table, state);
        }
        (0..self.history.len()).for_each(|choice| self.travel(choice));
        self.commit();
        self.reopen();
    }
}

fn open(device: &MemoryDevice, clock: &Arc<ManualClock>, mode: Mode, retention: Duration) -> (Engine, Table) {
    let options = Options::new()
        .mode(mode)
        .durability(Durability::Buffered)
        .retention(retention)
        .clock(clock.clone())
        .device(Arc::new(device.clone()))
        .log_segment_bytes(64 << 10)
        .merge("t", |key, old, operand| Ok([key, old.unwrap_or(b"?"), operand].concat()));
    let engine = Engine::open(Path::new("/database"), options).unwrap();
    let table = engine.table("t").unwrap();
    (engine, table)
}

impl Open {
    fn apply(&mut self, table: &Table, operation: &Operation) {
        let (txn, state) = (&self.txn, &mut self.state);
        match operation {
            Operation::Put(key, value) => {
                txn.put(table, key, value).unwrap();
                state.insert(key.clone(), value.clone());
                self.has_written = true;
            }
            Operation::Insert(key, value) => match txn.insert(table, key, value) {
                Ok(()) => {
                    assert_eq!(state.insert(key.clone(), value.clone()), None);
                    self.has_written = true;
                }
                Err(error) => assert!(error.is_key_exists() && state.contains_key(key), "{error}"),
            },
            Operation::Delete(key) => {
                let was_there = state.remove(key).is_some();
                assert_eq!(txn.delete(table, key).unwrap(), was_there);
                self.has_written |= was_there;
            }
            Operation::DeleteRange(range) => {
                let keys: Vec<Key> = expected(state, range).into_iter().map(|(key, _)| key).collect();
                assert_eq!(txn.delete_range(table, range.clone()).unwrap(), keys.len() as u64);
                keys.iter().for_each(|key| assert!(state.remove(key).is_some()));
                self.has_written |= !keys.is_empty();
            }
            Operation::Merge(key, operand) => {
                txn.merge(table, key, operand).unwrap();
                let old = state.get(key).map_or(&b"?"[..], Vec::as_slice);
                let merged = [key, old, operand].concat();
                state.insert(key.clone(), merged);
                self.has_written = true;
            }
            Operation::Savepoint => {
                self.savepoints.push((txn.savepoint().unwrap(), state.clone(), self.has_written));
            }
            Operation::RollBack(choice) if !self.savepoints.is_empty() => {
                let position = choice % self.savepoints.len();
                let (savepoint, saved, had_written) = &self.savepoints[position];
                txn.rollback_to(savepoint).unwrap();
                *state = saved.clone();
                self.has_written = *had_written;
                for (outlived, ..) in self.savepoints.drain(position + 1..) {
                    assert!(txn.rollback_to(&outlived).is_err(), "it was made later");
                }
            }
            Operation::WriteWhileScanning { range, is_backward, after, key, value } => {
                write_while_scanning(txn, table, state, (range, *is_backward, *after), (key, value));
                self.has_written = true;
            }
            operation => read(txn, table, state, operation),
        }
    }
}

fn read(txn: &Transaction, table: &Table, state: &State, operation: &Operation) {
    match operation {
        Operation::Get(key) => {
            assert_eq!(txn.get(table, key).unwrap().as_deref(), state.get(key).map(Vec::as_slice));
        }
        Operation::GetForUpdate(key) => {
            assert_eq!(txn.get_for_update(table, key).unwrap().as_deref(), state.get(key).map(Vec::as_slice));
        }
        Operation::Scan(range) => {
            assert_eq!(collect(txn.scan(table, range.clone())), expected(state, range));
        }
        Operation::ScanBackward(range) => {
            let mut found = collect(txn.scan_rev(table, range.clone()));
            found.reverse();
            assert_eq!(found, expected(state, range));
        }
        Operation::Prefix(prefix) => {
            let expected = state.iter().filter(|(key, _)| key.starts_with(prefix));
            let expected: Vec<_> = expected.map(|(key, value)| (key.clone(), value.clone())).collect();
            assert_eq!(collect(txn.prefix(table, prefix)), expected);
        }
        _ => {}
    }
}

/// After some records of a scan the key is written or deleted (or, if it isn't there, written and deleted):
/// the rest of the scan is as if it had begun only then.
fn write_while_scanning(
    txn: &Transaction,
    table: &Table,
    state: &mut State,
    (range, is_backward, after): (&Range, bool, usize),
    (key, value): (&Key, &Option<Vec<u8>>),
) {
    let mut scan =
        if is_backward { txn.scan_rev(table, range.clone()) } else { txn.scan(table, range.clone()) };
    let mut before = expected(state, range);
    if is_backward {
        before.reverse();
    }
    let first = collect(scan.by_ref().take(after));
    assert_eq!(first, before[..after.min(before.len())]);
    txn.put(table, key, value.as_deref().unwrap_or_default()).unwrap();
    match value {
        Some(value) => {
            state.insert(key.clone(), value.clone());
        }
        None => {
            assert!(txn.delete(table, key).unwrap());
            state.remove(key);
        }
    }
    let mut rest = expected(state, range);
    if is_backward {
        rest.reverse();
    }
    if let Some((last, _)) = first.last() {
        rest.retain(|(key, _)| if is_backward { key < last } else { key > last });
    }
    if first.len() < after {
        // The scan had reported its end already.
        rest.clear();
    }
    assert_eq!(collect(scan), rest);
}

fn pick<T>(choices: &[T], choice: usize) -> Option<&T> {
    choices.get(choice.checked_rem(choices.len())?)
}

fn collect(scan: impl Iterator<Item = Result<(Bytes, Bytes)>>) -> Vec<(Key, Vec<u8>)> {
    scan.map(|record| record.map(|(key, value)| (key.to_vec(), value.to_vec())).unwrap()).collect()
}

/// What a range holds, in ascending order. A range whose bounds cross holds nothing.
fn expected(state: &State, (lower, upper): &Range) -> Vec<(Key, Vec<u8>)> {
    let is_within = |key: &Key| {
        let is_above = match lower {
            Bound::Included(lower) => key >= lower,
            Bound::Excluded(lower) => key > lower,
            Bound::Unbounded => true,
        };
        is_above
            && match upper {
                Bound::Included(upper) => key <= upper,
                Bound::Excluded(upper) => key < upper,
                Bound::Unbounded => true,
            }
    };
    let within = state.iter().filter(|(key, _)| is_within(key));
    within.map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn assert_snapshot(snapshot: &Snapshot, table: &Table, state: &State) {
    let all = expected(state, &(Bound::Unbounded, Bound::Unbounded));
    assert_eq!(collect(snapshot.scan(table, ..)), all);
    let mut backward = collect(snapshot.scan_rev(table, ..));
    backward.reverse();
    assert_eq!(backward, all);
    for (key, value) in state {
        assert_eq!(snapshot.get(table, key).unwrap().as_deref(), Some(value.as_slice()));
    }
    assert_eq!(snapshot.get(table, "never there").unwrap(), None);
}
