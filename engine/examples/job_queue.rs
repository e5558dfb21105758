//! A job queue: producers add jobs, workers take the oldest free one, and each job is done exactly once, also
//! if a worker gives up in the middle.
//!
//! `cargo run --release -p synod --example job_queue`

use std::sync::atomic::{AtomicU32, Ordering};

use synod::{Engine, Options, Result, Table};

const JOBS: u32 = 2_000;
const WORKERS: u32 = 3;

fn main() -> Result<()> {
    let engine = Engine::in_memory(Options::new())?;
    let waiting = engine.table("waiting")?;
    let done = engine.table("done")?;

    let given_up = AtomicU32::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| produce(&engine, &waiting));
        for worker in 0..WORKERS {
            let (engine, waiting, done, given_up) = (&engine, &waiting, &done, &given_up);
            scope.spawn(move || consume(engine, waiting, done, worker, given_up));
        }
    });

    let snapshot = engine.snapshot()?;
    let finished = snapshot.scan(&done, ..).count();
    let left = snapshot.scan(&waiting, ..).count();
    println!("{finished} jobs done once each, {left} left, {} times given back", given_up.into_inner());
    assert_eq!((finished, left), (JOBS as usize, 0));
    Ok(())
}

fn produce(engine: &Engine, waiting: &Table) {
    for job in 0..JOBS {
        let added = engine.transact(|txn| txn.insert(waiting, job.to_be_bytes(), format!("job {job}")));
        added.expect("jobs have different numbers");
    }
}

fn consume(engine: &Engine, waiting: &Table, done: &Table, worker: u32, given_up: &AtomicU32) {
    let mut attempts = 0;
    while engine.snapshot().expect("few are open").scan(done, ..).count() < JOBS as usize {
        let taken = engine.transact(|txn| {
            // Serializable: nobody else can take this job, or put one in front of it, before we are done.
            let Some((number, job)) = txn.scan(waiting, ..).next().transpose()? else {
                return Ok::<_, synod::Error>(false);
            };
            txn.delete(waiting, &number)?;
            txn.insert(done, &number, [&job[..], b" by ", &worker.to_be_bytes()].concat())?;
            Ok(true)
        });
        match taken {
            Ok(true) => attempts += 1,
            Ok(false) => std::thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
        if attempts % 10 == 9 {
            attempts += 1;
            give_up_once(engine, waiting, given_up);
        }
    }
}

/// Takes a job and dies over it: dropping the transaction gives the job back.
fn give_up_once(engine: &Engine, waiting: &Table, given_up: &AtomicU32) {
    let txn = engine.begin(synod::TransactionOptions::new()).expect("few transactions are running");
    let first = txn.scan(waiting, ..).next();
    if let Some(Ok((number, _))) = first
        && txn.delete(waiting, &number).is_ok()
    {
        given_up.fetch_add(1, Ordering::Relaxed);
    }
}
