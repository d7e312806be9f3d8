//! What is sent for a picture and is none, or not a whole one; and forms of sending one that are broken.

use super::pictures::{FILE, FORM, Head, JPEG, PNG, base64, committed, multipart, png, raw, typed, zeros};
use super::{Case, post};

const BROKEN: &str = "400 malformed whole";

pub(super) fn cases() -> Vec<Case> {
    [not_one(), truncated(), gigapixel(), broken_multipart(), broken_base64(), types()].concat()
}

fn not_one() -> Vec<Case> {
    let class = "images: not one";
    let of = |name: &str, bytes: &[u8]| raw(class, name, bytes, BROKEN);
    vec![
        of("nothing", b""),
        of("GIF", b"GIF89a\x01\0\x01\0\0\0\0;"),
        of("BMP", b"BM\x1a\0\0\0\0\0\0\0"),
        of("WebP", b"RIFF\x1a\0\0\0WEBPVP8L"),
        of("TIFF", b"II*\0\x08\0\0\0"),
        of("PDF", b"%PDF-1.7"),
        of("SVG", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
        of("zeros", &[0; 10_000]),
        of("the first bytes of a PNG and nothing more", &PNG[..8]),
        of("the first bytes of a PNG and a megabyte", &[&PNG[..8], &[b'x'; 1 << 20]].concat()),
        of("a PNG in DOS text", &[b"\x89PNG\n\x1a\n", &PNG[8..]].concat()),
        of("the first bytes of a JPEG", &JPEG[..3]),
        of("a byte before it", &[b" ", PNG].concat()),
        raw(class, "one", PNG, "200"),
    ]
}

fn truncated() -> Vec<Case> {
    let class = "images: truncated";
    let cut = |name: &str, picture: &[u8], length: usize| raw(class, &format!("{name} after {length}"), &picture[..length], BROKEN);
    let damaged = [&PNG[..45], &[PNG[45] ^ 0xff], &PNG[46..]].concat();
    let head = Head { width: 8, height: 8, bits: 8, colour: 0 };
    vec![
        cut("a PNG", PNG, 20),
        cut("a PNG", PNG, 33),
        cut("a PNG", PNG, 50),
        cut("a JPEG", JPEG, 20),
        cut("a JPEG", JPEG, JPEG.len() / 2),
        cut("a JPEG", JPEG, JPEG.len() - 2),
        raw(class, "a JPEG that ends in its scan", committed!("ends_in_its_scan.jpg"), BROKEN),
        raw(class, "a damaged PNG", &damaged, BROKEN),
        raw(class, "a PNG of half its rows", &png(head, &[], &zeros(head, 1)[..36]), BROKEN),
        raw(class, "a whole PNG", &png(head, &[], &zeros(head, 1)), "200"),
        raw(class, "a whole JPEG", JPEG, "200"),
    ]
}

fn gigapixel() -> Vec<Case> {
    let class = "images: gigapixel";
    let grey = |width: u32, height: u32| Head { width, height, bits: 8, colour: 0 };
    let of = |width: u32, height: u32, expected: &str| {
        raw(class, &format!("{width} by {height}"), &png(grey(width, height), &[], &[0; 1_000]), expected)
    };
    let (limit, over) = (grey(1_024, 1_024), grey(1_024, 1_025));
    // Width and height in a JPEG's frame header.
    let mut jpeg = JPEG.to_vec();
    let frame = jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    jpeg[frame + 5..frame + 9].fill(0xff);
    vec![
        of(65_535, 65_535, "413 too_large whole"),
        of(100_000, 1, "413 too_large whole"),
        of(1, 100_000, "413 too_large whole"),
        of(u32::MAX >> 1, u32::MAX >> 1, "413 too_large whole"),
        of(u32::MAX, u32::MAX, "413 too_large whole"),
        of(u32::MAX, 1, "413 too_large whole"),
        of(0, 8, BROKEN),
        of(8, 0, BROKEN),
        raw(class, "a JPEG of 65,535 by 65,535", &jpeg, "413 too_large whole"),
        raw(class, "a row over the limit", &png(over, &[], &zeros(over, 1)), "413 too_large whole"),
        raw(class, "at the limit", &png(limit, &[], &zeros(limit, 1)), "200"),
    ]
}

fn broken_multipart() -> Vec<Case> {
    let class = "images: broken multipart";
    let form = |name: &str, body: &[u8], expected: &str| typed(class, name, FORM, body, expected);
    let whole = multipart(&[(FILE, PNG)]);
    let note = "Content-Disposition: form-data; name=\"note\"";
    let long = format!("{FILE}\r\nX-Long: {}", "x".repeat(1 << 20));
    vec![
        form("nothing", b"", BROKEN),
        form("no boundary in it", PNG, BROKEN),
        form("no part", b"--B--\r\n", BROKEN),
        form("cut off in the picture", &whole[..whole.len() - 30], BROKEN),
        form("cut off in a head", &whole[..20], BROKEN),
        form("a part without a head", &multipart(&[("", PNG)]), BROKEN),
        form("a head that is none", &multipart(&[("none", PNG)]), BROKEN),
        form("no picture among the parts", &multipart(&[(note, b"x")]), BROKEN),
        form("an empty picture", &multipart(&[(FILE, b"")]), BROKEN),
        form("17 parts", &multipart(&[(note, &b"x"[..]); 17]), BROKEN),
        form("a head of a megabyte", &multipart(&[(&long, b"x")]), BROKEN),
        form("100,000 boundaries", "--B\r\n".repeat(100_000).as_bytes(), BROKEN),
        typed(class, "no boundary in the type", "multipart/form-data", &whole, BROKEN),
        typed(class, "an empty boundary", "multipart/form-data; boundary=", &whole, BROKEN),
        form("whole", &whole, "200"),
        form("16 parts", &multipart(&[&[(note, &b"x"[..]); 15][..], &[(FILE, PNG)]].concat()), "200"),
    ]
}

fn broken_base64() -> Vec<Case> {
    let class = "images: broken base64";
    let text = base64(PNG);
    let member = |name: &str, text: &str, expected: &str| {
        post(class, name, "/v1/predict", &[("content-type", "application/json")], format!(r#"{{"image":"{text}"}}"#), expected)
    };
    let broken = "400 malformed /image";
    vec![
        member("nothing", "", broken),
        member("no letters of it", "%%%%", broken),
        member("padding within", &text.replacen('A', "=", 1), broken),
        member("padding alone", "====", broken),
        member("three times padded", &format!("{}===", &text[..text.len() - 3]), broken),
        member("the other alphabet", &text.replace(['A', '/', '+'], "_"), broken),
        member("a letter of another script", &text.replacen('A', "é", 1), broken),
        member("a data URL without a comma", "data:image/png;base64", broken),
        member("a data URL that is not base64", "data:image/png,abc", broken),
        member("of no picture", "YQ==", broken),
        member("a megabyte of one letter", &"A".repeat(1 << 20), broken),
        typed(class, "as text", "text/plain", "####", BROKEN),
        typed(class, "as text, cut off", "text/plain", &text[..5], BROKEN),
        member("whole", &text, "200"),
        member("without padding", text.trim_end_matches('='), "200"),
    ]
}

fn types() -> Vec<Case> {
    let class = "content types";
    let of = |content_type: &str, body: &[u8], expected: &str| typed(class, content_type, content_type, body, expected);
    let unsupported = "415 unsupported_media whole";
    vec![
        of("image/gif", PNG, unsupported),
        of("image/svg+xml", b"<svg/>", unsupported),
        of("text/html", b"<p>", unsupported),
        of("application/xml", b"<a/>", unsupported),
        of("application/x-www-form-urlencoded", b"a=b", unsupported),
        of("multipart/mixed; boundary=B", &multipart(&[(FILE, PNG)]), unsupported),
        of(";;;", b"hello", BROKEN),
        of("application/json", PNG, BROKEN),
        of("image/jpeg", b"{}", BROKEN),
        of("image/jpeg", PNG, "200"),
        of("IMAGE/PNG; q=1", PNG, "200"),
        post(class, "a picture for a list", "/batch-predict", &[("content-type", "image/png")], PNG, unsupported),
        post(class, "none, and no picture", "/v1/predict", &[], "hello", BROKEN),
        post(class, "none, and a picture", "/v1/predict", &[], PNG, "200"),
    ]
}
