//! The replay.

use std::collections::BTreeMap;

use super::record::{Answer, Committed, Request};

type State = BTreeMap<u8, u64>;

/// Checks that a history which began with an empty table is strictly serializable.
///
/// # Errors
/// A description of the first transaction that doesn't fit.
pub fn check(history: &[Committed]) -> Result<(), String> {
    let mut writers: Vec<&Committed> = history.iter().filter(|txn| txn.wrote_at.is_some()).collect();
    writers.sort_by_key(|txn| txn.wrote_at);
    if let Some(pair) = writers.windows(2).find(|pair| pair[0].wrote_at == pair[1].wrote_at) {
        return Err(format!("one timestamp for two commits: {pair:#?}"));
    }
    in_real_time(&writers)?;
    let states = replay(&writers)?;
    let mut readers: Vec<&Committed> = history.iter().filter(|txn| txn.wrote_at.is_none()).collect();
    readers.sort_by_key(|txn| txn.began);
    place(&readers, &writers, &states)
}

/// A commit that was acknowledged before another transaction began has the smaller timestamp.
fn in_real_time(writers: &[&Committed]) -> Result<(), String> {
    let mut latest_begin: Option<&Committed> = None;
    for txn in writers {
        if let Some(earlier) = latest_begin.filter(|earlier| earlier.began > txn.ended) {
            return Err(format!(
                "began after the other had ended, and took effect before: {earlier:#?} {txn:#?}"
            ));
        }
        if latest_begin.is_none_or(|latest| txn.began > latest.began) {
            latest_begin = Some(txn);
        }
    }
    Ok(())
}

/// Replays the writers; returns the state before the first one, and after each.
fn replay(writers: &[&Committed]) -> Result<Vec<State>, String> {
    let mut states = vec![State::new()];
    for txn in writers {
        let mut state = states.last().cloned().unwrap_or_default();
        for (request, answer) in &txn.steps {
            let expected = apply(&mut state, *request);
            if expected != *answer {
                return Err(format!("{request:?} should have answered {expected:?} in {txn:#?}"));
            }
        }
        states.push(state);
    }
    Ok(states)
}

/// Finds a state for each transaction that wrote nothing: each takes the earliest one that fits, which leaves
/// the most room to those that follow it in real time.
fn place(readers: &[&Committed], writers: &[&Committed], states: &[State]) -> Result<(), String> {
    let mut placed: Vec<(&Committed, usize)> = Vec::new();
    for reader in readers {
        let after_writers =
            writers.iter().rposition(|writer| writer.ended < reader.began).map_or(0, |last| last + 1);
        let after_readers =
            placed.iter().filter(|(other, _)| other.ended < reader.began).map(|(_, place)| *place);
        let first = after_readers.max().unwrap_or(0).max(after_writers);
        let last = writers.iter().position(|writer| writer.began > reader.ended).unwrap_or(writers.len());
        let fits = |state: &State| {
            let mut state = state.clone();
            reader.steps.iter().all(|(request, answer)| apply(&mut state, *request) == *answer)
        };
        match (first..=last).find(|&place| fits(&states[place])) {
            Some(place) => placed.push((reader, place)),
            None => return Err(format!("no state from {first} to {last} fits {reader:#?}")),
        }
    }
    Ok(())
}

/// What a request does to a state, and answers.
fn apply(state: &mut State, request: Request) -> Answer {
    let range = |from, to| state.range(from..=to).map(|(key, value)| (*key, *value));
    match request {
        Request::Get(key) | Request::GetForUpdate(key) => Answer::Value(state.get(&key).copied()),
        Request::Scan(from, to) => Answer::Records(range(from, to).collect()),
        Request::ScanBackward(from, to) => Answer::Records(range(from, to).rev().collect()),
        Request::First(from, to) => Answer::Records(range(from, to).take(1).collect()),
        Request::Put(key, value) => {
            state.insert(key, value);
            Answer::Done
        }
        Request::Insert(key, value) => {
            let is_absent = !state.contains_key(&key);
            if is_absent {
                state.insert(key, value);
            }
            Answer::Success(is_absent)
        }
        Request::Delete(key) => Answer::Success(state.remove(&key).is_some()),
    }
}

#[cfg(test)]
mod tests {
    use synod::Timestamp;

    use super::*;

    fn txn(steps: Vec<(Request, Answer)>, began: u64, ended: u64, wrote_at: Option<u64>) -> Committed {
        Committed { steps, began, ended, wrote_at: wrote_at.map(Timestamp) }
    }

    fn put(key: u8, value: u64) -> (Request, Answer) {
        (Request::Put(key, value), Answer::Done)
    }

    fn get(key: u8, value: Option<u64>) -> (Request, Answer) {
        (Request::Get(key), Answer::Value(value))
    }

    #[test]
    fn a_serial_history_is_accepted() {
        let history = [
            txn(vec![put(1, 10), get(1, Some(10))], 0, 1, Some(5)),
            txn(vec![get(1, Some(10)), (Request::Delete(1), Answer::Success(true))], 2, 3, Some(6)),
            txn(vec![get(1, None)], 4, 5, None),
        ];
        assert_eq!(check(&history), Ok(()));
    }

    #[test]
    fn write_skew_is_found() {
        let history = [
            txn(vec![get(2, None), put(1, 10)], 0, 3, Some(5)),
            txn(vec![get(1, None), put(2, 20)], 1, 4, Some(6)),
        ];
        assert!(check(&history).is_err());
    }

    #[test]
    fn a_phantom_is_found() {
        let history = [
            txn(vec![put(3, 30)], 0, 9, Some(5)),
            txn(
                vec![
                    (Request::Scan(0, 9), Answer::Records(vec![])),
                    (Request::Scan(0, 9), Answer::Records(vec![(3, 30)])),
                ],
                1,
                8,
                None,
            ),
        ];
        assert!(check(&history).is_err());
    }

    #[test]
    fn a_read_of_the_past_is_found() {
        let history = [txn(vec![put(1, 10)], 0, 1, Some(5)), txn(vec![get(1, None)], 2, 3, None)];
        assert!(check(&history).is_err());
        let overlapping = [txn(vec![put(1, 10)], 0, 3, Some(5)), txn(vec![get(1, None)], 2, 4, None)];
        assert_eq!(check(&overlapping), Ok(()));
    }

    #[test]
    fn two_reads_in_the_wrong_order_are_found() {
        let history = [
            txn(vec![put(1, 10)], 0, 9, Some(5)),
            txn(vec![get(1, Some(10))], 1, 2, None),
            txn(vec![get(1, None)], 3, 4, None),
        ];
        assert!(check(&history).is_err());
    }

    #[test]
    fn commits_against_real_time_are_found() {
        let history = [txn(vec![put(1, 10)], 0, 1, Some(6)), txn(vec![put(2, 20)], 2, 3, Some(5))];
        assert!(check(&history).is_err());
    }
}
