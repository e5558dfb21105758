//! Who waits can be seen, at the moment when it begins to.

use std::thread::scope;

use synod::{DeadlockPolicy, Writer};

use crate::stage::{Stage, abort_of};

#[test]
fn a_waiting_transaction_rings_and_is_listed_until_it_has_its_lock() {
    let stage = Stage::new(DeadlockPolicy::Detect, &["a"]);
    let bell = stage.engine.wait_bell();
    let (holder, waiter) = (stage.begin(), stage.begin());
    let (holds, waits) = (holder.id().unwrap(), waiter.id().unwrap());
    stage.put(&holder, "a").unwrap();
    assert_eq!((bell.rings(), stage.engine.waiting()), (0, vec![]));
    scope(|scope| {
        let beside = stage.commit_beside(scope, waiter, "a");
        bell.wait_past(0);
        let waiting = stage.engine.waiting();
        assert_eq!(waiting.len(), 1);
        assert_eq!((waiting[0].transaction, &waiting[0].waits_for[..]), (waits, &[holds][..]));
        assert_eq!((&waiting[0].table[..], waiting[0].key.as_deref()), ("t", Some(&b"a"[..])));
        holder.commit().unwrap();
        // Whoever has been granted its lock doesn't wait any more, also before it has noticed.
        assert_eq!(stage.engine.waiting(), []);
        beside.join().unwrap();
    });
    assert_eq!(bell.rings(), 1);
}

#[test]
fn who_is_refused_at_once_has_not_waited() {
    let stage = Stage::new(DeadlockPolicy::NoWait, &["a"]);
    let bell = stage.engine.wait_bell();
    let (holder, refused) = (stage.begin(), stage.begin());
    stage.put(&holder, "a").unwrap();
    abort_of(stage.put(&refused, "a"));
    assert_eq!((bell.rings(), stage.engine.waiting()), (0, vec![]));
}

#[test]
fn a_version_chain_shows_who_wrote_what() {
    let stage = Stage::new(DeadlockPolicy::Detect, &["a"]);
    let snapshot = stage.engine.snapshot().unwrap();
    let chain = |key: &str| stage.engine.version_chain(&stage.table, key).unwrap();
    let txn = stage.begin();
    stage.put(&txn, "a").unwrap();
    let id = txn.id().unwrap();
    let [(now, new), (before, old)] = &chain("a")[..] else { panic!("two versions") };
    assert_eq!(
        (*now, new.as_deref(), old.as_deref()),
        (Writer::Running(id), Some(&b"new"[..]), Some(&b"old"[..]))
    );
    assert!(matches!(before, Writer::Committed(at) if *at <= snapshot.timestamp()));
    let at = txn.commit().unwrap();
    assert_eq!(chain("a")[0], (Writer::Committed(at), Some(b"new".to_vec())));
    assert_eq!(chain("b"), []);
}
