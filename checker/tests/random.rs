//! Random histories of a simulated store: what it promises is never said to be broken; what is broken by hand is
//! always found.

mod simulate;

use simulate::{Form, Isolation, Random, Workload, number, run};
use std::collections::BTreeSet;
use synod_checker::{
    History, Kind, Level, Operation, Options, Outcome, Verdict, Version, check, read_edn, write_edn,
};

const SEEDS: u64 = 60;

fn workload(seed: u64, isolation: Isolation, form: Form) -> Workload {
    let mut random = Random(seed ^ 0xabcd);
    let clients = 2 + random.below(6) as usize;
    let keys = 2 + random.below(12);
    Workload { seed, isolation, form, clients, transactions: 120, keys, writes_per_key: 4 + random.below(30) }
}

fn verdict(history: &History) -> Verdict {
    let options = Options { linearizable_registers: true, ..Options::default() };
    check(history, &options).expect("makes sense")
}

/// Checks that each history satisfies a level; returns what else was found in them.
fn satisfied(isolation: Isolation, forms: &[Form], level: Level) -> BTreeSet<Kind> {
    let mut found = BTreeSet::new();
    for seed in 0..SEEDS {
        for &form in forms {
            let history = run(workload(seed, isolation, form));
            let verdict = verdict(&history);
            let against: Vec<_> =
                verdict.against(level).map(|anomaly| anomaly.explanation().to_owned()).collect();
            assert!(against.is_empty(), "seed {seed}, {form:?}: {against:#?}");
            assert!(verdict.committed > 5, "seed {seed}, {form:?}");
            found.extend(verdict.counts.keys().copied());
        }
    }
    found
}

#[test]
fn a_serializable_store_is_never_accused() {
    let all = [Form::Versions, Form::Lists, Form::Registers];
    assert_eq!(satisfied(Isolation::Serializable, &all, Level::StrictSerializable), BTreeSet::new());
}

#[test]
fn a_snapshot_store_has_write_skew_and_nothing_worse() {
    for form in [Form::Versions, Form::Lists] {
        let found = satisfied(Isolation::Snapshot, &[form], Level::StrongSnapshotIsolation);
        let names: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert!(names.contains(&"G2-item".to_owned()), "{form:?}: {names:?}");
    }
}

#[test]
fn a_read_committed_store_loses_updates_and_nothing_worse() {
    let found = satisfied(Isolation::ReadCommitted, &[Form::Versions], Level::MonotonicAtomicView);
    assert!(found.iter().any(|kind| kind.to_string() == "G-single"), "{found:?}");
}

#[test]
fn histories_can_be_written_and_read() {
    for seed in 0..SEEDS {
        for form in [Form::Versions, Form::Lists, Form::Registers] {
            let history = run(workload(seed, Isolation::Snapshot, form));
            let mut text = Vec::new();
            write_edn(&history, &mut text).expect("written");
            let again = read_edn(&text, |_| {}).expect("readable");
            let (one, other) = (verdict(&history), verdict(&again));
            // Which examples are found depends on the order in which keys are met.
            let satisfied = |verdict: &Verdict| Level::ALL.map(|level| verdict.satisfies(level));
            assert_eq!(satisfied(&one), satisfied(&other), "seed {seed}, {form:?}");
            assert_eq!(
                (one.committed, one.aborted, one.unknown),
                (other.committed, other.aborted, other.unknown)
            );
        }
    }
}

/// A history of one client, so that everything comes in the order of time.
fn serial(seed: u64, form: Form) -> History {
    let workload = workload(seed, Isolation::Serializable, form);
    let history = run(Workload { clients: 1, writes_per_key: 50, ..workload });
    assert!(verdict(&history).anomalies.is_empty());
    history
}

/// Where committed transactions have an operation like this.
fn places(history: &History, is_wanted: impl Fn(&Operation) -> bool) -> Vec<(usize, usize)> {
    let committed =
        history.transactions().iter().enumerate().filter(|(_, txn)| txn.outcome == Outcome::Committed);
    let operations =
        committed.flat_map(|(place, txn)| (0..txn.operations.len()).map(move |step| (place, step)));
    operations.filter(|&(place, step)| is_wanted(&history.transactions()[place].operations[step])).collect()
}

/// Changes one operation of each history; the change must be found.
fn always_found(
    form: Form,
    is_wanted: impl Fn(&Operation) -> bool,
    change: impl Fn(&mut Operation, &mut Random),
) {
    let mut changed = 0;
    for seed in 0..SEEDS {
        let mut history = serial(seed, form);
        let mut random = Random(seed);
        let candidates = places(&history, &is_wanted);
        if candidates.is_empty() {
            continue;
        }
        let (place, step) = candidates[random.below(candidates.len() as u64) as usize];
        change(&mut history.transactions_mut()[place].operations[step], &mut random);
        assert!(
            !verdict(&history).satisfies(Level::StrictSerializable),
            "seed {seed}: T{} {step}",
            place + 1
        );
        changed += 1;
    }
    assert!(changed > SEEDS / 2, "{changed}");
}

