//! Lists and registers under every mode at every level, judged by what clients saw and by nothing else.

use synod::{Engine, Isolation, Mode};
use synod_checker::{Level, Options as Checking, Verdict, check, read_edn};
use synod_tests::histories::black_box::{Kind, options, run};
use synod_tests::histories::{beyond, promise};

/// So many histories are made, whatever they show.
const HISTORIES: u64 = 12;

/// And at most so many, until what the level allows has been found.
const HISTORIES_MAX: u64 = 400;

/// A stronger level that isn't kept when nothing but single keys is read. Then repeatable read is as good as any.
fn beyond_with_keys(level: Isolation) -> Option<Level> {
    beyond(level).filter(|_| level != Isolation::RepeatableRead)
}

fn verdict(events: &str, level: Isolation) -> Verdict {
    let history = read_edn(events.as_bytes(), |_| ()).unwrap();
    // From the snapshot level on, real time is part of what is promised of each register.
    let linearizable_registers = level >= Isolation::Snapshot;
    check(&history, &Checking { linearizable_registers, ..Checking::default() }).unwrap()
}

fn judge(kind: Kind, mode: Mode, level: Isolation) {
    let mut is_beyond_broken = beyond_with_keys(level).is_none();
    let (mut made, mut committed) = (0, 0);
    while made < HISTORIES || !is_beyond_broken {
        assert!(made < HISTORIES_MAX, "{kind:?}: {mode} at {level} never does what it is allowed to");
        made += 1;
        let engine = Engine::in_memory(options().mode(mode).isolation(level)).unwrap();
        let events = run(&engine, kind, made, 2 + made % 3);
        let verdict = verdict(&events, level);
        assert!(!verdict.is_exact && verdict.unknown == 0);
        if let Some(anomaly) = verdict.against(promise(level)).next() {
            let told = (anomaly.name(), anomaly.explanation());
            panic!("{kind:?}: {mode} at {level}: {told:?}\n{events}");
        }
        committed += verdict.committed;
        is_beyond_broken |= beyond_with_keys(level).is_some_and(|level| !verdict.satisfies(level));
    }
    println!("{kind:?}: {mode} at {level}: {made} histories, {committed} committed");
}

fn judge_all(kind: Kind) {
    for mode in Mode::INTERACTIVE {
        mode.levels().iter().for_each(|&level| judge(kind, mode, level));
    }
}

#[test]
fn lists_are_as_promised() {
    judge_all(Kind::List);
}

#[test]
fn registers_are_as_promised() {
    judge_all(Kind::Register);
}
