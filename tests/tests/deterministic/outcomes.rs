//! What can come of a procedure, besides its effects: refusals, rejections, panics, and what others see of them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use synod::device::MemoryDevice;
use synod::errors::TransactionError;
use synod::{
    Declaration, Durability, Engine, Error, Options, Procedure, Result, Ticket, Transaction,
    TransactionOptions, View,
};
use synod_tests::conformance::durability::block_on;
use synod_tests::crash::failure::{in_time, wait_until};
use synod_tests::crash::gate::GatedDevice;
use synod_tests::deterministic::perform::{Dump, is_outside};
use synod_tests::deterministic::places::{Ends, Place, Span, TABLES};
use synod_tests::deterministic::script::{Declares, Outcome, Script, Seen, Step};
use synod_tests::deterministic::witness::fresh_id;
use synod_tests::deterministic::world::{contents, in_memory, on_device, options, tables, value};

/// Longer than any test runs.
const NEVER: Duration = Duration::from_secs(3600);

const A: Place = Place { table: 0, key: 0 };
const B: Place = Place { table: 1, key: 4 };
const ALL: Span = Span { table: 0, ends: Ends::All };

fn script(declares: Declares, steps: impl Into<Vec<Step>>) -> Script {
    Script { id: fresh_id(), steps: steps.into(), declares }
}

fn each(steps: impl Into<Vec<Step>>) -> Script {
    script(Declares::Each, steps)
}

fn answer(engine: &Engine, script: Script) -> Outcome {
    Outcome::of(engine.execute(script).map(|executed| executed.output))
}

#[test]
fn a_rejection_and_a_panic_are_the_answer_and_leave_nothing() {
    let engine = in_memory(options().workers(1));
    assert!(matches!(answer(&engine, each([Step::Put(A, 8)])), Outcome::Done(_)));
    for declares in [Declares::Each, Declares::Unknown, Declares::Tables] {
        for (last, expected) in [(Step::RejectIf(A, 7), Outcome::Rejected), (Step::Panic, Outcome::Panicked)]
        {
            let before = [Step::Delete(A), Step::Insert(B, 1), Step::Merge(B, 5), Step::DeleteRange(ALL)];
            let steps = [&before[..], &[last]].concat();
            assert_eq!(answer(&engine, script(declares, steps)), expected);
            assert_eq!((value(&engine, A), value(&engine, B)), (Some(8), None), "{declares:?}");
        }
    }
    let error = engine.execute(each([Step::RejectIf(B, 1)])).unwrap_err();
    assert_eq!(error.to_string(), "rejected: the number is too low");
    let error = engine.execute(each([Step::Panic])).unwrap_err();
    assert_eq!(error.to_string(), "the procedure script has panicked: a script panics, as it was told to");
    assert_eq!(answer(&engine, each([Step::Add(A, 1)])), Outcome::Done(vec![Seen::Count(9)]), "it goes on");
    let stats = engine.stats().sequencing.unwrap();
    assert_eq!((stats.committed, stats.rejected), (2, 8));
    assert_eq!(engine.stats().garbage_records, 0);
}

#[test]
fn whatever_is_outside_of_the_footprint_is_refused_and_nothing_stays() {
    let engine = in_memory(options());
    assert!(matches!(answer(&engine, each([Step::Put(A, 8)])), Outcome::Done(_)));
    let scan = |is_backward| Step::Scan { span: ALL, is_backward, limit: 9 };
    let steps = [
        Step::Get(A),
        Step::GetForUpdate(A),
        Step::Put(A, 1),
        Step::Insert(A, 1),
        Step::Delete(A),
        Step::Merge(A, 1),
        scan(false),
        scan(true),
        Step::Bump { span: ALL, is_backward: false },
        Step::DeleteRange(ALL),
    ];
    for step in steps {
        // The second step's declaration is left out.
        let without = script(Declares::AllBut(1), [Step::Put(B, 1), step]);
        assert_eq!(answer(&engine, without), Outcome::Outside, "{step:?}");
    }
    for step in
        [Step::GetForUpdate(A), Step::Put(A, 1), Step::Insert(A, 1), Step::Delete(A), Step::Merge(A, 1)]
    {
        // That it reads was declared, that it writes wasn't.
        let reading = script(Declares::AllBut(2), [Step::Put(B, 1), Step::Get(A), step]);
        assert_eq!(answer(&engine, reading), Outcome::Outside, "{step:?}");
    }
    assert_eq!((value(&engine, A), value(&engine, B)), (Some(8), None));
    let error = engine.execute(script(Declares::AllBut(0), [Step::Put(A, 1)])).unwrap_err();
    assert!(is_outside(&error) && error.abort().is_none());
    assert!(error.to_string().contains("left"), "{error}");
}

