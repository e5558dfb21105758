//! Crashes: what was acknowledged survives, and what survives is what the order leads to, up to some place in it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use synod::Engine;
use synod::device::{Fault, MemoryDevice, Survival};
use synod_tests::crash::failure::in_time;
use synod_tests::crash::log_files::{cut_at, end_of, segments};
use synod_tests::deterministic::crashes::{HOME, Image, Told, found, is_of_log, open, small_options, work};
use synod_tests::deterministic::script::Script;
use synod_tests::deterministic::serial::State;
use synod_tests::deterministic::world::contents;

use crate::scripts::draw;

/// The ways in which a moment is crashed.
fn survivals(seeds: u64) -> impl Iterator<Item = Survival> {
    [Survival::Nothing, Survival::Everything]
        .into_iter()
        .chain((0..seeds).map(|seed| Survival::Random { seed }))
}

/// Runs lists of scripts until they are done or the log fails. Whether they are done.
fn run_until_failure(
    device: &MemoryDevice,
    lists: &[Vec<Script>],
    checkpoint_every: usize,
) -> (bool, Mutex<Told>) {
    let told = Mutex::new(Told::default());
    let outcome = open(device).and_then(|engine| work(&engine, lists, checkpoint_every, &told));
    if let Err(error) = &outcome {
        assert!(is_of_log(error), "{error}");
    }
    (outcome.is_ok(), told)
}

/// Works on with what an image has left, and judges what there is after that.
fn go_on(image: &Image, seed: u64) {
    let again = image.device.crash(Survival::Nothing);
    let engine = open(&again).unwrap();
    let initial = contents(&engine);
    let told = Mutex::new(Told::default());
    work(&engine, &draw(seed, 2, 6), 4, &told).unwrap();
    engine.close().unwrap();
    let told = told.into_inner();
    let durable = told.answered.iter().map(|(script, _)| script.id).collect();
    Image { device: again, durable }.judge(&told, &initial);
}

#[test]
fn a_power_cut_at_every_operation_loses_nothing_that_was_acknowledged() {
    in_time("power cuts", || {
        let (mut nth, mut most) = (1, 0);
        loop {
            let device = MemoryDevice::new();
            device.inject(Fault::PowerCut(nth));
            let (is_done, told) = run_until_failure(&device, &draw(nth % 5, 2, 40), 7);
            for survival in survivals(2) {
                let image = Image::take(&device, &told, survival);
                most = most.max(image.judge(&told.lock(), &State::new()).len());
                go_on(&image, nth);
            }
            if is_done {
                break;
            }
            nth += if nth < 40 { 1 } else { 3 };
        }
        assert!(nth > 60, "the work has only {nth} operations");
        assert!(most > 20, "no crash has left more than {most} scripts");
    });
}

#[test]
fn a_failure_of_the_log_is_told_and_loses_nothing_that_was_acknowledged() {
    in_time("failures of the log", || {
        let mut failures = 0;
        for nth in 1..25 {
            for fault in [Fault::Sync(nth), Fault::Write(nth)] {
                let device = MemoryDevice::new();
                let engine = open(&device).unwrap();
                device.inject(fault);
                let told = Mutex::new(Told::default());
                let outcome = work(&engine, &draw(nth, 3, 20), usize::MAX, &told);
                if let Err(error) = outcome {
                    assert!(is_of_log(&error), "{error}");
                    failures += 1;
                    // It stays so, and nobody waits for ever.
                    let later = work(&engine, &draw(nth, 2, 4), usize::MAX, &Mutex::default());
                    assert!(is_of_log(&later.unwrap_err()));
                }
                drop(engine);
                let image = Image::take(&device, &told, Survival::Random { seed: nth });
                image.judge(&told.lock(), &State::new());
            }
        }
        assert!(failures > 10, "the log has failed {failures} times only");
    });
}

