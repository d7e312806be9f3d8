//! An HTTP/1.1 client that sends exactly the bytes it is given and reads one answer at a time.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde_json::Value;

use super::wait::LONG;

/// One answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case, in the order in which they came.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Statuses of the interim answers before it, such as 100.
    pub(crate) interim: Vec<u16>,
    /// Whether it says that the connection ends with it, in a header or by its framing.
    pub(crate) closes: bool,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    /// The end of the problem type, which is the metric label too.
    pub(crate) fn problem(&self) -> String {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{}", self.text());
        let kind = self.json()["type"].as_str().unwrap().to_owned();
        kind.rsplit([':', '#']).next().unwrap().to_owned()
    }
}

#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A connection to a server. Reads fail after [`LONG`].
#[derive(Debug)]
pub(crate) struct Connection {
    stream: Stream,
    /// Read and not yet used.
    ahead: Vec<u8>,
}

impl Connection {
    /// `address` is `host:port` or `unix:/path`.
    pub(crate) fn open(address: &str) -> Self {
        Self::try_open(address).unwrap_or_else(|e| panic!("cannot connect to {address}: {e}"))
    }

    pub(crate) fn try_open(address: &str) -> io::Result<Self> {
        let stream = match address.strip_prefix("unix:") {
            Some(path) => Stream::Unix(UnixStream::connect(path)?),
            None => {
                let stream = TcpStream::connect(address)?;
                stream.set_nodelay(true)?;
                Stream::Tcp(stream)
            }
        };
        let connection = Connection { stream, ahead: Vec::new() };
        connection.patience(LONG);
        Ok(connection)
    }

