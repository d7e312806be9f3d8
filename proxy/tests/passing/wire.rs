//! Both ends of a connection, and the server behind Forebay as a listener.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};

use crate::support::{Forebay, LONG, until};

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
