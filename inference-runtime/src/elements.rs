//! Little-endian bytes ↔ elements. One copy each way: a tensor's bytes begin at any address, and elements must be aligned.

use bytes::Bytes;
use half::{bf16, f16};

/// An element of fixed size.
pub(crate) trait Element: Copy {
    /// Elements of `bytes`; a rest that is no whole element is left out.
    fn read(bytes: &[u8]) -> Vec<Self>;
    fn write(elements: &[Self]) -> Bytes;
}

macro_rules! little_endian {
    ($($element:ty),+) => {$(
        impl Element for $element {
            fn read(bytes: &[u8]) -> Vec<Self> {
                bytes.as_chunks().0.iter().map(|chunk| <$element>::from_le_bytes(*chunk)).collect()
            }

            fn write(elements: &[Self]) -> Bytes {
                // Filled by chunk, not appended: this form compiles to one copy.
                let mut bytes = vec![0; size_of_val(elements)];
                for (chunk, element) in bytes.as_chunks_mut().0.iter_mut().zip(elements) {
                    *chunk = element.to_le_bytes();
                }
                bytes.into()
            }
        }
    )+};
}

little_endian!(u8, u16, u32, u64, i8, i16, i32, i64, f32, f64, f16, bf16);

impl Element for bool {
    /// Any byte but 0 is true, as everywhere in the protocol.
    fn read(bytes: &[u8]) -> Vec<Self> {
        bytes.iter().map(|&byte| byte != 0).collect()
    }

    fn write(elements: &[Self]) -> Bytes {
        elements.iter().map(|&element| u8::from(element)).collect()
    }
}

/// Strings as `BYTES` elements: each a `u32` length and its bytes. `None` when one is longer than that can say.
pub(crate) fn write_strings(strings: &[String]) -> Option<Bytes> {
    let mut bytes = Vec::with_capacity(strings.iter().map(|string| string.len() + 4).sum());
    for string in strings {
        bytes.extend_from_slice(&u32::try_from(string.len()).ok()?.to_le_bytes());
        bytes.extend_from_slice(string.as_bytes());
    }
    Some(bytes.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_survive_the_way_there_and_back() {
        fn check<E: Element + PartialEq + std::fmt::Debug>(elements: &[E], expected: &[u8]) {
            let bytes = E::write(elements);
            assert_eq!(bytes, expected);
            assert_eq!(E::read(&bytes), elements);
        }
        check(&[true, false], &[1, 0]);
        check(&[-2i8, 3], &[254, 3]);
        check(&[0x0102u16], &[2, 1]);
        check(&[-1i64, i64::MIN], &[255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 128]);
        check(&[1.5f32], &[0, 0, 192, 63]);
        check(&[f16::from_f32(1.0), f16::NEG_INFINITY], &[0, 60, 0, 252]);
        check(&[bf16::from_f32(1.0)], &[128, 63]);
        check::<f64>(&[], &[]);
    }

    #[test]
    fn strings_carry_their_length() {
        assert_eq!(write_strings(&["é".into(), String::new()]).unwrap(), [2, 0, 0, 0, 0xc3, 0xa9, 0, 0, 0, 0].as_slice());
    }
}
