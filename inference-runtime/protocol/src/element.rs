//! Elements of fixed size, one Rust type per datatype: how each is read from JSON, written to it, compared, and laid out in bytes.

use half::{bf16, f16};

use crate::error::DecodeError;
use crate::json::{Number, Reader, write_value};

/// A NaN or an infinity, which JSON cannot say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NonFinite;

/// One element of a tensor of fixed-size elements.
pub(crate) trait Element: Copy + PartialOrd {
    /// The element that is next in `reader`.
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError>;
    /// Appends its little-endian bytes.
    fn append_to(self, data: &mut Vec<u8>);
    /// Elements of a tensor's bytes, in order.
    fn each(data: &[u8]) -> impl ExactSizeIterator<Item = Self>;
    /// Appends it as JSON.
    fn write(self, out: &mut Vec<u8>) -> Result<(), NonFinite>;
    /// The nearest FP64.
    fn to_f64(self) -> f64;
}

/// Runs the first expression with `$T` as the Rust type of `$dtype`'s elements, or the second if they are `BYTES`.
macro_rules! by_element {
    ($dtype:expr, $T:ident => $fixed:expr, bytes => $bytes:expr) => {
        match $dtype {
            $crate::dtype::Dtype::Bool => {
                type $T = bool;
                $fixed
            }
            $crate::dtype::Dtype::Uint8 => {
                type $T = u8;
                $fixed
            }
            $crate::dtype::Dtype::Uint16 => {
                type $T = u16;
                $fixed
            }
            $crate::dtype::Dtype::Uint32 => {
                type $T = u32;
                $fixed
            }
            $crate::dtype::Dtype::Uint64 => {
                type $T = u64;
                $fixed
            }
            $crate::dtype::Dtype::Int8 => {
                type $T = i8;
                $fixed
            }
            $crate::dtype::Dtype::Int16 => {
                type $T = i16;
                $fixed
            }
            $crate::dtype::Dtype::Int32 => {
                type $T = i32;
                $fixed
            }
            $crate::dtype::Dtype::Int64 => {
                type $T = i64;
                $fixed
            }
            $crate::dtype::Dtype::Fp16 => {
                type $T = half::f16;
                $fixed
            }
            $crate::dtype::Dtype::Bf16 => {
                type $T = half::bf16;
                $fixed
            }
            $crate::dtype::Dtype::Fp32 => {
                type $T = f32;
                $fixed
            }
            $crate::dtype::Dtype::Fp64 => {
                type $T = f64;
                $fixed
            }
            $crate::dtype::Dtype::Bytes => $bytes,
        }
    };
}
pub(crate) use by_element;

impl Element for bool {
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.bool()
    }

    fn append_to(self, data: &mut Vec<u8>) {
        data.push(u8::from(self));
    }

    fn each(data: &[u8]) -> impl ExactSizeIterator<Item = Self> {
        data.iter().map(|&byte| byte != 0)
    }

    fn write(self, out: &mut Vec<u8>) -> Result<(), NonFinite> {
        out.extend_from_slice(if self { b"true" } else { b"false" });
        Ok(())
    }

    fn to_f64(self) -> f64 {
        f64::from(u8::from(self))
    }
}

macro_rules! integer {
    ($($T:ty, $name:literal, $size:literal;)*) => {$(
        impl Element for $T {
            fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                let number = reader.number()?;
                number.to_integer().ok_or_else(|| not_in_range(&number, $name, <$T>::MIN, <$T>::MAX))
            }

            fn append_to(self, data: &mut Vec<u8>) {
                data.extend_from_slice(&self.to_le_bytes());
            }

            fn each(data: &[u8]) -> impl ExactSizeIterator<Item = Self> {
                data.as_chunks::<$size>().0.iter().map(|bytes| <$T>::from_le_bytes(*bytes))
            }

            fn write(self, out: &mut Vec<u8>) -> Result<(), NonFinite> {
                write_value(out, &self);
                Ok(())
            }

            fn to_f64(self) -> f64 {
                self as f64
            }
        }
    )*};
}

integer! {
    u8, "UINT8", 1;
    u16, "UINT16", 2;
    u32, "UINT32", 4;
    u64, "UINT64", 8;
    i8, "INT8", 1;
    i16, "INT16", 2;
    i32, "INT32", 4;
    i64, "INT64", 8;
}

