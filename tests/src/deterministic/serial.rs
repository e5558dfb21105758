//! A script on a map: what it should do.

use std::collections::BTreeMap;

use synod::Timestamp;

use super::perform::number;
use super::places::{Place, Span, Stretch, is_within, key, stretch};
use super::script::{Access, Outcome, Script, Seen, Step, What};
use crate::random::Random;

/// What is in the tables: by the number of the table and the key.
pub type State = BTreeMap<(u8, Vec<u8>), Vec<u8>>;

/// Executes a script with this time; a script that doesn't commit leaves the state as it is.
pub fn execute(state: &mut State, script: &Script, now: Timestamp) -> Outcome {
    let mut execution = Execution {
        state: state.clone(),
        declared: script.declared(),
        savepoints: Vec::new(),
        random: Random::new(now.0),
        now,
    };
    match script.steps.iter().map(|step| execution.step(*step)).collect() {
        Ok(seen) => {
            *state = execution.state;
            Outcome::Done(seen)
        }
        Err(outcome) => outcome,
    }
}

type Result<T> = std::result::Result<T, Outcome>;

struct Execution {
    state: State,
    declared: Option<Vec<Access>>,
    savepoints: Vec<State>,
    random: Random,
    now: Timestamp,
}

impl Execution {
    fn check(&self, place: Place, writes: bool) -> Result<()> {
        let Some(declared) = &self.declared else { return Ok(()) };
        let bytes = place.bytes();
        let covers = |access: &Access| match &access.what {
            What::Key(key) => *key == bytes,
            What::Range(bounds) => is_within(&bytes, &stretch(bounds)),
        };
        let mut accesses = declared.iter().filter(|access| access.table == place.table);
        let is_covered = accesses.any(|access| (access.writes || !writes) && covers(access));
        if is_covered { Ok(()) } else { Err(Outcome::Outside) }
    }

    fn check_bytes(&self, table: u8, bytes: &[u8], writes: bool) -> Result<()> {
        let number =
            (0..=u8::MAX).find(|number| key(*number) == bytes).expect("scripts have these keys only");
        self.check(Place { table, key: number }, writes)
    }

    /// The ranges of a table that were declared.
    fn ranges(&self, table: u8) -> Option<Vec<Stretch>> {
        let declared = self.declared.as_ref()?.iter().filter(|access| access.table == table);
        let range = |access: &Access| match &access.what {
            What::Range(bounds) => Some(stretch(bounds)),
            What::Key(_) => None,
        };
        Some(declared.filter_map(range).collect())
    }

    /// How much of a range may be read, from its beginning on, or from its end; and whether that is all.
    fn readable(&self, span: Span, is_backward: bool) -> (Stretch, bool) {
        let whole = stretch(&span.bounds());
        let Some(ranges) = self.ranges(span.table) else { return (whole, true) };
        if whole.1.as_ref().is_some_and(|upper| *upper <= whole.0) {
            return (whole, true);
        }
        if is_backward { readable_downwards(whole, &ranges) } else { readable_upwards(whole, &ranges) }
    }

