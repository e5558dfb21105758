//! The tables of a loaded database, and what was written down about its population.

use super::scale::Scale;
use crate::error::{Error, Result};
use crate::put_rows::Rows;
use serde::{Deserialize, Serialize};
use synod::{Durability, Engine, Table};

/// Changes whenever rows or keys change their layout.
const FORMAT: u32 = 1;
const POPULATION_TABLE: &str = "tpcc_population";
const POPULATION_KEY: &[u8] = b"population";

/// All tables: handles of them, or references to such handles.
#[derive(Clone)]
pub struct Tables<T = Table> {
    /// WAREHOUSE.
    pub warehouse: T,
    /// DISTRICT.
    pub district: T,
    /// CUSTOMER.
    pub customer: T,
    /// Customers by last and first name; the rows are empty.
    pub customer_by_name: T,
    /// HISTORY.
    pub history: T,
    /// ORDER.
    pub order: T,
    /// Orders by customer, newest first; the rows are empty.
    pub order_by_customer: T,
    /// NEW_ORDER; the rows are empty.
    pub new_order: T,
    /// ORDER_LINE.
    pub order_line: T,
    /// ITEM.
    pub item: T,
    /// STOCK.
    pub stock: T,
}

/// What a transaction works with: the terminal's tables, or those that a procedure has found by name.
pub type TableRefs<'a> = Tables<&'a Table>;

impl<T> Tables<T> {
    /// Finds all tables by their names.
    ///
    /// # Errors
    ///
    /// What `table` returns.
    pub fn find<E>(mut table: impl FnMut(&'static str) -> Result<T, E>) -> Result<Tables<T>, E> {
        Ok(Tables {
            warehouse: table("warehouse")?,
            district: table("district")?,
            customer: table("customer")?,
            customer_by_name: table("customer_by_name")?,
            history: table("history")?,
            order: table("order")?,
            order_by_customer: table("order_by_customer")?,
            new_order: table("new_order")?,
            order_line: table("order_line")?,
            item: table("item")?,
            stock: table("stock")?,
        })
    }
}

impl Tables {
    /// Opens all tables, creating those that aren't there.
    ///
    /// # Errors
    ///
    /// If the engine can't open or create one of them.
    pub fn open(engine: &Engine) -> Result<Tables> {
        Ok(Tables::find(|name| engine.table(name))?)
    }

    /// References to the handles.
    pub fn refs(&self) -> TableRefs<'_> {
        Tables {
            warehouse: &self.warehouse,
            district: &self.district,
            customer: &self.customer,
            customer_by_name: &self.customer_by_name,
            history: &self.history,
            order: &self.order,
            order_by_customer: &self.order_by_customer,
            new_order: &self.new_order,
            order_line: &self.order_line,
            item: &self.item,
            stock: &self.stock,
        }
    }
}

/// What is remembered about the population: without it, a later run couldn't keep the rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Population {
    format: u32,
    warehouses: u16,
    items: u32,
    customers: u16,
    undelivered: u32,
    /// The constant C that the last names were drawn with (clause 2.1.6.1).
    last_name_constant: u64,
    /// How many runs have been started on this population.
    runs: u16,
}

/// A loaded database.
#[derive(Clone)]
pub struct Database {
    /// The engine that holds it.
    pub engine: Engine,
    /// Its tables.
    pub tables: Tables,
    population: Table,
    /// How large its population was.
    pub scale: Scale,
    /// The constant C that the population's last names were drawn with (clause 2.1.6.1).
    pub last_name_constant: u64,
}

/// Reads the population's description; `None` if nothing was ever loaded to the end.
fn read_population(engine: &Engine, table: &Table) -> Result<Option<Population>> {
    let Some(bytes) = engine.snapshot()?.get(table, POPULATION_KEY)? else {
        return Ok(None);
    };
    let population: Population = serde_json::from_slice(&bytes).map_err(|_| Error::MalformedRow {
        table: POPULATION_TABLE,
        length: bytes.len(),
        problem: "it doesn't describe a population",
    })?;
    if population.format != FORMAT {
        return Err(Error::Settings(format!(
            "the database was loaded in format {}, this program reads format {FORMAT}: load it anew",
            population.format
        )));
    }
    Ok(Some(population))
}

