//! The sequencer: when epochs are closed, and that none of its promises depends on the clock.

use std::collections::VecDeque;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use synod_sequencer::{Epoch, Overloaded, Sequencer, Settings};
use synod_storage::Timestamp;

const MS: u64 = 1_000_000;

fn settings() -> Settings {
    Settings {
        epoch_interval: Duration::from_millis(10),
        epoch_requests_max: 3,
        epoch_bytes_max: 100,
        in_flight_max: 5,
    }
}

fn sequencer() -> Sequencer<u32> {
    Sequencer::new(settings(), 7, Timestamp(1000))
}

fn epoch(number: u64, first: u64, requests: &[u32]) -> Option<Epoch<u32>> {
    Some(Epoch { number, first: Timestamp(first), requests: requests.to_vec() })
}

#[test]
fn an_epoch_without_requests_is_never_closed() {
    let mut sequencer = sequencer();
    for (now_ns, is_idle) in [(0, true), (5 * MS, false), (900 * MS, true)] {
        assert_eq!(sequencer.tick(now_ns, is_idle), None);
    }
    assert_eq!((sequencer.due_ns(), sequencer.next_epoch(), sequencer.last()), (None, 7, Timestamp(1000)));
}

#[test]
fn an_epoch_is_closed_at_once_when_nothing_else_is_to_be_done() {
    let mut sequencer = sequencer();
    sequencer.submit(1, 10, MS).unwrap();
    assert!(!sequencer.is_due(MS, false) && sequencer.is_due(MS, true));
    assert_eq!(sequencer.tick(MS, false), None);
    assert_eq!(sequencer.tick(MS, true), epoch(7, MS, &[1]));
    assert_eq!(sequencer.tick(MS, true), None);
    sequencer.submit(2, 10, 2 * MS).unwrap();
    assert_eq!(sequencer.tick(2 * MS, true), epoch(8, 2 * MS, &[2]));
}

#[test]
fn an_epoch_is_closed_when_it_is_an_interval_old() {
    let mut sequencer = sequencer();
    sequencer.submit(1, 10, MS).unwrap();
    sequencer.submit(2, 10, 9 * MS).unwrap();
    assert_eq!(sequencer.due_ns(), Some(11 * MS));
    assert_eq!(sequencer.tick(11 * MS - 1, false), None);
    assert_eq!(sequencer.tick(11 * MS, false), epoch(7, 11 * MS, &[1, 2]));
    // The next one's age is its own.
    sequencer.submit(3, 10, 15 * MS).unwrap();
    assert_eq!(sequencer.tick(22 * MS, false), None);
    assert_eq!(sequencer.tick(25 * MS, false), epoch(8, 25 * MS, &[3]));
}

#[test]
fn an_epoch_is_closed_when_it_has_enough_requests_or_bytes() {
    let mut sequencer = sequencer();
    for request in 1..=3 {
        assert_eq!(sequencer.tick(MS, false), None);
        sequencer.submit(request, 10, MS).unwrap();
    }
    assert_eq!(sequencer.tick(MS, false), epoch(7, MS, &[1, 2, 3]));
    sequencer.submit(4, 99, MS).unwrap();
    assert_eq!(sequencer.tick(MS, false), None);
    sequencer.submit(5, 1, MS).unwrap();
    assert_eq!(sequencer.tick(MS, false), epoch(8, MS + 3, &[4, 5]));
    // Neither counts for the next one.
    sequencer.finished(5);
    sequencer.submit(6, 99, MS).unwrap();
    assert_eq!(sequencer.tick(MS, false), None);
}

#[test]
fn an_epoch_is_closed_when_the_clock_has_stepped_back() {
    let mut sequencer = sequencer();
    sequencer.submit(1, 10, 50 * MS).unwrap();
    assert_eq!(sequencer.tick(50 * MS, false), None);
    assert_eq!(sequencer.tick(50 * MS - 1, false), epoch(7, 50 * MS - 1, &[1]));
    sequencer.submit(2, 10, MS).unwrap();
    assert_eq!(sequencer.tick(MS, true), epoch(8, 50 * MS, &[2]), "timestamps don't step back with it");
}

#[test]
fn what_is_too_much_is_handed_back_and_finishing_makes_room() {
    let mut sequencer = sequencer();
    for request in 1..=5 {
        sequencer.submit(request, 10, MS).unwrap();
        sequencer.tick(MS, true).unwrap();
    }
    let refused = Overloaded { in_flight: 5, limit: 5 };
    assert_eq!(sequencer.submit(6, 10, MS), Err((6, refused)));
    assert_eq!((sequencer.admit(), sequencer.in_flight()), (Err(refused), 5));
    assert_eq!(sequencer.tick(MS, true), None, "what was refused is in no epoch");
    assert!(refused.to_string().contains("5 requests are in flight"));
    sequencer.finished(2);
    assert_eq!((sequencer.admit(), sequencer.in_flight()), (Ok(()), 3));
    sequencer.submit(6, 10, MS).unwrap();
    sequencer.submit(7, 10, MS).unwrap();
    assert_eq!(sequencer.submit(8, 10, MS), Err((8, refused)));
}

