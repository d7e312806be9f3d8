//! Chunked bodies and what stands around them, and bodies with a length that does not hold.

use super::{Case, SMUGGLED, post};

/// Name, body, and how many requests may pass.
const CHUNKED: &[(&str, &str, usize)] = &[
    ("two chunks", "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", 1),
    ("a size in capitals", "A\r\n0123456789\r\n0\r\n\r\n", 1),
    ("a size in lower case", "a\r\n0123456789\r\n0\r\n\r\n", 1),
    ("leading zeros in a size", "0005\r\nhello\r\n0\r\n\r\n", 1),
    ("many zeros as the last size", "0000\r\n\r\n", 1),
    ("a size that overflows 64 bits", "10000000000000005\r\nhello\r\n0\r\n\r\n", 0),
    ("a size of all bits", "ffffffffffffffff\r\nhello\r\n0\r\n\r\n", 0),
    ("a size of 63 bits", "7fffffffffffffff\r\nhello\r\n0\r\n\r\n", 0),
    ("a size with a sign", "+5\r\nhello\r\n0\r\n\r\n", 0),
    ("a negative size", "-5\r\nhello\r\n0\r\n\r\n", 0),
    ("a size with 0x", "0x5\r\nhello\r\n0\r\n\r\n", 0),
    ("a size with an h", "5h\r\nhello\r\n0\r\n\r\n", 0),
    ("a size with an underscore", "0_5\r\nhello\r\n0\r\n\r\n", 0),
    ("an empty size", "\r\nhello\r\n0\r\n\r\n", 1),
    ("a size of words", "five\r\nhello\r\n0\r\n\r\n", 0),
    ("a blank before a size", " 5\r\nhello\r\n0\r\n\r\n", 0),
    ("a tab before a size", "\t5\r\nhello\r\n0\r\n\r\n", 0),
    ("a blank after a size", "5 \r\nhello\r\n0\r\n\r\n", 1),
    ("a blank inside a size", "1 0\r\nhello\r\n0\r\n\r\n", 0),
    ("a NUL after a size", "5\0\r\nhello\r\n0\r\n\r\n", 0),
    ("an extension", "5;a=b\r\nhello\r\n0\r\n\r\n", 1),
    ("an extension with blanks", "5 ; a = b\r\nhello\r\n0\r\n\r\n", 1),
    ("an extension in quotes", "5;a=\"b;c\"\r\nhello\r\n0\r\n\r\n", 1),
    ("an extension with an LF", "5;a\nb\r\nhello\r\n0\r\n\r\n", 1),
    ("an extension with a CR", "5;a\rb\r\nhello\r\n0\r\n\r\n", 0),
    ("an extension on the last chunk", "5\r\nhello\r\n0;a=b\r\n\r\n", 1),
    ("LF after a size", "5\nhello\r\n0\r\n\r\n", 0),
    ("CR after a size", "5\rhello\r\n0\r\n\r\n", 0),
    ("CR CR LF after a size", "5\r\r\nhello\r\n0\r\n\r\n", 0),
    ("LF after a chunk", "5\r\nhello\n0\r\n\r\n", 0),
    ("CR after a chunk", "5\r\nhello\r0\r\n\r\n", 0),
    ("nothing after a chunk", "5\r\nhello0\r\n\r\n", 0),
    ("blanks after a chunk", "5\r\nhello \r\n0\r\n\r\n", 0),
    ("two bytes that are not CR LF after a chunk", "5\r\nhelloXX0\r\n\r\n", 0),
    ("a chunk longer than its size", "3\r\nhello\r\n0\r\n\r\n", 0),
    ("a chunk shorter than its size", "9\r\nhello\r\n0\r\n\r\n", 0),
    ("LF after the last size", "5\r\nhello\r\n0\n\r\n", 0),
    ("LF at the end", "5\r\nhello\r\n0\r\n\n", 0),
    ("LF LF at the end", "5\r\nhello\r\n0\n\n", 0),
    ("CR at the end", "5\r\nhello\r\n0\r\n\rX", 0),
    ("no last chunk", "5\r\nhello\r\n", 0),
    ("a trailer", "0\r\nX: y\r\n\r\n", 1),
    ("two trailers", "0\r\nX: y\r\nZ: w\r\n\r\n", 1),
    ("a length in the trailers", "0\r\nContent-Length: 5\r\n\r\n", 1),
    ("a coding in the trailers", "0\r\nTransfer-Encoding: chunked\r\n\r\n", 1),
    ("a host in the trailers", "0\r\nHost: b\r\n\r\n", 1),
    ("a trailer that ends with LF", "0\r\nX: y\n\r\n", 0),
    ("a trailer with a bare CR", "0\r\nX: a\rb\r\n\r\n", 0),
    ("a trailer without a colon", "0\r\nXY\r\n\r\n", 1),
    ("a trailer with a NUL", "0\r\nX: a\0b\r\n\r\n", 1),
    ("a folded trailer", "0\r\nX: a\r\n b\r\n\r\n", 1),
    ("a blank before the colon of a trailer", "0\r\nX : y\r\n\r\n", 1),
];

pub(super) fn cases() -> Vec<Case> {
    let coding = "Transfer-Encoding: chunked\r\n";
    let mut cases: Vec<Case> =
        CHUNKED.iter().map(|(name, body, passes)| post(&format!("chunked: {name}"), coding, body, *passes)).collect();
    let long = "x".repeat(9_000);
    cases.extend([
        post("chunked: a long extension", coding, &format!("5;{long}\r\nhello\r\n0\r\n\r\n"), 1),
        post("chunked: long trailers", coding, &format!("0\r\nX: {long}{long}{long}{long}{long}{long}{long}{long}\r\n\r\n"), 0),
        post("chunked: a long row of zeros", coding, &format!("{}5\r\nhello\r\n0\r\n\r\n", "0".repeat(40)), 0),
        post("chunked: a request in a chunk", coding, &format!("{:x}\r\n{SMUGGLED}\r\n0\r\n\r\n", SMUGGLED.len()), 1),
        post("chunked: a request in the trailers", coding, &format!("0\r\n{SMUGGLED}"), 1),
        post("chunked: a request behind LF LF", coding, &format!("0\n\n{SMUGGLED}"), 0),
        post("chunked: a request behind an overflow", coding, &format!("100000000000000000\r\n\r\n{SMUGGLED}"), 0),
        post("chunked: a request in an extension", coding, &format!("5;\nhello\r\n0\r\n\r\n{SMUGGLED}"), 0),
        post("a length larger than the body", "Content-Length: 1000\r\n", "hello", 0),
        post("a length smaller than the body", "Content-Length: 3\r\n", "hello", 1),
    ]);
    cases
}
