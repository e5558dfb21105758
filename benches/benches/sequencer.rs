//! Sequencing: what a request costs on its way into a batch of the log, and out of it.
//!
//! `cargo bench -p synod-bench --bench sequencer`.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use synod_sequencer::{Batch, BatchEncoder, BatchHeader, RequestRef, Sequencer, Settings};
use synod_storage::Timestamp;

const HEADER: BatchHeader = BatchHeader { epoch: 7, first: Timestamp(100), verified: None };

/// About 100 bytes in all.
const REQUEST: RequestRef<'static> =
    RequestRef { procedure: "new_order", version: 1, arguments: &[7; 88], footprint: None };

/// A request encoded; a thousand make a batch.
fn bench_encode(criterion: &mut Criterion) {
    let mut encoder = BatchEncoder::new();
    criterion.bench_function("sequencer/encode a request of 100 bytes", |bencher| {
        bencher.iter(|| {
            if encoder.len() == 1_000 {
                encoder.begin();
            }
            encoder.push(black_box(&REQUEST)).expect("the request is small")
        });
    });
}

/// A batch of a thousand requests, checked and walked through.
fn bench_decode(criterion: &mut Criterion) {
    let mut encoder = BatchEncoder::new();
    for _ in 0..1_000 {
        encoder.push(&REQUEST).expect("the request is small");
    }
    let bytes = encoder.finish(&HEADER);
    criterion.bench_function("sequencer/decode 1000 requests of 100 bytes", |bencher| {
        bencher.iter(|| {
            let batch = Batch::decode(bytes).expect("it was encoded");
            batch.requests().map(|(at, request)| at.0 ^ request.arguments.len() as u64).sum::<u64>()
        });
    });
}

/// A request submitted, and finished when its epoch has been closed.
fn bench_submit(criterion: &mut Criterion) {
    let mut sequencer = Sequencer::new(Settings::default(), 1, Timestamp(0));
    let mut now_ns = 0;
    criterion.bench_function("sequencer/submit, tick, finish", |bencher| {
        bencher.iter(|| {
            now_ns += 1_000;
            sequencer.submit(now_ns, 100, now_ns).expect("there is room");
            if let Some(epoch) = sequencer.tick(now_ns, false) {
                sequencer.finished(epoch.requests.len());
            }
        });
    });
    criterion.bench_function("sequencer/submit, tick, finish alone", |bencher| {
        bencher.iter(|| {
            now_ns += 1_000;
            sequencer.submit(now_ns, 100, now_ns).expect("there is room");
            let epoch = sequencer.tick(now_ns, true).expect("nothing else is to be done");
            sequencer.finished(epoch.requests.len());
        });
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(std::time::Duration::from_millis(500));
    targets = bench_encode, bench_decode, bench_submit
}
criterion_main!(benches);