#[test]
fn what_goes_through_once_more_is_never_refused_and_counts_once() {
    let mut sequencer = sequencer();
    for request in 1..=5 {
        sequencer.submit(request, 10, MS).unwrap();
        sequencer.tick(MS, true).unwrap();
    }
    sequencer.readmit(2, 10, MS);
    assert_eq!((sequencer.in_flight(), sequencer.open_requests()), (5, 1));
    assert_eq!(sequencer.tick(MS, true), epoch(12, MS + 5, &[2]));
    sequencer.finished(5);
    assert_eq!(sequencer.in_flight(), 0);
}

#[test]
#[should_panic(expected = "a request is readmitted that isn't in flight")]
fn only_what_is_in_flight_can_be_readmitted() {
    let mut sequencer = sequencer();
    sequencer.submit(1, 10, MS).unwrap();
    sequencer.readmit(2, 10, MS);
}

#[test]
#[should_panic(expected = "2 requests have finished, but 1 were being executed")]
fn what_is_in_the_open_epoch_cannot_have_finished() {
    let mut sequencer = sequencer();
    sequencer.submit(1, 10, MS).unwrap();
    sequencer.tick(MS, true);
    sequencer.submit(2, 10, MS).unwrap();
    sequencer.finished(2);
}

#[test]
fn timestamps_that_others_have_used_are_skipped() {
    let mut sequencer = sequencer();
    sequencer.submit(1, 10, MS).unwrap();
    sequencer.skip_to(Timestamp(2 * MS));
    assert_eq!(sequencer.tick(MS, true), epoch(7, 2 * MS + 1, &[1]));
    sequencer.skip_to(Timestamp(5));
    assert_eq!(sequencer.last(), Timestamp(2 * MS + 1), "an earlier one changes nothing");
}

#[test]
fn the_last_timestamps_are_not_passed() {
    let mut sequencer = Sequencer::new(settings(), 0, Timestamp(Timestamp::MAX.0 - 3));
    sequencer.submit(1, 10, 0).unwrap();
    let last = sequencer.tick(0, true).unwrap().last();
    assert!(last < Timestamp::MAX);
    sequencer.submit(2, 10, 0).unwrap();
    sequencer.submit(3, 10, 0).unwrap();
    let closing = std::panic::AssertUnwindSafe(|| sequencer.tick(0, true));
    assert!(std::panic::catch_unwind(closing).is_err());
}

/// What may happen to a sequencer.
#[derive(Clone, Debug)]
enum Step {
    Submit {
        bytes: usize,
    },
    /// Of the requests being executed, the one with this index comes once more.
    Readmit {
        index: prop::sample::Index,
        bytes: usize,
    },
    Tick {
        is_idle: bool,
    },
    /// The clock goes on, or steps back.
    Clock {
        by_ns: i64,
    },
    Finish {
        share: prop::sample::Index,
    },
    Skip {
        ahead_ns: u64,
    },
}

fn arbitrary_step() -> impl Strategy<Value = Step> {
    let bytes = prop_oneof![0..40_usize, 0..200_usize];
    prop_oneof![
        6 => bytes.clone().prop_map(|bytes| Step::Submit { bytes }),
        1 => (any::<prop::sample::Index>(), bytes).prop_map(|(index, bytes)| Step::Readmit { index, bytes }),
        5 => prop::bool::weighted(0.2).prop_map(|is_idle| Step::Tick { is_idle }),
        3 => (-30 * MS as i64..30 * MS as i64).prop_map(|by_ns| Step::Clock { by_ns }),
        2 => any::<prop::sample::Index>().prop_map(|share| Step::Finish { share }),
        1 => (0..20 * MS).prop_map(|ahead_ns| Step::Skip { ahead_ns }),
    ]
}

/// The same, in the simplest way: a list of what waits.
struct Model {
    settings: Settings,
    /// Request, bytes, and when it came.
    waiting: VecDeque<(u32, usize, u64)>,
    executing: Vec<u32>,
    last: Timestamp,
    epochs: u64,
}

impl Model {
    fn is_due(&self, now_ns: u64, is_idle: bool) -> bool {
        let Some(&(_, _, since_ns)) = self.waiting.front() else { return false };
        let interval_ns = self.settings.epoch_interval.as_nanos() as u64;
        is_idle
            || self.waiting.len() >= self.settings.epoch_requests_max
            || self.waiting.iter().map(|(_, bytes, _)| bytes).sum::<usize>() >= self.settings.epoch_bytes_max
            || !(since_ns..since_ns + interval_ns).contains(&now_ns)
    }

