//! Numbers: the grammar in one pass, then the value in the type that is wanted, so that 64-bit integers and FP64 are exact.

use super::{Kind, Reader, non_finite};
use crate::error::{DecodeError, excerpt};

/// A number as it was written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Number<'a> {
    text: &'a [u8],
    /// The digits as one integer, the point ignored; only if there are few enough to be exact.
    mantissa: Option<u64>,
    /// Digits after the point.
    fraction: usize,
    /// Neither point nor exponent.
    integer: bool,
    exponent: bool,
}

/// Powers of ten that FP64 holds exactly.
const TENS: [f64; 23] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22];

/// Integers up to here are exact in FP64.
const EXACT: u64 = 1 << 53;

impl<'a> Reader<'a> {
    /// The number that is next.
    #[inline]
    pub(crate) fn number(&mut self) -> Result<Number<'a>, DecodeError> {
        let found = self.peek()?;
        if found != Kind::Number {
            return Err(self.mismatch("a number", found));
        }
        let start = self.rest;
        let mut mantissa = Some(0);
        if let [b'-', rest @ ..] = self.rest {
            self.rest = rest;
        }
        let whole = self.digits(&mut mantissa);
        let mut fraction = 0;
        let mut well_formed = whole == 1 || (whole > 1 && !leading_zero(start));
        let pointed = self.take_one(b'.');
        if pointed {
            fraction = self.digits(&mut mantissa);
            well_formed &= fraction > 0;
        }
        let exponent = self.take_one(b'e') || self.take_one(b'E');
        if exponent {
            let _ = self.take_one(b'+') || self.take_one(b'-');
            well_formed &= self.digits(&mut None) > 0;
        }
        if !well_formed {
            self.rest = start;
            return Err(self.not_a_number());
        }
        let text = start.get(..start.len() - self.rest.len()).unwrap_or(start);
        Ok(Number { text, mantissa, fraction, integer: !pointed && !exponent, exponent })
    }

    /// Takes digits and adds them to `mantissa`, which becomes `None` when it is not exact any more. Returns how many there were.
    #[inline]
    fn digits(&mut self, mantissa: &mut Option<u64>) -> usize {
        let before = self.rest.len();
        let mut value = *mantissa;
        while let [digit @ b'0'..=b'9', rest @ ..] = self.rest {
            value = match value {
                Some(v) if v < EXACT / 10 => Some(v * 10 + u64::from(digit - b'0')),
                _ => None,
            };
            self.rest = rest;
        }
        *mantissa = value;
        before - self.rest.len()
    }

    #[inline]
    fn take_one(&mut self, wanted: u8) -> bool {
        match self.rest {
            [first, rest @ ..] if *first == wanted => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    #[cold]
    fn not_a_number(&self) -> DecodeError {
        if self.rest.starts_with(b"-Inf") {
            return DecodeError::malformed(non_finite(self.offset()));
        }
        DecodeError::malformed(format!("{} at byte {} is not a JSON number", self.token(), self.offset()))
    }

    /// `NaN`, `Infinity` or `-Infinity`, where they are taken.
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

fn leading_zero(text: &[u8]) -> bool {
    matches!(text, [b'0', ..] | [b'-', b'0', ..])
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
        self.short().unwrap_or_else(|| self.as_str().parse().unwrap_or(f64::NAN))
    }

    /// The nearest FP32, which is infinite when there is none.
    pub(crate) fn to_f32(self) -> f32 {
        /// Bits that FP32 does not keep of FP64's, and the value of them that lies halfway between two FP32.
        const LOST: u64 = (1 << 29) - 1;
        const HALFWAY: u64 = 1 << 28;
        match self.short() {
            // Rounding twice is rounding once, unless the first time hit the middle, or the result is too small for all its bits.
            Some(value) if value.to_bits() & LOST != HALFWAY && (value == 0.0 || value.abs() >= f64::from(f32::MIN_POSITIVE)) => {
                value as f32
            }
            _ => self.as_str().parse().unwrap_or(f32::NAN),
        }
    }

    /// The nearest FP64 where one operation on two exact values gives it (Clinger 1990), as for nearly all numbers that are sent.
    #[inline]
    fn short(&self) -> Option<f64> {
        if self.exponent {
            return None;
        }
        let value = self.mantissa? as f64 / TENS.get(self.fraction)?;
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
        fn any_short_decimal_is_rounded_as_the_standard_library_does(mantissa in 0u64..1 << 56, point in 0usize..26, minus: bool) {
            let digits = format!("{mantissa:0width$}", width = point + 1);
            let (whole, fraction) = digits.split_at(digits.len() - point);
            let whole = whole.trim_start_matches('0');
            let text = format!("{}{}{}{fraction}", if minus { "-" } else { "" }, if whole.is_empty() { "0" } else { whole },
                if point > 0 { "." } else { "" });
            prop_assert_eq!(read(&text, |n| n.to_f64()).unwrap().to_bits(), text.parse::<f64>().unwrap().to_bits());
            prop_assert_eq!(read(&text, |n| n.to_f32()).unwrap().to_bits(), text.parse::<f32>().unwrap().to_bits());
        }
    }
}
