//! A server that writes down every byte it gets, and answers each request that a strict reader finds with what it saw.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use super::readers::{Next, strict};

/// One connection from the proxy.
#[derive(Clone, Debug, Default)]
struct Recorded {
    bytes: Vec<u8>,
    /// Bytes of the requests that were answered.
    answered: usize,
    closed: bool,
}

/// A running recorder. Its threads end with their connections.
pub(crate) struct Recorder {
    pub(crate) address: SocketAddr,
    connections: Arc<Mutex<Vec<Recorded>>>,
}

/// How far each connection had come.
#[derive(Debug)]
pub(crate) struct Mark(Vec<usize>);

impl Recorder {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let recorder = Recorder { address: listener.local_addr().unwrap(), connections: Arc::default() };
        let connections = recorder.connections.clone();
        std::thread::spawn(move || {
            while let Ok((socket, _)) = listener.accept() {
                let connections = connections.clone();
                let at = {
                    let mut all = connections.lock().unwrap();
                    all.push(Recorded::default());
                    all.len() - 1
                };
                std::thread::spawn(move || {
                    record(socket, &connections, at);
                    connections.lock().unwrap()[at].closed = true;
                });
            }
        });
        recorder
    }

    pub(crate) fn mark(&self) -> Mark {
        Mark(self.connections.lock().unwrap().iter().map(|c| if c.closed { c.bytes.len() } else { c.answered }).collect())
    }

    /// Whether nothing more is to be expected on the connections that were used since `mark`.
    pub(crate) fn is_quiet(&self, mark: &Mark) -> bool {
        let all = self.connections.lock().unwrap();
        let used = all.iter().enumerate().filter(|(i, c)| c.bytes.len() > mark.0.get(*i).copied().unwrap_or(0));
        used.into_iter().all(|(_, c)| c.closed || c.answered == c.bytes.len())
    }

    /// What each connection brought since `mark`.
    pub(crate) fn since(&self, mark: &Mark) -> Vec<Vec<u8>> {
        let all = self.connections.lock().unwrap();
        let news = all.iter().enumerate().map(|(i, c)| c.bytes[mark.0.get(i).copied().unwrap_or(0)..].to_vec());
        news.filter(|bytes| !bytes.is_empty()).collect()
    }

    /// Everything that each connection brought.
    pub(crate) fn everything(&self) -> Vec<Vec<u8>> {
        self.since(&Mark(Vec::new()))
    }
}

fn record(mut socket: TcpStream, connections: &Mutex<Vec<Recorded>>, at: usize) {
    let mut piece = [0; 16 << 10];
    let mut refused = false;
    while let Ok(read @ 1..) = socket.read(&mut piece) {
        let mut answers = Vec::new();
        {
            let connection = &mut connections.lock().unwrap()[at];
            connection.bytes.extend_from_slice(&piece[..read]);
            while !refused && connection.answered < connection.bytes.len() {
                match strict(&connection.bytes[connection.answered..]) {
                    Next::Whole(message) => {
                        answers.extend(answer(&message));
                        connection.answered += message.length;
                    }
                    Next::More => break,
                    // The rest is still read, so that the judge sees it.
                    Next::Broken(_) => {
                        answers.extend(b"HTTP/1.1 400 Broken\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
                        refused = true;
                    }
                }
            }
        }
        if socket.write_all(&answers).is_err() {
            return;
        }
        if refused {
            socket.shutdown(std::net::Shutdown::Write).ok();
        }
    }
}

fn answer(message: &super::readers::Message) -> Vec<u8> {
    let seen = seen(message);
    let mut answer = format!("HTTP/1.1 200 OK\r\nx-seen: {seen}\r\ncontent-length: {}\r\n\r\n", seen.len());
    if message.method != b"HEAD" {
        answer.push_str(&seen);
    }
    answer.into_bytes()
}

/// What the recorder tells of a request: method, target and size of the body.
pub(crate) fn seen(message: &super::readers::Message) -> String {
    format!("seen {} {} {}", message.method.escape_ascii(), message.target.escape_ascii(), message.body.len())
}
