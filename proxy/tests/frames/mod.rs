//! HTTP/2 by the byte: frames that no library would send, and just enough reading to see what they are answered with.
//!
//! Field blocks are written as literals without indexing, and the dynamic table of answers is switched off, so no compression state is kept.

// Each test file is a crate of its own and uses its part of this.
#![allow(dead_code, reason = "no test file uses all of it")]

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const ACK: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// A field as it is sent, unchecked.
pub(crate) type Field<'a> = (&'a [u8], &'a [u8]);

/// A well-formed GET.
pub(crate) fn get(path: &str) -> [Field<'_>; 4] {
    [(b":method", b"GET"), (b":scheme", b"http"), (b":path", path.as_bytes()), (b":authority", b"forebay.test")]
}

/// A well-formed POST.
pub(crate) fn post(path: &str) -> [Field<'_>; 4] {
    [(b":method", b"POST"), (b":scheme", b"http"), (b":path", path.as_bytes()), (b":authority", b"forebay.test")]
}

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut all = vec![length[1], length[2], length[3], kind, flags];
    all.extend(stream.to_be_bytes());
    all.extend_from_slice(payload);
    all
}

/// A whole field block in one frame.
pub(crate) fn headers(stream: u32, flags: u8, fields: &[Field<'_>]) -> Vec<u8> {
    frame(HEADERS, flags | END_HEADERS, stream, &block(fields))
}

pub(crate) fn data(stream: u32, flags: u8, bytes: &[u8]) -> Vec<u8> {
    frame(DATA, flags, stream, bytes)
}

pub(crate) fn reset(stream: u32) -> Vec<u8> {
    const CANCEL: u32 = 8;
    frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes())
}

pub(crate) fn setting(id: u16, value: u32) -> Vec<u8> {
    [&id.to_be_bytes()[..], &value.to_be_bytes()[..]].concat()
}

pub(crate) fn window_update(stream: u32, more: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &more.to_be_bytes())
}

/// Fields as literals without indexing (RFC 7541 section 6.2.2), without Huffman coding.
pub(crate) fn block(fields: &[Field<'_>]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        text(&mut block, name);
        text(&mut block, value);
    }
    block
}

fn text(block: &mut Vec<u8>, text: &[u8]) {
    integer(block, 7, 0, text.len());
    block.extend_from_slice(text);
}

/// An integer with a prefix of `bits` (RFC 7541 section 5.1).
pub(crate) fn integer(block: &mut Vec<u8>, bits: u8, pattern: u8, mut value: usize) {
    let most = (1usize << bits) - 1;
    if value < most {
        block.push(pattern | value as u8);
        return;
    }
    block.push(pattern | most as u8);
    value -= most;
    while value >= 128 {
        block.push(value as u8 | 128);
        value >>= 7;
    }
    block.push(value as u8);
}

/// The status in the field block of an answer.
pub(crate) fn status(block: &[u8]) -> Option<u16> {
    // A server acknowledges the table's new size first (RFC 7541 section 6.3).
    let start = block.iter().position(|&b| b & 0xe0 != 0x20)?;
    const INDEXED: [u16; 7] = [200, 204, 206, 304, 400, 404, 500];
    match *block.get(start)? {
        b @ 0x88..=0x8e => INDEXED.get(usize::from(b - 0x88)).copied(),
        // A literal whose name is the indexed `:status`, as any of the three kinds.
        0x08..=0x0e | 0x18..=0x1e | 0x48..=0x4e => digits(block.get(start + 1..)?),
        _ => None,
    }
}

fn digits(coded: &[u8]) -> Option<u16> {
    let length = usize::from(coded.first()? & 0x7f);
    let bytes = coded.get(1..1 + length)?;
    if coded.first()? & 0x80 == 0 {
        return std::str::from_utf8(bytes).ok()?.parse().ok();
    }
    // Huffman: 0 to 2 have five bits, 3 to 9 have six (RFC 7541 appendix B).
    let bits: Vec<u8> = bytes.iter().flat_map(|b| (0..8).rev().map(move |i| b >> i & 1)).collect();
    let number = |bits: &[u8]| bits.iter().fold(0u16, |n, &b| n << 1 | u16::from(b));
    let (mut at, mut value) = (0, 0u16);
    for _ in 0..3 {
        let short = number(bits.get(at..at + 5)?);
        let digit = match short {
            0..=2 => short,
            _ => number(bits.get(at..at + 6)?).checked_sub(22)?,
        };
        at += if short <= 2 { 5 } else { 6 };
        value = value * 10 + digit;
    }
    Some(value)
}

