//! Whether a head means one thing only.
//!
//! pingora's parser is lenient where servers differ: bare line feeds, folded lines, doubled lengths, two framings at once. Whatever two
//! readers could split differently is refused here before anything is forwarded (RFC 9112 sections 2.2, 5.1, 5.2, 6.1, 6.3 and 11.2).

use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, Version};
use pingora::http::RequestHeader;

use super::chunks::is_token;
use crate::rejection::Rejection;

/// Fields that decide where a message ends or whom it is for. Some servers read `_` in a name as `-`.
const FRAMING: [&str; 9] =
    ["content-length", "transfer-encoding", "content-encoding", "connection", "keep-alive", "host", "te", "trailer", "upgrade"];

/// Checks a head against the limits of size and number, and for ambiguities. `raw` is the head as received over HTTP/1.1.
pub(crate) fn check(head: &RequestHeader, raw: Option<&[u8]>, most_bytes: usize, most_fields: usize) -> Result<(), Rejection> {
    if raw.is_some_and(|raw| raw.len() > most_bytes) {
        return Err(Rejection::HeadTooLarge { limit: most_bytes });
    }
    if head.headers.len() > most_fields {
        return Err(Rejection::TooManyHeaders { limit: most_fields });
    }
    // pingora drops the length of a head that has both framings; only the bytes still show it.
    if raw.map(lines).transpose()?.is_some_and(|has_length| has_length) && head.headers.contains_key(TRANSFER_ENCODING) {
        return Err(bad("Content-Length and Transfer-Encoding are both there"));
    }
    // Over HTTP/2 the target may have bytes that HTTP/1.1 cannot carry; pingora escapes only those that came over HTTP/1.1.
    if !head.raw_path().iter().all(u8::is_ascii_graphic) {
        return Err(bad("the target has a character that must be percent-encoded"));
    }
    fields(&head.headers)?;
    framing(head)?;
    connection(&head.headers, most_fields)?;
    expectation(&head.headers)
}

fn bad(detail: &'static str) -> Rejection {
    Rejection::BadHead { detail }
}

/// Checks the lines of an HTTP/1.1 head byte by byte, and tells whether one of them is a `Content-Length`.
fn lines(raw: &[u8]) -> Result<bool, Rejection> {
    // One empty line before a request is allowed (RFC 9112 section 2.2).
    let raw = raw.strip_prefix(b"\r\n").unwrap_or(raw);
    let mut lines =
        raw.strip_suffix(b"\r\n\r\n").ok_or(bad("a line of the head does not end with CR LF"))?.split(|&b| b == b'\n').peekable();
    let (mut first, mut has_length) = (true, false);
    while let Some(line) = lines.next() {
        // All but the last kept the CR before the LF that was split at.
        let line = match lines.peek() {
            Some(_) => line.strip_suffix(b"\r").ok_or(bad("a line of the head ends with a bare LF"))?,
            None => line,
        };
        if line.iter().any(|&b| (b < b' ' && b != b'\t') || b == 0x7f) {
            return Err(bad("the head has a control character"));
        }
        if first {
            request_line(line)?;
            first = false;
        } else {
            has_length |= field_line(line)?.eq_ignore_ascii_case(b"content-length");
        }
    }
    Ok(has_length)
}

/// `method SP target SP version`, with one space each and nothing but visible ASCII in the target.
fn request_line(line: &[u8]) -> Result<(), Rejection> {
    let mut parts = line.split(|&b| b == b' ');
    let (Some(method), Some(target), Some(version), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err(bad("the request line is not a method, a target and a version with one space between them"));
    };
    if method.is_empty() || !method.iter().copied().all(is_token) {
        return Err(bad("the method is not a token"));
    }
    if target.is_empty() || !target.iter().all(u8::is_ascii_graphic) {
        return Err(bad("the target has a character that must be percent-encoded"));
    }
    match version {
        b"HTTP/1.1" | b"HTTP/1.0" => Ok(()),
        _ => Err(bad("the version is neither HTTP/1.1 nor HTTP/1.0")),
    }
}