    /// How long one read or write may take.
    pub(crate) fn patience(&self, most: Duration) {
        let set = match &self.stream {
            Stream::Tcp(s) => s.set_read_timeout(Some(most)).and(s.set_write_timeout(Some(most))),
            Stream::Unix(s) => s.set_read_timeout(Some(most)).and(s.set_write_timeout(Some(most))),
        };
        set.unwrap();
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).unwrap();
    }

    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        match &mut self.stream {
            Stream::Tcp(s) => s.write_all(bytes.as_ref()),
            Stream::Unix(s) => s.write_all(bytes.as_ref()),
        }
    }

    /// Nothing more will be sent; answers can still be read.
    pub(crate) fn half_close(&self) {
        let done = match &self.stream {
            Stream::Tcp(s) => s.shutdown(Shutdown::Write),
            Stream::Unix(s) => s.shutdown(Shutdown::Write),
        };
        done.unwrap();
    }

    fn read_more(&mut self) -> io::Result<usize> {
        let mut piece = [0; 16 << 10];
        let read = match &mut self.stream {
            Stream::Tcp(s) => s.read(&mut piece),
            Stream::Unix(s) => s.read(&mut piece),
        }?;
        self.ahead.extend_from_slice(&piece[..read]);
        Ok(read)
    }

    /// As [`Self::read_more`], but an end is an error.
    fn must_read_more(&mut self) -> io::Result<()> {
        match self.read_more()? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    /// The answer to a request of any method but HEAD.
    pub(crate) fn answer(&mut self) -> Answer {
        self.try_answer().unwrap_or_else(|e| panic!("no answer: {e}; got {:?}", String::from_utf8_lossy(&self.ahead)))
    }

    /// The answer to a HEAD request.
    pub(crate) fn answer_to_head(&mut self) -> Answer {
        self.final_head().unwrap()
    }

    pub(crate) fn try_answer(&mut self) -> io::Result<Answer> {
        let mut answer = self.final_head()?;
        let chunked = answer.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"));
        let length: Option<usize> = answer.header("content-length").map(|value| value.parse().unwrap());
        answer.body = match (answer.status, chunked, length) {
            (204 | 304 | 101, _, _) => Vec::new(),
            (_, true, _) => self.chunks()?,
            (_, false, Some(length)) => self.take(length)?,
            (_, false, None) => {
                answer.closes = true;
                while self.read_more()? > 0 {}
                std::mem::take(&mut self.ahead)
            }
        };
        Ok(answer)
    }

    /// The first head that is not interim.
    fn final_head(&mut self) -> io::Result<Answer> {
        let mut interim = Vec::new();
        loop {
            let head = self.head()?;
            if !(100..200).contains(&head.status) || head.status == 101 {
                return Ok(Answer { interim, ..head });
            }
            interim.push(head.status);
        }
    }

    fn head(&mut self) -> io::Result<Answer> {
        let mut lines = Vec::new();
        loop {
            match self.line()? {
                line if line.is_empty() => break,
                line => lines.push(line),
            }
        }
        let (first, rest) = lines.split_first().ok_or(ErrorKind::InvalidData)?;
        let mut words = first.splitn(3, ' ');
        let version = words.next().unwrap_or_default();
        let status = words.next().and_then(|word| word.parse().ok()).ok_or(ErrorKind::InvalidData)?;
        let split = |line: &String| line.split_once(':').map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()));
        let headers: Vec<_> = rest.iter().map(|line| split(line).ok_or(ErrorKind::InvalidData)).collect::<Result<_, _>>()?;
        let closes =
            headers.iter().any(|(name, value)| name == "connection" && value.eq_ignore_ascii_case("close")) || version == "HTTP/1.0";
        Ok(Answer { status, headers, closes, ..Answer::default() })
    }

    /// Up to the next CRLF, without it.
    fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.ahead.windows(2).position(|pair| pair == b"\r\n") {
                let line = String::from_utf8_lossy(&self.ahead[..end]).into_owned();
                self.ahead.drain(..end + 2);
                return Ok(line);
            }
            self.must_read_more()?;
        }
    }

    fn take(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.ahead.len() < length {
            self.must_read_more()?;
        }
        Ok(self.ahead.drain(..length).collect())
    }

    fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.line()?;
            let size = line.split(';').next().and_then(|digits| usize::from_str_radix(digits.trim(), 16).ok());
            match size.ok_or(ErrorKind::InvalidData)? {
                0 => break,
                size => body.extend(self.take(size)?),
            }
            self.line()?;
        }
        // Trailers.
        while !self.line()?.is_empty() {}
        Ok(body)
    }

    /// Bytes that have come and belong to no answer read so far; does not wait.
    pub(crate) fn pending(&mut self) -> Vec<u8> {
        self.patience(Duration::from_millis(1));
        while matches!(self.read_more(), Ok(n) if n > 0) {}
        self.patience(LONG);
        self.ahead.clone()
    }

    /// Reads to the end. True when the server closed within [`LONG`], in order or by a reset.
    pub(crate) fn is_closed(&mut self) -> bool {
        loop {
            match self.read_more() {
                Ok(0) => return true,
                Ok(_) => {}
                Err(e) => return !matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
            }
        }
    }

    /// Whether another request is answered on this connection, whatever the answer is.
    pub(crate) fn is_usable(&mut self) -> bool {
        self.try_send(request("GET", "/v2/health/live", &[], b"")).is_ok() && self.try_answer().is_ok()
    }
}

/// A well-formed request with a Host, and a Content-Length where there is a body or the method has one.
pub(crate) fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: forebay.test\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() || method == "POST" {
        head.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    [head.as_bytes(), body].concat()
}

/// GET on a connection of its own.
pub(crate) fn get(address: &str, path: &str) -> Answer {
    let mut connection = Connection::open(address);
    connection.send(request("GET", path, &[("connection", "close")], b""));
    connection.answer()
}

/// POST of JSON on a connection of its own.
pub(crate) fn post(address: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut connection = Connection::open(address);
    let headers = [&[("connection", "close"), ("content-type", "application/json")], headers].concat();
    connection.send(request("POST", path, &headers, body));
    connection.answer()
}
