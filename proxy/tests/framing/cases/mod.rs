//! What is sent: heads and bodies of HTTP/1.1, and frames of HTTP/2.

mod bodies;
mod fields;
mod http2;
mod lines;

use super::judge::Case;

pub(crate) use http2::http2;

/// A request hidden in what should be a body, or nothing.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

/// For a request that is well-formed up to the mistake: whether it is passed on before the mistake is seen is a race.
pub(crate) const RACE: usize = usize::MAX;

pub(crate) fn http1() -> Vec<Case> {
    numbered([lines::cases(), fields::cases(), bodies::cases()].concat())
}

/// Gives each case a path of its own instead of `/case`, as long as that.
fn numbered(mut cases: Vec<Case>) -> Vec<Case> {
    for (number, case) in cases.iter_mut().enumerate() {
        case.path = format!("/c{number:03}");
        while let Some(at) = case.bytes.windows(5).position(|w| w == b"/case") {
            case.bytes[at..at + 5].copy_from_slice(case.path.as_bytes());
        }
    }
    cases
}

fn case(name: &str, bytes: impl Into<Vec<u8>>, passes: usize) -> Case {
    Case { name: name.to_owned(), bytes: bytes.into(), passes, path: String::new() }
}

/// A POST with `fields`, which are whole lines, and whatever follows its head.
fn post(name: &str, fields: &str, rest: &str, passes: usize) -> Case {
    case(name, format!("POST /case HTTP/1.1\r\nHost: a\r\n{fields}\r\n{rest}"), passes)
}
