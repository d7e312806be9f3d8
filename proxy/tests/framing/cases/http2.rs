//! Streams of HTTP/2 whose translation to HTTP/1.1 could go wrong.

use super::{Case, RACE, SMUGGLED, case, numbered};
use crate::frames::{DATA, END_HEADERS, END_STREAM, Field, HEADERS, block, data, frame, get, headers, post};

/// Fields beside those of a GET that may pass or not.
const BESIDE: &[(&str, &[Field<'_>], usize)] = &[
    ("nothing", &[], 1),
    ("an ordinary field", &[(b"x", b"y")], 1),
    ("a name in capitals", &[(b"X-Y", b"z")], 0),
    ("an empty name", &[(b"", b"y")], 0),
    ("a name with a colon", &[(b"x:y", b"z")], 0),
    ("a name with a blank", &[(b"x y", b"z")], 0),
    ("a name with CR LF", &[(b"x\r\ny", b"z")], 0),
    ("a name that is a whole line", &[(b"x: y\r\ntransfer-encoding", b"chunked")], 0),
    ("a name with a NUL", &[(b"x\0y", b"z")], 0),
    ("a name above ASCII", &[(b"x\xe9", b"z")], 0),
    ("a value with CR LF", &[(b"x", b"y\r\ntransfer-encoding: chunked")], 0),
    ("a value with LF", &[(b"x", b"y\nz: w")], 0),
    ("a value with CR", &[(b"x", b"y\rz: w")], 0),
    ("a value with a NUL", &[(b"x", b"y\0z")], 0),
    ("a value above ASCII", &[(b"x", b"caf\xe9")], 1),
    ("a value with blanks around it", &[(b"x", b" y ")], 1),
    ("an empty value", &[(b"x", b"")], 1),
    ("transfer-encoding", &[(b"transfer-encoding", b"chunked")], 0),
    ("transfer-encoding: identity", &[(b"transfer-encoding", b"identity")], 0),
    ("connection", &[(b"connection", b"close")], 0),
    ("connection: te", &[(b"connection", b"te")], 0),
    ("keep-alive", &[(b"keep-alive", b"5")], 0),
    ("proxy-connection", &[(b"proxy-connection", b"close")], 0),
    ("upgrade", &[(b"upgrade", b"websocket")], 0),
    ("te: trailers", &[(b"te", b"trailers")], 1),
    ("te of something else", &[(b"te", b"gzip")], 0),
    ("a shadow of the length", &[(b"content_length", b"5")], 0),
    ("a shadow of the coding", &[(b"transfer_encoding", b"chunked")], 0),
    ("the same host", &[(b"host", b"forebay.test")], 1),
    ("another host", &[(b"host", b"b")], 0),
    ("two hosts", &[(b"host", b"forebay.test"), (b"host", b"forebay.test")], 0),
    ("many cookies", &[(b"cookie", b"a=b"), (b"cookie", b"c=d"), (b"cookie", b"e=f")], 1),
    ("a length without a body", &[(b"content-length", b"5")], 0),
    ("a length of nothing", &[(b"content-length", b"0")], 1),
    ("two lengths of nothing", &[(b"content-length", b"0"), (b"content-length", b"0")], 0),
    ("expect", &[(b"expect", b"100-continue")], 1),
    ("expect of something else", &[(b"expect", b"x")], 0),
    ("an unknown pseudo-header", &[(b":x", b"y")], 0),
    ("a pseudo-header of answers", &[(b":status", b"200")], 0),
    ("a pseudo-header after a field", &[(b"x", b"y"), (b":path", b"/z")], 0),
    ("a second :method", &[(b":method", b"GET")], 0),
    ("a second :path", &[(b":path", b"/smuggled")], 0),
    ("a second :authority", &[(b":authority", b"b")], 0),
];

/// Other values of one pseudo-header.
const INSTEAD: &[(&[u8], &[u8], usize)] = &[
    (b":path", b"", 0),
    (b":path", b"case", 0),
    (b":path", b"*", 1),
    (b":path", b"/a b", 0),
    (b":path", b"/a HTTP/1.1\r\nhost: b\r\n\r\nGET /smuggled", 0),
    (b":path", b"/a\r\n", 0),
    (b":path", b"/a\tb", 0),
    (b":path", b"/a\0b", 0),
    (b":path", b"/caf\xc3\xa9", 0),
    (b":path", b"/a#b", 1),
    (b":path", b"http://b/case", 0),
    (b":path", b"//b/case", 1),
    (b":method", b"", 0),
    (b":method", b"GET /smuggled HTTP/1.1", 0),
    (b":method", b"G\r\nT", 0),
    (b":method", b"G(T", 0),
    (b":method", b"BREW", 1),
    (b":scheme", b"", 1),
    (b":scheme", b"https", 1),
    (b":scheme", b"http://a/smuggled? HTTP/1.1\r\nx: y\r\n\r\n", 0),
    (b":authority", b"", 0),
    (b":authority", b"a:80", 1),
    (b":authority", b"a b", 0),
    (b":authority", b"u@a", 0),
    (b":authority", b"a/b", 0),
    (b":authority", b"a\r\nx: y", 0),
    (b":authority", b"a, b", 0),
];

pub(crate) fn http2() -> Vec<Case> {
    let plain = get("/case");
    let mut cases: Vec<Case> = BESIDE
        .iter()
        .map(|(name, beside, passes)| case(&format!("h2: {name}"), headers(1, END_STREAM, &[&plain, *beside].concat()), *passes))
        .collect();
    for (name, value, passes) in INSTEAD {
        let fields = plain.map(|(known, old)| if known == *name { (known, *value) } else { (known, old) });
        let title = format!("h2: {} is {:?}", name.escape_ascii(), value.escape_ascii().to_string());
        cases.push(case(&title, headers(1, END_STREAM, &fields), *passes));
    }
    for missing in [&b":method"[..], b":scheme", b":path", b":authority"] {
        let fields: Vec<_> = plain.into_iter().filter(|(name, _)| *name != missing).collect();
        cases.push(case(&format!("h2: no {}", missing.escape_ascii()), headers(1, END_STREAM, &fields), 0));
    }
    cases.extend(bodies());
    cases.extend(trailers());
    numbered(cases)
}

fn with_length(name: &str, length: &str, pieces: &[&str], passes: usize) -> Case {
    let fields = [&post("/case")[..], &[(b"content-length", length.as_bytes())]].concat();
    let mut bytes = headers(1, if pieces.is_empty() { END_STREAM } else { 0 }, &fields);
    for (i, piece) in pieces.iter().enumerate() {
        bytes.extend(data(1, if i + 1 == pieces.len() { END_STREAM } else { 0 }, piece.as_bytes()));
    }
    case(&format!("h2: {name}"), bytes, passes)
}

fn bodies() -> Vec<Case> {
    let without = |pieces: Vec<Vec<u8>>| [headers(1, 0, &post("/case")), pieces.concat()].concat();
    let padded = frame(DATA, END_STREAM | 8, 1, b"\x03hello\0\0\0");
    vec![
        with_length("a length that holds", "5", &["hello"], 1),
        with_length("a length that holds over two frames", "5", &["he", "llo"], 1),
        with_length("a length with an empty last frame", "5", &["hello", ""], 1),
        with_length("a length that is too small", "3", &["hello"], 0),
        with_length("a length that is too large", "9", &["hello"], 0),
        with_length("a length of nothing and a body", "0", &[SMUGGLED], RACE),
        with_length("a length with a sign", "+5", &["hello"], 0),
        with_length("two lengths in one field", "5, 5", &["hello"], 0),
        with_length("an empty length", "", &["hello"], 0),
        with_length("a length that overflows", "18446744073709551621", &["hello"], 0),
        case("h2: a body without a length", without(vec![data(1, END_STREAM, SMUGGLED.as_bytes())]), 1),
        case("h2: an empty body without a length", without(vec![data(1, END_STREAM, b"")]), 1),
        case("h2: a body that looks chunked", without(vec![data(1, END_STREAM, b"0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n")]), 1),
        case("h2: a padded body", without(vec![padded]), 1),
        case("h2: padding longer than its frame", without(vec![frame(DATA, END_STREAM | 8, 1, b"\x20hello")]), 0),
        case("h2: a body that goes on after its end", without(vec![data(1, END_STREAM, b"hello"), data(1, END_STREAM, b"more")]), RACE),
        case("h2: a body for a stream that never began", data(3, END_STREAM, b"hello"), 0),
        case("h2: a GET with a body", [headers(1, 0, &get("/case")), data(1, END_STREAM, SMUGGLED.as_bytes())].concat(), 1),
        case("h2: two streams", [headers(1, END_STREAM, &get("/case")), headers(3, END_STREAM, &get("/second"))].concat(), 2),
        case("h2: a stream with an even number", headers(2, END_STREAM, &get("/case")), 0),
        case(
            "h2: a stream that goes back",
            [headers(3, END_STREAM, &get("/case")), headers(1, END_STREAM, &get("/second"))].concat(),
            RACE,
        ),
        case("h2: a head in two frames", in_two_frames(), 1),
    ]
}

fn in_two_frames() -> Vec<u8> {
    let block = block(&get("/case"));
    let (first, second) = block.split_at(10);
    [frame(HEADERS, END_STREAM, 1, first), frame(crate::frames::CONTINUATION, END_HEADERS, 1, second)].concat()
}

fn trailers() -> Vec<Case> {
    let with = |name: &str, trailers: &[Field<'_>], passes| {
        let bytes = [headers(1, 0, &post("/case")), data(1, 0, b"hello"), headers(1, END_STREAM, trailers)].concat();
        case(&format!("h2: {name}"), bytes, passes)
    };
    vec![
        with("a trailer", &[(b"x", b"y")], 1),
        with("a pseudo-header in the trailers", &[(b":path", b"/smuggled")], 1),
        with("a length in the trailers", &[(b"content-length", b"5")], 1),
        with("a coding in the trailers", &[(b"transfer-encoding", b"chunked")], 0),
        with("CR LF in the trailers", &[(b"x", b"y\r\nz: w")], 0),
        case("h2: trailers that do not end the stream", [headers(1, 0, &post("/case")), headers(1, 0, &[(b"x", b"y")])].concat(), 0),
    ]
}
