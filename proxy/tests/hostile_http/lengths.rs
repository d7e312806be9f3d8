//! Content-Length, two framings at once, and chunked bodies.

use super::{Case, case, infer};

const BAD: &str = "400 bad_head closed";
const BROKEN: &str = "400 body_broken closed";

pub(super) fn cases() -> Vec<Case> {
    [lengths(), both(), chunks(), trailers()].concat()
}

fn post(class: &'static str, name: &str, fields: &str, body: &str, expected: &'static str) -> Case {
    case(class, name, format!("POST {} HTTP/1.1\r\nHost: a\r\n{fields}\r\n{body}", infer()), expected)
}

fn lengths() -> Vec<Case> {
    let with = |name: &str, length: &str, body: &str, expected| {
        post("Content-Length", name, &format!("Content-Length: {length}\r\n"), body, expected)
    };
    vec![
        with("twice the same", "2\r\nContent-Length: 2", "{}", BAD),
        with("twice, different", "2\r\nContent-Length: 3", "{}", "400 bad_head closed"),
        with("a list", "2, 2", "{}", BAD),
        with("negative", "-1", "", "400 bad_head closed"),
        with("a sign", "+2", "{}", "400 bad_head closed"),
        with("hexadecimal", "0x2", "{}", "400 bad_head closed"),
        with("a word", "two", "{}", "400 bad_head closed"),
        with("empty", "", "{}", "400 bad_head closed"),
        with("over 64 bits", "99999999999999999999", "{}", "400 bad_head closed"),
        with("a terabyte", "1099511627776", "{}", "413 body_too_large closed"),
        with("one byte too many", "1048577", "{}", "413 body_too_large closed"),
        with("more than comes", "100", "{}", "408 body_timed_out closed"),
        with("less than comes", "2", "{}{}", "400 malformed closed"),
    ]
}

fn both() -> Vec<Case> {
    let with = |name: &str, fields: &str, expected| post("two framings", name, fields, "0\r\n\r\n", expected);
    vec![
        with("a length and chunked", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", BAD),
        with("chunked and a length", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", BAD),
        with("chunked and a length of nothing", "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n", BAD),
        with("chunked twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", BAD),
        with("gzip and chunked", "Transfer-Encoding: gzip, chunked\r\n", BAD),
        with("chunked and gzip", "Transfer-Encoding: chunked, gzip\r\n", "400 bad_head closed"),
        with("identity", "Transfer-Encoding: identity\r\n", "400 bad_head closed"),
        with("xchunked", "Transfer-Encoding: xchunked\r\n", "400 bad_head closed"),
        with("a shadow of the length", "Content_Length: 5\r\nContent-Length: 5\r\n", BAD),
        with("an empty coding", "Transfer-Encoding:\r\n", "400 bad_head closed"),
    ]
}

fn chunks() -> Vec<Case> {
    let with = |name: &str, body: &str, expected| post("chunks", name, "Transfer-Encoding: chunked\r\n", body, expected);
    let large = format!("{:x}\r\n{}\r\n", 200_000, "x".repeat(200_000)).repeat(6);
    vec![
        with("well-formed", "2\r\n{}\r\n0\r\n\r\n", "400 malformed open"),
        with("a size over 64 bits", "fffffffffffffffff\r\n{}\r\n0\r\n\r\n", BROKEN),
        with("a size of 64 bits", "ffffffffffffffff\r\n{}\r\n0\r\n\r\n", BROKEN),
        with("a size of 62 bits", "3fffffffffffffff\r\n{}\r\n0\r\n\r\n", "408 body_timed_out closed"),
        with("a negative size", "-2\r\n{}\r\n0\r\n\r\n", BROKEN),
        with("a size with 0x", "0x2\r\n{}\r\n0\r\n\r\n", BROKEN),
        with("a size of words", "two\r\n{}\r\n0\r\n\r\n", BROKEN),
        with("LF after a size", "2\n{}\r\n0\r\n\r\n", BROKEN),
        with("LF after a chunk", "2\r\n{}\n0\r\n\r\n", BROKEN),
        with("a chunk that is too long", "1\r\n{}\r\n0\r\n\r\n", BROKEN),
        with("no last chunk", "2\r\n{}\r\n", "408 body_timed_out closed"),
        with("more than a body may have", &format!("{large}0\r\n\r\n"), "413 body_too_large closed"),
        with("100,000 chunks of one byte", &format!("{}0\r\n\r\n", "1\r\n \r\n".repeat(100_000)), "400 malformed open"),
    ]
}

fn trailers() -> Vec<Case> {
    let with = |name: &str, trailers: &str, expected| {
        post("trailers", name, "Transfer-Encoding: chunked\r\n", &format!("2\r\n{{}}\r\n0\r\n{trailers}"), expected)
    };
    vec![
        with("one", "X: y\r\n\r\n", "400 malformed open"),
        with("a length", "Content-Length: 5\r\n\r\n", "400 malformed open"),
        with("a key", "Authorization: Bearer x\r\n\r\n", "400 malformed open"),
        with("a host", "Host: b\r\n\r\n", "400 malformed open"),
        with("LF alone", "X: y\n\r\n", BROKEN),
        with("100,000 bytes", &format!("X: {}\r\n\r\n", "y".repeat(100_000)), BROKEN),
        with("1,000 lines", &format!("{}\r\n", "X: y\r\n".repeat(1_000)), "400 malformed open"),
        with("10,000 lines", &format!("{}\r\n", "X: y\r\n".repeat(10_000)), BROKEN),
        with("no end", "X: y\r\n", "408 body_timed_out closed"),
    ]
}
