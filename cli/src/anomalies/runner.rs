//! Runs a scenario on a real engine, one step after the other, and sees exactly who waits.
//!
//! Each transaction has its own thread. After each step the runner waits until all is *quiet*: every session has either
//! answered, or the engine says that its transaction waits for a lock. Nothing is timed: sessions ring when they have
//! answered, the engine rings when a transaction lies down, and a transaction that has got its lock is no longer
//! among those who wait, so that its answer is waited for.
//!
//! ```text
//! runner   issue T1 put ── quiet ── issue T2 put ───── quiet: T2 waits ── issue T1 commit ── quiet ── …
//! T1       ······ put, answer ······························································ commit, answer
//! T2                                ···· put, lies down ───────────────────────────────────── gets the lock, answers
//! ```
//!
//! Steps of a session that waits stand behind it, and follow as soon as it goes on. Those of a transaction that the
//! engine has aborted are left out. What is still running when the script ends is rolled back, T1 first.
//!
//! Several sessions that a single step lets go on run at the same time, each to the end of its own step. Nothing orders
//! them, as nothing does in a program.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use synod::{
    DeadlockPolicy, Engine, Isolation, Mode, Options, RecordedTransaction, Timestamp, TransactionId,
    TransactionOptions, WaitBell, Waiting, Writer,
};

use super::scenario::{Operation, Place, Scenario};
use super::session::{Answer, Session, value};
use crate::{Error, Result};

/// Longer than anybody looks on.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// Old versions stay, to be shown.
const RETENTION: Duration = Duration::from_secs(60 * 60);

/// What happened.
#[derive(Clone, Debug)]
pub struct Run {
    /// The mode that it ran under.
    pub mode: Mode,
    /// The level of all transactions.
    pub level: Isolation,
    /// Everything, in order.
    pub events: Vec<Event>,
    /// What the engine has recorded of T1, T2, …
    pub recorded: Vec<RecordedTransaction>,
    /// What the engine calls transactions and moments, and what the scenario calls them.
    pub names: Vec<(String, String)>,
}

/// Something that happened to a transaction.
#[derive(Clone, Debug)]
pub struct Event {
    /// Whose: 0 for T1.
    pub transaction: usize,
    /// The number of the step; `None` for the end that the runner made.
    pub step: Option<usize>,
    /// What happened.
    pub what: What,
    /// The version chains that look different from before.
    pub chains: Vec<(Place, Vec<Link>)>,
}

/// What can happen.
#[derive(Clone, Debug)]
pub enum What {
    /// A step was answered at once.
    Answered(Answer),
    /// A step waits for a lock.
    Blocked {
        /// On what: a key with its table, or the gap behind a table's last key.
        on: String,
        /// Whom it waits for.
        waits_for: Vec<usize>,
    },
    /// A step that waited was answered.
    Resumed(Answer),
    /// A step stands behind one that waits.
    Delayed,
    /// A step isn't done, for its transaction is over.
    Skipped,
}

impl What {
    /// The answer, if it is one.
    pub fn answer(&self) -> Option<&Answer> {
        match self {
            What::Answered(answer) | What::Resumed(answer) => Some(answer),
            _ => None,
        }
    }
}

/// A version in a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Who wrote it; `None` for what was there at the start.
    pub writer: Option<usize>,
    /// Whether the writer has committed.
    pub is_committed: bool,
    /// The value; `None` for a deletion.
    pub value: Option<i64>,
}

/// Runs the steps of a scenario in this order, at a level that the mode has. In any order that keeps that of each
/// transaction's steps.
///
/// # Errors
/// If the engine fails.
pub fn run(scenario: &Scenario, order: &[usize], mode: Mode, level: Isolation) -> Result<Run> {
    let mut runner = Runner::new(scenario, mode, level)?;
    for &step in order {
        runner.step(step)?;
    }
    runner.finish()
}

/// Where a session stands.
struct Seat {
    session: Session,
    state: State,
    /// An answer that isn't noted yet.
    answer: Option<Answer>,
    /// Steps that stand behind the one that it is busy with.
    later: VecDeque<usize>,
}

impl Seat {
    /// Whether it has still to answer.
    fn is_at_work(&self) -> bool {
        matches!(self.state, State::Busy { .. }) && self.answer.is_none()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    /// Has been asked.
    Busy {
        /// What, or `None` if it is to end because the script has.
        step: Option<usize>,
        /// Whether it was seen to wait.
        waits: bool,
    },
    Over,
}

struct Runner<'s> {
    scenario: &'s Scenario,
    engine: Engine,
    bell: Arc<WaitBell>,
    seats: Vec<Seat>,
    /// Who began, in order.
    begun: Vec<usize>,
    ids: BTreeMap<TransactionId, usize>,
    commits: BTreeMap<Timestamp, usize>,
    chains: BTreeMap<Place, Vec<Link>>,
    run: Run,
}