    /// The keys that a scan delivers, at most so many.
    fn scan(&self, span: Span, is_backward: bool, limit: usize) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let (readable, is_all) = self.readable(span, is_backward);
        let records = self.state.iter().filter(|((table, _), _)| *table == span.table);
        let records = records.filter(|((_, key), _)| is_within(key, &readable));
        let mut records: Vec<_> = records.map(|((_, key), value)| (key.clone(), value.clone())).collect();
        if is_backward {
            records.reverse();
        }
        if records.len() < limit && !is_all {
            return Err(Outcome::Outside);
        }
        records.truncate(limit);
        Ok(records)
    }

    fn get(&self, place: Place) -> Result<Option<Vec<u8>>> {
        self.check(place, false)?;
        Ok(self.state.get(&(place.table, place.bytes())).cloned())
    }

    fn put(&mut self, place: Place, value: u64) -> Result<Seen> {
        self.check(place, true)?;
        self.state.insert((place.table, place.bytes()), value.to_le_bytes().to_vec());
        Ok(Seen::Nothing)
    }

    fn delete(&mut self, place: Place) -> Result<Seen> {
        self.check(place, true)?;
        Ok(Seen::Flag(self.state.remove(&(place.table, place.bytes())).is_some()))
    }

    fn add(&mut self, place: Place, by: u64) -> Result<u64> {
        let sum = number(self.get(place)?.as_deref()).wrapping_add(by);
        self.put(place, sum)?;
        Ok(sum)
    }

    fn bump(&mut self, span: Span, is_backward: bool) -> Result<Seen> {
        let records = self.scan(span, is_backward, usize::MAX)?;
        for (key, value) in &records {
            self.check_bytes(span.table, key, true)?;
            let sum = number(Some(value)).wrapping_add(1);
            self.state.insert((span.table, key.clone()), sum.to_le_bytes().to_vec());
        }
        Ok(Seen::Count(records.len() as u64))
    }

    fn delete_range(&mut self, span: Span) -> Result<Seen> {
        let records = self.scan(span, false, usize::MAX)?;
        for (key, _) in &records {
            self.check_bytes(span.table, key, true)?;
            self.state.remove(&(span.table, key.clone()));
        }
        Ok(Seen::Count(records.len() as u64))
    }

    fn follow(&mut self, start: Place, hops: u8) -> Result<Seen> {
        let mut place = start;
        for _ in 0..hops {
            place.key = (number(self.get(place)?.as_deref()) % 12) as u8;
        }
        self.add(place, 1).map(Seen::Count)
    }

    fn insert(&mut self, place: Place, value: u64) -> Result<Seen> {
        self.check(place, true)?;
        let is_absent = !self.state.contains_key(&(place.table, place.bytes()));
        if is_absent {
            self.put(place, value)?;
        }
        Ok(Seen::Flag(is_absent))
    }

    fn step(&mut self, step: Step) -> Result<Seen> {
        match step {
            Step::Get(place) => self.get(place).map(Seen::Value),
            Step::GetForUpdate(place) => {
                self.check(place, true)?;
                self.get(place).map(Seen::Value)
            }
            Step::Put(place, value) => self.put(place, value),
            Step::Insert(place, value) => self.insert(place, value),
            Step::Delete(place) => self.delete(place),
            Step::Add(place, by) => self.add(place, by).map(Seen::Count),
            Step::Merge(place, by) => {
                self.check(place, true)?;
                self.add(place, by).map(|_| Seen::Nothing)
            }
            Step::Scan { span, is_backward, limit } => {
                self.scan(span, is_backward, usize::from(limit)).map(Seen::Records)
            }
            Step::Bump { span, is_backward } => self.bump(span, is_backward),
            Step::DeleteRange(span) => self.delete_range(span),
            Step::Savepoint => {
                self.savepoints.push(self.state.clone());
                Ok(Seen::Nothing)
            }
            Step::RollBack => {
                if let Some(state) = self.savepoints.last() {
                    self.state.clone_from(state);
                }
                Ok(Seen::Nothing)
            }
            Step::RejectIf(place, below) => {
                match number(self.get(place)?.as_deref()) % 8 < u64::from(below) {
                    true => Err(Outcome::Rejected),
                    false => Ok(Seen::Nothing),
                }
            }
            Step::PutIfOdd(condition, place, value) => {
                let is_odd = number(self.get(condition)?.as_deref()) % 2 == 1;
                if is_odd { self.put(place, value) } else { Ok(Seen::Flag(false)) }
            }
            Step::Copy(from, to) => match self.get(from)? {
                Some(value) => self.put(to, number(Some(&value))),
                None => self.delete(to),
            },
            Step::Follow(start, hops) => self.follow(start, hops),
            Step::Random(place) => {
                let drawn = self.random.draw();
                self.put(place, drawn)
            }
            Step::Now(place) => self.put(place, self.now.0),
            Step::Panic => Err(Outcome::Panicked),
        }
    }
}

/// How far one gets from the beginning of a range without leaving these others.
fn readable_upwards((lower, upper): Stretch, ranges: &[Stretch]) -> (Stretch, bool) {
    let mut reached = lower.clone();
    loop {
        if upper.as_ref().is_some_and(|upper| *upper <= reached) {
            return ((lower, upper), true);
        }
        match ranges.iter().find(|range| is_within(&reached, range)) {
            Some((_, Some(end))) => reached.clone_from(end),
            Some((_, None)) => return ((lower, upper), true),
            None => return ((lower, Some(reached)), false),
        }
    }
}

/// The same from the end.
fn readable_downwards((lower, upper): Stretch, ranges: &[Stretch]) -> (Stretch, bool) {
    let mut reached = upper.clone();
    loop {
        if reached.as_ref().is_some_and(|reached| *reached <= lower) {
            return ((lower, upper), true);
        }
        // Those that hold what lies just below.
        let holds = |(start, end): &&Stretch| match (&reached, end) {
            (Some(reached), Some(end)) => start < reached && reached <= end,
            (Some(reached), None) => start < reached,
            (None, end) => end.is_none(),
        };
        match ranges.iter().find(holds) {
            Some((start, _)) => reached = Some(start.clone()),
            // If it ends nowhere, not even the beginning can be read: a range of no keys.
            None => {
                return (
                    reached.map_or_else(|| (Vec::new(), Some(Vec::new())), |reached| (reached, upper)),
                    false,
                );
            }
        }
    }
}
