//! Durations, sizes and rates: `250ms`, `64KiB`, `50/s`. A whole number and one unit; nothing is guessed.

use std::num::NonZeroU32;
use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::quota::Rate;
use crate::tree::Mistake;
use crate::tree::form::{Scalar, WholeNumber};

/// A duration from `least` on, up to a day.
pub(crate) fn duration(least: Duration) -> DurationForm {
    DurationForm { least }
}

/// One millisecond: zero would mean "at once" here and "never" there.
pub(crate) const SOME_TIME: Duration = Duration::from_millis(1);

const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);

const MILLISECONDS: [(&str, u64); 4] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];

pub(crate) struct DurationForm {
    least: Duration,
}

impl Scalar for DurationForm {
    type Value = Duration;

    fn parse(&self, text: &str) -> Result<Duration, Mistake> {
        let range = format!("from {} to {}", show_duration(self.least), show_duration(A_DAY));
        let Some(milliseconds) = number_and_unit(text, &MILLISECONDS) else {
            return Err(Mistake::new("is not a duration", format!("write a whole number and ms, s, m or h, {range}: 250ms, 5s, 10m, 1h")));
        };
        let duration = Duration::from_millis(milliseconds);
        if (self.least..=A_DAY).contains(&duration) {
            Ok(duration)
        } else {
            Err(Mistake::new("is out of range", format!("write a duration {range}")))
        }
    }

    fn show(&self, value: &Duration) -> Json {
        json!(show_duration(*value))
    }

    fn describe(&self) -> Json {
        json!({ "type": "string", "pattern": "^[0-9]+(ms|s|m|h)$" })
    }
}

fn show_duration(duration: Duration) -> String {
    // A day at most, or a default of ours.
    let milliseconds = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    match MILLISECONDS.iter().rev().find(|(_, size)| milliseconds >= *size && milliseconds.is_multiple_of(*size)) {
        Some((unit, size)) => format!("{}{unit}", milliseconds / size),
        None => "0s".to_owned(),
    }
}

/// A number of bytes, with or without a unit.
pub(crate) fn size<T: WholeNumber>(least: u64, most: u64) -> Size<T> {
    Size { least, most, of: std::marker::PhantomData }
}

const BYTES: [(&str, u64); 4] = [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];

pub(crate) struct Size<T> {
    least: u64,
    most: u64,
    of: std::marker::PhantomData<T>,
}

impl<T: WholeNumber> Scalar for Size<T> {
    type Value = T;

    fn parse(&self, text: &str) -> Result<T, Mistake> {
        let range = format!("from {} to {}", show_size(self.least), show_size(self.most));
        let bytes = number_and_unit(text, &BYTES).or_else(|| number_and_unit(text, &[("", 1)]));
        let Some(bytes) = bytes else {
            let form = format!("write a whole number of bytes or with KiB, MiB or GiB, {range}: 64KiB, 16MiB");
            return Err(Mistake::new("is not a size", form));
        };
        let bytes = Some(bytes).filter(|bytes| (self.least..=self.most).contains(bytes));
        bytes.and_then(T::from_u64).ok_or_else(|| Mistake::new("is out of range", format!("write a size {range}")))
    }

    fn show(&self, value: &T) -> Json {
        json!(show_size(value.to_u64()))
    }

    fn describe(&self) -> Json {
        json!({
            "oneOf": [
                { "type": "string", "pattern": "^[0-9]+(B|KiB|MiB|GiB)$" },
                { "type": "integer", "minimum": self.least, "maximum": self.most },
            ]
        })
    }
}

fn show_size(bytes: u64) -> String {
    match BYTES.iter().rev().find(|(_, size)| bytes >= *size && bytes.is_multiple_of(*size)) {
        Some((unit, size)) => format!("{}{unit}", bytes / size),
        None => format!("{bytes}B"),
    }
}

/// A number per second, minute, hour or day.
pub(crate) fn rate() -> RateForm {
    RateForm
}

const SECONDS: [(&str, u64); 4] = [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400)];

pub(crate) struct RateForm;

impl Scalar for RateForm {
    type Value = Rate;

