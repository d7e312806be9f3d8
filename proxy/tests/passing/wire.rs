//! Both ends of a connection, and the server behind Forebay as a listener.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use socket2::SockRef;

use crate::support::{Forebay, LONG, until};

/// A socket that takes nothing for so long is full.
const FULL: Duration = Duration::from_millis(300);

/// One end of a connection.
#[derive(Debug)]
pub(crate) struct End {
    stream: TcpStream,
    ahead: Vec<u8>,
}

impl End {
    fn of(stream: TcpStream) -> Self {
        stream.set_nonblocking(false).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream.set_write_timeout(Some(LONG)).unwrap();
        End { stream, ahead: Vec::new() }
    }

    pub(crate) fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).unwrap();
    }

    /// Everything up to and with `end`.
    pub(crate) fn read_to(&mut self, end: &str) -> String {
        loop {
            if let Some(at) = self.ahead.windows(end.len()).position(|w| w == end.as_bytes()) {
                return self.take(at + end.len());
            }
            assert!(self.more(), "closed before {end:?}: {:?}", String::from_utf8_lossy(&self.ahead));
        }
    }

    /// A whole head.
    pub(crate) fn head(&mut self) -> String {
        self.read_to("\r\n\r\n")
    }

    /// So many bytes.
    pub(crate) fn read(&mut self, bytes: usize) -> String {
        while self.ahead.len() < bytes {
            assert!(self.more(), "closed before {bytes} bytes: {:?}", String::from_utf8_lossy(&self.ahead));
        }
        self.take(bytes)
    }

    /// Everything until the other end closes or breaks off.
    pub(crate) fn rest(&mut self) -> String {
        while self.more() {}
        self.take(self.ahead.len())
    }

    /// Sends so many bytes, as fast as they are taken.
    pub(crate) fn send_many(&mut self, bytes: usize) {
        self.stream.write_all(&vec![b'x'; bytes]).unwrap();
    }

    /// Sends until nothing is taken for a while; how much was.
    pub(crate) fn fill(&mut self) -> usize {
        self.stream.set_write_timeout(Some(FULL)).unwrap();
        std::iter::from_fn(|| self.stream.write(&[b'x'; 64 << 10]).ok()).sum()
    }

    /// Breaks the connection off, so that the other end hears of it even if nothing more fits on its way.
    pub(crate) fn reset(self) {
        SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// The same end once more, for another thread.
    pub(crate) fn again(&self) -> End {
        End { stream: self.stream.try_clone().unwrap(), ahead: Vec::new() }
    }

    /// Whether the other end broke the connection off, once everything before that is read.
    pub(crate) fn is_reset(&mut self) -> bool {
        loop {
            match self.stream.read(&mut [0; 1 << 10]) {
                Ok(0) => return false,
                Ok(_) => {}
                Err(error) => return error.kind() == ErrorKind::ConnectionReset,
            }
        }
    }

    /// Nothing more will be sent.
    pub(crate) fn half_close(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    fn take(&mut self, bytes: usize) -> String {
        String::from_utf8(self.ahead.drain(..bytes).collect()).unwrap()
    }

    /// Whether there was more.
    fn more(&mut self) -> bool {
        let mut piece = [0; 16 << 10];
        match self.stream.read(&mut piece) {
            Ok(0) => false,
            Ok(read) => {
                self.ahead.extend_from_slice(&piece[..read]);
                true
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{:?}", String::from_utf8_lossy(&self.ahead));
                false
            }
        }
    }
}

/// The server behind Forebay.
pub(crate) struct Behind {
    listener: TcpListener,
}

impl Behind {
    pub(crate) fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Behind { listener }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    /// Forebay in front, with `listen.limits`.
    pub(crate) fn forebay(&self, limits: &str) -> Forebay {
        Forebay::start(&format!("listen: {{ threads: 1, limits: {{ {limits} }} }}\nupstream: http://{}\n", self.address()))
    }

    /// The next connection, of which nothing is read while a client sends as much as is taken.
    pub(crate) fn server_that_reads_nothing(&self, client: &mut End) -> End {
        // What is gathered comes before the connection.
        client.send_many(20_000);
        let server = self.accept();
        assert!(client.fill() > 0);
        server
    }

    /// The next connection.
    pub(crate) fn accept(&self) -> End {
        End::of(until("a connection to the server", || self.listener.accept().ok()).0)
    }
}

/// A client's connection to Forebay.
pub(crate) fn client(forebay: &Forebay) -> End {
    End::of(TcpStream::connect(&forebay.api).unwrap())
}

/// A pair of both ends, with the first request answered: the connection to the server has been used.
pub(crate) fn used(forebay: &Forebay, behind: &Behind) -> (End, End) {
    let mut client = client(forebay);
    client.send("GET /first HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut server = behind.accept();
    server.head();
    server.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    client.read_to("\r\n\r\nok");
    (client, server)
}