#[test]
fn a_crash_at_any_moment_of_concurrent_work_leaves_a_prefix_of_the_order() {
    in_time("crashes", || {
        for seed in 0..3 {
            let device = MemoryDevice::new();
            let engine = open(&device).unwrap();
            let (told, is_over) = (Mutex::new(Told::default()), AtomicBool::new(false));
            let mut images = Vec::new();
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    work(&engine, &draw(seed, 4, 60), 15, &told).unwrap();
                    is_over.store(true, Ordering::Relaxed);
                });
                while !is_over.load(Ordering::Relaxed) {
                    let survival = match images.len() % 4 {
                        0 => Survival::Nothing,
                        1 => Survival::Everything,
                        _ => Survival::Random { seed: seed * 1000 + images.len() as u64 },
                    };
                    images.push(Image::take(&device, &told, survival));
                    std::thread::sleep(Duration::from_micros(300));
                }
            });
            images.push(Image::take(&device, &told, Survival::Nothing));
            let told = told.into_inner();
            // Some two dozen of them, spread over the whole time.
            let step = images.len().div_ceil(25);
            let judged =
                images.iter().rev().step_by(step).map(|image| image.judge(&told, &State::new()).len());
            assert!(judged.max() > Some(100));
        }
    });
}

#[test]
fn a_recovery_that_crashes_is_repeated() {
    in_time("crashes of recoveries", || {
        for seed in 0..4 {
            let device = MemoryDevice::new();
            device.inject(Fault::PowerCut(50 + 17 * seed));
            let (_, told) = run_until_failure(&device, &draw(seed, 3, 40), 9);
            let image = Image::take(&device, &told, Survival::Random { seed });
            let expected = found(&image.device.crash(Survival::Everything));
            for nth in 1.. {
                let device = image.device.crash(Survival::Everything);
                device.inject(Fault::PowerCut(nth));
                let is_done = Engine::open(HOME, small_options(&device)).is_ok();
                for survival in survivals(1) {
                    assert_eq!(found(&device.crash(survival)), expected, "operation {nth}, {survival:?}");
                }
                if is_done {
                    assert!(nth > 2, "a recovery has only {nth} operations");
                    break;
                }
            }
            image.judge(&told.lock(), &State::new());
        }
    });
}

#[test]
fn crash_upon_crash_still_leaves_a_prefix() {
    in_time("crash upon crash", || {
        let mut device = MemoryDevice::new();
        let mut initial = State::new();
        let mut survived = 0;
        for generation in 0..12 {
            device.inject(Fault::PowerCut(30 + generation * 13 % 50));
            let (is_done, told) = run_until_failure(&device, &draw(generation, 2, 200), 11);
            assert!(!is_done, "the power stayed on");
            let image = Image::take(&device, &told, Survival::Random { seed: generation });
            survived += image.judge(&told.lock(), &initial).len();
            device = image.device.crash(Survival::Everything);
            initial = found(&device).1;
        }
        assert!(survived > 60, "{survived}");
    });
}

#[test]
fn a_log_that_ends_anywhere_is_executed_up_to_its_last_whole_batch() {
    in_time("cuts", || {
        let device = MemoryDevice::new();
        let engine = open(&device).unwrap();
        let told = Mutex::new(Told::default());
        work(&engine, &draw(5, 3, 12), usize::MAX, &told).unwrap();
        engine.flush().unwrap();
        let unclosed = device.crash(Survival::Everything);
        drop(engine);
        let told = told.into_inner();
        let (last, bytes) = segments(&unclosed, HOME).pop().unwrap();
        let end = end_of(&bytes);
        let (mut before, mut steps) = (0, 0);
        for cut in (4096..=end).rev().step_by(11).collect::<Vec<_>>().into_iter().rev() {
            let image = Image { device: cut_at(&unclosed, &last, cut), durable: Vec::new() };
            let there = image.judge(&told, &State::new()).len();
            assert!(there >= before, "a longer log leads to less: cut at {cut}");
            steps += u32::from(there > before);
            before = there;
            assert_eq!(
                image.judge(&told, &State::new()).len(),
                there,
                "the second opening finds something else"
            );
        }
        assert_eq!(before, told.answered.len(), "the whole log doesn't lead to all");
        assert!(steps > 5, "there are but {steps} batches");
    });
}