/// A script of another version.
#[derive(Serialize, Deserialize)]
struct NewScript;

impl Procedure for NewScript {
    const NAME: &'static str = Script::NAME;
    const VERSION: u32 = 2;
    type Output = ();

    fn run(&self, _view: &View<'_>) -> Result<()> {
        Ok(())
    }
}

#[test]
fn a_procedure_that_is_not_known_is_refused_when_it_is_handed_in() {
    let engine = in_memory(options());
    let error = engine.submit(NewScript).unwrap_err();
    assert!(
        matches!(&error, Error::UnknownProcedure { procedure, version: 2, known: Some(1) } if procedure == "script"),
        "{error}"
    );
    for mode in [synod::Mode::Deterministic, synod::Mode::TwoPhaseLocking] {
        let engine = in_memory(Options::new().mode(mode));
        let error = engine.execute(Dump).unwrap_err();
        assert!(matches!(&error, Error::UnknownProcedure { version: 1, known: None, .. }), "{error}");
        assert!(error.to_string().contains("dump"), "{error}");
    }
}

#[test]
fn a_log_with_a_procedure_that_is_not_known_is_refused_and_stays_as_it_is() {
    let device = MemoryDevice::new();
    let engine = on_device(&device, options());
    (0..5).for_each(|_| drop(engine.execute(each([Step::Add(A, 2)])).unwrap()));
    engine.close().unwrap();
    let open = |options: Options| Engine::open(Path::new("/db"), options.device(Arc::new(device.clone())));
    for mode in [synod::Mode::Deterministic, synod::Mode::MultiVersion] {
        let error = open(Options::new().mode(mode)).unwrap_err();
        assert!(
            matches!(&error, Error::UnknownProcedure { procedure, version: 1, known: None } if procedure == "script"),
            "{error}"
        );
        let error = open(Options::new().mode(mode).procedure::<NewScript>()).unwrap_err();
        assert!(matches!(&error, Error::UnknownProcedure { version: 1, known: Some(2), .. }), "{error}");
        assert!(error.to_string().contains('1') && error.to_string().contains('2'), "{error}");
    }
    let engine = open(options()).unwrap();
    assert_eq!(value(&engine, A), Some(10), "nothing is lost");
    assert_eq!(answer(&engine, each([Step::Add(A, 2)])), Outcome::Done(vec![Seen::Count(12)]));
}

#[test]
fn a_table_that_is_not_there_is_an_error_until_it_is() {
    let engine = Engine::in_memory(options()).unwrap();
    for declares in [Declares::Each, Declares::Unknown] {
        let error = engine.execute(script(declares, [Step::Put(A, 1)])).unwrap_err();
        assert!(matches!(&error, Error::NoSuchTable { table } if TABLES.contains(&&table[..])), "{error}");
    }
    tables(&engine).unwrap();
    assert!(matches!(answer(&engine, each([Step::Put(A, 1)])), Outcome::Done(_)));
    assert!(engine.drop_table(TABLES[0]).unwrap());
    for declares in [Declares::Each, Declares::Unknown] {
        let error = engine.execute(script(declares, [Step::Put(A, 1)])).unwrap_err();
        assert!(matches!(&error, Error::NoSuchTable { .. }), "{error}");
    }
    tables(&engine).unwrap();
    assert_eq!(
        answer(&engine, each([Step::Get(A)])),
        Outcome::Done(vec![Seen::Value(None)]),
        "it is a new one"
    );
}

#[test]
fn what_was_handed_in_before_a_table_goes_is_executed_before() {
    in_time("dropping a table", || {
        let engine = in_memory(options().epoch_interval(NEVER));
        let tickets: Vec<_> = (0..20).map(|_| engine.submit(each([Step::Add(A, 1)])).unwrap()).collect();
        assert!(engine.drop_table(TABLES[0]).unwrap());
        let outputs = tickets.into_iter().map(|ticket| ticket.wait().unwrap().output);
        assert!(outputs.eq((1..=20).map(|count| vec![Seen::Count(count)])));
    });
}