#[test]
fn a_list_that_was_read_without_its_end() {
    always_found(
        Form::Lists,
        |operation| matches!(operation, Operation::ReadList { elements, .. } if !elements.is_empty()),
        |operation, random| {
            let Operation::ReadList { elements, .. } = operation else { unreachable!() };
            let length = random.below(elements.len() as u64) as usize;
            *elements = elements[..length].into();
        },
    );
}

#[test]
fn a_list_with_two_elements_swapped() {
    always_found(
        Form::Lists,
        |operation| matches!(operation, Operation::ReadList { elements, .. } if elements.len() > 1),
        |operation, random| {
            let Operation::ReadList { elements, .. } = operation else { unreachable!() };
            let first = random.below(elements.len() as u64 - 1) as usize;
            elements.swap(first, first + 1);
        },
    );
}

#[test]
fn a_version_that_was_read_too_early() {
    always_found(
        Form::Versions,
        |operation| matches!(operation, Operation::Get { version, .. } if *version != Version::UNBORN),
        |operation, _| {
            let Operation::Get { version, .. } = operation else { unreachable!() };
            *version = Version::UNBORN;
        },
    );
}

#[test]
fn an_append_that_is_lost() {
    let mut lost = 0;
    for seed in 0..SEEDS {
        let mut history = serial(seed, Form::Lists);
        let mut random = Random(seed);
        // Something that was read later, in another transaction.
        let reads = places(
            &history,
            |operation| matches!(operation, Operation::ReadList { elements, .. } if !elements.is_empty()),
        );
        if reads.is_empty() {
            continue;
        }
        let (place, step) = reads[random.below(reads.len() as u64) as usize];
        let Operation::ReadList { key, elements } = history.transactions()[place].operations[step].clone()
        else {
            unreachable!()
        };
        let gone = elements[random.below(elements.len() as u64) as usize];
        for operation in history.transactions_mut().iter_mut().flat_map(|txn| &mut txn.operations) {
            match operation {
                Operation::ReadList { key: other, elements } if *other == key => {
                    *elements = elements.iter().copied().filter(|element| *element != gone).collect();
                }
                _ => {}
            }
        }
        assert!(!verdict(&history).satisfies(Level::StrictSerializable), "seed {seed}");
        lost += 1;
    }
    assert!(lost > SEEDS / 2);
}

#[test]
fn a_write_that_is_dropped() {
    for (form, seed) in
        [Form::Lists, Form::Registers].into_iter().flat_map(|form| (0..SEEDS).map(move |seed| (form, seed)))
    {
        let mut history = serial(seed, form);
        let seen: BTreeSet<_> = places(&history, |_| true)
            .into_iter()
            .flat_map(|(place, step)| match &history.transactions()[place].operations[step] {
                Operation::ReadList { key, elements } => {
                    elements.iter().map(|element| (*key, *element)).collect()
                }
                Operation::Read { key, value } => value.iter().map(|value| (*key, *value)).collect(),
                _ => Vec::new(),
            })
            .collect();
        let writes = places(&history, |operation| match operation {
            Operation::Append { key, element: value } | Operation::Write { key, value } => {
                seen.contains(&(*key, *value))
            }
            _ => false,
        });
        let Some(&(place, step)) = writes.get(seed as usize % writes.len().max(1)) else { continue };
        history.transactions_mut()[place].operations.remove(step);
        let verdict = verdict(&history);
        assert!(
            verdict.counts.contains_key(&Kind::UnwrittenRead),
            "seed {seed}, {form:?}: {:?}",
            verdict.counts
        );
    }
}

#[test]
fn a_key_that_a_scan_missed() {
    let mut missed = 0;
    for seed in 0..SEEDS {
        let mut history = serial(seed, Form::Versions);
        let deleted: BTreeSet<i64> = history
            .transactions()
            .iter()
            .flat_map(|txn| &txn.operations)
            .filter_map(|operation| match operation {
                Operation::Delete { key, .. } => Some(number(&history, *key)),
                _ => None,
            })
            .collect();
        let stays = |history: &History, key| !deleted.contains(&number(history, key));
        let scans = places(&history, |operation| match operation {
            Operation::Scan { found, .. } => found.iter().any(|&(key, _)| stays(&history, key)),
            _ => false,
        });
        let Some(&(place, step)) = scans.last() else { continue };
        let Operation::Scan { range, found } = history.transactions()[place].operations[step].clone() else {
            unreachable!()
        };
        let gone = found.iter().position(|&(key, _)| stays(&history, key)).expect("one that stays");
        let mut found = found.to_vec();
        found.remove(gone);
        history.transactions_mut()[place].operations[step] = Operation::Scan { range, found: found.into() };
        assert!(!verdict(&history).satisfies(Level::StrictSerializable), "seed {seed}");
        missed += 1;
    }
    assert!(missed >= 8, "{missed}");
}
