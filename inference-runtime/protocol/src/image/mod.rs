//! Pictures: PNG and JPEG, told by their content, become one row of a model's input as its manifest says.
//!
//! A picture's size is read from its header and checked before a pixel is decoded. Animations, CMYK and transparency have no one meaning as
//! input and are refused; palettes, 1 to 4 and 16 bits per sample are turned into 8 bits. A picture that has the input's size and colour
//! already keeps its samples bit for bit. Orientation (EXIF) and colour profiles are not applied.

mod resize;
mod samples;

use half::{bf16, f16};

use crate::dtype::Dtype;
use crate::error::DecodeError;
use crate::manifest::{Colour, ImageInput, Layout};
use crate::tensor::Tensor;

/// The format of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Png,
    Jpeg,
}

impl Format {
    /// The format that the first bytes tell.
    pub fn of(picture: &[u8]) -> Option<Format> {
        match picture {
            [0x89, b'P', b'N', b'G', 0x0D, 0x0A, 0x1A, 0x0A, ..] => Some(Format::Png),
            [0xFF, 0xD8, 0xFF, ..] => Some(Format::Jpeg),
            _ => None,
        }
    }
}

/// Decodes one picture into one row of `input`, whose datatype is `dtype`. The row's shape begins with 1.
///
/// The picture may have at most `pixels`, and takes its own from them: several pictures of one request share what one may have.
pub fn decode(picture: &[u8], input: &ImageInput, dtype: Dtype, pixels: &mut u64) -> Result<Tensor, DecodeError> {
    let image = samples::decode(picture, input.colour, *pixels)?;
    *pixels = pixels.saturating_sub(u64::from(image.width) * u64::from(image.height));
    let samples = match (image.width, image.height) == (input.width, input.height) {
        true => image.samples,
        false => resize::resize(&image, input.width, input.height),
    };
    let data = normalise(&samples, input, dtype)?;
    Tensor::new(input.input.clone(), dtype, shape(input), data.into()).map_err(|e| DecodeError::malformed(e.to_string()))
}

fn channels(colour: Colour) -> usize {
    match colour {
        Colour::Grey => 1,
        Colour::Rgb | Colour::Bgr => 3,
    }
}

fn shape(input: &ImageInput) -> Vec<usize> {
    let (w, h, c) = (input.width as usize, input.height as usize, channels(input.colour));
    match input.layout {
        Layout::Chw => vec![1, c, h, w],
        Layout::Hwc => vec![1, h, w, c],
        Layout::Hw => vec![1, h, w],
        Layout::Flat => vec![1, h * w * c],
    }
}

/// Samples, channels last, to the input's values in its layout.
fn normalise(samples: &[u8], input: &ImageInput, dtype: Dtype) -> Result<Vec<u8>, DecodeError> {
    let channels = channels(input.colour);
    let value = |channel: usize, sample: u8| {
        let mean = input.mean.get(channel).copied().unwrap_or(0.0);
        let std = input.std.get(channel).copied().unwrap_or(1.0);
        (f32::from(sample) * input.scale - mean) / std
    };
    let mut data = Vec::with_capacity(samples.len() * dtype.size().unwrap_or(1));
    match input.layout {
        Layout::Chw => {
            for channel in 0..channels {
                for &sample in samples.iter().skip(channel).step_by(channels) {
                    append(value(channel, sample), dtype, &mut data)?;
                }
            }
        }
        Layout::Hwc | Layout::Hw | Layout::Flat => {
            for pixel in samples.chunks_exact(channels) {
                for (channel, &sample) in pixel.iter().enumerate() {
                    append(value(channel, sample), dtype, &mut data)?;
                }
            }
        }
    }
    Ok(data)
}

/// Appends a value in the input's datatype; integers are rounded and kept within their range.
fn append(value: f32, dtype: Dtype, data: &mut Vec<u8>) -> Result<(), DecodeError> {
    let whole = value.round();
    match dtype {
        Dtype::Fp32 => data.extend_from_slice(&value.to_le_bytes()),
        Dtype::Fp64 => data.extend_from_slice(&f64::from(value).to_le_bytes()),
        Dtype::Fp16 => data.extend_from_slice(&f16::from_f32(value).to_le_bytes()),
        Dtype::Bf16 => data.extend_from_slice(&bf16::from_f32(value).to_le_bytes()),
        Dtype::Uint8 => data.push(whole as u8),
        Dtype::Uint16 => data.extend_from_slice(&(whole as u16).to_le_bytes()),
        Dtype::Uint32 => data.extend_from_slice(&(whole as u32).to_le_bytes()),
        Dtype::Uint64 => data.extend_from_slice(&(whole as u64).to_le_bytes()),
        Dtype::Int8 => data.extend_from_slice(&(whole as i8).to_le_bytes()),
        Dtype::Int16 => data.extend_from_slice(&(whole as i16).to_le_bytes()),
        Dtype::Int32 => data.extend_from_slice(&(whole as i32).to_le_bytes()),
        Dtype::Int64 => data.extend_from_slice(&(whole as i64).to_le_bytes()),
        Dtype::Bool | Dtype::Bytes => return Err(DecodeError::malformed(format!("this model's picture input is {dtype}, not numbers"))),
    }
    Ok(())
}
