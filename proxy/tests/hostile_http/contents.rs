//! Content-Type, Content-Encoding, compressed bombs, Expect and Upgrade.

use std::io::Write;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};

use super::{Case, case, infer};

pub(super) fn cases() -> Vec<Case> {
    [types(), codings(), bombs(), expectations(), upgrades()].concat()
}

fn post(class: &'static str, name: &str, path: &str, fields: &str, body: &[u8], expected: &'static str) -> Case {
    let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\n{fields}Content-Length: {}\r\n\r\n", body.len());
    case(class, name, [head.as_bytes(), body].concat(), expected)
}

fn types() -> Vec<Case> {
    let with = |name: &str, fields: &str, body: &[u8], expected| post("Content-Type", name, &infer(), fields, body, expected);
    vec![
        with("none", "", b"{", "400 malformed open"),
        with("text", "Content-Type: text/plain\r\n", b"{", "400 malformed open"),
        with("XML", "Content-Type: application/xml\r\n", b"<a/>", "400 malformed open"),
        with("a form", "Content-Type: application/x-www-form-urlencoded\r\n", b"a=b", "400 malformed open"),
        with("multipart without a boundary", "Content-Type: multipart/form-data\r\n", b"--", "400 malformed open"),
        with("not a type", "Content-Type: ;;;\r\n", b"{", "400 malformed open"),
        with("another charset", "Content-Type: application/json; charset=utf-16\r\n", b"\xff\xfe{\0", "400 malformed open"),
        with("two types", "Content-Type: application/json\r\nContent-Type: image/png\r\n", b"{", "400 malformed open"),
        with("a type of 10,000 characters", &format!("Content-Type: {}\r\n", "a".repeat(10_000)), b"{", "400 malformed open"),
    ]
}

fn codings() -> Vec<Case> {
    let with = |name: &str, coding: &str, body: &[u8], expected| {
        post("Content-Encoding", name, &infer(), &format!("Content-Encoding: {coding}\r\n"), body, expected)
    };
    let whole = gzip(b"{");
    let mut damaged = gzip(&[b' '; 1000]);
    if let Some(byte) = damaged.get_mut(12) {
        *byte ^= 0xff;
    }
    vec![
        with("br", "br", b"{}", "415 unsupported_media open"),
        with("zstd", "zstd", b"{}", "415 unsupported_media open"),
        with("a word", "wine", b"{}", "415 unsupported_media open"),
        with("gzip twice", "gzip, gzip", &gzip(&whole), "415 unsupported_media open"),
        with("gzip that is not", "gzip", b"{}", "400 malformed open"),
        with("gzip that is cut off", "gzip", whole.get(..10).unwrap_or_default(), "400 malformed open"),
        with("gzip that is damaged", "gzip", &damaged, "400 malformed open"),
        with("gzip with something behind it", "gzip", &[&whole[..], b"junk"].concat(), "400 malformed open"),
        with("gzip of nothing", "gzip", b"", "400 malformed open"),
        with("deflate that is not", "deflate", b"{}", "400 malformed open"),
        with("identity", "identity", b"{", "400 malformed open"),
    ]
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn bombs() -> Vec<Case> {
    let class = "compressed bombs";
    let zeros = vec![b' '; 200 << 20];
    let (small, large) = (gzip(zeros.get(..2 << 20).unwrap_or_default()), gzip(&zeros));
    let coded = |name: &str, coding: &str, body: &[u8]| {
        post(class, name, &infer(), &format!("Content-Encoding: {coding}\r\n"), body, "413 too_large open")
    };
    let mut joined = small.clone();
    (0..20).for_each(|_| joined.extend_from_slice(&small));
    vec![
        coded("2 MiB of blanks, gzip", "gzip", &small),
        coded("200 MiB of blanks, gzip", "gzip", &large),
        coded("2 MiB of blanks, deflate", "deflate", &deflate(zeros.get(..2 << 20).unwrap_or_default())),
        coded("200 MiB of blanks, deflate", "deflate", &deflate(&zeros)),
        coded("many members", "gzip", &joined),
        coded("in capitals", "GZIP", &small),
        coded("under its old name", "x-gzip", &small),
        post(
            class,
            "one byte too many",
            &infer(),
            "Content-Encoding: gzip\r\n",
            &gzip(zeros.get(..(1 << 20) + 1).unwrap_or_default()),
            "413 too_large open",
        ),
        post(
            class,
            "as much as is allowed",
            &infer(),
            "Content-Encoding: gzip\r\n",
            &gzip(zeros.get(..1 << 20).unwrap_or_default()),
            "400 malformed open",
        ),
    ]
}

fn expectations() -> Vec<Case> {
    let class = "Expect";
    let with = |name: &str, fields: &str, body: &str, expected| {
        case(class, name, format!("POST {} HTTP/1.1\r\nHost: a\r\n{fields}\r\n{body}", infer()), expected)
    };
    vec![
        with("100-continue", "Expect: 100-continue\r\nContent-Length: 1\r\n", "{", "400 malformed open"),
        with("100-continue in capitals", "Expect: 100-CONTINUE\r\nContent-Length: 1\r\n", "{", "400 malformed open"),
        with("100-continue without a body", "Expect: 100-continue\r\n", "", "400 malformed open"),
        with("100-continue for too much", "Expect: 100-continue\r\nContent-Length: 1048577\r\n", "", "413 body_too_large closed"),
        with("something else", "Expect: wine\r\nContent-Length: 1\r\n", "{", "417 unmet_expectation closed"),
        with("nothing", "Expect:\r\nContent-Length: 1\r\n", "{", "417 unmet_expectation closed"),
        with("two things", "Expect: 100-continue, wine\r\nContent-Length: 1\r\n", "{", "417 unmet_expectation closed"),
        with("10,000 characters", &format!("Expect: {}\r\nContent-Length: 1\r\n", "x".repeat(10_000)), "{", "417 unmet_expectation closed"),
    ]
}

fn upgrades() -> Vec<Case> {
    let class = "Upgrade";
    let key = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let at = |name: &str, path: &str, fields: &str, expected| {
        case(class, name, format!("GET {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n"), expected)
    };
    vec![
        at("h2c to us", "/v2", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n", "200 - open"),
        at(
            "h2c to the server behind",
            "/x",
            "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n",
            "200 - open",
        ),
        at("a websocket to us", "/v2", &format!("Connection: Upgrade\r\nUpgrade: websocket\r\n{key}"), "200 - open"),
        at("a websocket that the server declines", "/x", &format!("Connection: Upgrade\r\nUpgrade: websocket\r\n{key}"), "200 - open"),
        at("a word", "/x", "Connection: Upgrade\r\nUpgrade: wine\r\n", "200 - open"),
        at("without Connection", "/x", "Upgrade: websocket\r\n", "200 - open"),
        at("10,000 characters", "/x", &format!("Connection: Upgrade\r\nUpgrade: {}\r\n", "x".repeat(10_000)), "200 - open"),
        at("Connection names a thousand fields", "/x", &format!("Connection: {}close\r\n", "x, ".repeat(1_000)), "400 bad_head closed"),
    ]
}
