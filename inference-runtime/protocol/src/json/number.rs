//! Numbers: the grammar in one pass, then the value in the type that is wanted, so that 64-bit integers and FP64 are exact.

use super::{Kind, Reader, non_finite};
use crate::error::{DecodeError, excerpt};

/// A number as it was written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Number<'a> {
    text: &'a [u8],
    /// All digits as one integer, the point ignored. Wrong when there are more than [`EXACT_DIGITS`] of them.
    mantissa: u64,
    digits: usize,
    /// The power of ten that the mantissa is to be multiplied with.
    scale: i32,
    /// Neither point nor exponent.
    integer: bool,
}

/// Powers of ten that FP64 holds exactly.
const TENS: [f64; 23] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22];

/// That many digits always fit into 64 bits.
const EXACT_DIGITS: usize = 19;

impl<'a> Reader<'a> {
    /// The number that is next.
    #[inline]
    pub(crate) fn number(&mut self) -> Result<Number<'a>, DecodeError> {
        let found = self.peek()?;
        if found != Kind::Number {
            return Err(self.mismatch("a number", found));
        }
        let Some((number, rest)) = scan(self.rest) else { return Err(self.not_a_number()) };
        self.rest = rest;
        Ok(number)
    }

    #[cold]
    fn not_a_number(&self) -> DecodeError {
        if self.rest.starts_with(b"-Inf") {
            return DecodeError::malformed(non_finite(self.offset()));
        }
        DecodeError::malformed(format!("{} at byte {} is not a JSON number", self.token(), self.offset()))
    }

    /// `NaN`, `Infinity` or `-Infinity`, where they are taken.
    #[inline]
    pub(crate) fn non_finite_literal(&mut self) -> Option<f64> {
        if !self.non_finite {
            return None;
        }
        self.peek_byte();
        [(&b"NaN"[..], f64::NAN), (b"Infinity", f64::INFINITY), (b"-Infinity", f64::NEG_INFINITY)]
            .into_iter()
            .find_map(|(word, value)| self.word(word).then_some(value))
    }
}

/// The number at the beginning of `text`, and what follows it.
#[inline]
fn scan(text: &[u8]) -> Option<(Number<'_>, &[u8])> {
    let unsigned = text.strip_prefix(b"-").unwrap_or(text);
    let (mantissa, rest) = digits(0, unsigned);
    let whole = unsigned.len() - rest.len();
    if whole == 0 || (whole > 1 && unsigned.first() == Some(&b'0')) {
        return None;
    }
    let mut number = Number { text, mantissa, digits: whole, scale: 0, integer: true };
    let mut rest = rest;
    if let [b'.', fraction @ ..] = rest {
        (number.mantissa, rest) = digits(mantissa, fraction);
        let places = fraction.len() - rest.len();
        if places == 0 {
            return None;
        }
        number.digits += places;
        number.scale = i32::try_from(places).map_or(i32::MIN, |places| -places);
        number.integer = false;
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        let unsigned = match exponent {
            [b'+' | b'-', unsigned @ ..] => unsigned,
            _ => exponent,
        };
        let (power, after) = digits(0, unsigned);
        let power = match unsigned.len() - after.len() {
            0 => return None,
            1..=4 => power as i32,
            _ => i32::MAX,
        };
        rest = after;
        number.scale =
            if exponent.first() == Some(&b'-') { number.scale.saturating_sub(power) } else { number.scale.saturating_add(power) };
        number.integer = false;
    }
    number.text = text.get(..text.len() - rest.len()).unwrap_or(text);
    Some((number, rest))
}

/// Appends the digits at the beginning of `text` to `value`, which wraps around. Returns it and what follows them.
#[inline]
fn digits(mut value: u64, mut text: &[u8]) -> (u64, &[u8]) {
    while let [digit @ b'0'..=b'9', rest @ ..] = text {
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
        text = rest;
    }
    (value, text)
}

