//! From a file to 8-bit samples in the colour that is wanted, channels last.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use image::codecs::jpeg::JpegDecoder;
use image::codecs::png::PngDecoder;
use image::{DynamicImage, ImageDecoder, ImageError, Limits};

use super::Format;
use crate::error::{DecodeError, one_line};
use crate::manifest::Colour;

/// A decoded picture.
pub(super) struct Samples {
    pub(super) width: u32,
    pub(super) height: u32,
    /// 1 or 3.
    pub(super) channels: usize,
    pub(super) samples: Vec<u8>,
}

/// Longest side: what JPEG can say. Bounds the work of resizing where a picture is one pixel high.
const LONGEST_SIDE: u32 = 65_535;

/// A JPEG spends at least a bit on each block of 64 pixels.
const PIXELS_PER_BYTE: u64 = 8 * 64;

/// Decoded bytes per pixel that the limit on pixels stands for: 8-bit RGBA.
const BYTES_PER_PIXEL: u64 = 4;

/// Decodes `picture`, which may have at most `most` pixels.
pub(super) fn decode(picture: &[u8], colour: Colour, most: u64) -> Result<Samples, DecodeError> {
    let image = match Format::of(picture) {
        Some(Format::Png) => caught("PNG", || png(picture, most))?,
        Some(Format::Jpeg) => caught("JPEG", || jpeg(picture, most))?,
        None if picture.is_empty() => return Err(DecodeError::malformed("no picture: it has no bytes")),
        None => return Err(DecodeError::malformed("not a picture: neither PNG nor JPEG, by its first bytes")),
    };
    let (width, height) = (image.width(), image.height());
    let rgb = to_8_bits(image)?;
    Ok(match (rgb, colour) {
        (Pixels::Grey(samples), Colour::Grey) => Samples { width, height, channels: 1, samples },
        (Pixels::Grey(samples), Colour::Rgb | Colour::Bgr) => {
            Samples { width, height, channels: 3, samples: samples.into_iter().flat_map(|s| [s; 3]).collect() }
        }
        (Pixels::Rgb(samples), Colour::Grey) => Samples { width, height, channels: 1, samples: luma(&samples) },
        (Pixels::Rgb(samples), Colour::Rgb) => Samples { width, height, channels: 3, samples },
        (Pixels::Rgb(mut samples), Colour::Bgr) => {
            for pixel in samples.as_chunks_mut::<3>().0 {
                pixel.swap(0, 2);
            }
            Samples { width, height, channels: 3, samples }
        }
    })
}

/// The decoders are others' code: where one panics over a picture, that picture is what is wrong.
fn caught(format: &str, decode: impl FnOnce() -> Result<DynamicImage, DecodeError>) -> Result<DynamicImage, DecodeError> {
    let panicked = || Err(DecodeError::malformed(format!("the {format} is damaged in a way that its decoder does not know")));
    catch_unwind(AssertUnwindSafe(decode)).unwrap_or_else(|_| panicked())
}

fn png(picture: &[u8], most: u64) -> Result<DynamicImage, DecodeError> {
    if has_a_broken_palette(picture) {
        return Err(DecodeError::malformed("the PNG's palette is not of 1 to 256 colours of three bytes"));
    }
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(most.saturating_mul(BYTES_PER_PIXEL).saturating_add(1 << 20));
    let decoder = PngDecoder::with_limits(Cursor::new(picture), limits).map_err(|e| broken("PNG", &e))?;
    check_size(&decoder, most)?;
    if decoder.is_apng().map_err(|e| broken("PNG", &e))? {
        return Err(DecodeError::malformed("an animated PNG: send one of its pictures"));
    }
    DynamicImage::from_decoder(decoder).map_err(|e| broken("PNG", &e))
}

/// Whether a palette has parts of colours, none, or too many (PNG, third edition, section 11.2.2). The decoder panics over the first.
fn has_a_broken_palette(png: &[u8]) -> bool {
    let mut rest = png.get(8..).unwrap_or_default();
    loop {
        // A chunk: length, type, data, and four bytes of check.
        let [l0, l1, l2, l3, kind @ ..] = rest else { return false };
        let length = u32::from_be_bytes([*l0, *l1, *l2, *l3]);
        match kind {
            [b'P', b'L', b'T', b'E', ..] if length == 0 || length > 768 || !length.is_multiple_of(3) => return true,
            [b'I', b'D', b'A', b'T', ..] => return false,
            _ => {}
        }
        let next = usize::try_from(length).unwrap_or(usize::MAX).saturating_add(8);
        match kind.get(next..) {
            Some(after) => rest = after,
            None => return false,
        }
    }
}

fn jpeg(picture: &[u8], most: u64) -> Result<DynamicImage, DecodeError> {
    match frame_components(picture) {
        Some(1 | 3) => {}
        Some(4) => return Err(DecodeError::malformed("a CMYK JPEG: convert it to RGB")),
        Some(n) => return Err(DecodeError::malformed(format!("a JPEG of {n} channels: 1 and 3 are taken"))),
        None => return Err(DecodeError::malformed("the JPEG ends before its picture begins, or is damaged there")),
    }
    // The decoder paints over what is missing; a picture that was cut off would be classified as if it were whole.
    if !ends_after_its_last_scan(picture) {
        return Err(DecodeError::malformed("the JPEG is cut off: it has no end marker"));
    }
    let decoder = JpegDecoder::new(Cursor::new(picture)).map_err(|e| broken("JPEG", &e))?;
    check_size(&decoder, most)?;
    let (width, height) = decoder.dimensions();
    let least = u64::from(width) * u64::from(height) / PIXELS_PER_BYTE;
    if u64::try_from(picture.len()).is_ok_and(|length| length < least) {
        return Err(DecodeError::malformed(format!("the JPEG is cut off: {} bytes cannot hold {width} × {height} pixels", picture.len())));
    }
    DynamicImage::from_decoder(decoder).map_err(|e| broken("JPEG", &e))
}