#[test]
fn too_many_in_flight_are_refused_and_not_executed() {
    let engine = in_memory(options().procedures_in_flight_max(3).epoch_interval(NEVER).workers(1));
    let add = || engine.submit(each([Step::Add(A, 1)]));
    for round in 1..=3 {
        let tickets: Vec<Ticket<_>> = (0..3).map(|_| add().unwrap()).collect();
        for _ in 0..2 {
            assert!(matches!(add().unwrap_err(), Error::Overloaded(_)));
        }
        for ticket in tickets {
            ticket.wait().unwrap();
        }
        assert_eq!(value(&engine, A), Some(3 * round));
    }
    // Those that are rejected make room as well.
    for _ in 0..8 {
        assert_eq!(answer(&engine, each([Step::RejectIf(B, 1)])), Outcome::Rejected);
        assert_eq!(answer(&engine, script(Declares::AllBut(0), [Step::Get(A)])), Outcome::Outside);
        assert_eq!(answer(&engine, script(Declares::Unknown, [Step::Panic])), Outcome::Panicked);
    }
    assert_eq!(engine.stats().sequencing.unwrap().committed, 9);
}

#[test]
fn transactions_that_read_and_write_as_they_go_are_refused_and_readers_are_not() {
    let engine = in_memory(options());
    let needs_procedure =
        |error: Error| matches!(error, Error::Transaction(TransactionError::NeedsProcedure));
    assert!(needs_procedure(engine.begin(TransactionOptions::new()).unwrap_err()));
    assert!(needs_procedure(engine.transact(|_: &Transaction| Ok::<_, Error>(())).unwrap_err()));
    engine.execute(each([Step::Put(A, 1)])).unwrap();
    let [left, _] = tables(&engine).unwrap();
    let reader = engine.begin(TransactionOptions::new().read_only()).unwrap();
    engine.execute(each([Step::Put(A, 2)])).unwrap();
    assert_eq!(reader.get(&left, A.bytes()).unwrap().as_deref(), Some(&1u64.to_le_bytes()[..]));
    assert!(matches!(
        reader.put(&left, "key", "value").unwrap_err(),
        Error::Transaction(TransactionError::ReadOnly)
    ));
    reader.commit().unwrap();
    assert_eq!(value(&engine, A), Some(2));
}

#[test]
fn a_query_that_writes_is_an_error_and_leaves_nothing() {
    let engine = in_memory(options());
    engine.execute(each([Step::Put(A, 1)])).unwrap();
    for step in [Step::Put(A, 2), Step::Delete(A), Step::DeleteRange(ALL), Step::Savepoint] {
        let error = engine.query(&each([step])).unwrap_err();
        assert!(matches!(error, Error::Transaction(TransactionError::ReadOnly)), "{error}");
    }
    assert!(matches!(engine.query(&each([Step::Panic])).unwrap_err(), Error::ProcedurePanicked { .. }));
    let seen = engine.query(&each([Step::Get(A), Step::PutIfOdd(B, A, 2)])).unwrap();
    assert_eq!(seen, [Seen::Value(Some(1u64.to_le_bytes().to_vec())), Seen::Flag(false)]);
    assert_eq!(engine.stats().sequencing.unwrap().committed, 1, "a query isn't in the order");
}

#[test]
fn what_nobody_waits_for_is_executed_all_the_same() {
    let engine = in_memory(options().epoch_interval(Duration::from_millis(1)));
    for round in 1..=5 {
        (0..10).for_each(|_| drop(engine.submit(each([Step::Add(A, 1)])).unwrap()));
        wait_until("the procedures are executed", || value(&engine, A) == Some(10 * round));
    }
}

#[test]
fn what_nobody_waits_for_is_there_after_the_last_handle_was_dropped() {
    let device = MemoryDevice::new();
    for round in 1..=3 {
        let engine = on_device(&device, options().epoch_interval(NEVER));
        (0..10).for_each(|_| drop(engine.submit(each([Step::Add(A, 1)])).unwrap()));
        drop(engine);
        let engine = on_device(&device, options());
        assert_eq!(value(&engine, A), Some(10 * round));
    }
}

