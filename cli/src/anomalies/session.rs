//! A transaction's own thread: it takes operations, one at a time, and answers.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::{Builder, JoinHandle};

use synod::{
    Abort, Bytes, Engine, Isolation, Table, Timestamp, Transaction, TransactionId, TransactionOptions,
    WaitBell,
};

use super::scenario::{Filter, Operation, Place, Range};

/// What a step returned.
#[derive(Clone, Debug)]
pub enum Answer {
    /// The transaction has begun; the engine calls it so.
    Begun(Option<TransactionId>),
    /// What was found under a key.
    Value(Option<i64>),
    /// What was found in a range, and passes the filter.
    Rows(Vec<(Place, i64)>),
    /// Something was written.
    Written(Vec<(Place, i64)>),
    /// These were deleted.
    Deleted(Vec<Place>),
    /// An insertion found a value.
    KeyExists,
    /// Committed; at this time, if anything was written.
    Committed(Option<Timestamp>),
    /// Rolled back, as the step asks.
    RolledBack,
    /// The engine has aborted the transaction.
    Aborted(Abort),
    /// Something went wrong that is no abort.
    Failed(synod::Error),
}

impl Answer {
    /// Whether the transaction is over after this.
    pub(crate) fn ends(&self) -> bool {
        matches!(self, Answer::Committed(_) | Answer::RolledBack | Answer::Aborted(_) | Answer::Failed(_))
    }
}

/// The runner's end of a session.
pub(crate) struct Session {
    operations: Sender<Operation>,
    answers: Receiver<Answer>,
    thread: JoinHandle<()>,
}

impl Session {
    /// Starts the thread. Whenever it has answered, it rings.
    pub(crate) fn start(engine: &Engine, level: Isolation, bell: &Arc<WaitBell>) -> std::io::Result<Session> {
        let (operations, asked) = channel();
        let (answer, answers) = channel();
        let worker = Worker {
            engine: engine.clone(),
            level,
            transaction: None,
            has_written: false,
            read: BTreeMap::new(),
        };
        let bell = RingAtEnd(bell.clone());
        let thread =
            Builder::new().name("session".to_owned()).spawn(move || worker.serve(&asked, answer, &bell))?;
        Ok(Session { operations, answers, thread })
    }

    /// Hands over an operation.
    pub(crate) fn issue(&self, operation: &Operation) {
        self.operations.send(operation.clone()).expect("a session listens until it is ended");
    }

    /// The answer, if it is there.
    pub(crate) fn answer(&self) -> Option<Answer> {
        match self.answers.try_recv() {
            Ok(answer) => Some(answer),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => panic!("a session has panicked"),
        }
    }

    /// Ends the thread, which has nothing to do.
    pub(crate) fn end(self) {
        drop(self.operations);
        self.thread.join().expect("a session has panicked");
    }
}

/// Rings also if the thread panics, so that nobody waits for it in vain.
struct RingAtEnd(Arc<WaitBell>);

impl Drop for RingAtEnd {
    fn drop(&mut self) {
        self.0.ring();
    }
}

struct Worker {
    engine: Engine,
    level: Isolation,
    transaction: Option<Transaction>,
    has_written: bool,
    /// What was read last of each key.
    read: BTreeMap<Place, Option<i64>>,
}

impl Worker {
    fn serve(mut self, asked: &Receiver<Operation>, answers: Sender<Answer>, bell: &RingAtEnd) {
        // Dropped before the bell rings for the last time.
        let answers = answers;
        for operation in asked {
            let answer = self.answer(&operation);
            if answer.ends() {
                self.transaction = None;
            }
            if answers.send(answer).is_err() {
                return;
            }
            bell.0.ring();
        }
    }

    fn answer(&mut self, operation: &Operation) -> Answer {
        match self.perform(operation) {
            Ok(answer) => answer,
            Err(error) if error.is_key_exists() => Answer::KeyExists,
            Err(error) => match error.abort() {
                Some(abort) => Answer::Aborted(abort.clone()),
                None => Answer::Failed(error),
            },
        }
    }

