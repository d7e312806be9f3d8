//! A small HTTP/1.1 server on one thread: what stands behind the proxies that are measured.
//!
//! It costs as little as it can, because it shares the machine with what is measured, and it ends a wait exactly when its [`Service`] says
//! that an answer is due. One request at a time per connection; what is pipelined waits for its turn.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, eventfd};

use crate::clock;
use crate::http::{Filled, Message, Reader};
use crate::reactor::{Interest, Reactor, Ready, Wait};

/// Sockets are left alone for this long before an answer is due, so that reading a large request cannot make it late.
const QUIET: Duration = Duration::from_micros(300);
const LISTENER: u64 = 0;
const STOP: u64 = 1;
const FIRST_CONNECTION: u64 = 2;

/// Who asked: a connection, as long as it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asker {
    slot: usize,
    generation: u64,
}

/// What is sent back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub content_type: &'static str,
    /// Length of the JSON before raw tensors.
    pub json_length: Option<usize>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Answer { status, content_type: "application/json", json_length: None, body: body.into() }
    }
}

/// What answers. Only one that answers late has more to say than [`Service::ask`].
pub trait Service {
    /// Answers at once, or returns `None` and answers `asker` later from [`Service::ripening`]. The request was seen at `seen`.
    fn ask(&mut self, asker: Asker, request: Message<'_>, seen: Instant) -> Option<Answer>;
    /// When the next late answer is due.
    fn due(&self) -> Option<Instant> {
        None
    }
    /// The late answer that is due next: it is written out before its time, so that it leaves on time.
    fn ripening(&self) -> Option<(Asker, &Answer)> {
        None
    }
    /// The answer that was due next left at `at`, and the next one may be prepared.
    fn ripe(&mut self, _at: Instant) {}
    /// The socket had taken that answer at `at`.
    fn sent(&mut self, _at: Instant) {}
}

/// Ends a running server from another thread.
#[derive(Clone, Debug)]
pub struct Stop(Arc<OwnedFd>);

impl Stop {
    pub fn stop(&self) {
        let _ = rustix::io::write(&self.0, &1u64.to_ne_bytes());
    }
}

struct Connection {
    socket: TcpStream,
    generation: u64,
    reader: Reader,
    /// A request was handed to the service and is not answered.
    asked: bool,
    keep_alive: bool,
    unsent: Vec<u8>,
    /// The socket did not take all of `unsent`.
    blocked: bool,
}

/// The connection is of no more use.
struct Close;

/// A listening server and its connections.
pub struct Server<S> {
    reactor: Reactor,
    listener: TcpListener,
    stop: Stop,
    service: S,
    connections: Vec<Option<Connection>>,
    generation: u64,
}

impl<S: Service> Server<S> {
    pub fn bind(address: SocketAddr, service: S) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let stop = Stop(Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?));
        let reactor = Reactor::new()?;
        reactor.add(&listener, LISTENER, Interest::Read)?;
        reactor.add(&*stop.0, STOP, Interest::Read)?;
        Ok(Server { reactor, listener, stop, service, connections: Vec::new(), generation: 0 })
    }

    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    pub fn stopper(&self) -> Stop {
        self.stop.clone()
    }

    /// Serves until it is stopped.
    pub fn run(mut self) -> io::Result<()> {
        clock::sharpen_timers();
        loop {
            match self.service.due() {
                Some(due) => match due.saturating_duration_since(Instant::now()).checked_sub(QUIET) {
                    Some(left) => self.reactor.wait(Wait::AtMost(left))?,
                    None => {
                        self.send_ripening(due);
                        continue;
                    }
                },
                None => self.reactor.wait(Wait::Forever)?,
            }
            let seen = Instant::now();
            let mut position = 0;
            while let Some(ready) = self.reactor.ready(position) {
                position += 1;
                match ready.key {
                    STOP => return Ok(()),
                    LISTENER => self.accept(),
                    _ => self.serve(ready, seen),
                }
            }
        }
    }

    /// Sends the late answer at its time, to which everything but the sending is done before or after.
    fn send_ripening(&mut self, due: Instant) {
        let Some((asker, answer)) = self.service.ripening() else { return };
        let mut connection = self.connections.get_mut(asker.slot).and_then(Option::as_mut).filter(|c| c.generation == asker.generation);
        if let Some(connection) = &mut connection {
            connection.write(answer);
        }
        clock::sleep_until(due);
        let at = Instant::now();
        let sent = connection.as_mut().map(|connection| connection.flush(&self.reactor, asker.slot));
        self.service.ripe(at);
        let (Some(connection), Some(sent)) = (connection, sent) else { return };
        let now = Instant::now();
        self.service.sent(now);
        if sent.and_then(|()| connection.advance(&mut self.service, &self.reactor, asker.slot, now)).is_err()
            && let Some(place) = self.connections.get_mut(asker.slot)
        {
            *place = None;
        }
    }

    fn accept(&mut self) {
        while let Ok((socket, _)) = self.listener.accept() {
            let slot = self.connections.iter().position(Option::is_none).unwrap_or(self.connections.len());
            let ready = socket.set_nonblocking(true).and_then(|()| socket.set_nodelay(true));
            if ready.and_then(|()| self.reactor.add(&socket, key(slot), Interest::Read)).is_err() {
                continue;
            }
            self.generation += 1;
            let connection = Some(Connection::new(socket, self.generation));
            match self.connections.get_mut(slot) {
                Some(place) => *place = connection,
                None => self.connections.push(connection),
            }
        }
    }

    fn serve(&mut self, ready: Ready, seen: Instant) {
        let slot = usize::try_from(ready.key - FIRST_CONNECTION).unwrap_or(usize::MAX);
        let Some(place) = self.connections.get_mut(slot) else { return };
        let Some(connection) = place.as_mut() else { return };
        if connection.serve(ready, &mut self.service, &self.reactor, slot, seen).is_err() {
            *place = None;
        }
    }
}

