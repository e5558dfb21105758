//! Numbers for people: with separators, and in units that keep them short.

/// `1234567` as `1,234,567`.
pub fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number with separators and, if it is small, decimals.
pub fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 1_000.0 => count(value.round().max(0.0) as u64),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// Nanoseconds, in the largest unit that leaves something before the point.
pub fn time(nanoseconds: f64) -> String {
    match nanoseconds {
        ns if ns < 1e3 => format!("{} ns", number(ns)),
        ns if ns < 1e6 => format!("{} µs", number(ns / 1e3)),
        ns if ns < 1e9 => format!("{} ms", number(ns / 1e6)),
        ns => format!("{} s", number(ns / 1e9)),
    }
}

/// Bytes, in MiB or GiB where there are so many.
pub fn bytes(value: u64) -> String {
    match value as f64 {
        bytes if bytes < 1024.0 => format!("{value} B"),
        bytes if bytes < 1024.0 * 1024.0 => format!("{} KiB", number(bytes / 1024.0)),
        bytes if bytes < 1024.0 * 1024.0 * 1024.0 => format!("{} MiB", number(bytes / 1048576.0)),
        bytes => format!("{} GiB", number(bytes / 1073741824.0)),
    }
}

/// `1 thread`, `2 threads`.
pub fn plural(value: u64, one: &str) -> String {
    if value == 1 { format!("1 {one}") } else { format!("{} {one}s", count(value)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_rounded() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(
            [0.0, 1.234, 12.34, 123.4, 12_345.6].map(number),
            ["0.00", "1.23", "12.3", "123", "12,346"]
        );
    }

    #[test]
    fn units_fit_the_size() {
        assert_eq!([12.3, 1_500.0, 2.5e6, 3e9].map(time), ["12.3 ns", "1.50 µs", "2.50 ms", "3.00 s"]);
        assert_eq!([10, 2_048, 5 << 20, 3 << 30].map(bytes), ["10 B", "2.00 KiB", "5.00 MiB", "3.00 GiB"]);
        assert_eq!([1, 2_000].map(|n| plural(n, "thread")), ["1 thread", "2,000 threads"]);
    }
}
