//! Content codings: bombs, names and data that do not belong together, coding within coding, and data that break off.

use std::io::Write;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};

use super::json::GOOD;
use super::{Case, post};

/// What a body may have, also after decompression.
const LIMIT: usize = 4 << 20;

const BROKEN: &str = "400 malformed whole";
const UNKNOWN: &str = "415 unsupported_media whole";

fn coded(class: &'static str, name: &str, coding: &str, body: &[u8], expected: &str) -> Case {
    post(class, name, "/v2/models/identity_fp32/infer", &[("content-encoding", coding)], body, expected)
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

/// A right request, padded with white space to `length`.
fn padded(length: usize) -> Vec<u8> {
    let mut body = GOOD.as_bytes().to_vec();
    body.resize(length, b' ');
    body
}

pub(super) fn cases() -> Vec<Case> {
    [bombs(), wrong(), nested(), truncated()].concat()
}

fn bombs() -> Vec<Case> {
    let class = "content coding: bombs";
    let large = padded(256 << 20);
    let bomb = |name: &str, coding: &str, body: &[u8]| coded(class, name, coding, body, "413 too_large whole");
    let member = gzip(&padded(1 << 20));
    vec![
        bomb("256 MiB of gzip", "gzip", &gzip(&large)),
        bomb("256 MiB of deflate", "deflate", &deflate(&large)),
        bomb("one byte over, gzip", "gzip", &gzip(&padded(LIMIT + 1))),
        bomb("one byte over, deflate", "deflate", &deflate(&padded(LIMIT + 1))),
        bomb("a thousand members", "gzip", &member.repeat(1_000)),
        bomb("under its old name", "x-gzip", &gzip(&padded(LIMIT + 1))),
        bomb("in capitals", "DEFLATE", &deflate(&padded(LIMIT + 1))),
        coded(class, "100,000 members of nothing", "gzip", &gzip(b"").repeat(100_000), BROKEN),
        coded(class, "as much as is allowed, gzip", "gzip", &gzip(&padded(LIMIT)), "200"),
        coded(class, "as much as is allowed, deflate", "deflate", &deflate(&padded(LIMIT)), "200"),
    ]
}

fn wrong() -> Vec<Case> {
    let class = "content coding: the wrong one";
    let good = GOOD.as_bytes();
    vec![
        coded(class, "plain as gzip", "gzip", good, BROKEN),
        coded(class, "plain as deflate", "deflate", good, BROKEN),
        coded(class, "deflate as gzip", "gzip", &deflate(good), BROKEN),
        coded(class, "gzip as deflate", "deflate", &gzip(good), BROKEN),
        coded(class, "gzip as plain", "identity", &gzip(good), BROKEN),
        coded(class, "br", "br", good, UNKNOWN),
        coded(class, "zstd", "zstd", good, UNKNOWN),
        coded(class, "a word", "wine", good, UNKNOWN),
        coded(class, "1,000 letters", &"g".repeat(1_000), good, UNKNOWN),
        coded(class, "identity", "identity", good, "200"),
        coded(class, "gzip", "gzip", &gzip(good), "200"),
        coded(class, "deflate", "deflate", &deflate(good), "200"),
    ]
}

fn nested() -> Vec<Case> {
    let class = "content coding: nested";
    let good = GOOD.as_bytes();
    let twice = gzip(&gzip(good));
    let two = [("content-encoding", "gzip"), ("content-encoding", "gzip")];
    vec![
        coded(class, "gzip, gzip", "gzip, gzip", &twice, UNKNOWN),
        coded(class, "deflate, gzip", "deflate, gzip", &gzip(&deflate(good)), UNKNOWN),
        coded(class, "gzip, identity", "gzip, identity", &gzip(good), UNKNOWN),
        coded(class, "a hundred times", &vec!["gzip"; 100].join(","), &twice, UNKNOWN),
        coded(class, "a comma and nothing", "gzip,", &gzip(good), UNKNOWN),
        coded(class, "twice, told once", "gzip", &twice, BROKEN),
        coded(class, "a bomb in gzip, told once", "gzip", &gzip(&gzip(&padded(64 << 20))), BROKEN),
        post(class, "in two lines", "/v2/models/identity_fp32/infer", &two, &twice, UNKNOWN),
        coded(class, "two members", "gzip", &[gzip(&good[..9]), gzip(&good[9..])].concat(), "200"),
    ]
}

fn truncated() -> Vec<Case> {
    let class = "content coding: cut off";
    let good = GOOD.as_bytes();
    let (zipped, deflated) = (gzip(good), deflate(good));
    let cut = |name: &str, coding: &str, body: &[u8], by: usize| coded(class, name, coding, &body[..body.len() - by], BROKEN);
    let mut damaged = zipped.clone();
    let sum = damaged.len() - 8;
    damaged[sum] ^= 1;
    vec![
        coded(class, "nothing", "gzip", b"", BROKEN),
        cut("after gzip's name", "gzip", &zipped, zipped.len() - 2),
        cut("in gzip's head", "gzip", &zipped, zipped.len() - 9),
        cut("in gzip's data", "gzip", &zipped, 20),
        cut("before gzip's sum", "gzip", &zipped, 8),
        cut("one byte early", "gzip", &zipped, 1),
        cut("in deflate's data", "deflate", &deflated, 20),
        cut("before deflate's sum", "deflate", &deflated, 4),
        coded(class, "a wrong sum", "gzip", &damaged, BROKEN),
        coded(class, "something behind gzip", "gzip", &[&zipped[..], b"x"].concat(), BROKEN),
        coded(class, "something behind deflate", "deflate", &[&deflated[..], b"x"].concat(), BROKEN),
    ]
}