/// Writes the population's description; on return it is as durable as the engine can make it.
fn write_population(
    engine: &Engine,
    table: &Table,
    population: &Population,
    level: Durability,
) -> Result<()> {
    let text = serde_json::to_vec(population)
        .map_err(|error| Error::Settings(format!("cannot describe the population: {error}")))?;
    let mut rows = Rows::default();
    rows.push(table, POPULATION_KEY, &text);
    rows.write(engine, level)
}

impl Database {
    /// Opens what `engine` holds; `None` if nothing has been loaded.
    ///
    /// # Errors
    ///
    /// If a load was begun and not finished, if another version of this program loaded it, or if the engine
    /// fails.
    pub fn open(engine: &Engine) -> Result<Option<Database>> {
        let names = engine.tables();
        if !names.iter().any(|name| name == POPULATION_TABLE) {
            return match names.first() {
                None => Ok(None),
                Some(name) => Err(Error::Settings(format!(
                    "the database holds something else (table {name}): choose another path"
                ))),
            };
        }
        let (tables, table) = (Tables::open(engine)?, engine.table(POPULATION_TABLE)?);
        let Some(population) = read_population(engine, &table)? else {
            return Err(Error::Settings(
                "a load of this database was begun and never finished: remove it and load again".to_string(),
            ));
        };
        let Population { warehouses, items, customers, undelivered, last_name_constant, .. } = population;
        let scale = Scale { warehouses, items, customers, undelivered };
        Ok(Some(Database { engine: engine.clone(), tables, population: table, scale, last_name_constant }))
    }

    /// Creates all tables. Until [`Database::finish_load`] has been called, the database counts as unfinished.
    pub(crate) fn create_tables(engine: &Engine) -> Result<Tables> {
        engine.table(POPULATION_TABLE)?;
        Tables::open(engine)
    }

    /// Writes down that the population is complete, durably at `level`, and gives the database back.
    pub(crate) fn finish_load(
        engine: &Engine,
        tables: Tables,
        scale: Scale,
        last_name_constant: u64,
        level: Durability,
    ) -> Result<Database> {
        let Scale { warehouses, items, customers, undelivered } = scale;
        let population = Population {
            format: FORMAT,
            warehouses,
            items,
            customers,
            undelivered,
            last_name_constant,
            runs: 0,
        };
        let table = engine.table(POPULATION_TABLE)?;
        write_population(engine, &table, &population, level)?;
        Ok(Database { engine: engine.clone(), tables, population: table, scale, last_name_constant })
    }

    /// Counts one more run and returns its number, from 1: it makes the keys of HISTORY rows unique.
    ///
    /// # Errors
    ///
    /// If the engine fails, or after 65,535 runs.
    pub fn start_run(&self, level: Durability) -> Result<u16> {
        let Some(mut population) = read_population(&self.engine, &self.population)? else {
            return Err(Error::MissingRow { table: POPULATION_TABLE, key: "population".to_string() });
        };
        population.runs = population
            .runs
            .checked_add(1)
            .ok_or_else(|| Error::Settings("this database has seen 65,535 runs: load it anew".to_string()))?;
        write_population(&self.engine, &self.population, &population, level)?;
        Ok(population.runs)
    }

    /// Checks that the database has the size that was asked for.
    ///
    /// # Errors
    ///
    /// If it has another size; the text says both.
    pub fn require_scale(&self, wanted: Scale) -> Result<()> {
        if self.scale == wanted {
            return Ok(());
        }
        let describe = |scale: Scale| {
            format!(
                "{} warehouses, {} items, {} customers a district",
                scale.warehouses, scale.items, scale.customers
            )
        };
        Err(Error::Settings(format!(
            "the database there has {}, but {} were asked for: ask for what is there, or choose another path",
            describe(self.scale),
            describe(wanted)
        )))
    }
}
