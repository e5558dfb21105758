//! A script as a procedure.

use serde::{Deserialize, Serialize};
use synod::errors::TransactionError;
use synod::{Bytes, Declaration, Error, Procedure, Result, Savepoint, Scan, Table, View};

use super::places::{Place, Span, TABLES};
use super::script::{Declares, Outcome, Script, Seen, Step, What};
use super::{trouble, witness};

impl Procedure for Script {
    const NAME: &'static str = "script";
    type Output = Vec<Seen>;

    fn declare(&self, footprint: &mut Declaration<'_>) -> Result<()> {
        let Some(accesses) = self.declared() else {
            footprint.unknown();
            return Ok(());
        };
        let tables = [footprint.table(TABLES[0])?.clone(), footprint.table(TABLES[1])?.clone()];
        for access in accesses {
            let table = &tables[usize::from(access.table)];
            match (access.what, access.writes) {
                (What::Key(key), false) => footprint.read_in(table, key),
                (What::Key(key), true) => footprint.write_in(table, key),
                (What::Range(bounds), false) => footprint.read_range(table, bounds),
                (What::Range(bounds), true) => footprint.write_range(table, bounds),
            }
        }
        Ok(())
    }

    fn run(&self, view: &View<'_>) -> Result<Vec<Seen>> {
        // A reconnaissance has no name, and no place.
        let has_place = view.id().is_some();
        if has_place {
            witness::note(self.id, view.now());
        }
        let mut performance = Performance { view, savepoints: Vec::new() };
        let seen = self.steps.iter().map(|step| performance.step(*step)).collect();
        if has_place
            && self.declares == Declares::Unknown
            && matches!(seen, Err(ref error) if is_outside(error))
        {
            witness::take_back(self.id, view.now());
        }
        seen
    }
}

/// Whether a procedure has touched what it hadn't declared.
pub fn is_outside(error: &Error) -> bool {
    matches!(error, Error::Transaction(TransactionError::OutsideFootprint { .. }))
}

impl Outcome {
    /// What a client was told.
    pub fn of(answer: Result<Vec<Seen>>) -> Outcome {
        match answer {
            Ok(seen) => Outcome::Done(seen),
            Err(Error::Rejected { .. }) => Outcome::Rejected,
            Err(Error::ProcedurePanicked { .. }) => Outcome::Panicked,
            Err(error) if is_outside(&error) => Outcome::Outside,
            Err(error) => Outcome::Failed(error.to_string()),
        }
    }
}

/// The number that a value is; 0 if there is none.
pub fn number(value: Option<&[u8]>) -> u64 {
    value.map_or(0, |value| u64::from_le_bytes(value.try_into().expect("values are eight bytes")))
}

/// A script that is being run.
struct Performance<'v> {
    view: &'v View<'v>,
    savepoints: Vec<Savepoint>,
}

