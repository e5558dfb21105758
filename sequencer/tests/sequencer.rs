//! The sequencer: when epochs end, and that none of its promises depends on the clock.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use synod_sequencer::{EPOCH_NS_MAX, Epoch, Overloaded, Place, Sequencer, Settings};
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

fn sequencer() -> Sequencer {
    Sequencer::new(settings(), 7, Timestamp(1000))
}

fn place(epoch: u64, index: u32, at: u64) -> Place {
    Place { epoch, index, at: Timestamp(at) }
}

fn epoch(number: u64, requests: u32, last: u64) -> Option<Epoch> {
    Some(Epoch { number, requests, last: Timestamp(last) })
}

#[test]
fn an_epoch_without_requests_never_ends() {
    let mut sequencer = sequencer();
    for now_ns in [0, 5 * MS, 900 * MS] {
        assert_eq!((sequencer.tick(now_ns), sequencer.end_epoch()), (None, None));
    }
    assert_eq!(sequencer.submit(10, 0), Ok(place(7, 0, 1001)), "it has begun with this one");
}

#[test]
fn a_request_has_its_place_and_time_at_once_and_the_epoch_ends_when_somebody_wants_it() {
    let mut sequencer = sequencer();
    assert_eq!(sequencer.submit(10, MS), Ok(place(7, 0, MS)));
    assert_eq!(sequencer.tick(MS), None);
    assert_eq!(sequencer.submit(10, MS + 5), Ok(place(7, 1, MS + 5)));
    assert_eq!(sequencer.end_epoch(), epoch(7, 2, MS + 5));
    assert_eq!(sequencer.end_epoch(), None);
    assert_eq!(sequencer.submit(10, 2 * MS), Ok(place(8, 0, 2 * MS)));
    assert_eq!(sequencer.end_epoch(), epoch(8, 1, 2 * MS));
}

#[test]
fn an_epoch_ends_when_it_is_an_interval_old() {
    let mut sequencer = sequencer();
    sequencer.submit(10, MS).unwrap();
    sequencer.submit(10, 9 * MS).unwrap();
    assert_eq!(sequencer.tick(11 * MS - 1), None);
    assert_eq!(sequencer.tick(11 * MS), epoch(7, 2, 9 * MS));
    // The next one's age is its own.
    sequencer.submit(10, 15 * MS).unwrap();
    assert_eq!(sequencer.tick(22 * MS), None);
    assert_eq!(sequencer.tick(25 * MS), epoch(8, 1, 15 * MS));
}

#[test]
fn an_epoch_ends_when_it_has_enough_requests_or_bytes() {
    let mut sequencer = sequencer();
    for _ in 1..=3 {
        assert_eq!(sequencer.tick(MS), None);
        sequencer.submit(10, MS).unwrap();
    }
    assert_eq!(sequencer.tick(MS), epoch(7, 3, MS + 2));
    sequencer.submit(99, MS).unwrap();
    assert_eq!(sequencer.tick(MS), None);
    sequencer.submit(1, MS).unwrap();
    assert_eq!(sequencer.tick(MS), epoch(8, 2, MS + 4));
    // Neither counts for the next one.
    (0..5).for_each(|_| sequencer.finished());
    sequencer.submit(99, MS).unwrap();
    assert_eq!(sequencer.tick(MS), None);
}

#[test]
fn an_epoch_ends_when_the_clock_has_stepped_far_back_and_timestamps_do_not_step_back_with_it() {
    let mut sequencer = sequencer();
    assert_eq!(sequencer.submit(10, 50 * MS), Ok(place(7, 0, 50 * MS)));
    // Who came before may say so later.
    assert_eq!(sequencer.tick(50 * MS - 1), None);
    assert_eq!(sequencer.submit(10, 50 * MS - 1), Ok(place(7, 1, 50 * MS + 1)));
    assert_eq!(sequencer.tick(40 * MS), epoch(7, 2, 50 * MS + 1));
    assert_eq!(sequencer.submit(10, MS), Ok(place(8, 0, 50 * MS + 2)));
}

#[test]
fn the_time_between_two_requests_of_an_epoch_has_32_bits() {
    let settings = Settings { epoch_interval: Duration::MAX, ..settings() };
    let mut sequencer = Sequencer::new(settings, 1, Timestamp(0));
    sequencer.submit(10, MS).unwrap();
    assert_eq!(sequencer.tick(MS + EPOCH_NS_MAX - 1), None);
    assert_eq!(sequencer.tick(MS + EPOCH_NS_MAX), epoch(1, 1, MS));
}

