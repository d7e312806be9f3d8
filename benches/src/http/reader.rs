//! Cuts what a connection brings into messages.

use std::io::{self, Read};

use super::head::{Framing, Head, HttpError};

/// Largest head that is waited for.
const LARGEST_HEAD: usize = 64 * 1024;
/// Largest body that is collected.
const LARGEST_BODY: usize = 64 * 1024 * 1024;
/// What one read asks for.
const STEP: usize = 16 * 1024;

/// How a read ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filled {
    /// All that was there was taken; the connection goes on.
    Open,
    /// The peer has ended its side.
    Ended,
}

/// One whole message. Its body lies in the reader until the next is asked for.
#[derive(Debug)]
pub struct Message<'a> {
    pub head: Head,
    pub body: &'a [u8],
}

/// Reads a head and its length from the start of what came; `None` while it is incomplete.
type ReadHead = fn(&[u8]) -> Result<Option<(Head, usize)>, HttpError>;

/// Bytes that came and are not used up, and the message being cut from them.
#[derive(Debug)]
pub struct Reader {
    read_head: ReadHead,
    bytes: Vec<u8>,
    /// Bytes at the start that belong to the message handed out last.
    used: usize,
    head: Option<(Head, usize)>,
    /// Chunks of the current body, and where in `bytes` the next one begins.
    chunks: Vec<u8>,
    next_chunk: usize,
}

/// How far a chunked body was read.
enum Chunks {
    Incomplete,
    /// The body is whole and ends here.
    End(usize),
}

impl Reader {
    /// Reads requests: the side of a server.
    pub fn of_requests() -> Self {
        Reader::new(Head::request)
    }

    /// Reads answers: the side of a client.
    pub fn of_answers() -> Self {
        Reader::new(Head::answer)
    }

    fn new(read_head: ReadHead) -> Self {
        Reader { read_head, bytes: Vec::new(), used: 0, head: None, chunks: Vec::new(), next_chunk: 0 }
    }

    /// Whether nothing of a next message has come.
    pub fn is_empty(&self) -> bool {
        self.bytes.len() == self.used
    }

