//! What is sent: heads and bodies of HTTP/1.1, and frames of HTTP/2.

mod bodies;
mod fields;
mod http2;
mod lines;

use super::judge::Case;

pub(crate) use http2::http2;

/// A request hidden in what should be a body, or nothing.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

pub(crate) fn http1() -> Vec<Case> {
    [lines::cases(), fields::cases(), bodies::cases()].concat()
}

fn case(name: &str, bytes: impl Into<Vec<u8>>, passes: usize) -> Case {
    Case { name: name.to_owned(), bytes: bytes.into(), passes }
}

/// A POST with `fields`, which are whole lines, and whatever follows its head.
fn post(name: &str, fields: &str, rest: &str, passes: usize) -> Case {
    case(name, format!("POST /case HTTP/1.1\r\nHost: a\r\n{fields}\r\n{rest}"), passes)
}
