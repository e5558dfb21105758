//! The power goes out: at every operation of one thread's work, and at any moment of several threads'.

use synod::device::{Fault, MemoryDevice, Survival};
use synod::{Engine, Error};
use synod_tests::crash::history::Recorder;
use synod_tests::crash::verdict::Image;
use synod_tests::crash::workload::{HOME, Workload, small_options};

/// The ways in which a moment is crashed.
fn survivals(seeds: u64) -> impl Iterator<Item = Survival> {
    [Survival::Nothing, Survival::Everything]
        .into_iter()
        .chain((0..seeds).map(|seed| Survival::Random { seed }))
}

fn work(device: &MemoryDevice, recorder: &Recorder, steps: u64, seed: u64) -> Result<(), Error> {
    let engine = Engine::open(HOME, small_options(device.clone()))?;
    Workload::begin(&engine, recorder, 0)?.run(steps, seed)
}

#[test]
fn a_power_cut_at_every_operation_loses_nothing_that_was_acknowledged() {
    let mut nth = 1;
    let mut most = 0;
    loop {
        let (device, recorder) = (MemoryDevice::new(), Recorder::default());
        device.inject(Fault::PowerCut(nth));
        let outcome = work(&device, &recorder, 150, 7);
        let end = recorder.history();
        for survival in survivals(3) {
            most = most.max(Image::take(&device, &recorder, survival).judge(&end));
        }
        if outcome.is_ok() {
            break;
        }
        // Every operation at first, while tables are created; later on a third of them.
        nth += if nth < 40 { 1 } else { 3 };
    }
    assert!(nth > 100, "the workload has only {nth} operations");
    assert!(most > 30, "no crash left more than {most} commits");
}

#[test]
fn a_crash_at_any_moment_of_concurrent_work_leaves_a_prefix_of_whole_commits() {
    for seed in 0..4 {
        let (device, recorder) = (MemoryDevice::new(), Recorder::default());
        let engine = Engine::open(HOME, small_options(device.clone())).unwrap();
        let workload = Workload::begin(&engine, &recorder, 0).unwrap();
        let mut images = Vec::new();
        std::thread::scope(|scope| {
            let run = |thread| workload.run(80, seed * 100 + thread).unwrap();
            let threads: Vec<_> = (0..3).map(|thread| scope.spawn(move || run(thread))).collect();
            while !threads.iter().all(std::thread::ScopedJoinHandle::is_finished) {
                let survival = match images.len() % 4 {
                    0 => Survival::Nothing,
                    1 => Survival::Everything,
                    _ => Survival::Random { seed: seed * 1000 + images.len() as u64 },
                };
                images.push(Image::take(&device, &recorder, survival));
                std::thread::sleep(std::time::Duration::from_micros(700));
            }
        });
        images.push(Image::take(&device, &recorder, Survival::Nothing));
        let end = recorder.history();
        // Some two dozen of them, spread over the whole time.
        let step = images.len().div_ceil(25);
        let judged: Vec<_> = images.iter().rev().step_by(step).map(|image| image.judge(&end)).collect();
        assert!(judged[0] > 50, "the last image has only {} commits", judged[0]);
    }
}

#[test]
fn crash_upon_crash_upon_crash_still_leaves_a_prefix() {
    let mut device = MemoryDevice::new();
    let recorder = Recorder::default();
    for generation in 0..12 {
        device.inject(Fault::PowerCut(35 + generation * 7 % 60));
        if let Ok(engine) = Engine::open(HOME, small_options(device.clone())) {
            let outcome = Workload::begin(&engine, &recorder, generation * 1000)
                .and_then(|workload| workload.run(400, generation));
            assert!(outcome.is_err(), "the power stayed on");
        }
        let end = recorder.history();
        let image = Image::take(&device, &recorder, Survival::Random { seed: generation });
        // The judged copy is worked on; the history goes on with another one, which is the same.
        device = image.device.crash(Survival::Everything);
        image.judge(&end);
        let engine = synod_tests::crash::verdict::open(&device);
        let survivors = synod_tests::crash::verdict::survivors(&engine, &end);
        recorder.note(|history| {
            history.commits.retain(|commit| survivors.contains(&commit.number));
            history.passing.retain(|name, _| engine.tables().contains(name));
        });
    }
    assert!(recorder.history().commits.len() > 30);
}