    /// Takes in what `source` has now.
    pub fn fill(&mut self, source: &mut impl Read) -> io::Result<Filled> {
        self.forget_used();
        loop {
            let before = self.bytes.len();
            self.bytes.resize(before + STEP, 0);
            let read = source.read(self.bytes.get_mut(before..).unwrap_or_default());
            self.bytes.truncate(before + *read.as_ref().unwrap_or(&0));
            match read {
                Ok(0) => return Ok(Filled::Ended),
                // A short read has emptied the socket: asking again would only cost a call.
                Ok(read) if read < STEP => return Ok(Filled::Open),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Filled::Open),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The next whole message, if it has come. `ended` says that nothing more will.
    pub fn next(&mut self, ended: bool) -> Result<Option<Message<'_>>, HttpError> {
        self.forget_used();
        if self.head.is_none() && !self.read_head()? {
            return if ended && !self.is_empty() { Err(HttpError::Truncated) } else { Ok(None) };
        }
        let Some((framing, start)) = self.head.as_ref().map(|(head, start)| (head.framing, *start)) else { return Ok(None) };
        let end = match framing {
            Framing::Length(length) if length > LARGEST_BODY => return Err(HttpError::TooLarge),
            Framing::Length(length) => Some(start + length).filter(|&end| end <= self.bytes.len()),
            Framing::UntilClose => ended.then_some(self.bytes.len()),
            Framing::Chunked => match self.read_chunks()? {
                Chunks::Incomplete => None,
                Chunks::End(end) => Some(end),
            },
        };
        let Some(end) = end else {
            return if ended { Err(HttpError::Truncated) } else { Ok(None) };
        };
        self.used = end;
        let body = if framing == Framing::Chunked { Some(self.chunks.as_slice()) } else { self.bytes.get(start..end) };
        Ok(self.head.take().zip(body).map(|((head, _), body)| Message { head, body }))
    }

    fn forget_used(&mut self) {
        if self.used > 0 {
            self.bytes.drain(..self.used);
            self.used = 0;
        }
    }

    fn read_head(&mut self) -> Result<bool, HttpError> {
        match (self.read_head)(&self.bytes)? {
            // An interim answer announces the one that is waited for.
            Some((head, length)) if head.status() / 100 == 1 => {
                self.bytes.drain(..length);
                self.read_head()
            }
            Some((head, length)) => {
                self.chunks.clear();
                self.next_chunk = length;
                self.head = Some((head, length));
                Ok(true)
            }
            None if self.bytes.len() > LARGEST_HEAD => Err(HttpError::TooLarge),
            None => Ok(false),
        }
    }

    /// Takes the whole chunks that have come; RFC 9112, section 7.1. Trailers are skipped.
    fn read_chunks(&mut self) -> Result<Chunks, HttpError> {
        loop {
            let rest = self.bytes.get(self.next_chunk..).unwrap_or_default();
            let httparse::Status::Complete((start, size)) = httparse::parse_chunk_size(rest).map_err(|_| HttpError::Chunk)? else {
                return Ok(Chunks::Incomplete);
            };
            if size == 0 {
                return Ok(trailers_end(rest, start).map_or(Chunks::Incomplete, |end| Chunks::End(self.next_chunk + end)));
            }
            let size = usize::try_from(size)
                .ok()
                .filter(|size: &usize| self.chunks.len().saturating_add(*size) <= LARGEST_BODY)
                .ok_or(HttpError::TooLarge)?;
            let (Some(chunk), Some(line_end)) = (rest.get(start..start + size), rest.get(start + size..start + size + 2)) else {
                return Ok(Chunks::Incomplete);
            };
            if line_end != b"\r\n" {
                return Err(HttpError::Chunk);
            }
            self.chunks.extend_from_slice(chunk);
            self.next_chunk += start + size + 2;
        }
    }
}

/// Where the empty line after the last chunk ends.
fn trailers_end(rest: &[u8], start: usize) -> Option<usize> {
    let trailers = rest.get(start..)?;
    if trailers.starts_with(b"\r\n") {
        return Some(start + 2);
    }
    trailers.windows(4).position(|w| w == b"\r\n\r\n").map(|at| start + at + 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `wire` in pieces of `step` bytes; returns the bodies of the messages found.
    fn bodies(wire: &[u8], step: usize) -> Result<Vec<String>, HttpError> {
        let mut reader = Reader::of_answers();
        let mut found = Vec::new();
        for piece in wire.chunks(step) {
            assert_eq!(reader.fill(&mut &piece[..]).unwrap(), Filled::Open);
            while let Some(message) = reader.next(false)? {
                found.push(String::from_utf8_lossy(message.body).into_owned());
            }
        }
        while let Some(message) = reader.next(true)? {
            found.push(String::from_utf8_lossy(message.body).into_owned());
        }
        Ok(found)
    }

    const THREE: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nfirst\
        HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nsec\r\n3;x=y\r\nond\r\n0\r\nt: v\r\n\r\n\
        HTTP/1.1 200 OK\r\n\r\nthird";

    #[test]
    fn messages_are_the_same_however_they_are_cut() {
        for step in [1, 2, 3, 7, 50, THREE.len()] {
            assert_eq!(bodies(THREE, step).unwrap(), ["first", "second", "third"], "in pieces of {step}");
        }
    }

    #[test]
    fn an_end_within_a_message_is_an_error() {
        for cut in [10, 40, 90, 120] {
            assert_eq!(bodies(&THREE[..cut], 200), Err(HttpError::Truncated), "cut at {cut}");
        }
    }

    #[test]
    fn a_length_beyond_reason_is_refused_before_it_is_waited_for() {
        assert_eq!(bodies(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n", 100), Err(HttpError::TooLarge));
    }
}