/// A socket of either kind.
pub(crate) trait Socket: Read + Write + Send {}
impl Socket for TcpStream {}
impl Socket for UnixStream {}

/// Connects to `host:port` or `unix:/path`; reads and writes fail after `patience`.
pub(crate) fn dial(address: &str, patience: Duration) -> io::Result<Box<dyn Socket>> {
    Ok(match address.strip_prefix("unix:") {
        Some(path) => {
            let socket = UnixStream::connect(path)?;
            socket.set_read_timeout(Some(patience))?;
            socket.set_write_timeout(Some(patience))?;
            Box::new(socket)
        }
        None => {
            let socket = TcpStream::connect(address)?;
            socket.set_nodelay(true)?;
            socket.set_read_timeout(Some(patience))?;
            socket.set_write_timeout(Some(patience))?;
            Box::new(socket)
        }
    })
}

#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    pub(crate) fn ends_stream(&self) -> bool {
        self.kind == RST_STREAM || (matches!(self.kind, DATA | HEADERS) && self.flags & END_STREAM != 0)
    }
}

/// A connection that has sent its preface.
pub(crate) struct Wire {
    pub(crate) socket: Box<dyn Socket>,
}

impl Wire {
    /// Connects with `settings` beside the one that switches the dynamic table of answers off.
    pub(crate) fn open(address: &str, patience: Duration, settings: &[u8]) -> io::Result<Self> {
        const HEADER_TABLE_SIZE: u16 = 1;
        let mut wire = Wire { socket: dial(address, patience)? };
        let settings = [&setting(HEADER_TABLE_SIZE, 0), settings].concat();
        wire.send(&[PREFACE, &frame(SETTINGS, 0, 0, &settings)].concat())?;
        Ok(wire)
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.socket.write_all(bytes)
    }

    /// The next frame; `None` when the server closed. Settings and pings are acknowledged on the way.
    pub(crate) fn frame(&mut self) -> io::Result<Option<Frame>> {
        let mut head = [0; 9];
        match self.socket.read_exact(&mut head) {
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => return Err(e),
            Err(_) => return Ok(None),
            Ok(()) => {}
        }
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; length];
        if self.socket.read_exact(&mut payload).is_err() {
            return Ok(None);
        }
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]) & 0x7fff_ffff;
        let frame = Frame { kind: head[3], flags: head[4], stream, payload };
        if matches!(frame.kind, SETTINGS | PING) && frame.flags & ACK == 0 {
            let answer = if frame.kind == PING { &frame.payload[..] } else { &[] };
            // Whether the server still reads is seen at the next frame.
            let _ = self.send(&self::frame(frame.kind, ACK, 0, answer));
        }
        Ok(Some(frame))
    }

    /// Sends `fields` as a whole request and reads until it is answered: its status, or `None` when it was reset or the connection ended.
    pub(crate) fn exchange(&mut self, stream: u32, fields: &[Field<'_>]) -> io::Result<Option<u16>> {
        self.send(&headers(stream, END_STREAM, fields))?;
        self.answer(stream)
    }

    /// Reads until `stream` has ended.
    pub(crate) fn answer(&mut self, stream: u32) -> io::Result<Option<u16>> {
        let mut answered = None;
        while let Some(frame) = self.frame()? {
            if frame.stream != stream {
                continue;
            }
            if frame.kind == HEADERS {
                answered = answered.or(status(&frame.payload));
            }
            if frame.ends_stream() {
                return Ok(if frame.kind == RST_STREAM { None } else { answered });
            }
        }
        Ok(None)
    }
}
