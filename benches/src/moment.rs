//! Timestamps for people: the date and time in UTC.

use synod::Timestamp;

const SECONDS_PER_DAY: u64 = 86_400;

/// `2026-11-21 08:00:00.123 UTC`.
pub fn moment(timestamp: Timestamp) -> String {
    let seconds = timestamp.0 / 1_000_000_000;
    let milliseconds = timestamp.0 / 1_000_000 % 1_000;
    let (year, month, day) = date(seconds / SECONDS_PER_DAY);
    let second = seconds % SECONDS_PER_DAY;
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{milliseconds:03} UTC")
}

/// Year, month and day, so many days after 1970-01-01, by the Gregorian calendar. Counts years from March on, so
/// that the leap day is their last (Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`).
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468; // from 0000-03-01 on
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let months_since_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * months_since_march + 2) / 5 + 1;
    let month = if months_since_march < 10 { months_since_march + 3 } else { months_since_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_have_dates() {
        let at = |seconds: u64| moment(Timestamp(seconds * 1_000_000_000 + 7_999_999));
        assert_eq!(at(0), "1970-01-01 00:00:00.007 UTC");
        assert_eq!(at(951_782_400), "2000-02-29 00:00:00.007 UTC");
        assert_eq!(at(1_709_251_199), "2024-02-29 23:59:59.007 UTC");
        assert_eq!(at(1_795_248_000), "2026-11-21 08:00:00.007 UTC");
        assert_eq!(moment(Timestamp::MAX), "2116-02-20 23:53:38.427 UTC");
    }

    #[test]
    fn every_day_follows_the_one_before() {
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for days in 0..60_000 {
            assert_eq!(date(days), (year, month, day), "day {days}");
            let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let length = [31, 28 + u64::from(is_leap), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
            day += 1;
            if day > length[month as usize - 1] {
                (month, day) = (month + 1, 1);
            }
            if month > 12 {
                (year, month) = (year + 1, 1);
            }
        }
    }
}