#[test]
fn what_is_too_much_is_refused_and_finishing_makes_room() {
    let mut sequencer = sequencer();
    for _ in 1..=5 {
        sequencer.submit(10, MS).unwrap();
        sequencer.end_epoch().unwrap();
    }
    let refused = Overloaded { in_flight: 5, limit: 5 };
    assert_eq!(sequencer.submit(10, MS), Err(refused));
    assert_eq!((sequencer.admit(), sequencer.in_flight()), (Err(refused), 5));
    assert_eq!(sequencer.end_epoch(), None, "what was refused is in no epoch");
    assert!(refused.to_string().contains("5 requests are in flight"));
    (0..2).for_each(|_| sequencer.finished());
    assert_eq!((sequencer.admit(), sequencer.in_flight()), (Ok(()), 3));
    sequencer.submit(10, MS).unwrap();
    sequencer.submit(10, MS).unwrap();
    assert_eq!(sequencer.submit(10, MS), Err(refused));
}

#[test]
fn what_goes_through_once_more_is_never_refused_and_counts_once() {
    let mut sequencer = sequencer();
    for _ in 1..=5 {
        sequencer.submit(10, MS).unwrap();
        sequencer.end_epoch().unwrap();
    }
    assert_eq!(sequencer.readmit(10, MS), place(12, 0, MS + 5));
    assert_eq!(sequencer.in_flight(), 5);
    (0..5).for_each(|_| sequencer.finished());
    assert_eq!(sequencer.in_flight(), 0);
}

#[test]
#[should_panic(expected = "a request is readmitted that isn't in flight")]
fn only_what_is_in_flight_can_be_readmitted() {
    let mut sequencer = sequencer();
    sequencer.submit(10, MS).unwrap();
    sequencer.finished();
    sequencer.readmit(10, MS);
}

#[test]
#[should_panic(expected = "a request has finished that wasn't in flight")]
fn no_more_can_finish_than_have_come() {
    let mut sequencer = sequencer();
    sequencer.submit(10, MS).unwrap();
    (0..2).for_each(|_| sequencer.finished());
}

#[test]
fn timestamps_that_others_have_used_are_skipped() {
    let mut sequencer = sequencer();
    sequencer.skip_to(Timestamp(2 * MS));
    assert_eq!(sequencer.submit(10, MS), Ok(place(7, 0, 2 * MS + 1)));
    sequencer.end_epoch();
    sequencer.skip_to(Timestamp(5));
    assert_eq!(sequencer.submit(10, MS), Ok(place(8, 0, 2 * MS + 2)), "an earlier one changes nothing");
}

#[test]
#[should_panic(expected = "timestamps are skipped between epochs")]
fn timestamps_are_not_skipped_within_an_epoch() {
    let mut sequencer = sequencer();
    sequencer.submit(10, MS).unwrap();
    sequencer.skip_to(Timestamp(2 * MS));
}

#[test]
#[should_panic(expected = "timestamps have run out")]
fn the_last_timestamp_is_not_given_out() {
    let mut sequencer = Sequencer::new(settings(), 0, Timestamp(Timestamp::MAX.0 - 2));
    assert_eq!(sequencer.submit(10, 0), Ok(place(0, 0, Timestamp::MAX.0 - 1)));
    let _ = sequencer.submit(10, 0);
}

/// What may happen to a sequencer.
#[derive(Clone, Debug)]
enum Step {
    Submit {
        bytes: usize,
    },
    /// One in flight comes once more.
    Readmit {
        bytes: usize,
    },
    Tick,
    End,
    /// The clock goes on, or steps back.
    Clock {
        by_ns: i64,
    },
    Finish,
    /// The open epoch ends, and somebody else uses a timestamp.
    Skip {
        ahead_ns: u64,
    },
}

fn arbitrary_step() -> impl Strategy<Value = Step> {
    let bytes = prop_oneof![0..40_usize, 0..200_usize];
    prop_oneof![
        6 => bytes.clone().prop_map(|bytes| Step::Submit { bytes }),
        1 => bytes.prop_map(|bytes| Step::Readmit { bytes }),
        4 => Just(Step::Tick),
        1 => Just(Step::End),
        3 => (-30 * MS as i64..30 * MS as i64).prop_map(|by_ns| Step::Clock { by_ns }),
        2 => Just(Step::Finish),
        1 => (0..20 * MS).prop_map(|ahead_ns| Step::Skip { ahead_ns }),
    ]
}