#[cold]
fn not_in_range(number: &Number<'_>, name: &str, least: impl std::fmt::Display, greatest: impl std::fmt::Display) -> DecodeError {
    let why = if number.is_integer() {
        format!("is not in {name}'s range, {least} to {greatest}")
    } else {
        format!("is not an integer, as {name} wants")
    };
    DecodeError::malformed(format!("{} {why}", number.excerpt()))
}

macro_rules! float {
    ($($T:ty, $name:literal, $size:literal, $from_number:expr, $from_literal:expr, $shortest:expr;)*) => {$(
        impl Element for $T {
            #[inline]
            fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                if let Some(literal) = reader.non_finite_literal() {
                    return Ok($from_literal(literal));
                }
                let number = reader.number()?;
                let value: $T = $from_number(number);
                if value.is_finite() { Ok(value) } else { Err(beyond(&number, $name, <$T>::MAX.into())) }
            }

            #[inline]
            fn append_to(self, data: &mut Vec<u8>) {
                data.extend_from_slice(&self.to_le_bytes());
            }

            fn each(data: &[u8]) -> impl ExactSizeIterator<Item = Self> {
                data.as_chunks::<$size>().0.iter().map(|bytes| <$T>::from_le_bytes(*bytes))
            }

            fn write(self, out: &mut Vec<u8>) -> Result<(), NonFinite> {
                if !self.is_finite() {
                    return Err(NonFinite);
                }
                write_value(out, &$shortest(self));
                Ok(())
            }

            fn to_f64(self) -> f64 {
                self.into()
            }
        }
    )*};
}

float! {
    f64, "FP64", 8, Number::to_f64, f64::from, f64::from;
    f32, "FP32", 4, Number::to_f32, |literal: f64| literal as f32, f32::from;
    f16, "FP16", 2, |n: Number<'_>| f16::from_f64(sticky(n.to_f64())), f16::from_f64, f32::from;
    bf16, "BF16", 2, |n: Number<'_>| bf16::from_f64(sticky(n.to_f64())), bf16::from_f64, f32::from;
}

/// The same value with what its lower half says folded into one bit: conversions to 16 bits may look at the upper half only, and would take a
/// value just above a tie for the tie itself.
fn sticky(value: f64) -> f64 {
    const LOWER: u64 = u32::MAX as u64;
    let bits = value.to_bits();
    f64::from_bits(if value.is_finite() && bits & LOWER != 0 { bits | (LOWER + 1) } else { bits })
}

#[cold]
fn beyond(number: &Number<'_>, name: &str, greatest: f64) -> DecodeError {
    DecodeError::malformed(format!("{} is beyond {name}, whose greatest is {greatest:e}", number.excerpt()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_bit_floats_round_to_the_nearest_and_ties_to_even() {
        // Between 1 and the next FP16, 1 + 2^-10: the middle is 1 + 2^-11.
        let middle = 1.0 + 2f64.powi(-11);
        assert_eq!(f16::from_f64(sticky(middle)), f16::ONE);
        assert_eq!(f16::from_f64(sticky(middle + 2f64.powi(-50))).to_bits(), f16::ONE.to_bits() + 1);
        assert_eq!(f16::from_f64(sticky(middle - 2f64.powi(-50))), f16::ONE);
        let middle = 1.0 + 2f64.powi(-8);
        assert_eq!(bf16::from_f64(sticky(middle)), bf16::ONE);
        assert_eq!(bf16::from_f64(sticky(middle + 2f64.powi(-50))).to_bits(), bf16::ONE.to_bits() + 1);
    }

    #[test]
    fn every_sixteen_bit_float_is_written_and_read_back() {
        for bits in 0..=u16::MAX {
            for dtype in [crate::Dtype::Fp16, crate::Dtype::Bf16] {
                let mut text = Vec::new();
                let back = by_element!(dtype, T => {
                    let value = T::each(&bits.to_le_bytes()).next().unwrap();
                    if value.write(&mut text).is_err() {
                        continue;
                    }
                    let mut data = Vec::new();
                    crate::json::whole(&text, 1, T::read).unwrap().append_to(&mut data);
                    data
                }, bytes => unreachable!());
                assert_eq!(back, bits.to_le_bytes(), "{dtype} {}", String::from_utf8_lossy(&text));
            }
        }
    }
}
