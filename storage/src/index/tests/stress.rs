//! Threads that insert, remove, look up and scan the same keys at once, and the facts that must hold
//! whatever they do to each other.

use std::ops::Bound;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Barrier, Mutex};
use std::thread;

use crossbeam_epoch::{Guard, pin};

use super::synod_storage::index::{Batch, Index, Insertion};
use super::synod_storage::{Record, RecordPtr, key_hash};

/// A small random number generator (xorshift64*; Vigna, ACM TOMS 42(4), 2016): the same run for a seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % limit
    }
}

/// Keys with a shared prefix that is longer than a head, in the order of their numbers.
fn key(number: u64) -> Vec<u8> {
    format!("a prefix {number:06}").into_bytes()
}

fn number(key: &[u8]) -> u64 {
    std::str::from_utf8(&key[9..]).unwrap().parse().unwrap()
}

fn insert(index: &Index, number: u64, guard: &Guard) -> Option<RecordPtr> {
    let key = key(number);
    match index.insert(&key, || Record::allocate(&key, 0, 0), |_| true, guard) {
        Insertion::Inserted(record) => Some(record.ptr()),
        Insertion::Present(record) => {
            assert_eq!(record.key(), key);
            None
        }
        Insertion::Refused(_) => panic!("nothing was refused"),
    }
}

/// Removes the record of a number that the caller has inserted and nobody else removes.
fn remove(index: &Index, number: u64, guard: &Guard) {
    let record = index.get(&key(number), guard).expect("it is there until it is removed");
    record.word().store(Record::DEAD, Ordering::SeqCst);
    index.remove(record, guard);
}

/// The numbers from `start` to below `end`, forwards.
fn forward(index: &Index, start: u64, end: u64, guard: &Guard) -> Vec<u64> {
    let mut batch = Batch::new();
    let mut numbers = Vec::new();
    index.leaf_from(Bound::Included(&key(start)), &mut batch, guard);
    loop {
        numbers.extend(batch.records().iter().map(|record| number(record.key())));
        match batch.fence() {
            Some(fence) if fence < key(end).as_slice() => {
                index.leaf_from(Bound::Included(fence), &mut batch, guard);
            }
            _ => break,
        }
    }
    numbers.retain(|&number| number < end);
    numbers
}

/// The numbers from `start` to below `end`, backwards.
fn backward(index: &Index, start: u64, end: u64, guard: &Guard) -> Vec<u64> {
    let mut batch = Batch::new();
    let mut numbers = Vec::new();
    index.leaf_to(Bound::Excluded(&key(end)), &mut batch, guard);
    loop {
        numbers.extend(batch.records().iter().rev().map(|record| number(record.key())));
        match batch.fence() {
            Some(fence) if fence > key(start).as_slice() => {
                index.leaf_to(Bound::Excluded(fence), &mut batch, guard);
            }
            _ => break,
        }
    }
    numbers.retain(|&number| number >= start);
    numbers
}

/// Numbers that are multiples of `PERMANENT` stay throughout; all others come and go.
const PERMANENT: u64 = 16;

fn come_and_go(index: &Index, seed: u64, keys: u64, operations: usize) {
    let mut random = Random(seed);
    let mut mine: Vec<u64> = Vec::new();
    for _ in 0..operations {
        let guard = pin();
        // Runs, so that leaves fill and empty.
        let (first, grows) = (random.below(keys), random.below(2) == 0);
        for number in first..(first + random.below(24)).min(keys) {
            if number.is_multiple_of(PERMANENT) {
                assert!(insert(index, number, &guard).is_none());
            } else if grows && insert(index, number, &guard).is_some() {
                mine.push(number);
            } else if !grows && let Some(at) = mine.iter().position(|&other| other == number) {
                remove(index, mine.swap_remove(at), &guard);
            }
        }
    }
    mine.into_iter().for_each(|number| remove(index, number, &pin()));
}

fn look_up(index: &Index, seed: u64, keys: u64, done: &AtomicBool) {
    let mut random = Random(seed);
    while !done.load(Ordering::Relaxed) {
        let guard = pin();
        let number = random.below(keys);
        check_found(number, index.get(&key(number), &guard));
        let numbers: [u64; 20] = std::array::from_fn(|_| random.below(keys));
        let (keys, mut next) = (numbers.map(key), 0);
        Index::get_together(
            keys.len(),
            |at| (index, &keys[at][..], key_hash(&keys[at])),
            &guard,
            |found| {
                check_found(numbers[next], found);
                next += 1;
            },
        );
        assert_eq!(next, numbers.len());
    }
}

fn check_found(number: u64, found: Option<Record<'_>>) {
    assert!(found.is_some() || !number.is_multiple_of(PERMANENT), "{number} was there all the time");
    assert!(found.is_none_or(|record| record.key() == key(number)));
}

