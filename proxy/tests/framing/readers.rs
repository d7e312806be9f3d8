//! Two kinds of servers that could stand behind a proxy: one that holds to RFC 9112, and careless ones with the habits of real servers.
//!
//! Both take bytes and say where a request ends. A proxy is safe when no two of them differ about what it sent.

/// One request as a reader understands it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) method: Vec<u8>,
    pub(crate) target: Vec<u8>,
    pub(crate) body: Vec<u8>,
    /// Bytes that it took from the wire.
    pub(crate) length: usize,
}

/// What a reader makes of the bytes so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Whole(Message),
    More,
    Broken(&'static str),
}

/// How the bytes of one connection split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Split {
    pub(crate) messages: Vec<Message>,
    pub(crate) rest: Rest,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    Nothing,
    /// A request that is not complete.
    Part,
    Broken(&'static str),
}

pub(crate) fn split(bytes: &[u8], read: impl Fn(&[u8]) -> Next) -> Split {
    let (mut at, mut messages) = (0, Vec::new());
    let rest = loop {
        if at == bytes.len() {
            break Rest::Nothing;
        }
        match read(&bytes[at..]) {
            Next::Whole(message) => {
                at += message.length;
                messages.push(message);
            }
            Next::More => break Rest::Part,
            Next::Broken(why) => break Rest::Broken(why),
        }
    };
    Split { messages, rest }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|w| w == wanted)
}

/// Reads as RFC 9112 demands, and refuses where it allows or demands that.
pub(crate) fn strict(bytes: &[u8]) -> Next {
    let Some(end) = find(bytes, b"\r\n\r\n") else {
        return match bytes.contains(&0) {
            true => Next::Broken("a NUL in the head"),
            false => Next::More,
        };
    };
    let mut lines = split_lines(&bytes[..end]);
    let (method, target, version) = match request_line(lines.remove(0)) {
        Ok(line) => line,
        Err(why) => return Next::Broken(why),
    };
    let fields: Result<Vec<_>, _> = lines.into_iter().map(field).collect();
    let framed = fields.and_then(|fields| framing(&fields, version));
    let (body, taken) = match framed {
        Err(why) => return Next::Broken(why),
        Ok(Framing::Nothing) => (Vec::new(), 0),
        Ok(Framing::Length(length)) => match bytes.get(end + 4..).and_then(|rest| rest.get(..length)) {
            None => return Next::More,
            Some(body) => (body.to_vec(), length),
        },
        Ok(Framing::Chunked) => match chunks(&bytes[end + 4..]) {
            Ok(Some(body)) => body,
            Ok(None) => return Next::More,
            Err(why) => return Next::Broken(why),
        },
    };
    Next::Whole(Message { method, target, body, length: end + 4 + taken })
}

fn split_lines(head: &[u8]) -> Vec<&[u8]> {
    let mut lines = Vec::new();
    let mut rest = head;
    while let Some(end) = find(rest, b"\r\n") {
        lines.push(&rest[..end]);
        rest = &rest[end + 2..];
    }
    lines.push(rest);
    lines
}

fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b))
}

fn request_line(line: &[u8]) -> Result<(Vec<u8>, Vec<u8>, u8), &'static str> {
    let words: Vec<&[u8]> = line.split(|&b| b == b' ').collect();
    let [method, target, version] = words[..] else { return Err("the request line has not three words") };
    let version = match version {
        b"HTTP/1.1" => 1,
        b"HTTP/1.0" => 0,
        _ => return Err("the version"),
    };
    match is_token(method) && !target.is_empty() && target.iter().all(u8::is_ascii_graphic) {
        true => Ok((method.to_vec(), target.to_vec(), version)),
        false => Err("the method or the target"),
    }
}

fn field(line: &[u8]) -> Result<(Vec<u8>, Vec<u8>), &'static str> {
    let colon = line.iter().position(|&b| b == b':').ok_or("a line without a colon")?;
    let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
    if !is_token(name) {
        return Err("a field's name is not a token");
    }
    if value.iter().any(|&b| b < b' ' && b != b'\t' || b == 127) {
        return Err("a control character in a field's value");
    }
    Ok((name.to_ascii_lowercase(), value.to_vec()))
}

enum Framing {
    Nothing,
    Length(usize),
    Chunked,
}

fn framing(fields: &[(Vec<u8>, Vec<u8>)], version: u8) -> Result<Framing, &'static str> {
    let all = |wanted: &[u8]| fields.iter().filter(|(name, _)| name == wanted).map(|(_, value)| &value[..]).collect::<Vec<_>>();
    let (lengths, codings, hosts) = (all(b"content-length"), all(b"transfer-encoding"), all(b"host"));
    if hosts.len() > 1 || (version == 1 && hosts.is_empty()) {
        return Err("Host is not there once");
    }
    if fields.iter().any(|(name, _)| matches!(&name[..], b"content_length" | b"transfer_encoding")) {
        return Err("a shadow of a framing field");
    }
    match (&lengths[..], &codings[..]) {
        ([], []) => Ok(Framing::Nothing),
        ([], [coding]) if version == 1 && coding.eq_ignore_ascii_case(b"chunked") => Ok(Framing::Chunked),
        ([length], []) if !length.is_empty() && length.iter().all(u8::is_ascii_digit) => {
            let length = std::str::from_utf8(length).ok().and_then(|digits| digits.parse().ok());
            length.filter(|&n: &usize| n < 1 << 60).map(Framing::Length).ok_or("the length overflows")
        }
        _ => Err("the framing fields"),
    }
}

/// A chunked body with its trailers, and the bytes that it took.
fn chunks(bytes: &[u8]) -> Result<Option<(Vec<u8>, usize)>, &'static str> {
    let (mut at, mut body) = (0, Vec::new());
    loop {
        let Some(end) = find(&bytes[at..], b"\r\n") else { return Ok(None) };
        let line = &bytes[at..at + end];
        let digits = line.split(|&b| b == b';').next().unwrap_or_default();
        if digits.is_empty() || digits.len() > 12 || !digits.iter().all(u8::is_ascii_hexdigit) || line.contains(&b'\n') {
            return Err("a chunk's size");
        }
        let size = std::str::from_utf8(digits).ok().and_then(|d| usize::from_str_radix(d, 16).ok()).ok_or("a chunk's size")?;
        at += end + 2;
        if size == 0 {
            return trailers(&bytes[at..]).map(|taken| taken.map(|taken| (body, at + taken)));
        }
        match bytes.get(at..at + size + 2) {
            None => return Ok(None),
            Some(chunk) if !chunk.ends_with(b"\r\n") => return Err("no CR LF after a chunk"),
            Some(chunk) => body.extend_from_slice(&chunk[..size]),
        }
        at += size + 2;
    }
}

fn trailers(bytes: &[u8]) -> Result<Option<usize>, &'static str> {
    let mut at = 0;
    loop {
        let Some(end) = find(&bytes[at..], b"\r\n") else { return Ok(None) };
        let line = &bytes[at..at + end];
        at += end + 2;
        if line.is_empty() {
            return Ok(Some(at));
        }
        let (name, _) = field(line)?;
        if matches!(&name[..], b"content-length" | b"transfer-encoding" | b"host") {
            return Err("a framing field in the trailers");
        }
    }
}
