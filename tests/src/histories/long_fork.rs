//! Long fork: two writes that have nothing to do with each other, and two readers who disagree on which came first.
//!
//! ```text
//! writer     x = 1                          reader    x = 1, y = 0      x came first
//! writer             y = 1                  reader    x = 0, y = 1      y came first
//! ```
//!
//! Parallel snapshot isolation allows it (Sovran, Power, Aguilera and Li, "Transactional storage for geo-replicated
//! systems", SOSP 2011); snapshot isolation doesn't, for there all snapshots are of one line of states.
//!
//! The keys are in groups. A group's keys are each written once, the odd ones by an insertion, while others read all
//! of the group.

use std::sync::atomic::{AtomicU64, Ordering};

use synod::{Engine, Result, Table, Transaction};

use super::clients::{Client, pause, together};

const GROUPS: u64 = 12;
/// Keys in a group, each with its writer.
const KEYS: u64 = 4;
/// Transactions to a group: its writers, and as many readers or some more.
const VISITORS: u64 = 12;

/// What a reader saw of a group: of each key whether it was written.
struct View {
    group: u64,
    is_written: Vec<bool>,
}

/// Runs a history; returns how many pairs of readers disagree.
///
/// # Panics
/// If anything but an abort goes wrong.
pub fn run(engine: &Engine, seed: u64) -> u64 {
    let table = engine.table("groups").expect("a table is created");
    let prepare = |txn: &Transaction| {
        let keys = (0..GROUPS).flat_map(|group| (0..KEYS).step_by(2).map(move |key| place(group, key)));
        keys.into_iter().try_for_each(|place| txn.put(&table, place, [0]))
    };
    engine.transact(prepare).expect("nobody is in the way");
    let tickets = AtomicU64::new(0);
    let views = together(engine, seed, |client| {
        // Relaxed: only that each number is drawn once matters.
        let tickets = std::iter::from_fn(|| Some(tickets.fetch_add(1, Ordering::Relaxed)));
        tickets
            .take_while(|&ticket| ticket < GROUPS * VISITORS)
            .filter_map(|it| visit(client, &table, it))
            .collect()
    });
    let pairs =
        views.iter().enumerate().flat_map(|(at, one)| views[at + 1..].iter().map(move |other| (one, other)));
    pairs.filter(|(one, other)| disagree(one, other)).count() as u64
}

fn place(group: u64, key: u64) -> [u8; 2] {
    [group as u8, key as u8]
}

/// Writes a key of the group whose turn it is, or reads all of them in some order.
fn visit(client: &mut Client<'_>, table: &Table, ticket: u64) -> Option<View> {
    let (group, visitor) = (ticket / VISITORS, ticket % VISITORS);
    // Each goes on at a pace of its own, or else all would move in step.
    let pauses = client.random.below(4);
    // Readers and writers by turns.
    if visitor % 2 == 1 && visitor / 2 < KEYS {
        client.commit(|txn| {
            (0..pauses).for_each(|_| pause());
            txn.put(table, place(group, visitor / 2), [1])
        });
        return None;
    }
    let first = client.random.below(KEYS);
    let (is_written, _) = client.commit(|txn| read(txn, table, (group, first), pauses));
    Some(View { group, is_written })
}

/// Reads the keys of a group, beginning with one of them.
fn read(txn: &Transaction, table: &Table, (group, first): (u64, u64), pauses: u64) -> Result<Vec<bool>> {
    let mut is_written = vec![false; KEYS as usize];
    for key in (0..KEYS).map(|key| (first + key) % KEYS) {
        is_written[key as usize] = txn.get(table, place(group, key))?.is_some_and(|value| value[..] == [1]);
        (0..pauses).for_each(|_| pause());
    }
    Ok(is_written)
}

/// Whether each of the two has seen a write that the other one hasn't.
fn disagree(one: &View, other: &View) -> bool {
    let sees_more = |one: &View, other: &View| {
        one.is_written.iter().zip(&other.is_written).any(|(mine, theirs)| *mine && !theirs)
    };
    one.group == other.group && sees_more(one, other) && sees_more(other, one)
}