/// The name in `name: value`, which has no space before its colon and is not folded from the line before.
fn field_line(line: &[u8]) -> Result<&[u8], Rejection> {
    if line.first().is_some_and(|&b| b == b' ' || b == b'\t') {
        return Err(bad("a header is folded over two lines"));
    }
    let name = line.split(|&b| b == b':').next().unwrap_or_default();
    if name.len() == line.len() {
        return Err(bad("a header has no colon"));
    }
    if name.is_empty() || !name.iter().copied().all(is_token) {
        return Err(bad("the name of a header is not a token"));
    }
    Ok(name)
}

/// No name that a lenient reader takes for a framing field.
fn fields(headers: &HeaderMap) -> Result<(), Rejection> {
    let shadows = |name: &str| name.contains('_') && FRAMING.contains(&name.replace('_', "-").as_str());
    match headers.keys().any(|name| shadows(name.as_str())) {
        true => Err(bad("the name of a header differs from one that frames messages only by an underscore")),
        false => Ok(()),
    }
}

fn framing(head: &RequestHeader) -> Result<(), Rejection> {
    let headers = &head.headers;
    let lengths = headers.get_all(CONTENT_LENGTH).iter().count();
    let codings = headers.get_all(TRANSFER_ENCODING).iter().count();
    if lengths > 1 {
        return Err(bad("Content-Length is there more than once"));
    }
    if let Some(length) = headers.get(CONTENT_LENGTH)
        && (length.is_empty() || length.len() > 18 || !length.as_bytes().iter().all(u8::is_ascii_digit))
    {
        return Err(bad("Content-Length is not a number of bytes"));
    }
    if codings > 0 {
        let chunked = headers.get(TRANSFER_ENCODING).is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"chunked"));
        if head.version != Version::HTTP_11 || codings > 1 || !chunked {
            return Err(bad("Transfer-Encoding is something other than chunked over HTTP/1.1"));
        }
    }
    host(head)
}

/// Exactly one `Host` over HTTP/1.1, at most one elsewhere, and nothing in it but a host and a port.
fn host(head: &RequestHeader) -> Result<(), Rejection> {
    let mut hosts = head.headers.get_all(HOST).iter();
    let (host, more) = (hosts.next(), hosts.next());
    if more.is_some() {
        return Err(bad("Host is there more than once"));
    }
    match host {
        None if head.version == Version::HTTP_11 => Err(bad("Host is missing")),
        None => Ok(()),
        // An empty one is allowed (RFC 9110 section 7.2); in a list or with a path it would be read differently by different servers.
        Some(host) => {
            let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._~%!$&'()*+;=:[]".contains(&b);
            host.as_bytes().iter().copied().all(allowed).then_some(()).ok_or(bad("Host is not a host and a port"))
        }
    }
}

/// `Connection` names fields that are not passed on, no more of them than there may be, and not what tells whom a request is for (RFC 9110
/// section 7.6.1).
fn connection(headers: &HeaderMap, most_fields: usize) -> Result<(), Rejection> {
    let names = headers.get_all(CONNECTION).iter().flat_map(|value| value.as_bytes().split(|&b| b == b',')).map(<[u8]>::trim_ascii);
    for (before, name) in names.enumerate() {
        if before >= most_fields {
            return Err(bad("Connection names more fields than there may be"));
        }
        if !name.iter().copied().all(is_token) {
            return Err(bad("Connection names something that is no field"));
        }
        if name.eq_ignore_ascii_case(b"host") {
            return Err(bad("Connection names Host"));
        }
    }
    Ok(())
}