impl<'v> Performance<'v> {
    fn table(&self, table: u8) -> Result<&'v Table> {
        self.view.table(TABLES[usize::from(table)])
    }

    fn get(&self, place: Place) -> Result<Option<Bytes>> {
        self.view.get(self.table(place.table)?, place.bytes())
    }

    fn put(&self, place: Place, value: u64) -> Result<Seen> {
        self.view.put(self.table(place.table)?, place.bytes(), value.to_le_bytes())?;
        Ok(Seen::Nothing)
    }

    fn add(&self, place: Place, by: u64) -> Result<Seen> {
        let sum = number(self.get(place)?.as_deref()).wrapping_add(by);
        self.put(place, sum)?;
        Ok(Seen::Count(sum))
    }

    fn scan(&self, span: Span, is_backward: bool) -> Result<Scan<'v>> {
        let (table, bounds) = (self.table(span.table)?, span.bounds());
        Ok(if is_backward { self.view.scan_rev(table, bounds) } else { self.view.scan(table, bounds) })
    }

    fn bump(&self, span: Span, is_backward: bool) -> Result<Seen> {
        let table = self.table(span.table)?;
        let mut count = 0;
        for record in self.scan(span, is_backward)? {
            let (key, value) = record?;
            self.view.put(table, key, number(Some(&value)).wrapping_add(1).to_le_bytes())?;
            count += 1;
        }
        Ok(Seen::Count(count))
    }

    fn follow(&self, start: Place, hops: u8) -> Result<Seen> {
        let mut place = start;
        for _ in 0..hops {
            place.key = (number(self.get(place)?.as_deref()) % 12) as u8;
        }
        self.add(place, 1)
    }

    fn insert(&self, place: Place, value: u64) -> Result<Seen> {
        match self.view.insert(self.table(place.table)?, place.bytes(), value.to_le_bytes()) {
            Ok(()) => Ok(Seen::Flag(true)),
            Err(error) if error.is_key_exists() => Ok(Seen::Flag(false)),
            Err(error) => Err(error),
        }
    }

    fn copy(&self, from: Place, to: Place) -> Result<Seen> {
        match self.get(from)? {
            Some(value) => self.put(to, number(Some(&value))),
            None => Ok(Seen::Flag(self.view.delete(self.table(to.table)?, to.bytes())?)),
        }
    }

    fn step(&mut self, step: Step) -> Result<Seen> {
        trouble::pause();
        match step {
            Step::Get(place) => Ok(Seen::Value(self.get(place)?.map(Vec::from))),
            Step::GetForUpdate(place) => {
                let value = self.view.get_for_update(self.table(place.table)?, place.bytes())?;
                Ok(Seen::Value(value.map(Vec::from)))
            }
            Step::Put(place, value) => self.put(place, value),
            Step::Insert(place, value) => self.insert(place, value),
            Step::Delete(place) => Ok(Seen::Flag(self.view.delete(self.table(place.table)?, place.bytes())?)),
            Step::Add(place, by) => self.add(place, by),
            Step::Merge(place, by) => {
                self.view.merge(self.table(place.table)?, place.bytes(), by.to_le_bytes())?;
                Ok(Seen::Nothing)
            }
            Step::Scan { span, is_backward, limit } => {
                let records = self.scan(span, is_backward)?.take(usize::from(limit));
                let owned = |(key, value): (Bytes, Bytes)| (Vec::from(key), Vec::from(value));
                Ok(Seen::Records(records.map(|record| record.map(owned)).collect::<Result<_>>()?))
            }
            Step::Bump { span, is_backward } => self.bump(span, is_backward),
            Step::DeleteRange(span) => {
                Ok(Seen::Count(self.view.delete_range(self.table(span.table)?, span.bounds())?))
            }
            Step::Savepoint => {
                self.savepoints.push(self.view.savepoint()?);
                Ok(Seen::Nothing)
            }
            Step::RollBack => {
                self.savepoints.last().map_or(Ok(()), |savepoint| self.view.rollback_to(savepoint))?;
                Ok(Seen::Nothing)
            }
            Step::RejectIf(place, below) => {
                match number(self.get(place)?.as_deref()) % 8 < u64::from(below) {
                    true => Err(Error::rejected("the number is too low")),
                    false => Ok(Seen::Nothing),
                }
            }
            Step::PutIfOdd(condition, place, value) => {
                let is_odd = number(self.get(condition)?.as_deref()) % 2 == 1;
                if is_odd { self.put(place, value) } else { Ok(Seen::Flag(false)) }
            }
            Step::Copy(from, to) => self.copy(from, to),
            Step::Follow(start, hops) => self.follow(start, hops),
            Step::Random(place) => self.put(place, self.view.random()),
            Step::Now(place) => self.put(place, self.view.now().0),
            Step::Panic => panic!("a script panics, as it was told to"),
        }
    }
}

/// Reads everything: which table, key, value.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Dump;

impl Procedure for Dump {
    const NAME: &'static str = "dump";
    type Output = Vec<(u8, Vec<u8>, Vec<u8>)>;

    fn declare(&self, footprint: &mut Declaration<'_>) -> Result<()> {
        TABLES.iter().try_for_each(|name| {
            let table = footprint.table(name)?.clone();
            footprint.read_range(&table, ..);
            Ok(())
        })
    }

    fn run(&self, view: &View<'_>) -> Result<Self::Output> {
        let mut records = Vec::new();
        for (number, name) in (0..).zip(TABLES) {
            for record in view.scan(view.table(name)?, ..) {
                let (key, value) = record?;
                records.push((number, key.into(), value.into()));
            }
        }
        Ok(records)
    }
}

/// Writes all of these: which table, key, value.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Fill(pub Vec<(u8, Vec<u8>, Vec<u8>)>);

impl Procedure for Fill {
    const NAME: &'static str = "fill";
    type Output = ();

    fn declare(&self, footprint: &mut Declaration<'_>) -> Result<()> {
        self.0.iter().try_for_each(|(table, key, _)| footprint.write(TABLES[usize::from(*table)], key))
    }

    fn run(&self, view: &View<'_>) -> Result<()> {
        self.0.iter().try_for_each(|(table, key, value)| {
            view.put(view.table(TABLES[usize::from(*table)])?, key, value)
        })
    }
}
