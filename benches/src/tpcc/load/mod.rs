//! The initial database (clause 4.3), loaded in parallel.
//!
//! The population is cut into units: some thousand items, the customers of one district, and so on. Threads
//! take units from a common counter and write them in batches of bounded size. Each unit draws from a random
//! stream of its own, so the data follow from the seed alone, however many threads load.
//!
//! Batches commit at [`Durability::Buffered`]; one last commit at [`Durability::Sync`] writes down that the
//! population is complete. A load that is cut short is recognised by that row's absence.

mod batch;
mod orders;
mod population;

use super::constants::draw_load_constant;
use super::scale::{DISTRICTS, Scale};
use super::schema::{Database, Tables};
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::random::Random;
use batch::Batch;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use synod::{Durability, Engine};

/// Items, or stock rows, of one unit.
const UNIT_ITEMS: u32 = 10_000;
/// The random stream that the load's constants come from; units have the streams above it.
const CONSTANTS_STREAM: u64 = 0;
const PROGRESS_EVERY: Duration = Duration::from_millis(100);

/// How to load.
#[derive(Clone, Copy, Debug)]
pub struct LoadOptions {
    /// The size of the population.
    pub scale: Scale,
    /// Threads that load.
    pub threads: usize,
    /// What the data follow from.
    pub seed: u64,
    /// Whether the engine has a log: then the load ends with a commit at [`Durability::Sync`].
    pub durable: bool,
}

/// A part of the population that one thread loads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Items { first: u32, last: u32 },
    Warehouse { warehouse: u16 },
    Stock { warehouse: u16, first: u32, last: u32 },
    Customers { warehouse: u16, district: u8 },
    Orders { warehouse: u16, district: u8 },
}

/// Cuts the population into units.
fn units(scale: Scale) -> Vec<Unit> {
    let item_ranges = || {
        let starts = (1..=scale.items).step_by(UNIT_ITEMS as usize);
        starts.map(move |first| (first, scale.items.min(first.saturating_add(UNIT_ITEMS - 1))))
    };
    let mut units: Vec<Unit> = item_ranges().map(|(first, last)| Unit::Items { first, last }).collect();
    for warehouse in scale.warehouse_ids() {
        units.push(Unit::Warehouse { warehouse });
        units.extend(item_ranges().map(|(first, last)| Unit::Stock { warehouse, first, last }));
        for district in 1..=DISTRICTS {
            units.push(Unit::Customers { warehouse, district });
            units.push(Unit::Orders { warehouse, district });
        }
    }
    units
}

/// What the threads of a load share.
struct Work<'a> {
    engine: &'a Engine,
    tables: &'a Tables,
    options: LoadOptions,
    last_name_constant: u64,
    units: Vec<Unit>,
    next_unit: AtomicUsize,
    rows: AtomicU64,
    stop: &'a AtomicBool,
    failed: AtomicBool,
}

impl Work<'_> {
    /// Takes units and loads them until there are none, or until another thread has failed.
    fn load_units(&self) -> Result<()> {
        // Relaxed throughout: the counters only share out work and show progress; data pass by joining.
        while !self.failed.load(Ordering::Relaxed) {
            if self.stop.load(Ordering::Relaxed) {
                return Err(Error::Interrupted);
            }
            let index = self.next_unit.fetch_add(1, Ordering::Relaxed);
            let Some(&unit) = self.units.get(index) else {
                break;
            };
            let random = Random::new(self.options.seed, CONSTANTS_STREAM + 1 + index as u64);
            let loaded = self.load_unit(unit, random);
            if loaded.is_err() {
                self.failed.store(true, Ordering::Relaxed);
            }
            loaded?;
        }
        Ok(())
    }

    fn load_unit(&self, unit: Unit, random: Random) -> Result<()> {
        let level = if self.options.durable { Durability::Buffered } else { Durability::None };
        let mut batch = Batch::new(self.engine, level, &self.rows);
        let mut filler = population::Filler { tables: self.tables, scale: self.options.scale, random };
        match unit {
            Unit::Items { first, last } => filler.items(first..=last, &mut batch)?,
            Unit::Warehouse { warehouse } => filler.warehouse(warehouse, &mut batch)?,
            Unit::Stock { warehouse, first, last } => filler.stock(warehouse, first..=last, &mut batch)?,
            Unit::Customers { warehouse, district } => {
                let district = super::keys::DistrictId { warehouse, district };
                filler.customers(district, self.last_name_constant, &mut batch)?;
            }
            Unit::Orders { warehouse, district } => {
                filler.orders(super::keys::DistrictId { warehouse, district }, &mut batch)?;
            }
        }
        batch.flush()
    }
}

/// Loads the population into an empty engine.
///
/// # Errors
///
/// If the scale or the number of threads is senseless, the engine fails, or `stop` is set. The engine then
/// holds part of the population, and [`Database::open`] refuses it.
pub fn load(
    engine: &Engine,
    options: LoadOptions,
    stop: &AtomicBool,
    progress: &mut Progress,
) -> Result<Database> {
    if options.scale.warehouses == 0 || options.threads == 0 {
        return Err(Error::Settings("a load needs at least one warehouse and one thread".to_string()));
    }
    let tables = Database::create_tables(engine)?;
    let last_name_constant = draw_load_constant(&mut Random::new(options.seed, CONSTANTS_STREAM));
    let work = Work {
        engine,
        tables: &tables,
        options,
        last_name_constant,
        units: units(options.scale),
        next_unit: AtomicUsize::new(0),
        rows: AtomicU64::new(0),
        stop,
        failed: AtomicBool::new(false),
    };
    run_workers(&work, progress)?;
    let level = if options.durable { Durability::Sync } else { Durability::None };
    Database::finish_load(engine, tables, options.scale, last_name_constant, level)
}

/// Runs the threads of a load and shows how far they are.
fn run_workers(work: &Work<'_>, progress: &mut Progress) -> Result<()> {
    let (started, total) = (Instant::now(), work.options.scale.rows());
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..work.options.threads).map(|_| scope.spawn(|| work.load_units())).collect();
        while !workers.iter().all(std::thread::ScopedJoinHandle::is_finished) {
            std::thread::sleep(PROGRESS_EVERY);
            let rows = work.rows.load(Ordering::Relaxed);
            let rate = rows as f64 / started.elapsed().as_secs_f64() / 1_000.0;
            progress.set(rows, || format!("{rows} of about {total} rows, {rate:.0} k rows/s"));
        }
        for worker in workers {
            worker.join().map_err(|panic| Error::panicked(&*panic))??;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_cover_the_population_exactly_once() {
        let units = units(Scale { items: 25_000, ..Scale::full(2) });
        let mut items = Vec::new();
        let mut stock = [Vec::new(), Vec::new()];
        for unit in &units {
            match *unit {
                Unit::Items { first, last } => items.extend(first..=last),
                Unit::Stock { warehouse, first, last } => {
                    stock[usize::from(warehouse) - 1].extend(first..=last);
                }
                _ => {}
            }
        }
        let all: Vec<u32> = (1..=25_000).collect();
        assert_eq!((&items, &stock[0], &stock[1]), (&all, &all, &all));
        let districts = |wanted: fn(&Unit) -> bool| units.iter().filter(|unit| wanted(unit)).count();
        assert_eq!(districts(|unit| matches!(unit, Unit::Customers { .. })), 20);
        assert_eq!(districts(|unit| matches!(unit, Unit::Orders { .. })), 20);
        assert_eq!(districts(|unit| matches!(unit, Unit::Warehouse { .. })), 2);
    }
}
