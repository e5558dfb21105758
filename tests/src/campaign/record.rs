//! What the engine has said, in the order in which it was said.

use std::collections::{BTreeMap, BTreeSet};

use parking_lot::Mutex;
use synod::Timestamp;

use super::model::{Commit, Place};

/// How far one life of a table has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// `Engine::table` was called.
    Creating,
    /// It has returned.
    Created,
    /// `Engine::drop_table` was called.
    Dropping,
    /// It has returned.
    Dropped,
}

/// One thing that was said, or asked.
#[derive(Clone, Debug)]
pub enum Event {
    /// The fixed tables are there.
    TablesAreThere,
    /// A commit is visible.
    Committed(Commit),
    /// The commit of this number was reported durable.
    IsDurable(u64),
    /// A table that comes and goes has come to this stage.
    Table(Place, Stage),
    /// A checkpoint up to here was taken.
    Checkpointed(Timestamp),
    /// A backup up to here was made.
    BackedUp(Timestamp),
}

/// A list of events that threads add to.
#[derive(Debug, Default)]
pub struct Recorder {
    events: Mutex<Vec<Event>>,
}

impl Recorder {
    /// Adds an event.
    pub fn note(&self, event: Event) {
        self.events.lock().push(event);
    }

    /// How many events there are: a moment, as far as the record knows moments.
    pub fn moment(&self) -> usize {
        self.events.lock().len()
    }

    /// Everything so far.
    pub fn history(&self) -> History {
        History::of(self.events.lock().clone())
    }
}

/// A whole record.
#[derive(Clone, Debug, Default)]
pub struct History {
    events: Vec<Event>,
    /// The commits that are in the log, in the order in which they must be there.
    pub logged: Vec<Commit>,
    /// The commits that aren't, in their order.
    pub volatile: Vec<Commit>,
}

impl History {
    fn of(events: Vec<Event>) -> History {
        let mut commits: Vec<Commit> = events
            .iter()
            .filter_map(|event| match event {
                Event::Committed(commit) => Some(commit.clone()),
                _ => None,
            })
            .collect();
        commits.sort_by_key(|commit| commit.timestamp);
        let (logged, volatile) = commits.into_iter().partition(Commit::is_logged);
        History { events, logged, volatile }
    }

    /// What had been said up to a moment.
    pub fn facts_at(&self, moment: usize) -> Facts {
        let mut facts = Facts::default();
        for event in &self.events[..moment] {
            match event {
                Event::TablesAreThere => facts.has_tables = true,
                Event::Committed(commit) => facts.newest = facts.newest.max(commit.timestamp),
                Event::IsDurable(number) => {
                    facts.durable.insert(*number);
                }
                Event::Table(place, stage) => {
                    facts.stages.insert(place.clone(), *stage);
                }
                Event::Checkpointed(timestamp) => facts.checkpointed = facts.checkpointed.max(*timestamp),
                Event::BackedUp(timestamp) => facts.backed_up = Some(*timestamp),
            }
        }
        facts
    }

    /// The moment at the end of the record.
    pub fn end(&self) -> usize {
        self.events.len()
    }
}

/// What is known at a moment.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The fixed tables are there.
    pub has_tables: bool,
    /// The numbers of the commits that were reported durable.
    pub durable: BTreeSet<u64>,
    /// The tables that come and go.
    pub stages: BTreeMap<Place, Stage>,
    /// The newest commit.
    pub newest: Timestamp,
    /// Up to where the newest checkpoint goes.
    pub checkpointed: Timestamp,
    /// Up to where the backup goes, if there is one.
    pub backed_up: Option<Timestamp>,
}