    fn parse(&self, text: &str) -> Result<Rate, Mistake> {
        let read = || {
            let (count, unit) = text.split_once('/')?;
            let count = number_and_unit(count, &[("", 1)])?;
            let (_, seconds) = SECONDS.iter().find(|(known, _)| *known == unit)?;
            Some((count, Duration::from_secs(*seconds)))
        };
        let Some((count, per)) = read() else {
            return Err(Mistake::new("is not a rate", "write 50/s, 100/m, 1000/h or 5000/d"));
        };
        let count = u32::try_from(count).ok().and_then(NonZeroU32::new);
        let hint = || Mistake::new("is out of range", format!("write 1/s to {}/s, or as many per m, h or d", u32::MAX));
        count.map(|count| Rate { count, per }).ok_or_else(hint)
    }

    fn show(&self, value: &Rate) -> Json {
        let unit = SECONDS.iter().find(|(_, seconds)| *seconds == value.per.as_secs()).map_or("s", |(unit, _)| unit);
        json!(format!("{}/{unit}", value.count))
    }

    fn describe(&self) -> Json {
        json!({ "type": "string", "pattern": "^[0-9]+/(s|m|h|d)$" })
    }
}

/// Digits, then one of `units`; absent for anything else and for what does not fit.
fn number_and_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits)?;
    let (_, size) = units.iter().find(|(known, _)| *known == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*size)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_have_one_unit_and_no_fraction() {
        let read = |text: &str| duration(SOME_TIME).parse(text).map(|duration| duration.as_millis()).map_err(|mistake| mistake.is);
        for (text, milliseconds) in [("1ms", 1), ("250ms", 250), ("5s", 5_000), ("010m", 600_000), ("24h", 86_400_000)] {
            assert_eq!(read(text), Ok(milliseconds), "{text}");
        }
        for text in ["", "5", "5 s", "1.5s", "-1s", "s", "5sec", "5S", "1d", "٣s", "99999999999999999999s"] {
            assert_eq!(read(text), Err("is not a duration".into()), "{text}");
        }
        for text in ["0s", "0ms", "25h", "18446744073709551615ms"] {
            assert_eq!(read(text), Err("is out of range".into()), "{text}");
        }
    }

    #[test]
    fn sizes_are_binary_or_plain() {
        let read = |text: &str| size::<usize>(1, 1 << 40).parse(text).map_err(|mistake| mistake.is);
        for (text, bytes) in [("1", 1), ("512", 512), ("512B", 512), ("64KiB", 65_536), ("16MiB", 16 << 20), ("2GiB", 2 << 30)] {
            assert_eq!(read(text), Ok(bytes), "{text}");
        }
        for text in ["", "64KB", "64k", "1.5MiB", "-1", "0x10", "MiB", "99999999999GiB"] {
            assert_eq!(read(text), Err("is not a size".into()), "{text}");
        }
        for text in ["0", "0MiB", "1025GiB"] {
            assert_eq!(read(text), Err("is out of range".into()), "{text}");
        }
    }

    #[test]
    fn rates_are_a_count_and_a_unit() {
        let read = |text: &str| rate().parse(text).map(|rate| (rate.count.get(), rate.per.as_secs())).map_err(|mistake| mistake.is);
        for (text, expected) in [("50/s", (50, 1)), ("100/m", (100, 60)), ("1000/h", (1_000, 3_600)), ("5000/d", (5_000, 86_400))] {
            assert_eq!(read(text), Ok(expected), "{text}");
        }
        for text in ["", "50", "50/", "/s", "50/x", "50 / s", "0.5/s", "-1/s", "50/2s"] {
            assert_eq!(read(text), Err("is not a rate".into()), "{text}");
        }
        for text in ["0/s", "4294967296/s"] {
            assert_eq!(read(text), Err("is out of range".into()), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_as_the_same(milliseconds in 1u64..=86_400_000, bytes in 1u64..=1 << 40, count in 1u32.., unit in 0usize..4) {
            let time = Duration::from_millis(milliseconds);
            prop_assert_eq!(duration(SOME_TIME).parse(&show_duration(time)), Ok(time));
            prop_assert_eq!(size::<u64>(1, 1 << 40).parse(&show_size(bytes)), Ok(bytes));
            let one = Rate { count: NonZeroU32::new(count).unwrap(), per: Duration::from_secs(SECONDS[unit].1) };
            prop_assert_eq!(rate().parse(rate().show(&one).as_str().unwrap()), Ok(one));
        }

        #[test]
        fn no_text_is_a_panic(text in "\\PC*") {
            let _ = (duration(SOME_TIME).parse(&text), size::<usize>(0, u64::MAX).parse(&text), rate().parse(&text));
        }
    }
}
