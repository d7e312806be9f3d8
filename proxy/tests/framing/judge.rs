//! Whether everybody agrees on what was asked: the readers behind the proxy with each other, and the client's answers with what was read.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::time::Duration;

use super::careless::{self, CARELESS};
use super::frames::{self, DATA, END_STREAM, GOAWAY, HEADERS, RST_STREAM, Wire};
use super::readers::{Rest, Split, split, strict};
use super::recorder::{Recorder, seen};
use super::support::until_true;

/// A proxy that has not answered and closed by then hangs. Each is told to wait a second at most.
const PATIENCE: Duration = Duration::from_secs(4);

/// Ends every case on HTTP/1.1: whoever still listens answers and closes.
const LAST: &[u8] = b"GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
/// The stream of the same on HTTP/2.
const LAST_STREAM: u32 = 101;

/// What a client sends, and how many requests of it a server may see.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) passes: usize,
    /// No other case asks for it.
    pub(crate) path: String,
}

/// What became of a case.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Statuses of the answers, in order; on HTTP/2 of the streams.
    pub(crate) statuses: Vec<u16>,
    /// Requests of the case that a server saw.
    pub(crate) passed: usize,
    pub(crate) hung: bool,
    pub(crate) disagreements: Vec<String>,
}

/// An answer at the client.
#[derive(Debug, Default)]
struct Heard {
    status: u16,
    seen: Option<String>,
    reset: bool,
}

pub(crate) fn over_http1(proxy: &str, recorder: &Recorder, case: &Case) -> Outcome {
    let mark = recorder.mark();
    let mut socket = frames::dial(proxy, PATIENCE).unwrap();
    // A proxy may close before it has read everything.
    let _sent = socket.write_all(&[&case.bytes, LAST].concat());
    let mut bytes = Vec::new();
    let hung = matches!(socket.read_to_end(&mut bytes), Err(e) if e.kind() == std::io::ErrorKind::WouldBlock);
    drop(socket);
    settle(recorder, &mark, case, answers(&bytes), 0, hung)
}

pub(crate) fn over_http2(proxy: &str, recorder: &Recorder, case: &Case) -> Outcome {
    let mark = recorder.mark();
    let mut wire = Wire::open(proxy, PATIENCE, &[]).unwrap();
    let last = frames::headers(LAST_STREAM, END_STREAM, &frames::get("/last"));
    let _sent = wire.send(&[&case.bytes[..], &last].concat());
    let (mut streams, mut hung) = (BTreeMap::<u32, Heard>::new(), false);
    let mut open = begun(&case.bytes);
    open.insert(LAST_STREAM);
    while !open.is_empty() {
        let frame = match wire.frame() {
            Ok(Some(frame)) if frame.kind != GOAWAY => frame,
            Ok(_) => break,
            Err(_) => {
                hung = true;
                break;
            }
        };
        if frame.stream == 0 {
            continue;
        }
        let heard = streams.entry(frame.stream).or_default();
        if frame.kind == HEADERS && heard.status == 0 {
            heard.status = frames::status(&frame.payload).unwrap_or(0);
        }
        if frame.kind == DATA && frame.payload.starts_with(b"seen ") {
            heard.seen = Some(String::from_utf8_lossy(&frame.payload).into_owned());
        }
        heard.reset |= frame.kind == RST_STREAM;
        if frame.ends_stream() {
            open.remove(&frame.stream);
        }
    }
    drop(wire);
    let unanswered = begun(&case.bytes).iter().filter(|stream| streams.get(*stream).is_none_or(|heard| heard.reset)).count();
    settle(recorder, &mark, case, streams.into_values().collect(), unanswered, hung)
}

/// The streams that `frames` begins.
fn begun(frames: &[u8]) -> BTreeSet<u32> {
    let (mut rest, mut streams) = (frames, BTreeSet::new());
    while let [a, b, c, kind, _, stream @ ..] = rest {
        let (number, after) = stream.split_at(4);
        if *kind == HEADERS {
            streams.insert(u32::from_be_bytes(number.try_into().unwrap()));
        }
        rest = &after[u32::from_be_bytes([0, *a, *b, *c]) as usize..];
    }
    streams
}

