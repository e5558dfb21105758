//! A telephone network's register, after TATP ("Telecommunication Application Transaction Processing Benchmark Description",
//! IBM Software Group, 2009).
//!
//! | transaction | share | what it does |
//! | --- | --- | --- |
//! | `GetSubscriberData` | 35 % | reads a subscriber |
//! | `GetNewDestination` | 10 % | reads where calls go at a time of day, if the facility is active |
//! | `GetAccessData` | 35 % | reads an access record, which may not be there |
//! | `UpdateSubscriberData` | 2 % | changes a subscriber, and a facility, which may not be there |
//! | `UpdateLocation` | 14 % | finds a subscriber by the telephone number, and notes the place |
//! | `InsertCallForwarding` | 2 % | sends calls on, unless the facility isn't there or they are sent on already |
//! | `DeleteCallForwarding` | 2 % | ends that, unless there is nothing to end |
//!
//! Many look for rows that aren't there: by the specification's rules about 28 of a hundred transactions come to nothing.
//! That is a valid answer, and here they count as rejected.
//!
//! The specification's tables are `subscriber`, `access_info`, `special_facility` and `call_forwarding`; its index on
//! telephone numbers is a table too, `number_index`. A telephone number never changes hands, so a transaction's footprint
//! is known beforehand although it begins with a number.

mod check;
mod population;
mod rows;
mod transaction;

pub use transaction::Transaction;

use super::rules::within;
use super::{Generator, Job, Past, Rules, TakeRow, Workload};
use crate::error::Result;
use crate::random::Random;
use crate::target::Client;
use std::ops::Range;

/// All tables.
pub(super) const TABLES: &[&str] =
    &["subscriber", "access_info", "special_facility", "call_forwarding", "number_index"];
pub(super) const SUBSCRIBER: usize = 0;
pub(super) const ACCESS: usize = 1;
pub(super) const FACILITY: usize = 2;
pub(super) const FORWARDING: usize = 3;
pub(super) const NUMBER: usize = 4;

/// The most subscribers.
pub const SUBSCRIBERS_MAX: u32 = 100_000_000;

/// All settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Subscribers: 100,000 by default, as in the specification. For each there are about ten rows in all tables.
    pub subscribers: u32,
    /// Whether all subscribers are alike. If not, which is the default, they are drawn as the specification says.
    pub uniform: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { subscribers: 100_000, uniform: false }
    }
}

impl Settings {
    /// The specification's `A`, by which subscribers are drawn.
    fn spread(&self) -> u64 {
        match self.subscribers {
            ..=1_000_000 => 65_535,
            1_000_001..=10_000_000 => 1_048_575,
            _ => 2_097_151,
        }
    }
}

/// The workload.
#[derive(Debug)]
pub struct Tatp {
    settings: Settings,
    population: population::Population,
}

impl Tatp {
    /// One with these settings.
    ///
    /// # Errors
    ///
    /// If a setting is out of its range.
    pub fn new(settings: Settings) -> Result<Tatp> {
        within("subscribers", settings.subscribers, 1..=SUBSCRIBERS_MAX)?;
        let population = population::Population::new(settings.subscribers);
        Ok(Tatp { settings, population })
    }
}

impl Workload for Tatp {
    fn name(&self) -> String {
        "tatp".to_string()
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        let Settings { subscribers, uniform } = &self.settings;
        let popularity = match uniform {
            true => "uniform".to_string(),
            false => format!("as specified, A = {}", self.settings.spread()),
        };
        vec![("subscribers", subscribers.to_string()), ("popularity", popularity)]
    }

    fn tables(&self) -> &'static [&'static str] {
        TABLES
    }

    fn rows(&self) -> u64 {
        self.population.rows.iter().sum()
    }

    /// One for each row that is read or written, and for each range. `GetNewDestination` looks up forwardings only where
    /// the facility is there, which 62.5 % are, and active, 85 % of them. `InsertCallForwarding` gets as far as the last of
    /// its three where the facility is there.
    fn lookups(&self) -> f64 {
        let facility = 0.625;
        let reads = 35.0 + 10.0 * (1.0 + facility * 0.85) + 35.0;
        (reads + 2.0 * 2.0 + 14.0 * 2.0 + 2.0 * (2.0 + facility) + 2.0 * 2.0) / 100.0
    }

    fn load(&self, numbers: Range<u64>, row: &mut TakeRow<'_>) {
        self.population.load(numbers, row);
    }

    fn generator<'p>(&'p self, _past: &'p Past, seed: u64) -> Box<dyn Generator + 'p> {
        Box::new(Draws { settings: &self.settings, random: Random::new(seed, 0) })
    }

    fn check(&self, client: &mut dyn Client, past: &Past) -> Result<Rules> {
        check::check(&self.population, client, past)
    }
}

/// The jobs of a client.
struct Draws<'p> {
    settings: &'p Settings,
    random: Random,
}

impl Draws<'_> {
    fn subscriber(&mut self) -> u32 {
        let count = u64::from(self.settings.subscribers);
        if self.settings.uniform {
            return self.random.between(1, count) as u32;
        }
        // Numbers with many ones in their low bits are the likelier.
        let drawn = self.random.between(0, self.settings.spread()) | self.random.between(1, count);
        (drawn % count) as u32 + 1
    }

    /// One of four types of access or of facilities.
    fn kind(&mut self) -> u8 {
        self.random.between(1, 4) as u8
    }

    fn start_hour(&mut self) -> u8 {
        rows::START_HOURS[self.random.below(3) as usize]
    }

    fn end_hour(&mut self) -> u8 {
        self.random.between(1, u64::from(rows::END_HOUR_MAX)) as u8
    }
}

impl Generator for Draws<'_> {
    fn next(&mut self) -> Job {
        let subscriber = self.subscriber();
        Job::Tatp(match self.random.below(100) {
            ..35 => Transaction::GetSubscriberData { subscriber },
            35..45 => Transaction::GetNewDestination {
                subscriber,
                kind: self.kind(),
                start_hour: self.start_hour(),
                end_hour: self.end_hour(),
            },
            45..80 => Transaction::GetAccessData { subscriber, kind: self.kind() },
            80..82 => Transaction::UpdateSubscriberData {
                subscriber,
                kind: self.kind(),
                bit: self.random.percent(50),
                data: self.random.below(256) as u8,
            },
            82..96 => Transaction::UpdateLocation {
                subscriber,
                location: self.random.between(1, u32::MAX.into()) as u32,
            },
            96..98 => Transaction::InsertCallForwarding {
                subscriber,
                kind: self.kind(),
                start_hour: self.start_hour(),
                end_hour: self.end_hour(),
                to: self.random.between(1, self.settings.subscribers.into()) as u32,
            },
            _ => Transaction::DeleteCallForwarding {
                subscriber,
                kind: self.kind(),
                start_hour: self.start_hour(),
            },
        })
    }
}
