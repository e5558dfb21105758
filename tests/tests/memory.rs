//! Memory stays bounded: what is replaced or undone is freed while work goes on, in every mode.
//!
//! One test, in a process of its own: allocations are counted for the whole process.

use serde::{Deserialize, Serialize};
use synod::{Declaration, Durability, Engine, Error, Mode, Options, Procedure, Table, Transaction, View};
use synod_tests::memory::{Metered, live_allocations};

#[global_allocator]
static ALLOCATOR: Metered = Metered;

const KEYS: u64 = 5_000;
const KEYS_OF_EACH: u64 = 10;
const WARMUP: u64 = 4_000;
const TRANSACTIONS: u64 = 20_000;

/// What a thousand transactions may leave behind for a while: garbage is freed some hundred pieces at a time, and a thread's
/// memory grows to its load. One piece of garbage for each transaction would be ten times as much.
const GROWTH_MAX: isize = 2_000;

/// Updates some keys.
#[derive(Clone, Serialize, Deserialize)]
struct Update {
    first: u64,
    rejects: bool,
}

impl Update {
    fn keys(&self) -> Vec<[u8; 8]> {
        (0..KEYS_OF_EACH).map(|nth| ((self.first + nth * 97) % KEYS).to_be_bytes()).collect()
    }

    /// Hands all keys over at once: so the thread is pinned once for all of them.
    fn run_on(&self, txn: &Transaction, table: &Table) -> Result<(), Error> {
        let keys = self.keys();
        txn.multi_get_for_update_with(table, &keys, |_, _| {})?;
        keys.iter().try_for_each(|key| txn.put(table, key, [7; 100]))?;
        if self.rejects { Err(Error::rejected("as it was told to")) } else { Ok(()) }
    }
}

impl Procedure for Update {
    const NAME: &'static str = "update";
    type Output = ();

    fn declare(&self, footprint: &mut Declaration<'_>) -> Result<(), Error> {
        self.keys().iter().try_for_each(|key| footprint.write("t", key))
    }

    fn run(&self, view: &View<'_>) -> Result<(), Error> {
        self.run_on(view, view.table("t")?)
    }
}

fn execute(engine: &Engine, update: Update) {
    match engine.execute(update) {
        Ok(_) | Err(Error::Rejected { .. }) => {}
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn what_is_replaced_is_freed_while_work_goes_on() {
    for mode in Mode::ALL {
        for rejects_every in [u64::MAX, 2] {
            let options = Options::new().mode(mode).durability(Durability::None).procedure::<Update>();
            let engine = Engine::in_memory(options).unwrap();
            engine.table("t").unwrap();
            let run = |numbers: std::ops::Range<u64>| {
                for number in numbers {
                    let rejects = number % rejects_every == 1;
                    execute(&engine, Update { first: number * 31 % KEYS, rejects });
                }
            };
            run(0..WARMUP);
            let before = live_allocations();
            run(WARMUP..WARMUP + TRANSACTIONS);
            let growth = live_allocations() - before;
            assert!(
                growth < GROWTH_MAX,
                "{mode}: {TRANSACTIONS} transactions have left {growth} allocations"
            );
        }
    }
}
