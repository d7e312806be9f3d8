//! Pipelining, HTTP/1.0, HEAD, half-closed sockets, a request byte by byte, and what is no HTTP at all.

use super::{Case, Move, case, infer};

const LIVE: &str = "GET /v2/health/live HTTP/1.1\r\nHost: a\r\n\r\n";

pub(super) fn cases() -> Vec<Case> {
    [pipelines(), old(), heads(), halves(), trickles(), others()].concat()
}

fn pipelines() -> Vec<Case> {
    let with = |name: &str, bytes: String, expected| case("pipelining", name, bytes, expected);
    let bad_body = format!("POST {} HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n{{", infer());
    vec![
        with("three", LIVE.repeat(3), "200,200,200 - open"),
        with("to us and to the server behind", format!("{LIVE}GET /x HTTP/1.1\r\nHost: a\r\n\r\n{LIVE}"), "200,200,200 - open"),
        with("a refused one in between", format!("{LIVE}{bad_body}{LIVE}"), "200,400,200 malformed open"),
        with("an unreadable one in between", format!("{LIVE}GET /v2 HTTP/1.1\r\n\r\n{LIVE}"), "200,400 bad_head closed"),
        with(
            "one that closes first",
            format!("GET /v2/health/live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n{LIVE}"),
            "200 - closed",
        ),
        Case {
            moves: vec![Move::Send(format!("{LIVE}GET /v2 HT").into()), Move::Send(b"TP/1.1\r\nHost: a\r\n\r\n".to_vec())],
            ..with("half a head at the end, and its rest", String::new(), "200,200 - open")
        },
        with(
            "half a body at the end",
            format!("{LIVE}POST {} HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{{", infer()),
            "200,408 body_timed_out closed",
        ),
        with("an empty line in between", format!("{LIVE}\r\n{LIVE}"), "200,200 - open"),
        with(
            "a body that holds a request",
            format!("POST {} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{LIVE}", infer(), LIVE.len()),
            "400 malformed open",
        ),
    ]
}

fn old() -> Vec<Case> {
    let with = |name: &str, bytes: &str, expected| case("HTTP/1.0", name, bytes, expected);
    vec![
        with("plain", "GET /v2/health/live HTTP/1.0\r\n\r\n", "200 - closed"),
        with("with Host", "GET /v2/health/live HTTP/1.0\r\nHost: a\r\n\r\n", "200 - closed"),
        with("that stays", "GET /v2/health/live HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "200 - open"),
        with("passed on without Host", "GET /x HTTP/1.0\r\n\r\n", "200 - closed"),
        with("chunked", "POST /x HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400 bad_head closed"),
        with("two hosts", "GET /x HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", "400 bad_head closed"),
        with("with a body and no length", "POST /x HTTP/1.0\r\n\r\nhello", "200 - closed"),
        with("with LF alone", "GET /x HTTP/1.0\n\n", "400 bad_head closed"),
        with("HTTP/0.9", "GET /v2/health/live\r\n", "none - closed"),
        with("HTTP/1.9", "GET /v2 HTTP/1.9\r\nHost: a\r\n\r\n", "400 bad_head closed"),
        with("HTTP/3.0", "GET /v2 HTTP/3.0\r\nHost: a\r\n\r\n", "none - closed"),
    ]
}

fn heads() -> Vec<Case> {
    let with = |path: &str, fields: &str, expected| {
        case("HEAD", &format!("{path} {fields}"), format!("HEAD {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n"), expected)
    };
    vec![
        with("/v2", "", "200 - open"),
        with("/v2/health/live", "", "200 - open"),
        with("/v2/health/ready", "", "200 - open"),
        with("/v2/models/echo", "", "200 - open"),
        with("/x", "", "200 - open"),
        with(&infer(), "", "405 bodiless open"),
        with("/v2/models/echo/versions/9", "", "404 bodiless open"),
        with("/v2", "Expect: wine\r\n", "417 bodiless open"),
        with("/v2", "Content_Length: 5\r\n", "400 bodiless closed"),
    ]
}

fn halves() -> Vec<Case> {
    let after = |name: &str, bytes: String, expected| Case {
        class: "half-closed",
        name: name.to_owned(),
        moves: vec![Move::Send(bytes.into_bytes()), Move::HalfClose],
        expected,
    };
    vec![
        after("nothing", String::new(), "none - closed"),
        after("a request to us", LIVE.to_owned(), "200 - closed"),
        after("two requests to us", LIVE.repeat(2), "200,200 - closed"),
        after("half a method", "GE".to_owned(), "none - closed"),
        after("half the preface of HTTP/2", "PRI * HTTP/2.0\r\n".to_owned(), "none - closed"),
        after("half a head", "GET /v2 HTTP/1.1\r\nHost: a\r\n".to_owned(), "none - closed"),
        after("a head without its body", format!("POST {} HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n", infer()), "none - closed"),
        after("half a body", format!("POST {} HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{{", infer()), "none - closed"),
        after(
            "half a chunk",
            format!("POST {} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{{", infer()),
            "none - closed",
        ),
    ]
}

fn trickles() -> Vec<Case> {
    let slowly = |name: &str, bytes: String, expected| Case {
        class: "byte by byte",
        name: name.to_owned(),
        moves: vec![Move::Trickle(bytes.into_bytes())],
        expected,
    };
    let post = |fields: &str, body: &str| format!("POST {} HTTP/1.1\r\nHost: a\r\n{fields}\r\n{body}", infer());
    vec![
        slowly("a request to us", LIVE.to_owned(), "200 - open"),
        slowly("two requests", LIVE.repeat(2), "200,200 - open"),
        slowly("a request to the server behind", "GET /x HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), "200 - open"),
        slowly("a body", post("Content-Length: 1\r\n", "{"), "400 malformed open"),
        slowly("chunks", post("Transfer-Encoding: chunked\r\n", "1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"), "400 malformed open"),
        slowly(
            "chunks to the server behind",
            "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n0\r\n\r\n".to_owned(),
            "200 - open",
        ),
        slowly("trailers", post("Transfer-Encoding: chunked\r\n", "0\r\nX: y\r\n\r\n"), "400 malformed open"),
        slowly("an ambiguous head", post("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", ""), "400 bad_head closed"),
    ]
}

fn others() -> Vec<Case> {
    let with = |name: &str, bytes: &[u8], expected| case("not HTTP", name, bytes, expected);
    vec![
        with("a TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n", "none - closed"),
        with("a line of SMTP", b"EHLO a\r\n", "none - closed"),
        with("a line of SSH", b"SSH-2.0-x\r\n", "none - closed"),
        with("a command of Redis", b"*1\r\n$4\r\nPING\r\n", "none - closed"),
        with("zeros", &[0; 1000], "400 bad_head closed"),
        with("noise", &(0..4000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect::<Vec<_>>(), "none - closed"),
        with("line feeds", &[b'\n'; 10_000], "none - closed"),
        with("blanks", &[b' '; 100_000], "400 bad_head closed"),
        with("a preface with a mistake", b"PRI * HTTP/2.0\r\n\r\nSX\r\n\r\n", "none - closed"),
    ]
}
