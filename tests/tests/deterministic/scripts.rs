//! Random scripts.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use synod_tests::deterministic::places::{Ends, FEW_KEYS, Place, Span};
use synod_tests::deterministic::script::{Declares, Script, Step};
use synod_tests::deterministic::witness::fresh_id;

fn key() -> impl Strategy<Value = u8> {
    prop_oneof![12 => 0..FEW_KEYS, 1 => any::<u8>()]
}

fn place() -> impl Strategy<Value = Place> {
    (0..2u8, key()).prop_map(|(table, key)| Place { table, key })
}

fn span() -> impl Strategy<Value = Span> {
    let ends = prop_oneof![
        1 => Just(Ends::All),
        2 => key().prop_map(Ends::Prefix),
        2 => (key(), key()).prop_map(|(from, to)| Ends::Closed(from, to)),
        2 => (key(), key()).prop_map(|(from, to)| Ends::HalfOpen(from, to)),
        2 => (key(), key()).prop_map(|(from, to)| Ends::Open(from, to)),
        1 => key().prop_map(Ends::From),
        1 => key().prop_map(Ends::To),
    ];
    (0..2u8, ends).prop_map(|(table, ends)| Span { table, ends })
}

fn step() -> impl Strategy<Value = Step> {
    let limit = prop_oneof![1 => Just(u8::MAX), 1 => 1..6u8];
    prop_oneof![
        6 => place().prop_map(Step::Get),
        2 => place().prop_map(Step::GetForUpdate),
        8 => (place(), 0..64u64).prop_map(|(place, value)| Step::Put(place, value)),
        4 => (place(), 0..64u64).prop_map(|(place, value)| Step::Insert(place, value)),
        5 => place().prop_map(Step::Delete),
        6 => (place(), 1..9u64).prop_map(|(place, by)| Step::Add(place, by)),
        3 => (place(), 1..9u64).prop_map(|(place, by)| Step::Merge(place, by)),
        6 => (span(), any::<bool>(), limit)
            .prop_map(|(span, is_backward, limit)| Step::Scan { span, is_backward, limit }),
        3 => (span(), any::<bool>()).prop_map(|(span, is_backward)| Step::Bump { span, is_backward }),
        2 => span().prop_map(Step::DeleteRange),
        3 => Just(Step::Savepoint),
        3 => Just(Step::RollBack),
        3 => (place(), 0..4u8).prop_map(|(place, below)| Step::RejectIf(place, below)),
        4 => (place(), place(), 0..64u64)
            .prop_map(|(condition, place, value)| Step::PutIfOdd(condition, place, value)),
        4 => (place(), place()).prop_map(|(from, to)| Step::Copy(from, to)),
        3 => (place(), 0..4u8).prop_map(|(start, hops)| Step::Follow(start, hops)),
        2 => place().prop_map(Step::Random),
        2 => place().prop_map(Step::Now),
        1 => Just(Step::Panic),
    ]
}

/// A script. Its number is drawn when it is made, so that no two have the same.
pub(crate) fn script() -> impl Strategy<Value = Script> {
    let declares = prop_oneof![
        3 => Just(Declares::Unknown),
        4 => Just(Declares::Each),
        2 => Just(Declares::Tables),
        2 => Just(Declares::Ranges),
        1 => any::<u8>().prop_map(Declares::AllBut),
    ];
    (vec(step(), 1..9), declares).prop_map(|(steps, declares)| Script { id: 0, steps, declares })
}

/// For so many clients their lists of scripts.
pub(crate) fn lists(clients: usize, scripts: usize) -> impl Strategy<Value = Vec<Vec<Script>>> {
    vec(vec(script(), scripts / 2..=scripts), clients)
}

/// The same scripts with numbers of their own: no other run has the same ones.
pub(crate) fn numbered(mut lists: Vec<Vec<Script>>) -> Vec<Vec<Script>> {
    lists.iter_mut().flatten().for_each(|script| script.id = fresh_id());
    lists
}

/// The lists that follow from a seed.
pub(crate) fn draw(seed: u64, clients: usize, scripts: usize) -> Vec<Vec<Script>> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    numbered(lists(clients, scripts).new_tree(&mut runner).expect("nothing is filtered out").current())
}