#[test]
fn futures_complete_without_a_thread_that_waits() {
    in_time("futures", || {
        let engine = in_memory(options().epoch_interval(NEVER).workers(2));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    block_on(async {
                        for _ in 0..50 {
                            let tickets: Vec<_> =
                                (0..5).map(|_| engine.submit(each([Step::Add(A, 1)])).unwrap()).collect();
                            for ticket in tickets {
                                ticket.await.unwrap();
                            }
                        }
                    });
                });
            }
        });
        assert_eq!(value(&engine, A), Some(1000));
    });
}

#[test]
fn closing_executes_what_was_handed_in() {
    in_time("closing", || {
        let device = MemoryDevice::new();
        let engine = on_device(&device, options().epoch_interval(NEVER));
        let tickets: Vec<_> = (0..40).map(|_| engine.submit(each([Step::Add(A, 1)])).unwrap()).collect();
        let other = engine.clone();
        engine.close().unwrap();
        assert!(tickets.iter().all(Ticket::is_executed) && tickets.iter().all(Ticket::is_done));
        assert!(matches!(other.submit(each([Step::Add(A, 1)])).unwrap_err(), Error::Closed));
        assert!(matches!(other.execute(Dump).unwrap_err(), Error::Closed));
        let outputs = tickets.into_iter().map(|ticket| ticket.wait().unwrap().output);
        assert!(outputs.eq((1..=40).map(|count| vec![Seen::Count(count)])));
        drop(other);
        assert_eq!(value(&on_device(&device, options()), A), Some(40));
    });
}

#[test]
fn a_closed_database_can_be_opened_again_at_once() {
    let device = MemoryDevice::new();
    for round in 1..=100 {
        let engine = on_device(&device, options().epoch_interval(Duration::from_micros(100)).workers(3));
        (0..5).for_each(|_| drop(engine.submit(each([Step::Add(A, 1)])).unwrap()));
        let ticket = engine.submit(each([Step::Add(B, 1)])).unwrap();
        assert_eq!(block_on(ticket).unwrap().output, [Seen::Count(round)]);
        engine.close().unwrap();
    }
}

#[test]
fn an_answer_waits_until_it_is_durable_unless_only_execution_was_asked_for() {
    in_time("durability", || {
        for level in [Durability::Sync, Durability::Group, Durability::Buffered] {
            let device = GatedDevice::new();
            let engine = on_device(&device, options().flush_interval(NEVER));
            let gate = device.close_gate();
            let submit =
                |script| engine.submit_with(TransactionOptions::new().durability(level), script).unwrap();
            let [mut put, rejected] = [each([Step::Put(A, 1)]), each([Step::RejectIf(B, 1)])].map(submit);
            put.wait_executed();
            wait_until("the rejection is executed", || rejected.is_executed());
            assert!(put.is_executed());
            assert_eq!((put.is_done(), rejected.is_done()), (!level.waits(), !level.waits()), "{level}");
            std::thread::scope(|scope| {
                let answers = scope.spawn(|| (put.wait().is_ok(), rejected.wait().is_err()));
                if level.waits() {
                    wait_until("somebody flushes the log", || device.held() > 0);
                    assert!(!answers.is_finished());
                    drop(gate);
                }
                assert_eq!(answers.join().unwrap(), (true, true));
            });
        }
    });
}

/// Reads a key that it doesn't declare, and doesn't mind that it can't.
#[derive(Serialize, Deserialize)]
struct Stubborn;

impl Procedure for Stubborn {
    const NAME: &'static str = "stubborn";
    type Output = bool;

    fn declare(&self, footprint: &mut Declaration<'_>) -> Result<()> {
        footprint.write(TABLES[0], A.bytes())
    }

    fn run(&self, view: &View<'_>) -> Result<bool> {
        let table = view.table(TABLES[0])?;
        let outside = view.put(table, "elsewhere", "").is_err() && view.get(table, "elsewhere").is_err();
        view.put(table, A.bytes(), 1u64.to_le_bytes())?;
        Ok(outside)
    }
}

#[test]
fn a_procedure_may_go_on_after_a_refusal() {
    let engine = in_memory(options().procedure::<Stubborn>());
    assert!(engine.execute(Stubborn).unwrap().output);
    assert_eq!(contents(&engine).len(), 1);
}