impl<'s> Runner<'s> {
    fn new(scenario: &'s Scenario, mode: Mode, level: Isolation) -> Result<Self> {
        let options = Options::new()
            .mode(mode)
            .deadlock_policy(DeadlockPolicy::Detect)
            .lock_timeout(FOREVER)
            .retention(RETENTION)
            .record_history(true);
        let engine = Engine::in_memory(options)?;
        fill(&engine, scenario)?;
        let bell = engine.wait_bell();
        let seat = |_| {
            let session = Session::start(&engine, level, &bell).map_err(|source| Error::Thread { source })?;
            Ok(Seat { session, state: State::Idle, answer: None, later: VecDeque::new() })
        };
        let seats = (0..scenario.transactions).map(seat).collect::<Result<_>>()?;
        let run = Run { mode, level, events: Vec::new(), recorded: Vec::new(), names: Vec::new() };
        let mut runner = Runner {
            scenario,
            engine,
            bell,
            seats,
            begun: Vec::new(),
            ids: BTreeMap::new(),
            commits: BTreeMap::new(),
            chains: BTreeMap::new(),
            run,
        };
        runner.changed_chains()?;
        Ok(runner)
    }

    /// Issues a step, and whatever can be done because of it.
    fn step(&mut self, step: usize) -> Result<()> {
        let transaction = self.scenario.steps[step].transaction;
        match self.seats[transaction].state {
            State::Idle => self.issue(transaction, Some(step), &self.scenario.steps[step].operation)?,
            State::Busy { .. } => {
                self.seats[transaction].later.push_back(step);
                self.note(transaction, Some(step), What::Delayed);
            }
            State::Over => self.note(transaction, Some(step), What::Skipped),
        }
        self.catch_up()
    }

    /// Does what stood behind steps that are answered now.
    fn catch_up(&mut self) -> Result<()> {
        let next = |seats: &mut Vec<Seat>| {
            let free = |seat: &Seat| !matches!(seat.state, State::Busy { .. }) && !seat.later.is_empty();
            let transaction = seats.iter().position(free)?;
            Some((transaction, seats[transaction].later.pop_front()?))
        };
        while let Some((transaction, step)) = next(&mut self.seats) {
            match self.seats[transaction].state {
                State::Over => self.note(transaction, Some(step), What::Skipped),
                _ => self.issue(transaction, Some(step), &self.scenario.steps[step].operation)?,
            }
        }
        Ok(())
    }

    fn issue(&mut self, transaction: usize, step: Option<usize>, operation: &Operation) -> Result<()> {
        self.seats[transaction].state = State::Busy { step, waits: false };
        self.seats[transaction].session.issue(operation);
        self.settle()
    }

    /// Waits until everybody has answered, or waits; then notes what has happened: first what the step itself did, then
    /// what it has let others do, T1 first.
    fn settle(&mut self) -> Result<()> {
        let waiting = loop {
            // The number first: who answers or lies down after the look rings after it.
            let heard = self.bell.rings();
            for seat in &mut self.seats {
                if matches!(seat.state, State::Busy { .. }) && seat.answer.is_none() {
                    seat.answer = seat.session.answer();
                }
            }
            let waiting = self.engine.waiting();
            let waits = |transaction: usize| waiting.iter().any(|of| self.is_of(of, transaction));
            if (0..self.seats.len())
                .all(|transaction| !self.seats[transaction].is_at_work() || waits(transaction))
            {
                break waiting;
            }
            self.bell.wait_past(heard);
        };
        let known = self.run.events.len();
        for has_waited in [false, true] {
            for transaction in 0..self.seats.len() {
                self.take_answer(transaction, has_waited)?;
            }
        }
        for of in &waiting {
            self.block(of);
        }
        match self.run.events.len() > known {
            true => self.show_chains(),
            false => Ok(()),
        }
    }

    fn is_of(&self, waiting: &Waiting, transaction: usize) -> bool {
        self.ids.get(&waiting.transaction) == Some(&transaction)
    }

    /// Notes that a session waits, unless that is known.
    fn block(&mut self, waiting: &Waiting) {
        let Some(&transaction) = self.ids.get(&waiting.transaction) else { return };
        let State::Busy { step, waits: false } = self.seats[transaction].state else { return };
        self.seats[transaction].state = State::Busy { step, waits: true };
        let on = match &waiting.key {
            Some(key) => format!("{}/{}", waiting.table, String::from_utf8_lossy(key)),
            None => format!("the end of {}", waiting.table),
        };
        let mut waits_for: Vec<usize> =
            waiting.waits_for.iter().filter_map(|id| self.ids.get(id).copied()).collect();
        waits_for.sort_unstable();
        self.note(transaction, step, What::Blocked { on, waits_for });
    }

