//! Tiny random histories, most of which no store would make, against all orders of their transactions.

mod simulate;

use simulate::Random;
use std::collections::BTreeMap;
use synod_checker::{History, Key, KeyRange, Level, Operation, Options, Transaction, Version, check};

const TRANSACTIONS: usize = 4;

/// A history of four transactions over three keys, with versions.
fn history(random: &mut Random) -> History {
    let mut history = History::new();
    let keys: Vec<Key> = (0..3).map(|key| history.key(key)).collect();
    let mut writes: Vec<Vec<Key>> = vec![Vec::new(); TRANSACTIONS];
    // At most one write of a key in a transaction; the stamps are a random order.
    let mut stamps: Vec<u64> = (1..=TRANSACTIONS as u64).collect();
    (1..TRANSACTIONS).rev().for_each(|place| stamps.swap(place, random.below(place as u64 + 1) as usize));
    for written in &mut writes {
        written.extend(keys.iter().filter(|_| random.below(3) == 0));
    }
    // Now and then a key's versions come in another order than those of other keys.
    let twist = random.below(3) == 0;
    let version = |txn: usize, key: Key| {
        let turned = twist && key == keys[0];
        Version::at(if turned { 10 - stamps[txn] } else { stamps[txn] })
    };
    for (place, written) in writes.iter().enumerate() {
        let mut transaction = Transaction::committed();
        for _ in 0..1 + random.below(2) {
            let seen = |key: Key, random: &mut Random| {
                let writers: Vec<usize> = (0..TRANSACTIONS)
                    .filter(|&other| other != place && writes[other].contains(&key))
                    .collect();
                match random.below(writers.len() as u64 + 1) as usize {
                    0 => Version::UNBORN,
                    chosen => version(writers[chosen - 1], key),
                }
            };
            if random.below(4) == 0 {
                let all = keys.iter().map(|&key| (key, seen(key, random)));
                let found: Vec<_> = all.filter(|(_, version)| *version != Version::UNBORN).collect();
                transaction = transaction.scan(KeyRange::ALL, &found);
            } else {
                let key = keys[random.below(3) as usize];
                transaction = transaction.get(key, seen(key, random));
            }
        }
        for &key in written {
            transaction = transaction.put(key, version(place, key));
        }
        history.push(transaction);
    }
    history
}

type State = BTreeMap<Key, Version>;

/// Whether a transaction's reads fit a state.
fn fits(transaction: &Transaction, state: &State) -> bool {
    let current = |key: &Key| state.get(key).copied().unwrap_or(Version::UNBORN);
    transaction.operations.iter().all(|operation| match operation {
        Operation::Get { key, version } => current(key) == *version,
        Operation::Scan { found, .. } => {
            state.iter().map(|(key, version)| (*key, *version)).collect::<BTreeMap<_, _>>()
                == found.iter().copied().collect()
        }
        _ => true,
    })
}

/// Puts a transaction's writes into a state; false if a version comes before one that is there.
fn apply(transaction: &Transaction, state: &mut State) -> bool {
    transaction.operations.iter().all(|operation| match operation {
        Operation::Put { key, version } => state.insert(*key, *version).is_none_or(|older| older < *version),
        _ => true,
    })
}

fn is_serializable(history: &History, done: &mut Vec<usize>, state: &State) -> bool {
    done.len() == TRANSACTIONS
        || (0..TRANSACTIONS).any(|next| {
            let transaction = &history.transactions()[next];
            let mut after = state.clone();
            if done.contains(&next) || !fits(transaction, state) || !apply(transaction, &mut after) {
                return false;
            }
            done.push(next);
            let found = is_serializable(history, done, &after);
            done.pop();
            found
        })
}

/// Where a transaction is, in the search for an order of snapshots and commits.
#[derive(Clone, Copy, PartialEq)]
enum Phase {
    Waits,
    /// Its snapshot is taken, and for each key it is known whether somebody else has written it since.
    Runs,
    Done,
}

/// Whether some order of snapshots and commits explains everything: reads see the snapshot, and nobody writes a key
/// that was written since its snapshot.
fn is_snapshot(
    history: &History,
    phases: &mut [Phase; TRANSACTIONS],
    state: &State,
    since: &[Vec<Key>; TRANSACTIONS],
) -> bool {
    if phases.iter().all(|phase| *phase == Phase::Done) {
        return true;
    }
    (0..TRANSACTIONS).any(|next| {
        let transaction = &history.transactions()[next];
        let written = || {
            transaction.operations.iter().filter_map(|operation| match operation {
                Operation::Put { key, .. } => Some(*key),
                _ => None,
            })
        };
        let before = phases[next];
        let (mut after, mut since) = (state.clone(), since.clone());
        match before {
            Phase::Waits if fits(transaction, state) => {
                phases[next] = Phase::Runs;
                since[next].clear();
            }
            Phase::Runs
                if !written().any(|key| since[next].contains(&key)) && apply(transaction, &mut after) =>
            {
                phases[next] = Phase::Done;
                since.iter_mut().for_each(|keys| keys.extend(written()));
            }
            _ => return false,
        }
        let found = is_snapshot(history, phases, &after, &since);
        phases[next] = before;
        found
    })
}

#[test]
fn verdicts_are_those_of_all_orders() {
    let mut random = Random(1);
    let (mut serializable, mut snapshot) = ([0; 2], [0; 2]);
    for round in 0..6000 {
        let history = history(&mut random);
        let verdict = check(&history, &Options::default()).expect("makes sense");
        let shown =
            || history.transactions().iter().map(|txn| format!("{:?}\n", txn.operations)).collect::<String>();
        let expected = is_serializable(&history, &mut Vec::new(), &State::new());
        assert_eq!(verdict.satisfies(Level::Serializable), expected, "round {round}: {}", shown());
        serializable[usize::from(expected)] += 1;
        let nobody = std::array::from_fn(|_| Vec::new());
        let expected = is_snapshot(&history, &mut [Phase::Waits; TRANSACTIONS], &State::new(), &nobody);
        assert_eq!(verdict.satisfies(Level::SnapshotIsolation), expected, "round {round}: {}", shown());
        snapshot[usize::from(expected)] += 1;
    }
    assert!(serializable.iter().chain(&snapshot).all(|count| *count > 500), "{serializable:?} {snapshot:?}");
    assert!(snapshot[1] > serializable[1] + 50, "some have write skew: {serializable:?} {snapshot:?}");
}
