//! Threads that hand in scripts, and threads that look at the state meanwhile.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use synod::{Engine, Error, Executed, Position, Result, Ticket, Timestamp, TransactionOptions};

use super::perform::Dump;
use super::script::{Outcome, Script, Seen};
use super::serial::State;
use super::witness;
use super::world::{contents_at, tables};
use crate::conformance::durability::block_on;
use crate::random::Random;

/// How many scripts a client has in flight at most.
const IN_FLIGHT: u64 = 6;

/// A script that was answered.
#[derive(Clone, Debug)]
pub struct Record {
    /// The script.
    pub script: Script,
    /// A moment before it was handed in.
    pub began: u64,
    /// A moment after it was answered.
    pub ended: u64,
    /// The answer.
    pub outcome: Outcome,
    /// Where in the order it was, if it said so.
    pub at: Option<Timestamp>,
    /// Where in the log, if the engine said so.
    pub position: Option<Position>,
}

/// Somebody has looked at the state.
#[derive(Clone, Debug)]
pub struct Look {
    /// How.
    pub how: &'static str,
    /// A moment before.
    pub began: u64,
    /// A moment after.
    pub ended: u64,
    /// Everything up to here was to be seen; `None` if that wasn't said.
    pub at: Option<Timestamp>,
    /// What was seen.
    pub contents: State,
}

/// What clients did and saw.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// The scripts.
    pub records: Vec<Record>,
    /// The looks at the state.
    pub looks: Vec<Look>,
}

/// Moments, counted.
#[derive(Debug, Default)]
pub struct Moments(AtomicU64);

impl Moments {
    /// The next one.
    pub fn next(&self) -> u64 {
        // SeqCst: moments are in the order of real time.
        self.0.fetch_add(1, Ordering::SeqCst)
    }
}

/// Hands in each list of scripts by a thread of its own, in several ways, while `lookers` other threads look at the state.
///
/// # Panics
/// If a client does, or the engine fails.
pub fn run(engine: &Engine, lists: &[Vec<Script>], lookers: u64) -> History {
    let (moments, is_over) = (Moments::default(), AtomicBool::new(false));
    let (moments, is_over) = (&moments, &is_over);
    std::thread::scope(|scope| {
        let hand_in = |list| scope.spawn(move || hand_in_all(engine, list, moments));
        let clients: Vec<_> = lists.iter().map(Vec::as_slice).map(hand_in).collect();
        let look = |number| scope.spawn(move || look_until(engine, number, moments, is_over));
        let lookers: Vec<_> = (0..lookers).map(look).collect();
        let joined = clients.into_iter().map(std::thread::ScopedJoinHandle::join).collect::<Vec<_>>();
        is_over.store(true, Ordering::Relaxed);
        let records =
            joined.into_iter().flat_map(|records| records.expect("a client has panicked")).collect();
        let looks = lookers.into_iter().flat_map(|looker| looker.join().expect("a looker has panicked"));
        History { records, looks: looks.collect() }
    })
}

/// One client: one script after the other, or several in flight, waited for by the thread or as futures.
pub fn hand_in_all(engine: &Engine, scripts: &[Script], moments: &Moments) -> Vec<Record> {
    let mut random = Random::new(scripts.first().map_or(0, |script| script.id));
    let mut records = Vec::new();
    let mut rest = scripts;
    while !rest.is_empty() {
        let count = match random.below(2) {
            0 => 1,
            _ => rest.len().min(1 + random.below(IN_FLIGHT) as usize),
        };
        let (now, later) = rest.split_at(count);
        rest = later;
        if let ([script], 0) = (now, random.below(2)) {
            let began = moments.next();
            records.push(record(script, began, engine.execute(script.clone()), moments));
            continue;
        }
        let submit = |script: &Script| (script.clone(), moments.next(), submitted(engine, script));
        let mut tickets: Vec<_> = now.iter().map(submit).collect();
        if random.below(3) == 0 {
            tickets.reverse();
        }
        let is_future = random.below(2) == 0;
        for (script, began, ticket) in tickets {
            let answer = if is_future { block_on(ticket) } else { ticket.wait() };
            records.push(record(&script, began, answer, moments));
        }
    }
    records
}

/// Submits a script, again and again while the engine is overloaded.
fn submitted(engine: &Engine, script: &Script) -> Ticket<Vec<Seen>> {
    loop {
        match engine.submit(script.clone()) {
            Ok(ticket) => return ticket,
            Err(Error::Overloaded(_)) => std::thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    }
}

fn record(script: &Script, began: u64, answer: Result<Executed<Vec<Seen>>>, moments: &Moments) -> Record {
    let ended = moments.next();
    let (told, position) = match &answer {
        Ok(executed) => (Some(executed.timestamp), executed.position),
        Err(_) => (None, None),
    };
    let outcome = Outcome::of(answer.map(|executed| executed.output));
    Record {
        script: script.clone(),
        began,
        ended,
        outcome,
        at: told.or(witness::place_of(script.id)),
        position,
    }
}

/// Looks at the state in every way that there is, until it is over.
fn look_until(engine: &Engine, number: u64, moments: &Moments, is_over: &AtomicBool) -> Vec<Look> {
    let mut looks = Vec::new();
    let mut kept = Vec::new();
    for turn in number.. {
        let began = moments.next();
        let (how, at, contents) = match turn % 5 {
            0 => ("query", None, dump(engine.query(&Dump).expect("a query succeeds"))),
            1 => {
                let executed = engine.execute(Dump).expect("a dump succeeds");
                ("procedure", Some(executed.timestamp), dump(executed.output))
            }
            2 => ("read-only transaction", None, read_only(engine).expect("a reader succeeds")),
            _ => {
                let snapshot = engine.snapshot().expect("there are free snapshots");
                let contents = contents_at(engine, &snapshot).expect("a snapshot can be read");
                let at = snapshot.timestamp();
                kept.push((snapshot, looks.len()));
                ("snapshot", Some(at), contents)
            }
        };
        looks.push(Look { how, began, ended: moments.next(), at, contents });
        if kept.len() > 3 || is_over.load(Ordering::Relaxed) {
            for (snapshot, look) in kept.drain(..) {
                let again = contents_at(engine, &snapshot).expect("a snapshot can be read");
                assert_eq!(again, looks[look].contents, "a snapshot has changed");
            }
        }
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        std::thread::yield_now();
    }
    looks
}

fn dump(records: Vec<(u8, Vec<u8>, Vec<u8>)>) -> State {
    records.into_iter().map(|(table, key, value)| ((table, key), value)).collect()
}

fn read_only(engine: &Engine) -> Result<State> {
    let transaction = engine.begin(TransactionOptions::new().read_only())?;
    let mut state = State::new();
    for (number, table) in (0..).zip(tables(engine)?) {
        for record in transaction.scan_rev(&table, ..) {
            let (key, value) = record?;
            state.insert((number, key.into()), value.into());
        }
    }
    transaction.commit()?;
    Ok(state)
}