fn expectation(headers: &HeaderMap) -> Result<(), Rejection> {
    match headers.get_all(EXPECT).iter().all(|v| v.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
        true => Ok(()),
        false => Err(Rejection::UnmetExpectation),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The verdict on a head whose fields were parsed leniently.
    fn verdict(raw: &str) -> Result<(), Rejection> {
        let mut fields = [httparse::EMPTY_HEADER; 64];
        let mut request = httparse::Request::new(&mut fields);
        let parsed = httparse::ParserConfig::default()
            .allow_obsolete_multiline_headers_in_responses(true)
            .parse_request(&mut request, raw.as_bytes());
        if parsed.is_err() {
            return lines(raw.as_bytes()).map(|_| ());
        }
        let mut head = RequestHeader::build(request.method.unwrap(), request.path.unwrap().as_bytes(), None).unwrap();
        head.set_version(if request.version == Some(0) { Version::HTTP_10 } else { Version::HTTP_11 });
        for field in request.headers.iter() {
            head.append_header(field.name.to_owned(), field.value).unwrap();
        }
        if head.headers.contains_key(TRANSFER_ENCODING) {
            head.remove_header(&CONTENT_LENGTH);
        }
        check(&head, Some(raw.as_bytes()), 1000, 20)
    }

    fn head(lines: &[&str]) -> String {
        format!("{}\r\n\r\n", lines.join("\r\n"))
    }

    #[test]
    fn one_empty_line_before_a_request_passes_and_two_do_not() {
        assert!(verdict("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n").is_ok());
        assert!(verdict("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n").is_err());
    }

    #[test]
    fn ordinary_heads_pass() {
        for fields in [
            &["Host: a"][..],
            &["Host: a:80", "Content-Length: 0"],
            &["host: [::1]:80", "transfer-encoding: Chunked"],
            &["Host: a", "Expect: 100-continue"],
            &["Host: a", "X-Text: gr\u{fc}n\ttab"],
            &["Host:"],
            &["Host: a", "Connection: keep-alive, , X-One"],
        ] {
            let raw = head(&[&["POST /v2/models/m/infer?x=1 HTTP/1.1"], fields].concat());
            assert!(verdict(&raw).is_ok(), "{raw:?}");
        }
        assert!(verdict("GET / HTTP/1.0\r\n\r\n").is_ok());
    }

    #[test]
    fn whatever_two_readers_could_split_differently_is_refused() {
        let cases: &[(&str, &str)] = &[
            ("GET / HTTP/1.1\nHost: a\r\n\r\n", "bare LF"),
            ("GET / HTTP/1.1\r\nHost: a\n\r\n", "CR LF"),
            ("GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n", "folded"),
            ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", "not a token"),
            ("GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", "no colon"),
            ("GET / HTTP/1.1\r\nHost: a\r\nX: \u{1}\r\n\r\n", "control character"),
            ("GET / HTTP/1.1\r\nHost: a\r\nX: b\rc\r\n\r\n", "control character"),
            ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", "one space"),
            ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", "version"),
            ("G(T / HTTP/1.1\r\nHost: a\r\n\r\n", "not a token"),
            ("GET / HTTP/1.1\r\n\r\n", "missing"),
            ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "more than once"),
            ("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", "not a host"),
            ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "not a host"),
            ("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", "not a host"),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", "more than once"),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n", "number of bytes"),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n", "number of bytes"),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\n", "number of bytes"),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", "number of bytes"),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n", "number of bytes"),
            ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n", "chunked"),
            ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "chunked"),
            ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", "chunked"),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", "both"),
            ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "chunked"),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent_Length: 5\r\n\r\n", "underscore"),
            ("POST / HTTP/1.1\r\nHost: a\r\ntransfer_encoding: chunked\r\n\r\n", "underscore"),
            ("GET / HTTP/1.1\r\nHost: a\r\nConnection: close, Host\r\n\r\n", "names Host"),
            ("GET / HTTP/1.1\r\nHost: a\r\nConnection: \"close\"\r\n\r\n", "no field"),
            ("GET / HTTP/1.1\r\nHost: a\r\nConnection: a,b,c,d,e,f,g,h,i,j\r\nConnection: k,l,m,n,o,p,q,r,s,t,u\r\n\r\n", "more fields"),
        ];
        for (raw, fragment) in cases {
            match verdict(raw) {
                Err(Rejection::BadHead { detail }) => assert!(detail.contains(fragment), "{raw:?}: {detail}"),
                other => panic!("{raw:?}: {other:?}"),
            }
        }
    }

    #[test]
    fn size_number_and_expectation_have_their_own_answers() {
        let long = head(&["GET / HTTP/1.1", "Host: a", &format!("X: {}", "x".repeat(1000))]);
        assert!(matches!(verdict(&long), Err(Rejection::HeadTooLarge { limit: 1000 })));
        let many: Vec<String> = (0..20).map(|i| format!("X-{i}: y")).collect();
        let many: Vec<&str> = ["GET / HTTP/1.1", "Host: a"].into_iter().chain(many.iter().map(String::as_str)).collect();
        assert!(matches!(verdict(&head(&many)), Err(Rejection::TooManyHeaders { limit: 20 })));
        assert!(matches!(verdict(&head(&["GET / HTTP/1.1", "Host: a", "Expect: wine"])), Err(Rejection::UnmetExpectation)));
    }
}