    fn perform(&mut self, operation: &Operation) -> synod::Result<Answer> {
        if *operation == Operation::Begin {
            let begun = self.engine.begin(TransactionOptions::new().isolation(self.level))?;
            let id = begun.id();
            self.transaction = Some(begun);
            return Ok(Answer::Begun(id));
        }
        let transaction = self.transaction.take().expect("scenarios begin with begin");
        match operation {
            Operation::Commit => {
                return Ok(Answer::Committed(Some(transaction.commit()?).filter(|_| self.has_written)));
            }
            Operation::Abort => return Ok(Answer::RolledBack),
            _ => {}
        }
        let answer =
            Work { engine: &self.engine, transaction: &transaction, read: &mut self.read }.perform(operation);
        self.transaction = Some(transaction);
        self.has_written |= match &answer {
            Ok(Answer::Written(rows)) => !rows.is_empty(),
            Ok(Answer::Deleted(places)) => !places.is_empty(),
            _ => false,
        };
        answer
    }
}

/// A running transaction, in the middle of a step.
struct Work<'w> {
    engine: &'w Engine,
    transaction: &'w Transaction,
    read: &'w mut BTreeMap<Place, Option<i64>>,
}

impl Work<'_> {
    fn perform(&mut self, operation: &Operation) -> synod::Result<Answer> {
        match operation {
            Operation::Get(place) => {
                let found = self.transaction.get(&self.table(&place.table)?, &place.key)?;
                Ok(self.note(place, found))
            }
            Operation::GetForUpdate(place) => {
                let found = self.transaction.get_for_update(&self.table(&place.table)?, &place.key)?;
                Ok(self.note(place, found))
            }
            Operation::Put(place, value) => self.put(place, *value),
            Operation::Add(place, more) => {
                let old = self.read.get(place).copied().flatten().unwrap_or(0);
                self.put(place, old + more)
            }
            Operation::Insert(place, value) => {
                self.transaction.insert(&self.table(&place.table)?, &place.key, value.to_string())?;
                Ok(Answer::Written(vec![(place.clone(), *value)]))
            }
            Operation::Delete(place) => {
                let was_there = self.transaction.delete(&self.table(&place.table)?, &place.key)?;
                Ok(Answer::Deleted(was_there.then(|| place.clone()).into_iter().collect()))
            }
            Operation::Scan(range, filter) => Ok(Answer::Rows(self.scan(range, *filter)?)),
            Operation::DeleteWhere(range, filter) => self.delete_where(range, *filter),
            Operation::AddWhere(range, more, filter) => {
                let mut written = Vec::new();
                for (place, old) in self.scan(range, *filter)? {
                    self.put(&place, old + more)?;
                    written.push((place, old + more));
                }
                Ok(Answer::Written(written))
            }
            Operation::Begin | Operation::Commit | Operation::Abort => unreachable!("done by the worker"),
        }
    }

    fn table(&self, name: &str) -> synod::Result<Table> {
        self.engine.table(name)
    }

    fn note(&mut self, place: &Place, found: Option<Bytes>) -> Answer {
        let value = found.map(|bytes| value(&bytes));
        self.read.insert(place.clone(), value);
        Answer::Value(value)
    }

    fn put(&mut self, place: &Place, value: i64) -> synod::Result<Answer> {
        self.transaction.put(&self.table(&place.table)?, &place.key, value.to_string())?;
        Ok(Answer::Written(vec![(place.clone(), value)]))
    }

    fn scan(&mut self, range: &Range, filter: Filter) -> synod::Result<Vec<(Place, i64)>> {
        let bounds = match &range.keys {
            Some((low, high)) => (Bound::Included(low.as_str()), Bound::Included(high.as_str())),
            None => (Bound::Unbounded, Bound::Unbounded),
        };
        let mut rows = Vec::new();
        for record in self.transaction.scan(&self.table(&range.table)?, bounds) {
            let (key, found) = record?;
            let place = Place { table: range.table.clone(), key: String::from_utf8_lossy(&key).into_owned() };
            let value = value(&found);
            self.read.insert(place.clone(), Some(value));
            rows.push((place, value));
        }
        rows.retain(|&(_, value)| filter.passes(value));
        Ok(rows)
    }

    fn delete_where(&mut self, range: &Range, filter: Filter) -> synod::Result<Answer> {
        let table = self.table(&range.table)?;
        let mut deleted = Vec::new();
        for (place, _) in self.scan(range, filter)? {
            if self.transaction.delete(&table, &place.key)? {
                deleted.push(place);
            }
        }
        Ok(Answer::Deleted(deleted))
    }
}

/// A value that some session has written.
pub(crate) fn value(bytes: &[u8]) -> i64 {
    let text = std::str::from_utf8(bytes).ok();
    text.and_then(|text| text.parse().ok()).expect("sessions write numbers only")
}
