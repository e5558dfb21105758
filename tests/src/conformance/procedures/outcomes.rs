//! What comes of a procedure, and when none is taken.

use serde::{Deserialize, Serialize};
use synod::errors::TransactionError;
use synod::{Error, Isolation, Procedure, Result, TransactionOptions, View};

use super::super::world::fails_with;
use super::super::{Mode, World};
use super::edit::{Edit, End};
use super::{fill, options, world_with};

/// Whether it declares what it touches, or not; and the keys can be used at once.
pub fn a_rejection_and_a_panic_leave_nothing(mode: &Mode) {
    let world = world_with(mode, &["a", "b"]);
    let before = world.records();
    let edit = Edit::new().put("a", "never").delete("b").put("c", "never").delete("a").put("a", "not either");
    for edit in [edit.clone(), edit.undeclared()] {
        let rejected = world.engine.execute(edit.clone().end(End::Reject));
        assert!(fails_with(rejected, |error| matches!(error, Error::Rejected { .. })));
        let panicked = world.engine.execute(edit.clone().end(End::Panic));
        assert!(fails_with(panicked, |error| matches!(error, Error::ProcedurePanicked { .. })));
        assert_eq!(world.records(), before);
        let seen = world.engine.execute(edit).unwrap().output;
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(seen, [text("a"), text("b"), None, text("never"), None]);
        assert_eq!(world.keys(), ["a", "c"]);
        world.engine.execute(Edit::new().put("a", "a").put("b", "b").delete("c")).unwrap();
        assert_eq!(world.records(), before);
    }
    world.collect_garbage();
    assert_eq!(world.records(), before);
}

/// Inserts a key that is there, rolls back to a savepoint, and goes on.
#[derive(Serialize, Deserialize)]
struct Cautious;

impl Procedure for Cautious {
    const NAME: &'static str = "cautious";
    type Output = bool;

    fn run(&self, view: &View<'_>) -> Result<bool> {
        let table = view.table("t")?;
        view.put(table, "b", "before")?;
        let savepoint = view.savepoint()?;
        view.put(table, "b", "after")?;
        view.delete(table, "a")?;
        view.put(table, "c", "after")?;
        view.rollback_to(&savepoint)?;
        Ok(view.insert(table, "a", "other").is_err_and(|error| error.is_key_exists()))
    }
}

/// A key that exists, and what lies behind a savepoint.
pub fn an_error_that_is_handled_is_none(mode: &Mode) {
    let world = World::open(mode.in_memory(options().procedure::<Cautious>()));
    fill(&world.engine, &["a"]);
    assert!(world.engine.execute(Cautious).unwrap().output);
    assert_eq!(world.records(), [("a".into(), "a".into()), ("b".into(), "before".into())]);
}

/// Never silently another level.
pub fn levels_that_the_mode_lacks_are_refused_to_procedures(mode: &Mode) {
    let world = world_with(mode, &[]);
    let is_unsupported =
        |error: &Error| matches!(error, Error::Transaction(TransactionError::UnsupportedIsolation { .. }));
    for level in Isolation::ALL {
        let options = TransactionOptions::new().isolation(level);
        let executed = world.engine.execute_with(options, Edit::new().put(level.to_string(), ""));
        match mode.levels.contains(&level) {
            true => drop(executed.unwrap()),
            false => assert!(fails_with(executed, is_unsupported)),
        }
        assert_eq!(world.value(&level.to_string()).is_some(), mode.levels.contains(&level), "{level}");
    }
}

/// Until there is another one of that name, which is empty; snapshots from before go on.
pub fn a_dropped_table_is_gone_for_procedures(mode: &Mode) {
    let world = world_with(mode, &["a"]);
    let snapshot = world.snapshot();
    assert!(world.engine.drop_table("t").unwrap());
    let is_missing = |error: &Error| matches!(error, Error::NoSuchTable { .. });
    for edit in [Edit::new().put("a", "b"), Edit::new().put("a", "b").undeclared()] {
        assert!(fails_with(world.engine.execute(edit), is_missing));
    }
    let World { engine, table: dropped } = world;
    let world = World::open(engine);
    assert_eq!(world.engine.execute(Edit::new().put("a", "new")).unwrap().output, [None]);
    assert_eq!(world.value("a").as_deref(), Some("new"));
    assert_eq!(snapshot.get(&dropped, "a").unwrap().as_deref(), Some(&b"a"[..]));
    assert!(!snapshot.contains(&world.table, "a").unwrap());
}

/// Closing.
pub fn a_closed_engine_refuses_procedures(mode: &Mode) {
    let World { engine, table } = world_with(mode, &["a"]);
    drop(table);
    let other = engine.clone();
    engine.close().unwrap();
    let is_closed = |error: &Error| matches!(error, Error::Closed);
    assert!(fails_with(other.execute(Edit::new().put("a", "b")), is_closed));
    assert!(fails_with(other.submit(Edit::new().put("a", "b")), is_closed));
    assert!(fails_with(other.query(&Edit::new()), is_closed));
}