    /// Takes the answer of a session that has waited for it, or hasn't, if it is there.
    fn take_answer(&mut self, transaction: usize, has_waited: bool) -> Result<()> {
        let seat = &mut self.seats[transaction];
        let State::Busy { step, waits } = seat.state else { return Ok(()) };
        let Some(answer) = seat.answer.take_if(|_| waits == has_waited) else { return Ok(()) };
        seat.state = if answer.ends() { State::Over } else { State::Idle };
        match &answer {
            Answer::Failed(error) => return Err(Error::Engine(error.clone())),
            Answer::Begun(id) => {
                self.begun.push(transaction);
                self.ids.extend(id.map(|id| (id, transaction)));
            }
            Answer::Committed(at) => self.commits.extend(at.map(|at| (at, transaction))),
            _ => {}
        }
        self.note(transaction, step, if waits { What::Resumed(answer) } else { What::Answered(answer) });
        Ok(())
    }

    fn note(&mut self, transaction: usize, step: Option<usize>, what: What) {
        self.run.events.push(Event { transaction, step, what, chains: Vec::new() });
    }

    /// Adds the chains that have changed to the newest event.
    fn show_chains(&mut self) -> Result<()> {
        let changed = self.changed_chains()?;
        if let Some(event) = self.run.events.last_mut() {
            event.chains = changed;
        }
        Ok(())
    }

    /// The version chains that look different from before.
    fn changed_chains(&mut self) -> Result<Vec<(Place, Vec<Link>)>> {
        let mut changed = Vec::new();
        for place in self.scenario.places() {
            let table = self.engine.table(&place.table)?;
            let chain = self.engine.version_chain(&table, &place.key)?;
            let link = |(writer, bytes): &(Writer, Option<Vec<u8>>)| Link {
                writer: match writer {
                    Writer::Committed(at) => self.commits.get(at).copied(),
                    Writer::Running(id) => self.ids.get(id).copied(),
                },
                is_committed: matches!(writer, Writer::Committed(_)),
                value: bytes.as_deref().map(value),
            };
            let links: Vec<Link> = chain.iter().map(link).collect();
            if self.chains.get(&place) != Some(&links) {
                self.chains.insert(place.clone(), links.clone());
                changed.push((place, links));
            }
        }
        Ok(changed)
    }

    /// Ends all that is still running, and gathers what was recorded.
    fn finish(mut self) -> Result<Run> {
        while let Some(open) = self.seats.iter().position(|seat| seat.state == State::Idle) {
            self.issue(open, None, &Operation::Abort)?;
            self.catch_up()?;
        }
        assert!(self.seats.iter().all(|seat| seat.state == State::Over), "somebody waits for nobody");
        self.seats.into_iter().for_each(|seat| seat.session.end());
        let mut recorded: Vec<Option<RecordedTransaction>> = vec![None; self.scenario.transactions];
        let mut history = self.engine.take_history();
        history.sort_by_key(|transaction| transaction.begin);
        // Nobody waits to begin, so they began as they were asked to.
        for (&transaction, of) in self.begun.iter().zip(history) {
            recorded[transaction] = Some(of);
        }
        self.run.recorded = recorded.into_iter().flatten().collect();
        let named =
            self.ids.iter().map(|(id, transaction)| (id.to_string(), format!("T{}", transaction + 1)));
        let dated = self.commits.iter();
        let dated =
            dated.map(|(at, transaction)| (at.to_string(), format!("the commit of T{}", transaction + 1)));
        let places = self.scenario.places().into_iter();
        let placed = places.map(|place| (format!("{}[\"{}\"]", place.table, place.key), place.to_string()));
        self.run.names = named.chain(dated).chain(placed).collect();
        self.run.names.sort_by_key(|(engine, _)| std::cmp::Reverse(engine.len()));
        Ok(self.run)
    }
}

/// Puts the rows there, and forgets that it did.
fn fill(engine: &Engine, scenario: &Scenario) -> Result<()> {
    // The engine's numbers shall rise in the order in which transactions begin: the victim of a deadlock is the youngest,
    // and of the same age the one with the greatest number. A number counts the uses of a slot, so all slots of the
    // scenario's transactions are used once, and none of them by what is done here.
    let begin = |_| engine.begin(TransactionOptions::new());
    let others = (0..scenario.transactions).map(begin).collect::<synod::Result<Vec<_>>>()?;
    // Nobody shall create a table in the middle of a step.
    for place in scenario.places() {
        engine.table(&place.table)?;
    }
    for step in &scenario.steps {
        if let Operation::Scan(range, _) | Operation::DeleteWhere(range, _) | Operation::AddWhere(range, ..) =
            &step.operation
        {
            engine.table(&range.table)?;
        }
    }
    let setup = engine.begin(TransactionOptions::new())?;
    for (place, value) in &scenario.rows {
        setup.put(&engine.table(&place.table)?, &place.key, value.to_string())?;
    }
    setup.commit()?;
    drop(others);
    drop(engine.take_history());
    Ok(())
}
