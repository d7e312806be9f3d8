//! The time of a log line: RFC 3339, UTC, milliseconds, `2026-11-25T19:52:15.042Z`.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Serialize, Serializer};

/// Displayed and serialized in the one form that log lines have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Timestamp {
    /// A clock that stands before 1970 is shown as 1970.
    millis: u64,
}

impl Timestamp {
    pub(super) fn now() -> Self {
        Self::of(SystemTime::now())
    }

    fn of(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp { millis: u64::try_from(since.as_millis()).unwrap_or(0) }
    }
}

impl Timestamp {
    /// The moment as text, without an allocation: every request has one.
    pub(super) fn text(self) -> [u8; 24] {
        let seconds = self.millis / 1000;
        let (year, month, day) = date(seconds / 86_400);
        let fields =
            [(year, 4), (month, 2), (day, 2), (seconds / 3600 % 24, 2), (seconds / 60 % 60, 2), (seconds % 60, 2), (self.millis % 1000, 3)];
        let mut text = *b"0000-00-00T00:00:00.000Z";
        let mut rest = text.as_mut_slice();
        for (number, width) in fields {
            let Some((digits, behind)) = rest.split_at_mut_checked(width) else { break };
            digits.iter_mut().rev().fold(number, |n, digit| {
                *digit = b'0' + u8::try_from(n % 10).unwrap_or(0);
                n / 10
            });
            rest = behind.get_mut(1..).unwrap_or_default();
        }
        text
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.text()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Days since 1970 as a date of the Gregorian calendar. Counted from the first of March of the year 0, so that the day that a leap year has
/// more is its last, in eras of 400 years, which all have as many days (Howard Hinnant, "chrono-compatible low-level date algorithms").
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
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
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_moment_is_written_as_rfc_3339_with_milliseconds() {
        let cases = [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199_007, "2024-02-29T23:59:59.007Z"),
            (1_798_761_599_042, "2026-12-31T23:59:59.042Z"),
            (1_798_761_600_000, "2027-01-01T00:00:00.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ];
        for (millis, text) in cases {
            assert_eq!(Timestamp::of(UNIX_EPOCH + Duration::from_millis(millis)).to_string(), text);
        }
    }

    #[test]
    fn a_clock_before_1970_is_no_reason_to_fail() {
        assert_eq!(Timestamp::of(UNIX_EPOCH - Duration::from_secs(1)).to_string(), "1970-01-01T00:00:00.000Z");
    }
}
