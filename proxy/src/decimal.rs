//! Numbers as text, for the headers and log lines that every request has: without the machinery of `format!`.

use std::time::Duration;

/// Writes `number` with at least `width` digits.
pub(crate) fn push(out: &mut Vec<u8>, number: u64, width: usize) {
    let begin = out.len();
    let mut rest = number;
    while rest > 0 || out.len() - begin < width {
        out.push(b'0' + u8::try_from(rest % 10).unwrap_or(0));
        rest /= 10;
    }
    if let Some(digits) = out.get_mut(begin..) {
        digits.reverse();
    }
}

/// Writes milliseconds with three decimals: whole microseconds.
pub(crate) fn push_milliseconds(out: &mut Vec<u8>, duration: Duration) {
    let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    push(out, micros / 1000, 1);
    out.push(b'.');
    push(out, micros % 1000, 3);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_a_person_would() {
        for (number, width, text) in [(0, 1, "0"), (7, 3, "007"), (1200, 1, "1200"), (u64::MAX, 1, "18446744073709551615")] {
            let mut out = Vec::new();
            push(&mut out, number, width);
            assert_eq!(out, text.as_bytes());
        }
    }

    #[test]
    fn milliseconds_have_three_decimals() {
        for (nanos, text) in [(0, "0.000"), (999, "0.000"), (7_000, "0.007"), (9_123_456, "9.123"), (12_000_000_000, "12000.000")] {
            let mut out = b"run;dur=".to_vec();
            push_milliseconds(&mut out, Duration::from_nanos(nanos));
            assert_eq!(out, format!("run;dur={text}").as_bytes());
        }
    }
}