/// Waits until the server has seen everything, and judges. `cut` answers may be missing: the client knows that it has not got them.
fn settle(recorder: &Recorder, mark: &super::recorder::Mark, case: &Case, heard: Vec<Heard>, cut: usize, hung: bool) -> Outcome {
    until_true(&format!("the end of {:?} at the server", case.name), || recorder.is_quiet(mark));
    let mut outcome = Outcome { hung, statuses: heard.iter().map(|h| h.status).collect(), ..Outcome::default() };
    let mut read = Vec::new();
    for bytes in recorder.since(mark) {
        let strictly = split(&bytes, strict);
        outcome.disagreements.extend(differences(&bytes));
        read.extend(strictly.messages.iter().filter(|m| !is_late(&m.target, &case.path)).map(seen));
    }
    if let Some(smuggled) = read.iter().find(|seen| seen.contains("/smuggled")) {
        outcome.disagreements.push(format!("a request came out of a body: {smuggled}"));
    }
    let mut answered: Vec<String> = heard.into_iter().filter_map(|h| h.seen).collect();
    outcome.passed = read.iter().filter(|seen| !seen.contains("/last")).count();
    read.sort();
    answered.sort();
    let foreign = answered.iter().any(|seen| !read.contains(seen));
    if foreign || answered.len() > read.len() || answered.len() + cut < read.len() {
        outcome.disagreements.push(format!("the server saw {read:?}, the client was told of {answered:?}"));
    }
    outcome
}

/// Where a careless reader splits `bytes` otherwise than the strict one, and where the strict one refuses.
pub(crate) fn differences(bytes: &[u8]) -> Vec<String> {
    let strictly = split(bytes, strict);
    let mut found = Vec::new();
    if let Rest::Broken(why) = strictly.rest {
        found.push(format!("a strict reader refuses {:?}: {why}", bytes.escape_ascii().to_string()));
    }
    for habits in CARELESS {
        let otherwise = split(bytes, |bytes| careless::read(bytes, habits));
        if otherwise != strictly {
            found.push(format!("{} reads {}, a strict one {}", habits.name, told(&otherwise), told(&strictly)));
        }
    }
    found
}

/// Whether a request is of a case before, whose client was told of its end before it came here.
fn is_late(target: &[u8], own: &str) -> bool {
    let numbered = target.strip_prefix(b"/c").is_some_and(|rest| rest.len() >= 3 && rest[..3].iter().all(u8::is_ascii_digit));
    numbered && !target.starts_with(own.as_bytes())
}

/// A split in short.
fn told(split: &Split) -> String {
    let messages: Vec<String> = split.messages.iter().map(seen).collect();
    format!("{messages:?} and then {:?}", split.rest)
}

/// The answers in `bytes`. Those to HEAD are known by what the recorder says of them.
fn answers(bytes: &[u8]) -> Vec<Heard> {
    let (mut rest, mut all) = (bytes, Vec::new());
    while let Some(end) = rest.windows(4).position(|w| w == b"\r\n\r\n") {
        let head = String::from_utf8_lossy(&rest[..end]).into_owned();
        rest = &rest[end + 4..];
        let Some(status) = head.split(' ').nth(1).and_then(|word| word.parse().ok()) else { break };
        if status == 100 {
            continue;
        }
        let field = |wanted: &str| {
            let fields = head.lines().filter_map(|line| line.split_once(':'));
            fields.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim().to_owned())
        };
        let seen = field("x-seen");
        let bodiless = seen.as_ref().is_some_and(|seen| seen.starts_with("seen HEAD "));
        let length = field("content-length").and_then(|n| n.parse().ok()).unwrap_or(rest.len());
        rest = &rest[if bodiless { 0 } else { length.min(rest.len()) }..];
        all.push(Heard { status, seen, reset: false });
    }
    all
}