impl Number<'_> {
    fn as_str(&self) -> &str {
        // Only ASCII was taken.
        std::str::from_utf8(self.text).unwrap_or_default()
    }

    /// The text, cut, for messages.
    pub(crate) fn excerpt(&self) -> String {
        excerpt(self.text)
    }

    /// The integer; `None` when it has a point or an exponent, or does not fit.
    pub(crate) fn to_integer<T: std::str::FromStr>(self) -> Option<T> {
        if self.integer { self.as_str().parse().ok() } else { None }
    }

    pub(crate) fn is_integer(&self) -> bool {
        self.integer
    }

    /// The nearest FP64, which is infinite when there is none.
    pub(crate) fn to_f64(self) -> f64 {
        /// Integers up to here are exact in FP64, so that one operation on two exact values is rounded once (Clinger 1990).
        const EXACT: u64 = 1 << 53;
        match self.scaled() {
            Some(value) if self.mantissa <= EXACT => value,
            _ => self.as_str().parse().unwrap_or(f64::NAN),
        }
    }

    /// The nearest FP32, which is infinite when there is none.
    pub(crate) fn to_f32(self) -> f32 {
        /// Bits of FP64 that FP32 does not keep, the value of them that lies halfway between two FP32, and more than two roundings can miss it by.
        const LOST: u64 = (1 << 29) - 1;
        const HALFWAY: u64 = 1 << 28;
        const SLACK: u64 = 8;
        match self.scaled() {
            // Rounding again is rounding once unless it is near the middle; where FP32 has fewer bits, the middle is elsewhere.
            Some(value)
                if (value.to_bits() & LOST).abs_diff(HALFWAY) > SLACK && (value == 0.0 || value.abs() >= f64::from(f32::MIN_POSITIVE)) =>
            {
                value as f32
            }
            _ => self.as_str().parse().unwrap_or(f32::NAN),
        }
    }

    /// Mantissa and scale put together in FP64, which rounds at most twice; `None` when either is too large for that.
    #[inline]
    fn scaled(&self) -> Option<f64> {
        if self.digits > EXACT_DIGITS {
            return None;
        }
        let ten = *TENS.get(self.scale.unsigned_abs() as usize)?;
        let value = if self.scale < 0 { self.mantissa as f64 / ten } else { self.mantissa as f64 * ten };
        Some(if self.text.first() == Some(&b'-') { -value } else { value })
    }
}

#[cfg(test)]
mod tests {
    use super::super::whole;
    use super::*;
    use proptest::prelude::*;

    fn read<T>(text: &str, value: impl Fn(Number<'_>) -> T) -> Result<T, DecodeError> {
        whole(text.as_bytes(), 1, |reader| reader.number().map(&value))
    }

    #[test]
    fn what_is_not_a_json_number_is_refused() {
        for bad in
            ["-", "01", "-01", "+1", ".5", "1.", "1.e3", "1e", "1e+", "0x10", "1_000", "--1", "1.2.3", "Infinity", "-Infinity", "NaN", "1f"]
        {
            assert!(read(bad, |n| n.to_f64()).is_err(), "{bad}");
        }
    }

    #[test]
    fn integers_are_exact_over_their_whole_range() {
        assert_eq!(read("18446744073709551615", |n| n.to_integer::<u64>()).unwrap(), Some(u64::MAX));
        assert_eq!(read("-9223372036854775808", |n| n.to_integer::<i64>()).unwrap(), Some(i64::MIN));
        assert_eq!(read("9223372036854775808", |n| n.to_integer::<i64>()).unwrap(), None);
        assert_eq!(read("1.0", |n| n.to_integer::<i64>()).unwrap(), None);
        assert_eq!(read("-0", |n| n.to_f64()).unwrap().to_bits(), (-0.0f64).to_bits());
    }

    proptest! {
        #[test]
        fn every_finite_float_is_read_back_bit_for_bit(bits: u64) {
            let value = f64::from_bits(bits);
            if value.is_finite() {
                prop_assert_eq!(read(&format!("{value:e}"), |n| n.to_f64()).unwrap().to_bits(), bits);
                prop_assert_eq!(read(&format!("{value}"), |n| n.to_f64()).unwrap().to_bits(), bits);
            }
            let value = f32::from_bits(bits as u32);
            if value.is_finite() {
                prop_assert_eq!(read(&format!("{value}"), |n| n.to_f32()).unwrap().to_bits(), bits as u32);
            }
        }

        #[test]
        fn any_short_decimal_is_rounded_as_the_standard_library_does(
            mantissa in any::<u64>().prop_flat_map(|most| 0..=most),
            point in 0usize..26,
            exponent in prop::option::of(-60i32..60),
            minus: bool,
        ) {
            let digits = format!("{mantissa:0width$}", width = point + 1);
            let (whole, fraction) = digits.split_at(digits.len() - point);
            let whole = whole.trim_start_matches('0');
            let text = format!("{}{}{}{fraction}{}", if minus { "-" } else { "" }, if whole.is_empty() { "0" } else { whole },
                if point > 0 { "." } else { "" }, exponent.map(|e| format!("e{e}")).unwrap_or_default());
            prop_assert_eq!(read(&text, |n| n.to_f64()).unwrap().to_bits(), text.parse::<f64>().unwrap().to_bits());
            prop_assert_eq!(read(&text, |n| n.to_f32()).unwrap().to_bits(), text.parse::<f32>().unwrap().to_bits());
        }
    }
}
