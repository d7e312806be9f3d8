//! A scripted HTTP/1.1 server in the test's process that writes down what it gets.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use socket2::SockRef;

/// One request as it came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Received {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// What the script says to a request.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// Status, header lines and body; the length is added.
    Answer(u16, Vec<(String, String)>, Vec<u8>),
    /// These very bytes, then the connection is closed.
    Raw(Vec<u8>),
}

impl Reply {
    pub(crate) fn json(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Reply::Answer(status, vec![("content-type".to_owned(), "application/json".to_owned())], body.into())
    }
}

/// Bytes of a body that are written together with their head.
const ONE_PIECE: usize = 64 << 10;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 4_096;

type Script = dyn Fn(&Received) -> Reply + Send + Sync;

struct Shared {
    script: Box<Script>,
    received: Mutex<Vec<Received>>,
    /// Every byte of each connection, in the order of their beginnings.
    raw: Mutex<Vec<Vec<u8>>>,
    /// By their numbers; an ended one is not kept, or a flood would use up the descriptors.
    open: Mutex<HashMap<usize, TcpStream>>,
    stopping: AtomicBool,
}

/// A running server; stopped on drop.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

/// A server that answers every request with 200 and `upstream`.
pub(crate) fn upstream() -> Server {
    Server::start(|_| Reply::Answer(200, vec![("content-type".to_owned(), "text/plain".to_owned())], b"upstream".to_vec()))
}

impl Server {
    pub(crate) fn start(script: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let shared = Arc::new(Shared {
            script: Box::new(script),
            received: Mutex::default(),
            raw: Mutex::default(),
            open: Mutex::default(),
            stopping: AtomicBool::new(false),
        });
        let mut server = Server { address: listener.local_addr().unwrap(), shared, acceptor: None };
        server.accept(listener);
        server
    }

    fn accept(&mut self, listener: TcpListener) {
        // Of the 128 that std allows to wait, a flood would leave none to the others, and each would try again after a second.
        SockRef::from(&listener).listen(BACKLOG).unwrap();
        let shared = self.shared.clone();
        self.acceptor = Some(std::thread::spawn(move || {
            for number in 0.. {
                let Ok((stream, _)) = listener.accept() else { return };
                if shared.stopping.load(Ordering::SeqCst) {
                    return;
                }
                shared.open.lock().unwrap().insert(number, stream.try_clone().unwrap());
                let shared = shared.clone();
                // A connection ends with its client or with the server.
                std::thread::spawn(move || {
                    shared.serve(stream);
                    shared.open.lock().unwrap().remove(&number);
                });
            }
        }));
    }

    /// Closes the listener and every connection. New connections are refused from now on.
    pub(crate) fn stop(&mut self) {
        let Some(acceptor) = self.acceptor.take() else { return };
        self.shared.stopping.store(true, Ordering::SeqCst);
        // Wakes the acceptor.
        TcpStream::connect(self.address).ok();
        acceptor.join().unwrap();
        for (_, stream) in self.shared.open.lock().unwrap().drain() {
            stream.shutdown(Shutdown::Both).ok();
        }
    }

    /// Listens again where it did before.
    pub(crate) fn start_again(&mut self) {
        self.shared.stopping.store(false, Ordering::SeqCst);
        self.accept(TcpListener::bind(self.address).unwrap());
    }

    /// Requests so far, in the order in which they were complete.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.shared.received.lock().unwrap().clone()
    }

    /// Every byte of each connection so far.
    pub(crate) fn raw(&self) -> Vec<Vec<u8>> {
        self.shared.raw.lock().unwrap().clone()
    }

    pub(crate) fn forget(&self) {
        self.shared.received.lock().unwrap().clear();
        self.shared.raw.lock().unwrap().clear();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    /// One connection, to its end.
    fn serve(&self, stream: TcpStream) {
        stream.set_nodelay(true).unwrap();
        let at = {
            let mut raw = self.raw.lock().unwrap();
            raw.push(Vec::new());
            raw.len() - 1
        };
        let mut reader = Reader { stream, ahead: Vec::new(), shared: self, at };
        while let Ok(Some(received)) = reader.request() {
            self.received.lock().unwrap().push(received.clone());
            let written = match (self.script)(&received) {
                Reply::Answer(status, headers, body) => write_answer(&mut reader.stream, &received.method, status, &headers, &body),
                Reply::Raw(bytes) => {
                    reader.stream.write_all(&bytes).ok();
                    break;
                }
            };
            if written.is_err() {
                break;
            }
        }
        reader.stream.shutdown(Shutdown::Both).ok();
    }
}

fn write_answer(stream: &mut TcpStream, method: &str, status: u16, headers: &[(String, String)], body: &[u8]) -> io::Result<()> {
    let mut answer = format!("HTTP/1.1 {status} Scripted\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        answer.push_str(&format!("{name}: {value}\r\n"));
    }
    answer.push_str("\r\n");
    let body = if method == "HEAD" { &[] } else { body };
    // A small answer leaves in one piece; a large one is not worth a copy.
    if body.len() > ONE_PIECE {
        stream.write_all(answer.as_bytes())?;
        return stream.write_all(body);
    }
    stream.write_all(&[answer.as_bytes(), body].concat())
}

struct Reader<'a> {
    stream: TcpStream,
    ahead: Vec<u8>,
    shared: &'a Shared,
    /// Which of the raw connections this is.
    at: usize,
}

impl Reader<'_> {
    /// The next request; `None` when the client closed between two.
    fn request(&mut self) -> io::Result<Option<Received>> {
        let end = loop {
            if let Some(at) = self.ahead.windows(4).position(|w| w == b"\r\n\r\n") {
                break at;
            }
            if self.more()? == 0 {
                return Ok(None);
            }
        };
        let head = String::from_utf8_lossy(&self.ahead[..end]).into_owned();
        self.ahead.drain(..end + 4);
        let mut lines = head.split("\r\n");
        let mut words = lines.next().unwrap_or_default().split(' ');
        let (method, target) = (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned());
        let headers =
            lines.filter_map(|line| line.split_once(':')).map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()));
        let mut received = Received { method, target, headers: headers.collect(), body: Vec::new() };
        received.body = match (received.header("transfer-encoding").is_some(), received.header("content-length")) {
            (true, _) => self.chunks()?,
            (false, Some(length)) => self.take(length.parse().unwrap_or(0))?,
            (false, None) => Vec::new(),
        };
        Ok(Some(received))
    }

    fn more(&mut self) -> io::Result<usize> {
        let mut piece = [0; 16 << 10];
        let read = self.stream.read(&mut piece)?;
        self.ahead.extend_from_slice(&piece[..read]);
        if let Some(raw) = self.shared.raw.lock().unwrap().get_mut(self.at) {
            raw.extend_from_slice(&piece[..read]);
        }
        Ok(read)
    }

    fn take(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.ahead.len() < length {
            if self.more()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(self.ahead.drain(..length).collect())
    }

    fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let mut line = Vec::new();
            while !line.ends_with(b"\r\n") {
                line.extend(self.take(1)?);
            }
            let digits = String::from_utf8_lossy(&line);
            let size =
                usize::from_str_radix(digits.trim().split(';').next().unwrap_or_default(), 16).map_err(|_| io::ErrorKind::InvalidData)?;
            body.extend(self.take(size)?);
            self.take(2)?;
            if size == 0 {
                return Ok(body);
            }
        }
    }
}