impl Connection {
    fn new(socket: TcpStream, generation: u64) -> Self {
        let (reader, unsent) = (Reader::of_requests(), Vec::new());
        Connection { socket, generation, reader, asked: false, keep_alive: true, unsent, blocked: false }
    }

    fn serve(&mut self, ready: Ready, service: &mut impl Service, reactor: &Reactor, slot: usize, seen: Instant) -> Result<(), Close> {
        if ready.writable {
            self.flush(reactor, slot)?;
        }
        if ready.readable {
            match self.reader.fill(&mut &self.socket) {
                Ok(Filled::Open) => self.advance(service, reactor, slot, seen)?,
                Ok(Filled::Ended) | Err(_) => return Err(Close),
            }
        }
        Ok(())
    }

    /// Hands the next whole request to the service, as long as it answers at once.
    fn advance(&mut self, service: &mut impl Service, reactor: &Reactor, slot: usize, seen: Instant) -> Result<(), Close> {
        while !self.asked {
            let Some(request) = self.reader.next(false).map_err(|_| Close)? else { return Ok(()) };
            self.keep_alive = request.head.keep_alive;
            let asker = Asker { slot, generation: self.generation };
            match service.ask(asker, request, seen) {
                Some(answer) => {
                    self.write(&answer);
                    self.flush(reactor, slot)?;
                }
                None => self.asked = true,
            }
        }
        Ok(())
    }

    /// Puts an answer where the next flush takes it from.
    fn write(&mut self, answer: &Answer) {
        self.asked = false;
        write_head(&mut self.unsent, answer, self.keep_alive);
        self.unsent.extend_from_slice(&answer.body);
    }

    fn flush(&mut self, reactor: &Reactor, slot: usize) -> Result<(), Close> {
        match (&self.socket).write(&self.unsent) {
            Ok(written) => drop(self.unsent.drain(..written)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return Err(Close),
        }
        let blocked = !self.unsent.is_empty();
        if blocked != self.blocked {
            let interest = if blocked { Interest::ReadAndWrite } else { Interest::Read };
            reactor.change(&self.socket, key(slot), interest).map_err(|_| Close)?;
            self.blocked = blocked;
        }
        if blocked || self.keep_alive || self.asked { Ok(()) } else { Err(Close) }
    }
}

fn key(slot: usize) -> u64 {
    u64::try_from(slot).unwrap_or(u64::MAX - FIRST_CONNECTION) + FIRST_CONNECTION
}

fn write_head(to: &mut Vec<u8>, answer: &Answer, keep_alive: bool) {
    let reason = match answer.status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        _ => "Answer",
    };
    let (status, length, kind) = (answer.status, answer.body.len(), answer.content_type);
    // Writing to a Vec does not fail.
    let _ = write!(to, "HTTP/1.1 {status} {reason}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n");
    if let Some(json) = answer.json_length {
        let _ = write!(to, "inference-header-content-length: {json}\r\n");
    }
    to.extend_from_slice(if keep_alive { b"\r\n" } else { b"connection: close\r\n\r\n" });
}
