//! Reading a dump takes no more memory than it says, whatever comes.

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{BufRead, BufReader, Read};
use std::sync::atomic::{AtomicUsize, Ordering};
use synod_cli::dump::{DumpReader, LINE_BYTES_MAX, READING_BYTES_MAX};

/// The system's allocator, which counts. A place that grows is counted with the one that it grows out of.
struct Counting;

static TAKEN: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is left to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // Relaxed: one test, one thread.
        let taken = TAKEN.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(taken, Ordering::Relaxed);
        // SAFETY: the caller's promises are the system's conditions.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        TAKEN.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promises are the system's conditions.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Reads a dump with a line of about `length` bytes, which repeats `middle`, and returns the most memory that it
/// took meanwhile, and whether it was refused.
fn peak_of(begin: &str, middle: &'static str, length: usize, end: &str) -> (usize, bool) {
    let header = "{\"synod_dump\":1,\"timestamp\":7}\n{\"table\":\"t\"}\n".to_owned() + begin;
    let filling =
        Repeated { text: middle.as_bytes(), at: 0 }.take((length / middle.len() * middle.len()) as u64);
    let text = header.as_bytes().chain(filling).chain(end.as_bytes());
    let text = BufReader::with_capacity(1 << 16, text);
    let before = TAKEN.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let is_refused = is_refused(text);
    (PEAK.load(Ordering::Relaxed) - before, is_refused)
}

/// Whether the line after the table's is refused.
fn is_refused(text: impl BufRead) -> bool {
    let mut reader = DumpReader::new(text).expect("a header");
    assert!(reader.next_item().expect("a table").is_some());
    // The explanation counts, too.
    let outcome = reader.next_item().map(|item| item.is_some()).map_err(|error| error.to_string());
    outcome.is_err()
}

/// A text again and again.
struct Repeated {
    text: &'static [u8],
    at: usize,
}

impl Read for Repeated {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        for byte in to.iter_mut() {
            *byte = self.text[self.at];
            self.at = (self.at + 1) % self.text.len();
        }
        Ok(to.len())
    }
}

#[test]
fn memory_stays_within_the_limit() {
    let most = LINE_BYTES_MAX - 100;
    let value = synod::VALUE_BYTES_MAX;
    for (begin, middle, length, end, is_bad) in [
        // The longest records that there can be.
        ("{\"t\":\"t\",\"k\":\"k\",\"v\":\"", "\\u0000", 6 * value, "\"}\n", false),
        ("{\"t\":\"t\",\"k\":\"k\",\"v64\":\"", "\\/", value / 3 * 4 * 2, "\"}\n", false),
        ("{\"t\":\"t\",\"k\":\"k\",\"v\":\"", "v", value, "\"}\n", false),
        // What looks like one, and isn't.
        ("{\"t\":\"t\",\"k\":\"k\",\"v\":\"\\n", "v", most, "\"}\n", true),
        ("{\"t\":\"t\",\"k\":\"k\",\"v64\":\"", "AAAA", most, "\"}\n", true),
        ("{\"t\":\"\\n", "\u{7f}", most, "\"}\n", true),
        ("{\"\\n", "\u{7f}", most, "\":1}\n", true),
        ("{\"end\":{\"\\n", "\u{7f}", most, "\":1}}\n", true),
        ("{\"end\":\"\\n", "\u{7f}", most, "\"}\n", true),
        // The parser's place for a string is full when it gets to the escape, and doubles.
        ("{\"t\":\"t\",\"k\":\"k\",\"v\":\"", "v", most, "\\n\"}\n", true),
        ("{\"timestamp\":\"", "\u{7f}", most, "\"}\n", true),
        ("{\"timestamp\":", "1", most, "}\n", true),
        ("", "{\"end\":", most, "\n", true),
        ("", "[", most, "\n", true),
        ("", " ", most, "{\"table\":\"u\"}\n", false),
        ("\"", "\u{200b}", most, "\"\n", true),
        // No line at all.
        ("", " ", 2 * LINE_BYTES_MAX, "", true),
    ] {
        let (peak, is_refused) = peak_of(begin, middle, length, end);
        assert_eq!(is_refused, is_bad, "{begin}{middle}…{end}");
        assert!(peak <= READING_BYTES_MAX + (1 << 16), "{begin}{middle}…{end}: {} MiB", peak >> 20);
    }
}