    /// Takes what an epoch must have, and checks it.
    fn check(&mut self, epoch: &Epoch<u32>, now_ns: u64) {
        let expected: Vec<u32> = self.waiting.drain(..).map(|(request, ..)| request).collect();
        assert_eq!(epoch.requests, expected, "all that waited, in order, once");
        assert_eq!(epoch.number, self.epochs);
        assert!(epoch.first > self.last && epoch.first.0 >= now_ns, "{epoch:?} after {}", self.last);
        assert!(epoch.first.0 == now_ns || epoch.first.0 == self.last.0 + 1, "no timestamp is wasted");
        assert_eq!(epoch.last().0, epoch.first.0 + expected.len() as u64 - 1);
        self.epochs += 1;
        self.last = epoch.last();
        self.executing.extend(expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn it_does_what_a_list_of_what_waits_does(steps in vec(arbitrary_step(), 0..120)) {
        let settings = Settings { in_flight_max: 12, epoch_requests_max: 5, ..settings() };
        let mut sequencer = Sequencer::new(settings.clone(), 3, Timestamp(5));
        let mut model =
            Model { settings, waiting: VecDeque::new(), executing: Vec::new(), last: Timestamp(5), epochs: 3 };
        let (mut now_ns, mut next) = (100 * MS, 0);
        for step in steps {
            match step {
                Step::Submit { bytes } => {
                    next += 1;
                    let in_flight = model.waiting.len() + model.executing.len();
                    let limit = model.settings.in_flight_max;
                    match sequencer.submit(next, bytes, now_ns) {
                        Ok(()) => {
                            prop_assert!(in_flight < limit);
                            model.waiting.push_back((next, bytes, now_ns));
                        }
                        Err(refused) => {
                            prop_assert_eq!(refused, (next, Overloaded { in_flight, limit }));
                            prop_assert_eq!(in_flight, limit);
                        }
                    }
                }
                Step::Readmit { index, bytes } if !model.executing.is_empty() => {
                    let request = model.executing.remove(index.index(model.executing.len()));
                    sequencer.readmit(request, bytes, now_ns);
                    model.waiting.push_back((request, bytes, now_ns));
                }
                Step::Readmit { .. } => {}
                Step::Tick { is_idle } => {
                    let is_due = model.is_due(now_ns, is_idle);
                    prop_assert_eq!(sequencer.is_due(now_ns, is_idle), is_due);
                    let epoch = sequencer.tick(now_ns, is_idle);
                    prop_assert_eq!(epoch.is_some(), is_due);
                    epoch.iter().for_each(|epoch| model.check(epoch, now_ns));
                }
                Step::Clock { by_ns } => now_ns = now_ns.saturating_add_signed(by_ns),
                Step::Finish { share } => {
                    let finished = share.index(model.executing.len() + 1);
                    model.executing.drain(..finished);
                    sequencer.finished(finished);
                }
                Step::Skip { ahead_ns } => {
                    model.last = model.last.max(Timestamp(now_ns + ahead_ns));
                    sequencer.skip_to(Timestamp(now_ns + ahead_ns));
                }
            }
            prop_assert_eq!(sequencer.in_flight(), model.waiting.len() + model.executing.len());
            prop_assert_eq!(sequencer.open_requests(), model.waiting.len());
            prop_assert_eq!((sequencer.last(), sequencer.next_epoch()), (model.last, model.epochs));
            let due_ns = model.waiting.front().map(|(_, _, since_ns)| since_ns + 10 * MS);
            prop_assert_eq!(sequencer.due_ns(), due_ns);
        }
    }

    /// As it is used: a tick after each request. Then epochs keep to their bounds.
    #[test]
    fn epochs_are_no_larger_than_allowed(requests in vec((0..150_usize, 0..4 * MS), 1..100)) {
        let settings = Settings { in_flight_max: usize::MAX, ..settings() };
        let mut sequencer = Sequencer::new(settings, 0, Timestamp(0));
        let (mut now_ns, mut epochs) = (0, Vec::new());
        for (bytes, later_ns) in requests.iter().copied() {
            now_ns += later_ns;
            sequencer.submit((bytes, now_ns), bytes, now_ns).unwrap();
            epochs.extend(sequencer.tick(now_ns, false));
        }
        epochs.extend(sequencer.tick(now_ns, true));
        for epoch in &epochs {
            let bytes = epoch.requests.iter().map(|(bytes, _)| bytes);
            prop_assert!(epoch.requests.len() <= 3);
            prop_assert!(bytes.clone().take(epoch.requests.len() - 1).sum::<usize>() < 100);
            let (first, last) = (epoch.requests[0].1, epoch.requests[epoch.requests.len() - 1].1);
            prop_assert!(last - first < 10 * MS + 4 * MS, "open for too long");
        }
        let told: Vec<usize> = epochs.iter().flat_map(|epoch| &epoch.requests).map(|(bytes, _)| *bytes).collect();
        prop_assert_eq!(told, requests.iter().map(|(bytes, _)| *bytes).collect::<Vec<_>>());
    }
}
