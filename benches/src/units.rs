//! Durations as people type them: `8ms`, `250us`, `2m`, `1.5s`.

use std::fmt;
use std::time::Duration;

/// The text is not a duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a duration is a number and ns, us, ms, s, m or h, such as 8ms or 1.5s")]
pub struct NotADuration;

/// Reads a number and its unit; a bare `0` needs none.
pub fn duration(text: &str) -> Result<Duration, NotADuration> {
    let text = text.trim();
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let split = text.find(|c: char| c.is_ascii_alphabetic()).ok_or(NotADuration)?;
    let (number, unit) = text.split_at(split);
    let seconds = match unit {
        "ns" => 1e-9,
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(NotADuration),
    };
    let number: f64 = number.trim().parse().map_err(|_| NotADuration)?;
    Duration::try_from_secs_f64(number * seconds).map_err(|_| NotADuration)
}

/// Writes microseconds as milliseconds with as many digits as matter.
pub fn milliseconds(micros: f64) -> impl fmt::Display {
    let ms = micros / 1000.0;
    let digits = match ms {
        ms if ms < 10.0 => 3,
        ms if ms < 100.0 => 2,
        _ => 1,
    };
    format!("{ms:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_number_and_a_unit() {
        assert_eq!(duration("8ms"), Ok(Duration::from_millis(8)));
        assert_eq!(duration("250us"), Ok(Duration::from_micros(250)));
        assert_eq!(duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(duration("0"), Ok(Duration::ZERO));
        for wrong in ["", "5", "ms", "-1s", "1e400s", "3 weeks", "NaNs"] {
            assert_eq!(duration(wrong), Err(NotADuration), "{wrong}");
        }
    }
}
