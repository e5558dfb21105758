//! Nobody is left waiting.

use shuttle::future::block_on;
use shuttle::thread;

use super::procedures::{Follow, Mix};
use super::scene::{Done, Scene, explore, join};
use crate::{Executed, Ticket};

#[test]
fn a_ticket_that_another_thread_waits_for_is_served() {
    explore(|| {
        let scene = Scene::new(1);
        let mix = Mix::new(1, "a", "a");
        let mut first = scene.engine.submit(mix.clone()).unwrap();
        let second = scene.engine.submit(mix).unwrap();
        let waits = thread::spawn(move || second.wait().unwrap().output);
        let client = scene.client([Mix::new(2, "", "b"), Mix::new(3, "b", "b")]);
        first.wait_executed();
        assert!(first.is_executed());
        assert_eq!(first.wait().unwrap().output, [0]);
        assert_eq!(waits.join().unwrap(), [31]);
        client.join().unwrap();
    });
}

#[test]
fn whoever_waits_beside_a_single_worker_is_served() {
    explore(|| {
        let scene = Scene::new(1);
        // The same key, so that one is found ready at a time, and another one each time.
        let clients: Vec<_> = (1..=3).map(|name| scene.client([Mix::new(name, "a", "a")])).collect();
        scene.assert_serial(join(clients));
    });
}

#[test]
fn futures_are_served_by_the_helpers() {
    explore(|| {
        let scene = Scene::new(2);
        let helpers = [scene.helper(), scene.helper()];
        let clients = [1, 2].map(|name| {
            scene.thread(move |scene| {
                let mix = Mix::new(name, "a", "a");
                vec![done(mix.clone(), block_on(scene.engine.submit(mix).unwrap()))]
            })
        });
        let mut all = join(clients);
        all.push(scene.execute(Mix::new(3, "a", "a")));
        scene.executor().helpers.stop();
        helpers.into_iter().for_each(|helper| helper.join().unwrap());
        scene.assert_serial(all);
    });
}

#[test]
fn a_future_is_served_when_its_footprint_has_moved() {
    explore(|| {
        let scene = Scene::new(2);
        let helper = scene.helper();
        let client = scene.thread(|scene| block_on(scene.engine.submit(Follow).unwrap()).unwrap());
        let own = block_on(scene.engine.submit(Follow).unwrap()).unwrap();
        let other = client.join().unwrap();
        let (first, second) = if own.timestamp < other.timestamp { (own, other) } else { (other, own) };
        assert_eq!((first.output, second.output), (0, 1));
        scene.executor().helpers.stop();
        helper.join().unwrap();
    });
}

#[test]
fn what_nobody_waits_for_is_executed() {
    explore(|| {
        let scene = Scene::new(2);
        let helper = scene.helper();
        let drops =
            scene.thread(|scene| drop::<Ticket<_>>(scene.engine.submit(Mix::new(1, "", "a")).unwrap()));
        let client = scene.client([Mix::new(2, "", "b")]);
        drops.join().unwrap();
        client.join().unwrap();
        while scene.executor().core().stats().committed < 2 {
            thread::yield_now();
        }
        scene.executor().helpers.stop();
        helper.join().unwrap();
        assert_eq!(scene.state(&scene.engine.snapshot().unwrap()).len(), 2);
    });
}

fn done(mix: Mix, executed: crate::Result<Executed<Vec<u64>>>) -> Done {
    let executed = executed.unwrap();
    Done { mix, at: executed.timestamp, epoch: executed.position.unwrap().epoch, output: executed.output }
}
