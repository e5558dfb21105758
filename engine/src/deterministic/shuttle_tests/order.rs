//! Whatever the threads do, the outcome is that of executing one after the other.

use std::collections::BTreeMap;

use super::procedures::{Follow, Known, Mix, POINTER};
use super::scene::{Scene, explore, join};

#[test]
fn the_outcome_is_that_of_the_order() {
    for workers in [1, 2, 3] {
        explore_with(workers, || {
            let clients = [
                vec![Mix::new(1, "ab", "ab"), Mix::new(2, "b", "c")],
                vec![Mix::new(3, "bc", "b"), Mix::new(4, "", "ad")],
                vec![Mix::new(5, "ad", "e"), Mix::new(6, "abcde", "e")],
            ];
            clients.into_iter().collect()
        });
    }
}

#[test]
fn ranges_and_rejections_are_in_the_order() {
    explore_with(2, || {
        let clients = [
            vec![Mix::new(1, "", "a"), Mix::new(2, "a", "b").rejecting()],
            vec![Mix::new(3, "", "z").known(Known::Range), Mix::new(4, "z", "c")],
            vec![Mix::new(5, "b", "bd"), Mix::new(6, "", "y").known(Known::Range)],
        ];
        clients.into_iter().collect()
    });
}

#[test]
fn footprints_that_are_found_out_are_in_the_order() {
    explore_with(2, || {
        let clients = [
            vec![Mix::new(1, "ab", "ab").known(Known::Not)],
            vec![Mix::new(2, "b", "bc"), Mix::new(3, "c", "a").known(Known::Not)],
        ];
        clients.into_iter().collect()
    });
}

#[test]
fn footprints_that_move_are_found_out_again() {
    explore(|| {
        let scene = Scene::new(2);
        let follow = |scene: &Scene| {
            let first = scene.engine.execute(Follow).unwrap();
            let second = scene.engine.execute(Follow).unwrap();
            [(first.timestamp, first.output), (second.timestamp, second.output)]
        };
        let others: Vec<_> = (0..2).map(|_| scene.thread(follow)).collect();
        let mut seen: BTreeMap<_, _> = follow(&scene).into();
        seen.extend(others.into_iter().flat_map(|other| other.join().unwrap()));
        assert_eq!(seen.into_values().collect::<Vec<_>>(), [0, 1, 2, 0, 1, 2], "one has missed another");
        let state = scene.state(&scene.engine.snapshot().unwrap());
        assert_eq!(
            state.into_iter().collect::<Vec<_>>(),
            [("place 0".into(), 2), ("place 1".into(), 2), ("place 2".into(), 2), (POINTER.into(), 0)]
        );
    });
}

/// Has clients execute what `make` gives each, with so many threads at work at a time.
fn explore_with(workers: usize, make: impl Fn() -> Vec<Vec<Mix>> + Send + Sync + Copy + 'static) {
    explore(move || {
        let scene = Scene::new(workers);
        let mut mixes = make().into_iter();
        let own = mixes.next().unwrap();
        let others: Vec<_> = mixes.map(|mixes| scene.client(mixes)).collect();
        let mut done = scene.client(own).join().unwrap();
        done.extend(join(others));
        scene.assert_serial(done);
    });
}
