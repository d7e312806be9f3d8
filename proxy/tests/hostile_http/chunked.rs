//! Chunks that a proxy in front of Forebay could read otherwise, sent to a model and to the server behind.

use super::support::{Connection, Forebay, Server, until_true, upstream};
use super::{Case, Move, case, infer};

/// Name and body. Whoever reads them otherwise than RFC 9112 section 7.1 finds another end.
const BROKEN: &[(&str, &str)] = &[
    ("an empty size", "\r\nhello\r\n0\r\n\r\n"),
    ("an empty last size", "2\r\n{}\r\n\r\n\r\n"),
    ("a size with a sign", "+2\r\n{}\r\n0\r\n\r\n"),
    ("a negative size", "-2\r\n{}\r\n0\r\n\r\n"),
    ("a size with 0x", "0x2\r\n{}\r\n0\r\n\r\n"),
    ("a blank before a size", " 2\r\n{}\r\n0\r\n\r\n"),
    ("a blank after a size", "2 \r\n{}\r\n0\r\n\r\n"),
    ("a size of 17 digits", "00000000000000002\r\n{}\r\n0\r\n\r\n"),
    ("an extension with an LF", "2;a\nb\r\n{}\r\n0\r\n\r\n"),
    ("an extension with a CR", "2;a\rb\r\n{}\r\n0\r\n\r\n"),
    ("an extension with a NUL", "2;a\0b\r\n{}\r\n0\r\n\r\n"),
    ("LF after an extension", "2;a\n{}\r\n0\r\n\r\n"),
    ("LF after the last size", "2\r\n{}\r\n0\n\r\n"),
    ("nothing after a chunk", "2\r\n{}0\r\n\r\n"),
    ("more after a chunk", "2\r\n{}{}\r\n0\r\n\r\n"),
    ("an empty line after a chunk", "2\r\n{}\r\n\r\n0\r\n\r\n"),
    ("LF at the end", "2\r\n{}\r\n0\r\n\n"),
    ("a trailer without a colon", "2\r\n{}\r\n0\r\nX\r\n\r\n"),
    ("a trailer with a NUL", "2\r\n{}\r\n0\r\nX: a\0b\r\n\r\n"),
    ("a folded trailer", "2\r\n{}\r\n0\r\nX: a\r\n b\r\n\r\n"),
    ("a trailer that ends with LF", "2\r\n{}\r\n0\r\nX: a\n\r\n"),
    ("a request for trailers", "2\r\n{}\r\n0\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n"),
];

const WHOLE: &str = "2;a=b\r\n{}\r\n0;c\r\nX: y\r\n\r\n";
const REFUSED: &str = "400 body_broken closed";

pub(super) fn cases() -> Vec<Case> {
    [broken(&infer()), broken("/x"), whole()].concat()
}

fn head(path: &str, fields: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n{fields}\r\n")
}

/// Each comes with its head, and with a request behind it that nobody may answer.
fn broken(path: &str) -> Vec<Case> {
    let class = if path == "/x" { "broken chunks to the server behind" } else { "broken chunks to us" };
    let (head, live) = (head(path, ""), "GET /v2/health/live HTTP/1.1\r\nHost: a\r\n\r\n");
    let (extended, pages) = (format!("1;{}\r\n \r\n", "x".repeat(900)), "x".repeat(9_000));
    let made = [
        ("a long extension", format!("2;{pages}\r\n{{}}\r\n0\r\n\r\n")),
        ("too many extensions", format!("{}0\r\n\r\n", extended.repeat(30))),
        ("too long trailers", format!("0\r\nX: {pages}{pages}\r\n\r\n")),
    ];
    let bodies = BROKEN.iter().map(|(name, body)| (*name, (*body).to_owned())).chain(made);
    let at_once = bodies.clone().map(|(name, body)| case(class, name, format!("{head}{body}{live}"), REFUSED));
    let slowly = bodies.filter(|(_, body)| body.len() < 100).map(|(name, body)| Case {
        moves: vec![Move::Send(head.clone().into_bytes()), Move::Trickle(format!("{body}{live}").into_bytes())],
        ..case(class, &format!("{name}, byte by byte"), "", REFUSED)
    });
    at_once.chain(slowly).collect()
}

fn whole() -> Vec<Case> {
    let with = |name: &str, bytes: String, expected| case("whole chunks", name, bytes, expected);
    let (ours, theirs) = (head(&infer(), "") + WHOLE, head("/x", "") + WHOLE);
    let live = "GET /v2/health/live HTTP/1.1\r\nHost: a\r\n\r\n";
    let sized = format!("POST {} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{{}}", infer());
    let slowly = |bytes: &str| vec![Move::Trickle(bytes.as_bytes().to_vec())];
    vec![
        with("to us", ours.clone(), "400 malformed open"),
        with("to the server behind", theirs.clone(), "200 - open"),
        with("with requests behind it", format!("{ours}{live}{theirs}{live}"), "400,200,200,200 malformed open"),
        with(
            "behind requests of all kinds",
            format!("{live}{sized}{theirs}{sized}{theirs}{live}"),
            "200,400,200,400,200,200 malformed open",
        ),
        with("behind an empty line", format!("\r\n{theirs}\r\n{theirs}"), "200,200 - open"),
        with("broken behind a whole one", format!("{theirs}{}", theirs.replace("2;", ";")), "200,400 body_broken closed"),
        with("in capitals", theirs.replace("chunked", "CHUNKED"), "200 - open"),
        with("broken, in capitals", theirs.replace("chunked", "CHUNKED").replace("2;", ";"), REFUSED),
        with("where no body is read", head("/v2/health/live", "") + WHOLE, "405 method_not_allowed closed"),
        with("that was asked for, to us", head(&infer(), "Expect: 100-continue\r\n") + WHOLE, "400 malformed open"),
        with("that was asked for, to the server behind", head("/x", "Expect: 100-continue\r\n") + WHOLE, "200 - open"),
        Case {
            moves: slowly(&format!("{live}{sized}{theirs}{sized}{theirs}{live}")),
            ..with("behind requests of all kinds, byte by byte", String::new(), "200,400,200,400,200,200 malformed open")
        },
        with("the word in another place", format!("GET /x?chunked HTTP/1.1\r\nHost: a\r\n\r\n{sized}{live}"), "200,400,200 malformed open"),
    ]
}

#[test]
fn what_was_passed_on_of_a_broken_body_is_never_completed() {
    let server = upstream();
    let forebay = Forebay::start(&format!("upstream: http://{}\n", server.address));
    let mut connection = Connection::open(&forebay.api);
    connection.send(format!("{}5\r\nhello\r\n", head("/x", "")));
    let passed = |server: &Server| server.raw().concat();
    until_true("the first chunk at the server behind", || passed(&server).ends_with(b"hello\r\n"));
    connection.send("3;\nabc\r\n0\r\n\r\n");
    assert_eq!(connection.answer().problem(), "body_broken");
    assert!(connection.is_closed());
    let counted = || forebay.metric("forebay_requests_total", &[("code", "400"), ("reason", "body_broken")]) == 1.0;
    until_true("the refusal in the metrics", counted);
    // The server behind writes down whatever is complete.
    assert!(server.received().is_empty());
    assert!(passed(&server).ends_with(b"hello\r\n"));
}