/// Checks what the header says, before anything is reserved.
fn check_size(decoder: &impl ImageDecoder, most: u64) -> Result<(), DecodeError> {
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    if pixels > most || width > LONGEST_SIDE || height > LONGEST_SIDE || decoder.total_bytes() > most.saturating_mul(BYTES_PER_PIXEL) {
        return Err(DecodeError::too_large(format!("a picture of {width} × {height}, at most {most} pixels are taken")));
    }
    if pixels == 0 {
        return Err(DecodeError::malformed("a picture without pixels"));
    }
    Ok(())
}

fn broken(format: &str, error: &ImageError) -> DecodeError {
    match error {
        ImageError::Limits(_) => DecodeError::too_large(format!("decoding this {format} takes more memory than pictures may")),
        ImageError::Unsupported(_) => DecodeError::malformed(format!("a kind of {format} that is not taken: {}", one_line(error))),
        _ => DecodeError::malformed(format!("the {format} is damaged or cut off: {}", one_line(error))),
    }
}

enum Pixels {
    Grey(Vec<u8>),
    Rgb(Vec<u8>),
}

fn to_8_bits(image: DynamicImage) -> Result<Pixels, DecodeError> {
    Ok(match image {
        DynamicImage::ImageLuma8(image) => Pixels::Grey(image.into_raw()),
        DynamicImage::ImageRgb8(image) => Pixels::Rgb(image.into_raw()),
        DynamicImage::ImageLumaA8(image) => Pixels::Grey(opaque::<2, 1, u8>(image.as_raw(), u8::MAX)?),
        DynamicImage::ImageRgba8(image) => Pixels::Rgb(opaque::<4, 3, u8>(image.as_raw(), u8::MAX)?),
        DynamicImage::ImageLuma16(image) => Pixels::Grey(to_nearest_8_bits(image.as_raw())),
        DynamicImage::ImageRgb16(image) => Pixels::Rgb(to_nearest_8_bits(image.as_raw())),
        DynamicImage::ImageLumaA16(image) => Pixels::Grey(to_nearest_8_bits(&opaque::<2, 1, u16>(image.as_raw(), u16::MAX)?)),
        DynamicImage::ImageRgba16(image) => Pixels::Rgb(to_nearest_8_bits(&opaque::<4, 3, u16>(image.as_raw(), u16::MAX)?)),
        _ => return Err(DecodeError::malformed("a picture of floats: 8 and 16 bits are taken")),
    })
}

/// Drops the last of `N` channels, which says nothing where every pixel is opaque.
fn opaque<const N: usize, const C: usize, T: Copy + PartialEq>(samples: &[T], opaque: T) -> Result<Vec<T>, DecodeError> {
    let pixels = samples.as_chunks::<N>().0;
    if pixels.iter().any(|pixel| pixel.last() != Some(&opaque)) {
        return Err(DecodeError::malformed("a picture with transparent pixels: put it on a background first"));
    }
    Ok(pixels.iter().flat_map(|pixel| pixel.iter().take(C).copied()).collect())
}

/// 16 bits to the nearest 8.
fn to_nearest_8_bits(samples: &[u16]) -> Vec<u8> {
    samples.iter().map(|&s| ((u32::from(s) + 128) / 257) as u8).collect()
}

/// ITU-R BT.601 in 16-bit fixed point, to the bit what Pillow's `convert("L")` gives.
fn luma(rgb: &[u8]) -> Vec<u8> {
    let weigh = |[r, g, b]: &[u8; 3]| ((u32::from(*r) * 19_595 + u32::from(*g) * 38_470 + u32::from(*b) * 7_471 + 0x8000) >> 16) as u8;
    rgb.as_chunks::<3>().0.iter().map(weigh).collect()
}

/// Channels of a JPEG, from its frame header.
fn frame_components(jpeg: &[u8]) -> Option<u8> {
    let mut rest = jpeg.get(2..)?;
    loop {
        // Markers may be padded with any number of 0xFF.
        let [0xFF, marker, after @ ..] = rest else { return None };
        match marker {
            0xFF => rest = rest.get(1..)?,
            0x01 | 0xD0..=0xD7 => rest = after,
            0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF => return after.get(7).copied(),
            0xD9 | 0xDA => return None,
            _ => {
                let (length, _) = after.split_first_chunk::<2>()?;
                rest = after.get(usize::from(u16::from_be_bytes(*length))..)?;
            }
        }
    }
}

fn ends_after_its_last_scan(jpeg: &[u8]) -> bool {
    let last = |marker: u8| jpeg.windows(2).rposition(|pair| pair == [0xFF, marker]);
    match (last(0xD9), last(0xDA)) {
        (Some(end), Some(scan)) => end > scan,
        _ => false,
    }
}