fn scan(index: &Index, seed: u64, keys: u64, done: &AtomicBool) {
    let mut random = Random(seed);
    while !done.load(Ordering::Relaxed) {
        let guard = pin();
        let start = random.below(keys);
        let end = start + random.below(keys / 4);
        let mut rising = forward(index, start, end, &guard);
        let falling = backward(index, start, end, &guard);
        for numbers in [&mut rising, &mut falling.into_iter().rev().collect()] {
            assert!(numbers.is_sorted_by(|left, right| left < right), "{numbers:?}");
            assert!(numbers.iter().all(|number| (start..end).contains(number)));
            numbers.retain(|number| number.is_multiple_of(PERMANENT));
            let expected: Vec<u64> =
                (start..end.min(keys)).filter(|number| number.is_multiple_of(PERMANENT)).collect();
            assert_eq!(*numbers, expected, "from {start} to {end}");
        }
    }
}

fn churn(keys: u64, operations: usize) {
    let index = &Index::new();
    let done = &AtomicBool::new(false);
    (0..keys).step_by(PERMANENT as usize).for_each(|number| {
        insert(index, number, &pin());
    });
    thread::scope(|scope| {
        let writers: Vec<_> =
            (1..4).map(|seed| scope.spawn(move || come_and_go(index, seed, keys, operations))).collect();
        for seed in 4..6 {
            scope.spawn(move || look_up(index, seed, keys, done));
            scope.spawn(move || scan(index, seed, keys, done));
        }
        let results: Vec<_> = writers.into_iter().map(thread::ScopedJoinHandle::join).collect();
        done.store(true, Ordering::Relaxed);
        assert!(results.iter().all(Result::is_ok));
    });
    let guard = &pin();
    super::verify(index, guard);
    assert_eq!(index.count(guard) as u64, keys.div_ceil(PERMANENT));
    (0..keys).step_by(PERMANENT as usize).for_each(|number| remove(index, number, guard));
    let statistics = index.statistics();
    assert_eq!((statistics.leaves, statistics.inner_nodes), (1, 0));
}

#[test]
fn what_is_there_throughout_is_found_throughout_in_a_small_table() {
    churn(64, 3000);
}

#[test]
fn what_is_there_throughout_is_found_throughout_in_a_larger_table() {
    churn(4000, 3000);
}

/// How often changes of a key have begun, and how often they were finished.
#[derive(Default)]
struct Changes {
    begun: AtomicU64,
    done: AtomicU64,
}

#[test]
fn a_current_witness_means_that_no_key_came_or_went() {
    const KEYS: u64 = 300;
    let index = &Index::new();
    let changes: &Vec<Changes> = &(0..KEYS).map(|_| Changes::default()).collect();
    let finished = &AtomicBool::new(false);
    let (current, stale) = (&AtomicUsize::new(0), &AtomicUsize::new(0));
    thread::scope(|scope| {
        let writers: Vec<_> =
            (0..2).map(|writer| scope.spawn(move || change_keys(index, writer, changes))).collect();
        scope.spawn(move || {
            let mut random = Random(9);
            while !finished.load(Ordering::Relaxed) {
                let verdict = check_witness(index, &mut random, changes);
                if verdict { current } else { stale }.fetch_add(1, Ordering::Relaxed);
            }
        });
        let results: Vec<_> = writers.into_iter().map(thread::ScopedJoinHandle::join).collect();
        finished.store(true, Ordering::Relaxed);
        assert!(results.iter().all(Result::is_ok));
    });
    let (current, stale) = (current.load(Ordering::Relaxed), stale.load(Ordering::Relaxed));
    assert!(current > 0 && stale > 0, "both must happen: {current} current, {stale} stale");
}

/// Lets keys come and go, each by one writer only, and keeps account of it.
fn change_keys(index: &Index, writer: u64, changes: &[Changes]) {
    let mut random = Random(writer + 1);
    for _ in 0..100_000 {
        let number = random.below(changes.len() as u64 / 2) * 2 + writer;
        let guard = &pin();
        let change = &changes[number as usize];
        change.begun.fetch_add(1, Ordering::SeqCst);
        if insert(index, number, guard).is_none() {
            remove(index, number, guard);
        }
        change.done.fetch_add(1, Ordering::SeqCst);
    }
}

