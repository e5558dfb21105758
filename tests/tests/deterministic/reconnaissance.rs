//! Procedures that don't say what they touch, on data that others change all the time.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use synod::{Engine, Error, Procedure, View};
use synod_tests::crash::failure::in_time;
use synod_tests::deterministic::clients::run;
use synod_tests::deterministic::places::{Place, TABLES};
use synod_tests::deterministic::script::{Declares, Script, Step};
use synod_tests::deterministic::serial::State;
use synod_tests::deterministic::verdict::judge;
use synod_tests::deterministic::witness::fresh_id;
use synod_tests::deterministic::world::{contents, hash_of, in_memory, newest_hash, options};
use synod_tests::random::Random;

/// A chain of pointers is followed to its end, which is changed; or some pointer is, so that chains end elsewhere.
fn chase(random: &mut Random) -> Script {
    let place = |random: &mut Random| Place { table: 0, key: random.below(12) as u8 };
    let (start, hops) = (place(random), 1 + random.below(4) as u8);
    let (steps, declares) = match random.below(3) {
        0 => (vec![Step::Put(place(random), random.below(12))], Declares::Each),
        1 => (vec![Step::Follow(start, hops), Step::Follow(place(random), hops)], Declares::Unknown),
        _ => (vec![Step::Follow(start, hops)], Declares::Unknown),
    };
    Script { id: fresh_id(), steps, declares }
}

fn chases(seed: u64, clients: u64, scripts: u64) -> Vec<Vec<Script>> {
    let client = |client| {
        let mut random = Random::new(seed << 8 | client);
        (0..scripts).map(|_| chase(&mut random)).collect()
    };
    (0..clients).map(client).collect()
}

#[test]
fn pointers_are_followed_while_they_change() {
    in_time("chasing pointers", || {
        for workers in [1, 2, 4, 8] {
            let engine = in_memory(options().workers(workers));
            let history = run(&engine, &chases(workers as u64, 6, 60), 1);
            let line = judge(&history, &State::new()).unwrap_or_else(|problem| panic!("{problem}"));
            assert_eq!(newest_hash(&engine), hash_of(line.last()));
            let stats = engine.stats().sequencing.unwrap();
            assert_eq!(stats.rejected, 0);
            assert!(stats.reconnaissances > stats.restarted, "{stats:?}");
            assert!(stats.restarted > 0, "nothing has ever moved: {stats:?}");
        }
    });
}

#[test]
fn tables_come_and_go_while_procedures_are_put_in_again() {
    in_time("creating tables", || {
        let engine = in_memory(options().workers(2));
        let is_over = AtomicBool::new(false);
        let turns = AtomicU64::new(0);
        let history = std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    engine.table("passing").unwrap();
                    assert!(engine.drop_table("passing").unwrap());
                    turns.fetch_add(1, Ordering::Relaxed);
                }
            });
            let history = run(&engine, &chases(77, 6, 100), 1);
            is_over.store(true, Ordering::Relaxed);
            history
        });
        judge(&history, &State::new()).unwrap_or_else(|problem| panic!("{problem}"));
        assert!(turns.into_inner() > 1);
        assert!(engine.stats().sequencing.unwrap().restarted > 0);
    });
}

static IS_ELUSIVE: AtomicBool = AtomicBool::new(false);
static RUNS: AtomicU64 = AtomicU64::new(0);

/// Touches another key each time that it is run, as long as it is elusive.
#[derive(Serialize, Deserialize)]
struct Elusive;

impl Procedure for Elusive {
    const NAME: &'static str = "elusive";
    type Output = u64;

    fn run(&self, view: &View<'_>) -> Result<u64, Error> {
        let run = RUNS.fetch_add(1, Ordering::Relaxed);
        let key = if IS_ELUSIVE.load(Ordering::Relaxed) { run } else { 0 };
        view.put(view.table(TABLES[1])?, key.to_be_bytes(), "")?;
        Ok(run)
    }
}

fn elusive() -> (Engine, u64) {
    let engine = in_memory(options().procedure::<Elusive>());
    IS_ELUSIVE.store(true, Ordering::Relaxed);
    RUNS.store(0, Ordering::Relaxed);
    let executed = engine.execute(Elusive).unwrap();
    (engine, executed.output)
}

#[test]
fn whoever_cannot_be_found_out_gets_whole_tables_in_the_end() {
    let (engine, last_run) = elusive();
    let stats = engine.stats().sequencing.unwrap();
    // Each time once to find out, and once in its place, where it was elsewhere; and then once more in its place.
    assert_eq!((stats.reconnaissances, stats.restarted, stats.committed), (8, 8, 1));
    assert_eq!(last_run, 16);
    assert_eq!(contents(&engine).len(), 1, "the runs before have left something");
}
