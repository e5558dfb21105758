//! Sequencing: what a request costs on its way into a batch of the log, and out of it.
//!
//! `cargo bench -p synod-bench --bench sequencer`.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use synod_sequencer::{Batch, BatchEncoder, RequestRef, Sequencer, Settings};
use synod_storage::Timestamp;

/// About 100 bytes in all.
const REQUEST: RequestRef<'static> =
    RequestRef { procedure: "new_order", version: 1, arguments: &[7; 88], footprint: None };

/// A request encoded; a thousand make a batch.
fn bench_encode(criterion: &mut Criterion) {
    let (mut encoder, mut at) = (BatchEncoder::new(), Timestamp(0));
    criterion.bench_function("sequencer/encode a request of 100 bytes", |bencher| {
        bencher.iter(|| {
            if encoder.len() == 1_000 {
                encoder.begin();
            }
            at.0 += 1_000;
            encoder.push(at, black_box(&REQUEST)).expect("the request is small")
        });
    });
}

/// A batch of a thousand requests, checked and walked through.
fn bench_decode(criterion: &mut Criterion) {
    let mut encoder = BatchEncoder::new();
    for index in 1..=1_000 {
        encoder.push(Timestamp(1_000 * index), &REQUEST).expect("the request is small");
    }
    let bytes = encoder.finish(7, None);
    criterion.bench_function("sequencer/decode 1000 requests of 100 bytes", |bencher| {
        bencher.iter(|| {
            let batch = Batch::decode(bytes).expect("it was encoded");
            batch.requests().map(|(at, request)| at.0 ^ request.arguments.len() as u64).sum::<u64>()
        });
    });
}

/// A request that gets its place, and finishes.
fn bench_submit(criterion: &mut Criterion) {
    let mut sequencer = Sequencer::new(Settings::default(), 1, Timestamp(0));
    let mut now_ns = 0;
    criterion.bench_function("sequencer/tick, submit, finish", |bencher| {
        bencher.iter(|| {
            now_ns += 1_000;
            let ended = sequencer.tick(now_ns);
            let place = sequencer.submit(100, now_ns).expect("there is room");
            sequencer.finished();
            (ended, place)
        });
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(std::time::Duration::from_millis(500));
    targets = bench_encode, bench_decode, bench_submit
}
criterion_main!(benches);
