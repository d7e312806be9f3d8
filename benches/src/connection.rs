//! One connection of the generator: at most one request in flight, kept alive between them.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::Instant;

use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with};

use crate::http::{Filled, HttpError, Message, Reader};
use crate::reactor::{Interest, Reactor};

/// A request that was handed to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flight {
    pub number: u64,
    /// When it should have been sent.
    pub due: Instant,
    /// When it was given to the socket.
    pub written: Instant,
}

/// A whole answer.
#[derive(Debug)]
pub struct Answered<'a> {
    pub flight: Flight,
    pub answer: Message<'a>,
    /// When its last byte was read.
    pub at: Instant,
    /// Whether the connection can take another request.
    pub keep: bool,
}

/// The connection is of no more use; the request on it, if any, failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broke {
    pub flight: Option<Flight>,
    pub fault: Fault,
}

/// Why a request got no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    Connect,
    /// Closed or reset before the answer was whole.
    Closed,
    NotHttp,
    Timeout,
    /// Still waiting for a free connection when the run ended.
    NeverSent,
}

impl Fault {
    pub fn name(self) -> &'static str {
        match self {
            Fault::Connect => "connect failed",
            Fault::Closed => "closed before the answer",
            Fault::NotHttp => "not HTTP",
            Fault::Timeout => "timed out",
            Fault::NeverSent => "never sent: no connection was free",
        }
    }
}

/// A socket to one target, and what is under way on it.
pub struct Connection {
    socket: TcpStream,
    key: u64,
    reader: Reader,
    unsent: Vec<u8>,
    /// The socket is not connected yet, or did not take all of `unsent`.
    blocked: bool,
    pub flight: Option<Flight>,
    pub target: usize,
}

impl Connection {
    /// Begins to connect, without waiting for it.
    pub fn open(address: SocketAddr, target: usize, key: u64, reactor: &Reactor) -> io::Result<Self> {
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let socket: OwnedFd = socket_with(family, SocketType::STREAM, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC, None)?;
        match connect(&socket, &address) {
            Ok(()) | Err(rustix::io::Errno::INPROGRESS) => {}
            Err(error) => return Err(error.into()),
        }
        let socket = TcpStream::from(socket);
        socket.set_nodelay(true)?;
        reactor.add(&socket, key, Interest::ReadAndWrite)?;
        let (reader, unsent) = (Reader::of_answers(), Vec::new());
        Ok(Connection { socket, key, reader, unsent, blocked: true, flight: None, target })
    }

    /// Where the next request's bytes are to be put before [`Connection::send`].
    pub fn outbox(&mut self) -> &mut Vec<u8> {
        self.unsent.clear();
        &mut self.unsent
    }

    /// Sends what is in the outbox as `flight`.
    pub fn send(&mut self, flight: Flight, reactor: &Reactor) -> Result<(), Broke> {
        self.flight = Some(flight);
        if self.blocked { Ok(()) } else { self.flush(reactor) }
    }

    /// The socket can be written.
    pub fn flush(&mut self, reactor: &Reactor) -> Result<(), Broke> {
        if !self.unsent.is_empty() {
            match (&self.socket).write(&self.unsent) {
                Ok(written) => drop(self.unsent.drain(..written)),
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected) => {}
                Err(_) => return Err(self.broke(Fault::Closed)),
            }
        }
        let blocked = !self.unsent.is_empty();
        if blocked != self.blocked {
            let interest = if blocked { Interest::ReadAndWrite } else { Interest::Read };
            if reactor.change(&self.socket, self.key, interest).is_err() {
                return Err(self.broke(Fault::Closed));
            }
            self.blocked = blocked;
        }
        Ok(())
    }

    /// The socket can be read.
    pub fn receive(&mut self) -> Result<Option<Answered<'_>>, Broke> {
        let ended = match self.reader.fill(&mut &self.socket) {
            Ok(filled) => filled == Filled::Ended,
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => return Err(self.broke(Fault::Connect)),
            Err(_) => return Err(self.broke(Fault::Closed)),
        };
        // Taken before the answer is looked into, so that only the server's time is measured.
        let at = Instant::now();
        let Some(flight) = self.flight else {
            return if ended || !self.reader.is_empty() { Err(self.broke(Fault::Closed)) } else { Ok(None) };
        };
        let fault = match self.reader.next(ended) {
            Ok(Some(answer)) => {
                self.flight = None;
                let keep = answer.head.keep_alive && !ended && self.unsent.is_empty();
                return Ok(Some(Answered { flight, answer, at, keep }));
            }
            Ok(None) if !ended => return Ok(None),
            Ok(None) | Err(HttpError::Truncated) => Fault::Closed,
            Err(_) => Fault::NotHttp,
        };
        self.flight = None;
        Err(Broke { flight: Some(flight), fault })
    }

    /// Gives the request in flight up.
    pub fn broke(&mut self, fault: Fault) -> Broke {
        Broke { flight: self.flight.take(), fault }
    }
}
