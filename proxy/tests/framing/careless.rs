//! Careless readers: each habit here is or was the habit of a server in wide use.

use super::readers::{Message, Next};

/// What a careless reader does where RFC 9112 leaves it no choice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Habits {
    pub(crate) name: &'static str,
    /// A CR alone ends a line.
    bare_cr: bool,
    /// Of two framings the length holds.
    length_wins: bool,
    /// Of two fields with one name the last holds.
    last_wins: bool,
    /// `_` in a name is `-`.
    underscores: bool,
    /// `xchunked` and `gzip, chunked, x` are chunked too.
    any_chunked: bool,
    /// A line ends at a NUL.
    nul_ends: bool,
}

/// Old servers in C, gateways to scripts, and embedded ones.
pub(crate) const CARELESS: [Habits; 3] = [
    Habits {
        name: "the old one",
        bare_cr: false,
        length_wins: true,
        last_wins: false,
        underscores: false,
        any_chunked: false,
        nul_ends: true,
    },
    Habits {
        name: "the gateway",
        bare_cr: false,
        length_wins: false,
        last_wins: true,
        underscores: true,
        any_chunked: true,
        nul_ends: false,
    },
    Habits {
        name: "the small one",
        bare_cr: true,
        length_wins: true,
        last_wins: true,
        underscores: true,
        any_chunked: true,
        nul_ends: true,
    },
];

/// Reads one request with the given habits.
pub(crate) fn read(bytes: &[u8], habits: Habits) -> Next {
    let mut rest = Lines { bytes, at: 0, bare_cr: habits.bare_cr };
    let Some(first) = rest.line() else { return Next::More };
    // Empty lines before a request are skipped.
    if first.is_empty() {
        return match read(&bytes[rest.at..], habits) {
            Next::Whole(message) => Next::Whole(Message { length: message.length + rest.at, ..message }),
            other => other,
        };
    }
    let mut words = first.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let (method, target) = (words.next().unwrap_or_default().to_vec(), words.next().unwrap_or_default().to_vec());
    if words.next().is_none() {
        // HTTP/0.9 has a request line only.
        return Next::Whole(Message { method, target, body: Vec::new(), length: rest.at });
    }
    let Some(fields) = fields(&mut rest, habits) else { return Next::More };
    match body(&mut rest, &fields, habits) {
        None => Next::More,
        Some(body) => Next::Whole(Message { method, target, body, length: rest.at }),
    }
}

struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
    bare_cr: bool,
}

impl<'a> Lines<'a> {
    fn line(&mut self) -> Option<&'a [u8]> {
        let rest = &self.bytes[self.at..];
        let end = rest.iter().position(|&b| b == b'\n' || (self.bare_cr && b == b'\r'))?;
        let ends_with_both = rest[end] == b'\r' && rest.get(end + 1) == Some(&b'\n');
        self.at += end + 1 + usize::from(ends_with_both);
        let line = &rest[..end];
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.at..self.at.checked_add(length)?)?;
        self.at += length;
        Some(taken)
    }
}

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

fn fields(rest: &mut Lines<'_>, habits: Habits) -> Option<Fields> {
    let mut fields = Fields::new();
    loop {
        let line = rest.line()?;
        if line.is_empty() {
            return Some(fields);
        }
        if let (b' ' | b'\t', Some((_, value))) = (line[0], fields.last_mut()) {
            value.push(b' ');
            value.extend_from_slice(line.trim_ascii());
            continue;
        }
        let line = if habits.nul_ends { line.split(|&b| b == 0).next().unwrap_or_default() } else { line };
        let colon = line.iter().position(|&b| b == b':').unwrap_or(line.len());
        let mut name = line[..colon].trim_ascii().to_ascii_lowercase();
        if habits.underscores {
            name.iter_mut().filter(|b| **b == b'_').for_each(|b| *b = b'-');
        }
        fields.push((name, line.get(colon + 1..).unwrap_or_default().trim_ascii().to_vec()));
    }
}

fn body(rest: &mut Lines<'_>, fields: &Fields, habits: Habits) -> Option<Vec<u8>> {
    let one = |wanted: &[u8]| {
        let mut found = fields.iter().filter(|(name, _)| name == wanted).map(|(_, value)| &value[..]);
        if habits.last_wins { found.next_back() } else { found.next() }
    };
    let length = one(b"content-length").map(leading_number);
    let chunked = one(b"transfer-encoding").is_some_and(|coding| {
        let coding = coding.to_ascii_lowercase();
        coding == b"chunked" || (habits.any_chunked && coding.windows(7).any(|w| w == b"chunked"))
    });
    match (length, chunked) {
        (Some(length), false) => rest.take(length).map(<[u8]>::to_vec),
        (Some(length), true) if habits.length_wins => rest.take(length).map(<[u8]>::to_vec),
        (_, true) => chunks(rest),
        (None, false) => Some(Vec::new()),
    }
}

/// As `atoi` reads it: blanks, a sign, digits, and whatever follows.
fn leading_number(text: &[u8]) -> usize {
    let text = text.trim_ascii_start();
    let digits = text.strip_prefix(b"+").unwrap_or(text);
    digits.iter().take_while(|b| b.is_ascii_digit()).fold(0usize, |n, b| n.wrapping_mul(10).wrapping_add(usize::from(b - b'0')))
}

/// As `strtoul(…, 16)` reads it.
fn leading_hex(text: &[u8]) -> usize {
    let text = text.trim_ascii_start();
    let text = text.strip_prefix(b"+").unwrap_or(text);
    let text = text.strip_prefix(b"0x").or(text.strip_prefix(b"0X")).unwrap_or(text);
    let digits = text.iter().map_while(|b| char::from(*b).to_digit(16));
    digits.fold(0usize, |n, digit| n.wrapping_mul(16).wrapping_add(digit as usize))
}

fn chunks(rest: &mut Lines<'_>) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        match leading_hex(rest.line()?) {
            0 => break,
            size => body.extend_from_slice(rest.take(size)?),
        }
        // Whatever stands where the line should end is skipped.
        rest.line()?;
    }
    while !rest.line()?.is_empty() {}
    Some(body)
}
