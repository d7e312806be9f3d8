//! Pictures that are whole and unusual: taken where they have one meaning as input, else refused.

use super::Case;
use super::pictures::{animated, base64, committed, in_every_form, png, raw, small, typed, zeros};

const BROKEN: &str = "400 malformed whole";

pub(super) fn cases() -> Vec<Case> {
    [sixteen_bits(), palettes(), cmyk(), animations()].concat()
}

fn sixteen_bits() -> Vec<Case> {
    let class = "images: 16 bits";
    let grey = small(16, 0);
    let of = |name: &str, colour: u8, channels: usize, fill: u8, expected: &str| {
        let mut rows = zeros(small(16, colour), channels);
        // The filter byte of each row stays 0.
        let row = rows.len() / 8;
        rows.iter_mut().enumerate().filter(|(at, _)| at % row != 0).for_each(|(_, byte)| *byte = fill);
        raw(class, name, &png(small(16, colour), &[], &rows), expected)
    };
    vec![
        of("grey", 0, 1, 0, "200"),
        of("colours", 2, 3, 0, "200"),
        of("grey, opaque", 4, 2, 255, "200"),
        of("colours, opaque", 6, 4, 255, "200"),
        of("grey, transparent", 4, 2, 0, BROKEN),
        of("colours, transparent", 6, 4, 254, BROKEN),
        raw(class, "half the bytes", &png(grey, &[], &zeros(small(8, 0), 1)), BROKEN),
        raw(class, "of a palette, which has none", &png(small(16, 3), &[(b"PLTE", &[0; 6])], &zeros(grey, 1)), BROKEN),
        raw(class, "17 bits", &png(small(17, 0), &[], &zeros(grey, 1)), BROKEN),
        raw(class, "a committed one", committed!("wide.png"), "200"),
    ]
}

fn palettes() -> Vec<Case> {
    let class = "images: palette";
    let of = |name: &str, bits: u8, chunks: &[(&[u8; 4], &[u8])], fill: u8, expected: &str| {
        let head = small(bits, 3);
        let mut rows = zeros(head, 1);
        rows.last_mut().into_iter().for_each(|byte| *byte = fill);
        raw(class, name, &png(head, chunks, &rows), expected)
    };
    let two: (&[u8; 4], &[u8]) = (b"PLTE", &[0, 0, 0, 255, 255, 255]);
    vec![
        of("of one bit", 1, &[two], 1, "200"),
        of("of two bits", 2, &[two], 0x11, "200"),
        of("of four bits", 4, &[two], 0x11, "200"),
        of("of eight bits", 8, &[two], 1, "200"),
        of("missing", 8, &[], 0, BROKEN),
        of("of four bytes", 8, &[(b"PLTE", &[0; 4])], 0, BROKEN),
        of("of no colours", 8, &[(b"PLTE", &[])], 0, BROKEN),
        of("of 257 colours", 8, &[(b"PLTE", &[0; 771])], 0, BROKEN),
        of("with a transparent colour", 8, &[two, (b"tRNS", &[255, 0])], 1, BROKEN),
        of("with an opaque colour", 8, &[two, (b"tRNS", &[255, 255])], 1, "200"),
        raw(class, "a committed one", committed!("palette.png"), "200"),
    ]
}

fn cmyk() -> Vec<Case> {
    let class = "images: CMYK";
    let head = |channels: u8| {
        let mut jpeg = vec![0xFF, 0xD8, 0xFF, 0xC0, 0, 8 + 3 * channels, 8, 0, 8, 0, 8, channels];
        jpeg.extend((1..=channels).flat_map(|id| [id, 0x11, 0]));
        jpeg.extend([0xFF, 0xDA, 0, 2, 0xFF, 0xD9]);
        jpeg
    };
    let of = |channels: u8| raw(class, &format!("{channels} channels"), &head(channels), BROKEN);
    let mut cases = in_every_form(class, committed!("cmyk.jpg"), "400 malformed");
    cases.extend([of(0), of(2), of(4), of(5), of(80)]);
    cases.push(raw(class, "three channels", committed!("rgb.jpg"), "200"));
    cases
}

fn animations() -> Vec<Case> {
    let class = "images: animated";
    let mut cases = in_every_form(class, &animated(), "400 malformed");
    let twice = png(small(8, 0), &[(b"acTL", &[0, 0, 0, 2, 0, 0, 0, 0]), (b"acTL", &[255; 8])], &zeros(small(8, 0), 1));
    cases.extend([
        raw(class, "a committed one", committed!("animated.png"), BROKEN),
        raw(class, "told twice, of four billion frames", &twice, BROKEN),
        raw(class, "GIF", b"GIF89a\x08\0\x08\0\x80\0\0!\xff\x0bNETSCAPE2.0\x03\x01\0\0\0;", BROKEN),
        typed(class, "WebP", "application/octet-stream", b"RIFF\x1a\0\0\0WEBPVP8X\x0a\0\0\0\x02", BROKEN),
        typed(class, "an empty one in base64", "text/plain", base64(b"GIF89a"), BROKEN),
    ]);
    cases
}
