//! What the process uses of the machine: cores, processor time, memory.

use serde::Serialize;
use std::time::Duration;

/// The number of processors that this process may use; 1 where the system doesn't say.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Processor time that all threads of the process have used so far.
pub fn process_cpu_time() -> Duration {
    cpu_clock(libc::CLOCK_PROCESS_CPUTIME_ID)
}

/// Processor time that the calling thread has used so far.
pub fn thread_cpu_time() -> Duration {
    cpu_clock(libc::CLOCK_THREAD_CPUTIME_ID)
}

/// Reads one of the kernel's processor-time clocks; zero where the kernel has no such clock.
fn cpu_clock(clock: libc::clockid_t) -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid timespec that outlives the call, which writes nothing else.
    let status = unsafe { libc::clock_gettime(clock, &raw mut time) };
    if status != 0 {
        return Duration::ZERO;
    }
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Bytes that the process has handed to the system to be written so far, to files and elsewhere; 0 where `/proc` isn't
/// there.
pub fn written_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    let written = text.lines().find_map(|line| line.strip_prefix("wchar:"));
    written.and_then(|bytes| bytes.trim().parse().ok()).unwrap_or(0)
}

/// What the machine says of itself.
#[derive(Clone, Debug)]
pub struct Description {
    /// The processor's name.
    pub processor: String,
    /// Memory, in bytes.
    pub memory_bytes: u64,
    /// The operating system and its version.
    pub system: String,
}

/// Asks the machine what it is; "unknown" and 0 where `/proc` isn't there.
pub fn describe() -> Description {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let processors = read("/proc/cpuinfo");
    let name = processors.lines().find_map(|line| line.strip_prefix("model name"));
    let release = read("/proc/sys/kernel/osrelease");
    Description {
        processor: name.unwrap_or("unknown").trim_start_matches([' ', '\t', ':']).trim_end().to_string(),
        memory_bytes: parse_kibibytes(&read("/proc/meminfo"), "MemTotal:"),
        system: format!("{} {}", std::env::consts::OS, release.trim()),
    }
}

/// The memory of the process, as the kernel counts it; zeros where `/proc` isn't there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// Resident now, in bytes.
    pub resident_bytes: u64,
    /// The most that was ever resident, in bytes.
    pub peak_bytes: u64,
}

/// Reads the process's resident memory from `/proc/self/status`.
pub fn memory() -> Memory {
    std::fs::read_to_string("/proc/self/status")
        .map_or_else(|_| Memory::default(), |text| parse_memory(&text))
}

/// Makes the memory that is resident now the most that ever was; false where the system can't do that.
pub fn forget_peak() -> bool {
    // What the kernel documents for this file, in proc_pid_clear_refs(5).
    std::fs::write("/proc/self/clear_refs", "5").is_ok()
}

/// Takes `VmRSS` and `VmHWM` out of the text of `/proc/self/status`.
fn parse_memory(status: &str) -> Memory {
    let bytes_of = |label| parse_kibibytes(status, label);
    Memory { resident_bytes: bytes_of("VmRSS:"), peak_bytes: bytes_of("VmHWM:") }
}

/// The bytes in the line of a text from `/proc` that begins with `label` and tells kibibytes; 0 if there is none.
fn parse_kibibytes(text: &str, label: &str) -> u64 {
    text.lines()
        .find_map(|line| line.strip_prefix(label))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|kibibytes| kibibytes.parse::<u64>().ok())
        .map_or(0, |kibibytes| kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_from_the_status_text() {
        let text = "Name:\tsynod\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\nThreads:\t2\n";
        assert_eq!(parse_memory(text), Memory { resident_bytes: 1024 * 1024, peak_bytes: 2048 * 1024 });
        assert_eq!(parse_memory("nothing of the kind"), Memory::default());
    }

    #[test]
    fn a_peak_is_seen_and_forgotten() {
        let grown = |bytes: usize| {
            let can_be_told = forget_peak();
            let before = memory().resident_bytes;
            std::hint::black_box(vec![1u8; bytes]);
            (can_be_told, memory().peak_bytes.saturating_sub(before))
        };
        let ((can_be_told, much), (_, little)) = (grown(200 << 20), grown(1 << 20));
        // Other tests may use some memory meanwhile.
        assert!(!can_be_told || (much >= 190 << 20 && little < 150 << 20), "{much} {little}");
    }

    #[test]
    fn cpu_time_grows_with_work() {
        let (process, thread) = (process_cpu_time(), thread_cpu_time());
        let mut random = crate::random::Random::new(1, 1);
        let sum = (0..3_000_000).fold(0u64, |sum, _| sum.wrapping_add(random.next_u64()));
        std::hint::black_box(sum);
        assert!(thread_cpu_time() > thread);
        assert!(process_cpu_time() > process);
    }
}
