//! Fields that frame a message or say whom it is for: lengths, codings, Host, Connection, Expect, Upgrade.

use super::{Case, SMUGGLED, case, post};

/// Name, field lines, what follows the head, and how many requests may pass.
const FIELDS: &[(&str, &str, &str, usize)] = &[
    ("a length", "Content-Length: 5\r\n", "hello", 1),
    ("a length of nothing", "Content-Length: 0\r\n", "", 1),
    ("no length", "", "", 1),
    ("leading zeros", "Content-Length: 0005\r\n", "hello", 1),
    ("two equal lengths", "Content-Length: 5\r\nContent-Length: 5\r\n", "hello", 0),
    ("two lengths, the second smaller", "Content-Length: 5\r\nContent-Length: 0\r\n", "hello", 0),
    ("two lengths in one field", "Content-Length: 5, 5\r\n", "hello", 0),
    ("two different lengths in one field", "Content-Length: 5, 6\r\n", "hello", 0),
    ("a length with a sign", "Content-Length: +5\r\n", "hello", 0),
    ("a negative length", "Content-Length: -5\r\n", "hello", 0),
    ("a hexadecimal length", "Content-Length: 0x5\r\n", "hello", 0),
    ("a length with a fraction", "Content-Length: 5.0\r\n", "hello", 0),
    ("a length with an exponent", "Content-Length: 5e0\r\n", "hello", 0),
    ("a length with an underscore", "Content-Length: 1_0\r\n", "hello", 0),
    ("a length in quotes", "Content-Length: \"5\"\r\n", "hello", 0),
    ("a length with a semicolon", "Content-Length: 5;x\r\n", "hello", 0),
    ("a length of words", "Content-Length: five\r\n", "hello", 0),
    ("an empty length", "Content-Length:\r\n", "hello", 0),
    ("blanks inside a length", "Content-Length: 1 0\r\n", "hello", 0),
    ("blanks around a length", "Content-Length: \t5 \t\r\n", "hello", 1),
    ("a length over 64 bits", "Content-Length: 18446744073709551621\r\n", "hello", 0),
    ("a length over 63 bits", "Content-Length: 9223372036854775808\r\n", "hello", 0),
    ("a huge length", "Content-Length: 999999999999999\r\n", "hello", 0),
    ("a length without a hyphen", "ContentLength: 5\r\n", "", 1),
    ("a blank before the colon of a length", "Content-Length : 5\r\n", "hello", 0),
    ("a length with an underscore for its hyphen", "Content_Length: 5\r\n", "hello", 0),
    ("a shadow of the length beside it", "Content-Length: 0\r\nContent_Length: 5\r\n", "", 0),
    ("a coding with an underscore for its hyphen", "Transfer_Encoding: chunked\r\n", "0\r\n\r\n", 0),
    ("a shadow of the coding beside a length", "Content-Length: 5\r\nTransfer_Encoding: chunked\r\n", "0\r\n\r\n", 0),
    ("a shadow of Host", "H_ost: b\r\n", "", 1),
    ("a field with an underscore that frames nothing", "X_Y: z\r\n", "", 1),
    ("chunked", "Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n", 1),
    ("chunked in capitals", "TRANSFER-ENCODING: CHUNKED\r\n", "5\r\nhello\r\n0\r\n\r\n", 1),
    ("chunked and a length", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n", 0),
    ("a length and chunked", "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n", 0),
    ("chunked and a length of nothing", "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n", "0\r\n\r\n", 0),
    ("chunked twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n", 0),
    ("chunked twice in one field", "Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n", 0),
    ("identity", "Transfer-Encoding: identity\r\n", "", 0),
    ("identity and a length", "Transfer-Encoding: identity\r\nContent-Length: 5\r\n", "hello", 0),
    ("chunked and identity", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "0\r\n\r\n", 0),
    ("gzip and chunked", "Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n", 0),
    ("chunked and gzip", "Transfer-Encoding: chunked, gzip\r\n", "0\r\n\r\n", 0),
    ("an empty coding and chunked", "Transfer-Encoding: , chunked\r\n", "0\r\n\r\n", 0),
    ("xchunked", "Transfer-Encoding: xchunked\r\n", "0\r\n\r\n", 0),
    ("chunkedx", "Transfer-Encoding: chunkedx\r\n", "0\r\n\r\n", 0),
    ("chunked with a parameter", "Transfer-Encoding: chunked;q=1\r\n", "0\r\n\r\n", 0),
    ("chunked in quotes", "Transfer-Encoding: \"chunked\"\r\n", "0\r\n\r\n", 0),
    ("chunked after a vertical tab", "Transfer-Encoding: \u{b}chunked\r\n", "0\r\n\r\n", 0),
    ("chunked before a tab", "Transfer-Encoding: chunked\t\r\n", "0\r\n\r\n", 1),
    ("chunked after a NUL", "Transfer-Encoding: \0chunked\r\n", "0\r\n\r\n", 0),
    ("chunked folded", "Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n", 0),
    ("a blank before the colon of a coding", "Transfer-Encoding : chunked\r\n", "0\r\n\r\n", 0),
    ("an empty coding", "Transfer-Encoding:\r\n", "", 0),
    ("an empty coding and a length", "Transfer-Encoding:\r\nContent-Length: 5\r\n", "hello", 0),
    ("a coding behind a bare LF", "X: y\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n", 0),
    ("a coding behind a bare CR", "X: y\rTransfer-Encoding: chunked\r\n", "0\r\n\r\n", 0),
    ("a coding of a neighbour's name", "X-Transfer-Encoding: chunked\r\n", "", 1),
    ("two hosts", "Host: b\r\n", "", 0),
    ("the same host twice", "Host: a\r\n", "", 0),
    ("Connection names the length", "Connection: content-length\r\nContent-Length: 5\r\n", "hello", 1),
    ("Connection names the coding", "Connection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n", 1),
    ("Connection names Host", "Connection: host\r\n", "", 0),
    ("Connection names an ordinary field", "Connection: x-y\r\nX-Y: z\r\n", "", 1),
    ("Connection names nothing", "Connection: ,,\r\n", "", 1),
    ("Connection names no token", "Connection: \"close\"\r\n", "", 0),
    ("Connection names a pseudo-header", "Connection: :path\r\n", "", 0),
    ("Keep-Alive", "Keep-Alive: timeout=5\r\nConnection: keep-alive\r\n", "", 1),
    ("Proxy-Connection", "Proxy-Connection: keep-alive\r\n", "", 1),
    ("TE", "TE: trailers\r\nConnection: te\r\n", "", 1),
    ("Trailer names the length", "Trailer: Content-Length\r\nTransfer-Encoding: chunked\r\n", "0\r\nContent-Length: 5\r\n\r\n", 1),
    ("Expect", "Expect: 100-continue\r\nContent-Length: 5\r\n", "hello", 1),
    ("Expect and chunked", "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n", 1),
    ("Expect without a body", "Expect: 100-continue\r\n", "", 1),
    ("Expect of something else", "Expect: 200-ok\r\nContent-Length: 5\r\n", "hello", 0),
    ("Expect with something more", "Expect: 100-continue, x\r\nContent-Length: 5\r\n", "hello", 0),
    ("Expect twice", "Expect: 100-continue\r\nExpect: x\r\nContent-Length: 5\r\n", "hello", 0),
    ("Upgrade to h2c", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n", "", 1),
    ("Upgrade to h2c with a body", "Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 5\r\n", "hello", 1),
    ("Upgrade to TLS", "Connection: Upgrade\r\nUpgrade: TLS/1.2\r\n", "", 1),
    ("Upgrade without Connection", "Upgrade: websocket\r\n", "", 1),
    ("Upgrade to many things", "Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n", "", 1),
    ("a body with Content-Encoding", "Content-Encoding: gzip\r\nContent-Length: 5\r\n", "hello", 1),
    ("two shadows of Host", "HOST: a\r\n", "", 0),
    ("a method override", "X-HTTP-Method-Override: GET\r\nContent-Length: 5\r\n", "hello", 1),
];

/// Hosts that are or are not hosts.
const HOSTS: &[(&str, usize)] = &[
    ("", 1),
    ("a:8080", 1),
    ("[::1]:80", 1),
    ("a, b", 0),
    ("a b", 0),
    ("a/b", 0),
    ("http://a", 0),
    ("u@a", 0),
    ("a?b", 0),
    ("a#b", 0),
    ("a\\b", 0),
    ("a\tb", 0),
    ("\u{e9}", 0),
];

pub(super) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = FIELDS.iter().map(|(name, fields, rest, passes)| post(name, fields, rest, *passes)).collect();
    for (host, passes) in HOSTS {
        cases.push(case(&format!("the host {host:?}"), format!("GET /case HTTP/1.1\r\nHost: {host}\r\n\r\n"), *passes));
    }
    for method in ["GET", "HEAD", "DELETE", "OPTIONS"] {
        let length = SMUGGLED.len();
        let hidden = format!("{method} /case HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{SMUGGLED}");
        cases.push(case(&format!("a body with {method}"), hidden, 1));
        let hidden =
            format!("{method} /case HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{length:x}\r\n{SMUGGLED}\r\n0\r\n\r\n");
        cases.push(case(&format!("a chunked body with {method}"), hidden, 1));
    }
    cases.extend(hidden_requests());
    cases
}

/// A second request where a body may or may not end before it.
fn hidden_requests() -> Vec<Case> {
    let websocket =
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let length = SMUGGLED.len();
    let both = |first: &str, second: &str| post("", &format!("{first}{second}"), &format!("0\r\n\r\n{SMUGGLED}"), 0);
    let (size, coding) = (format!("Content-Length: {}\r\n", length + 5), "Transfer-Encoding: chunked\r\n");
    vec![
        Case { name: "the length hides what chunked shows".to_owned(), ..both(&size, coding) },
        Case { name: "chunked first, the length second".to_owned(), ..both(coding, &size) },
        post("the length hides what xchunked shows", &format!("{size}Transfer-Encoding: xchunked\r\n"), &format!("0\r\n\r\n{SMUGGLED}"), 0),
        post("a shadow of the coding hides the rest", &format!("{size}Transfer_Encoding: chunked\r\n"), &format!("0\r\n\r\n{SMUGGLED}"), 0),
        post("the second length hides a request", &format!("Content-Length: 0\r\nContent-Length: {length}\r\n"), SMUGGLED, 0),
        post("a shadow of the length hides a request", &format!("Content-Length: {length}\r\nContent_Length: 0\r\n"), SMUGGLED, 0),
        post(
            "Connection takes the length from a hidden request",
            &format!("Connection: close, content-length\r\nContent-Length: {length}\r\n"),
            SMUGGLED,
            1,
        ),
        post("Expect and a hidden request", &format!("Expect: 100-continue\r\nContent-Length: {length}\r\n"), SMUGGLED, 1),
        post(
            "a websocket that the server declines, with a hidden request",
            &format!("{websocket}Content-Length: {length}\r\n"),
            SMUGGLED,
            1,
        ),
        case(
            "a websocket with chunks and a hidden request",
            format!("GET /case HTTP/1.1\r\nHost: a\r\n{websocket}{coding}\r\n{length:x}\r\n{SMUGGLED}\r\n0\r\n\r\n"),
            1,
        ),
        case("a websocket that the server declines", format!("GET /case HTTP/1.1\r\nHost: a\r\n{websocket}\r\n"), 1),
        case(
            "a websocket with a wrong version and a hidden request",
            format!(
                "GET /case HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 1\r\nContent-Length: {length}\r\n\r\n{SMUGGLED}"
            ),
            1,
        ),
        case(
            "chunked over HTTP/1.0",
            format!("POST /case HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{SMUGGLED}"),
            0,
        ),
        case("both framings over HTTP/1.0", format!("POST /case HTTP/1.0\r\nHost: a\r\n{size}{coding}\r\n0\r\n\r\n{SMUGGLED}"), 0),
        case("a length over HTTP/1.0", format!("POST /case HTTP/1.0\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{SMUGGLED}"), 1),
    ]
}