/// The same, in the simplest way: a list of what is in the open epoch.
struct Model {
    settings: Settings,
    /// Bytes, and when it came.
    open: Vec<(usize, u64)>,
    in_flight: usize,
    last: Timestamp,
    epoch: u64,
}

impl Model {
    fn place(&mut self, bytes: usize, now_ns: u64) -> Place {
        self.last = Timestamp(now_ns.max(self.last.0 + 1));
        self.open.push((bytes, now_ns));
        Place { epoch: self.epoch, index: self.open.len() as u32 - 1, at: self.last }
    }

    fn is_due(&self, now_ns: u64) -> bool {
        let Some(&(_, since_ns)) = self.open.first() else { return false };
        let interval_ns = self.settings.epoch_interval.as_nanos() as u64;
        self.open.len() >= self.settings.epoch_requests_max
            || self.open.iter().map(|(bytes, _)| bytes).sum::<usize>() >= self.settings.epoch_bytes_max
            || since_ns.saturating_sub(now_ns) >= interval_ns
            || now_ns.saturating_sub(since_ns) >= interval_ns
    }

    fn end(&mut self) -> Option<Epoch> {
        let requests = self.open.drain(..).count() as u32;
        if requests == 0 {
            return None;
        }
        self.epoch += 1;
        Some(Epoch { number: self.epoch - 1, requests, last: self.last })
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn it_does_what_a_list_does(steps in vec(arbitrary_step(), 0..120)) {
        let settings = Settings { in_flight_max: 12, epoch_requests_max: 5, ..settings() };
        let limit = settings.in_flight_max;
        let mut sequencer = Sequencer::new(settings.clone(), 3, Timestamp(5));
        let mut model = Model { settings, open: Vec::new(), in_flight: 0, last: Timestamp(5), epoch: 3 };
        let mut now_ns = 100 * MS;
        for step in steps {
            let in_flight = model.in_flight;
            match step {
                Step::Submit { bytes } => {
                    let placed = sequencer.submit(bytes, now_ns);
                    if in_flight == limit {
                        prop_assert_eq!(placed, Err(Overloaded { in_flight, limit }));
                    } else {
                        model.in_flight += 1;
                        prop_assert_eq!(placed, Ok(model.place(bytes, now_ns)));
                    }
                }
                Step::Readmit { bytes } if in_flight > 0 => {
                    prop_assert_eq!(sequencer.readmit(bytes, now_ns), model.place(bytes, now_ns));
                }
                Step::Tick => {
                    let expected = if model.is_due(now_ns) { model.end() } else { None };
                    prop_assert_eq!(sequencer.tick(now_ns), expected);
                }
                Step::End => prop_assert_eq!(sequencer.end_epoch(), model.end()),
                Step::Clock { by_ns } => now_ns = now_ns.saturating_add_signed(by_ns),
                Step::Finish if in_flight > 0 => {
                    model.in_flight -= 1;
                    sequencer.finished();
                }
                Step::Skip { ahead_ns } => {
                    prop_assert_eq!(sequencer.end_epoch(), model.end());
                    model.last = model.last.max(Timestamp(now_ns + ahead_ns));
                    sequencer.skip_to(Timestamp(now_ns + ahead_ns));
                }
                Step::Readmit { .. } | Step::Finish => {}
            }
            prop_assert_eq!(sequencer.in_flight(), model.in_flight);
        }
    }

    /// As it is used: a tick before each request. Then epochs keep to their bounds.
    #[test]
    fn epochs_are_no_larger_than_allowed(requests in vec((0..150_usize, 0..4 * MS), 1..100)) {
        let settings = Settings { in_flight_max: usize::MAX, ..settings() };
        let mut sequencer = Sequencer::new(settings, 0, Timestamp(0));
        let (mut now_ns, mut open, mut ended) = (0, Vec::new(), 0);
        for (bytes, later_ns) in requests.iter().copied() {
            now_ns += later_ns;
            if let Some(epoch) = sequencer.tick(now_ns) {
                prop_assert_eq!(epoch.requests as usize, open.len());
                ended += open.len();
                open.clear();
            }
            prop_assert_eq!(sequencer.submit(bytes, now_ns).unwrap().index as usize, open.len());
            let before: usize = open.iter().map(|(bytes, _)| bytes).sum();
            open.push((bytes, now_ns));
            prop_assert!(open.len() <= 3 && before < 100);
            prop_assert!(now_ns - open[0].1 < 10 * MS, "open for too long");
        }
        prop_assert_eq!(ended + open.len(), requests.len());
    }
}
