//! Pictures that no encoder at hand makes, byte by byte.

use std::io::{Cursor, Write};

use image::{DynamicImage, ImageFormat};

pub(crate) fn encode(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    image.write_to(&mut out, format).unwrap();
    out.into_inner()
}

fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut crc = flate2::Crc::new();
    crc.update(kind);
    crc.update(data);
    [&(data.len() as u32).to_be_bytes()[..], kind, data, &crc.sum().to_be_bytes()].concat()
}

fn png(chunks: &[Vec<u8>]) -> Vec<u8> {
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    out.extend(chunks.iter().flatten());
    out.extend(chunk(b"IEND", &[]));
    out
}

fn header(width: u32, height: u32, bits: u8, colour: u8) -> Vec<u8> {
    chunk(b"IHDR", &[&width.to_be_bytes()[..], &height.to_be_bytes(), &[bits, colour, 0, 0, 0]].concat())
}

fn pixels(raw: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(raw).unwrap();
    chunk(b"IDAT", &encoder.finish().unwrap())
}

/// A 2×1 picture of two palette colours; the second with `alpha`.
pub(crate) fn palette_png(alpha: Option<u8>) -> Vec<u8> {
    let mut chunks = vec![header(2, 1, 8, 3), chunk(b"PLTE", &[1, 2, 3, 250, 251, 252])];
    chunks.extend(alpha.map(|alpha| chunk(b"tRNS", &[255, alpha])));
    chunks.push(pixels(&[0, 0, 1]));
    png(&chunks)
}

/// A 2×1 picture whose palette has these bytes.
pub(crate) fn palette_of(bytes: &[u8]) -> Vec<u8> {
    png(&[header(2, 1, 8, 3), chunk(b"PLTE", bytes), pixels(&[0, 0, 1])])
}

/// A header that says so, and one row of pixels.
pub(crate) fn png_of_size(width: u32, height: u32) -> Vec<u8> {
    png(&[header(width, height, 8, 0), pixels(&[0; 100])])
}

/// One grey pixel, declared an animation of two frames.
pub(crate) fn apng() -> Vec<u8> {
    let control = [0, 0, 0, 2, 0, 0, 0, 0];
    let frame = [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0];
    png(&[header(1, 1, 8, 0), chunk(b"acTL", &control), chunk(b"fcTL", &frame), pixels(&[0, 7])])
}

/// The beginning of a JPEG with that many channels.
pub(crate) fn cmyk_jpeg_head(channels: u8) -> Vec<u8> {
    let mut out = vec![0xFF, 0xD8, 0xFF, 0xC0, 0, 8 + 3 * channels, 8, 0, 1, 0, 1, channels];
    out.extend((1..=channels).flat_map(|id| [id, 0x11, 0]));
    out.extend([0xFF, 0xDA, 0, 2, 0xFF, 0xD9]);
    out
}

/// A whole small JPEG whose header says 4000 × 4000.
pub(crate) fn large_jpeg_of_few_bytes() -> Vec<u8> {
    let mut jpeg = encode(&DynamicImage::ImageLuma8(image::GrayImage::new(8, 8)), ImageFormat::Jpeg);
    let frame = jpeg.windows(2).position(|pair| pair == [0xFF, 0xC0]).unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0x0F, 0xA0, 0x0F, 0xA0]);
    jpeg
}