/// Reads a leaf, waits a little, and asks whether its witness is still current. It must not be if a change
/// began after the leaf was read, and was finished before the question.
fn check_witness(index: &Index, random: &mut Random, changes: &[Changes]) -> bool {
    let guard = &pin();
    let mut batch = Batch::new();
    let start = random.below(changes.len() as u64);
    index.leaf_from(Bound::Included(&key(start)), &mut batch, guard);
    let end = batch.fence();
    let covered: Vec<(&Changes, u64)> = (start..changes.len() as u64)
        .take_while(|&number| end.is_none_or(|end| key(number).as_slice() < end))
        .map(|number| &changes[number as usize])
        .map(|change| (change, change.begun.load(Ordering::SeqCst)))
        .collect();
    for _ in 0..random.below(300) {
        std::hint::spin_loop();
    }
    let changed = covered.iter().any(|(change, begun)| change.done.load(Ordering::SeqCst) > *begun);
    let current = index.is_current(&batch.witness());
    assert!(!(current && changed), "a witness overlooked a change");
    current
}

#[test]
fn a_gap_is_either_locked_or_filled_and_both_sides_know() {
    const MARK: u64 = 1;
    const ROUNDS: u64 = 3000;
    let index = &Index::new();
    let successor = insert(index, ROUNDS, &pin()).unwrap();
    let barrier = &Barrier::new(2);
    let outcome = &Mutex::new(false);
    thread::scope(|scope| {
        scope.spawn(move || {
            for round in 0..ROUNDS {
                barrier.wait();
                *outcome.lock().unwrap() = insert_unless_marked(index, round, MARK, &pin());
                barrier.wait();
                barrier.wait();
            }
        });
        // Judged when both threads are through, so that a failure doesn't leave one waiting.
        let (mut filled, mut locked, mut both, mut lost) = (0, 0, 0, 0);
        for round in 0..ROUNDS {
            let guard = &pin();
            barrier.wait();
            let is_locked = lock_gap(index, round, successor, MARK, guard);
            barrier.wait();
            let is_filled = *outcome.lock().unwrap();
            filled += u32::from(is_filled);
            locked += u32::from(is_locked);
            both += u32::from(is_filled && is_locked);
            lost += u32::from(index.get(&key(round), guard).is_some() != is_filled);
            if is_filled {
                remove(index, round, guard);
            }
            // SAFETY: the successor is in the index until the test ends.
            unsafe { successor.get() }.word().store(0, Ordering::SeqCst);
            barrier.wait();
        }
        assert_eq!((both, lost), (0, 0), "keys that appeared in locked gaps, and keys that were lost");
        assert!(filled > 0 && locked > 0, "both must happen: {filled} filled, {locked} locked");
    });
}

fn insert_unless_marked(index: &Index, number: u64, mark: u64, guard: &Guard) -> bool {
    let key = key(number);
    let admit = |successor: Option<Record<'_>>| {
        let successor = successor.expect("the last key is always there");
        successor.word().load(Ordering::SeqCst) & mark == 0
    };
    matches!(index.insert(&key, || Record::allocate(&key, 0, 0), admit, guard), Insertion::Inserted(_))
}

/// Marks the record behind the gap, and says whether the gap is now known to be empty and locked.
fn lock_gap(index: &Index, number: u64, successor: RecordPtr, mark: u64, guard: &Guard) -> bool {
    let mut batch = Batch::new();
    index.leaf_from(Bound::Included(&key(number)), &mut batch, guard);
    if batch.records().first().map(|record| record.ptr()) != Some(successor) {
        return false;
    }
    batch.records()[0].word().fetch_or(mark, Ordering::SeqCst);
    index.is_current(&batch.witness())
}

#[test]
fn a_queue_needs_no_more_nodes_than_its_length_asks_for() {
    const LENGTH: u64 = 500;
    const TOTAL: u64 = 50_000;
    let index = &Index::new();
    let (pushed, popped) = (&AtomicU64::new(0), &AtomicU64::new(0));
    thread::scope(|scope| {
        scope.spawn(move || {
            for number in 0..TOTAL {
                while number >= popped.load(Ordering::Acquire) + LENGTH {
                    thread::yield_now();
                }
                assert!(insert(index, number, &pin()).is_some());
                pushed.store(number + 1, Ordering::Release);
            }
        });
        for number in 0..TOTAL {
            while number >= pushed.load(Ordering::Acquire) {
                thread::yield_now();
            }
            let guard = &pin();
            let mut batch = Batch::new();
            index.leaf_from(Bound::Unbounded, &mut batch, guard);
            assert_eq!(batch.records()[0].key(), key(number), "first in, first out");
            remove(index, number, guard);
            popped.store(number + 1, Ordering::Release);
        }
    });
    let longest = &Index::new();
    (0..LENGTH).for_each(|number| assert!(insert(longest, number, &pin()).is_some()));
    let longest = longest.statistics().bytes;
    let statistics = index.statistics();
    assert_eq!((statistics.leaves, statistics.inner_nodes), (1, 0));
    assert!(statistics.bytes <= longest * 3, "{} bytes, for a queue {longest}", statistics.bytes);
    super::verify(index, &pin());
}
