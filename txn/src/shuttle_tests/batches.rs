//! Batches: what is visible before it is appended isn't taken for durable.

use std::sync::Arc;

use shuttle::sync::Mutex;
use shuttle::thread;
use synod_storage::Timestamp;

use super::scene::explore;
use crate::Oracle;
use crate::batches::BatchBound;
use crate::clock::ManualClock;

#[test]
fn the_bound_is_never_beyond_what_is_appended() {
    explore(|| {
        let oracle = Arc::new(Oracle::new(Arc::new(ManualClock::new(0, 0)), Timestamp(10)));
        let batches = Arc::new(BatchBound::new());
        let log = Arc::new(Mutex::new(vec![]));
        let sequencer = {
            let (oracle, batches, log) = (oracle.clone(), batches.clone(), log.clone());
            thread::spawn(move || {
                for batch in [[11, 15], [16, 20]] {
                    let [first, last] = batch.map(Timestamp);
                    batches.begin(first);
                    // The first one has run.
                    oracle.observe(first);
                    log.lock().unwrap().push(last);
                    batches.end(last);
                    oracle.observe(last);
                }
            })
        };
        let flusher = {
            let (oracle, batches, log) = (oracle.clone(), batches.clone(), log.clone());
            thread::spawn(move || {
                let (mut durable, mut written) = (Timestamp(10), vec![]);
                for _ in 0..2 {
                    // As the log does it, for which a bound below an earlier one is none.
                    let bound = batches.bound(|| oracle.last());
                    written.extend(log.lock().unwrap().extract_if(.., |last| *last <= bound));
                    durable = durable.max(bound);
                    for [first, last] in [[11, 15], [16, 20]].map(|batch| batch.map(Timestamp)) {
                        let is_written = last <= durable && written.contains(&last);
                        assert!(first > durable || is_written, "{durable} is durable, {first} isn't written");
                    }
                }
            })
        };
        sequencer.join().unwrap();
        flusher.join().unwrap();
        assert_eq!((batches.bound(|| oracle.last()), batches.is_open()), (Timestamp(20), false));
    });
}
