//! Pictures that no encoder makes, byte by byte, and the forms in which one is sent.

use std::io::Write;

use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};

use super::{Case, post};

/// One of the committed pictures.
macro_rules! committed {
    ($name:literal) => {
        include_bytes!(concat!("../../../inference-runtime/protocol/fuzz/corpus/image/", $name))
    };
}
pub(super) use committed;

pub(super) const PNG: &[u8] = committed!("grey.png");
pub(super) const JPEG: &[u8] = committed!("grey.jpg");

fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut crc = Crc::new();
    crc.update(kind);
    crc.update(data);
    [&(data.len() as u32).to_be_bytes()[..], kind, data, &crc.sum().to_be_bytes()].concat()
}

/// What of a PNG is told before its pixels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) bits: u8,
    pub(super) colour: u8,
}

/// 8 by 8.
pub(super) fn small(bits: u8, colour: u8) -> Head {
    Head { width: 8, height: 8, bits, colour }
}

/// A PNG of `head`, `chunks` between it and the pixels, and rows that are `raw`.
pub(super) fn png(head: Head, chunks: &[(&[u8; 4], &[u8])], raw: &[u8]) -> Vec<u8> {
    let tail = [head.bits, head.colour, 0, 0, 0];
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    out.extend(chunk(b"IHDR", &[&head.width.to_be_bytes()[..], &head.height.to_be_bytes(), &tail].concat()));
    chunks.iter().for_each(|(kind, data)| out.extend(chunk(kind, data)));
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(raw).unwrap();
    out.extend(chunk(b"IDAT", &encoder.finish().unwrap()));
    out.extend(chunk(b"IEND", b""));
    out
}

/// Rows of zeros that a picture of `head` and `channels` has.
pub(super) fn zeros(head: Head, channels: usize) -> Vec<u8> {
    let row = (head.width as usize * channels * usize::from(head.bits)).div_ceil(8);
    vec![0; (row + 1) * head.height as usize]
}

/// An animation of two frames by its own word.
pub(super) fn animated() -> Vec<u8> {
    let head = small(8, 0);
    png(head, &[(b"acTL", &[0, 0, 0, 2, 0, 0, 0, 0])], &zeros(head, 1))
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Base64 with padding (RFC 4648, section 4).
pub(super) fn base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let at = |index: usize| u32::from(three.get(index).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for place in 0..4 {
            let sextet = (bits >> (18 - 6 * place) & 63) as usize;
            text.push(if place > three.len() { '=' } else { char::from(ALPHABET[sextet]) });
        }
    }
    text
}

/// A multipart body of these heads and contents, its boundary `B`.
pub(super) fn multipart(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (head, content) in parts {
        body.extend_from_slice(format!("--B\r\n{head}\r\n\r\n").as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--B--\r\n");
    body
}

pub(super) const FORM: &str = "multipart/form-data; boundary=B";
pub(super) const FILE: &str = "Content-Disposition: form-data; name=\"image\"; filename=\"a.png\"";

/// The picture as the body.
pub(super) fn raw(class: &'static str, name: &str, picture: &[u8], expected: &str) -> Case {
    post(class, name, "/v1/predict", &[("content-type", "image/png")], picture, expected)
}

/// A body of another type.
pub(super) fn typed(class: &'static str, name: &str, content_type: &str, body: impl AsRef<[u8]>, expected: &str) -> Case {
    post(class, name, "/v1/predict", &[("content-type", content_type)], body, expected)
}

/// The same picture in each form that takes one; `status` is of what comes of it, with the place where the form has one.
pub(super) fn in_every_form(class: &'static str, picture: &[u8], status: &str) -> Vec<Case> {
    let place = |pointer: &str| if status == "200" { status.to_owned() } else { format!("{status} {pointer}") };
    let text = base64(picture);
    let (plain, member) = (place("whole"), place("/image"));
    let json = |path: &str, name: &str, text: String, expected: &str| {
        post(class, name, path, &[("content-type", "application/json")], format!(r#"{{"image":"{text}"}}"#), expected)
    };
    vec![
        raw(class, "raw", picture, &plain),
        typed(class, "raw and untyped", "application/octet-stream", picture, &plain),
        typed(class, "as a file", FORM, multipart(&[(FILE, picture)]), &plain),
        typed(class, "as base64", "text/plain", &text, &plain),
        json("/v1/predict", "in JSON", text.clone(), &member),
        json("/v1/predict", "as a data URL", format!("data:image/png;base64,{text}"), &member),
        json("/infer", "in the short form", text.clone(), &member),
        json("/predict", "where features could be", text, &member),
    ]
}
