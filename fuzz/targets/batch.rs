//! libFuzzer's way to [`synod_tests::fuzz::batch`].

#![no_main]

use libfuzzer_sys::fuzz_target;
use synod_tests::memory::Metered;

#[global_allocator]
static ALLOCATOR: Metered = Metered;

fuzz_target!(|input: &[u8]| synod_tests::fuzz::batch(input));
