//! Slow and idle clients of HTTP/1.1.

use std::time::Duration;

use crate::support::{Connection, LONG};
use crate::target::Target;

/// Between two bytes of a client that trickles.
const PAUSE: Duration = Duration::from_millis(50);

fn open(target: &Target) -> Connection {
    let connection = Connection::open(&target.http1);
    connection.patience(target.patience);
    connection
}

/// Connections on which these bytes are sent at once.
fn open_with(target: &Target, count: usize, first: &str) -> Vec<Connection> {
    let mut connections = idle(target, count);
    send(&mut connections, first.as_bytes());
    connections
}

/// Sends on each connection; how many took it.
fn send(connections: &mut [Connection], bytes: &[u8]) -> usize {
    connections.iter_mut().map(|connection| connection.try_send(bytes).is_ok()).filter(|sent| *sent).count()
}

/// Sends a byte on each connection again and again, until all are closed or `rounds` are over.
fn trickle(connections: &mut [Connection], rounds: usize, byte: &[u8]) {
    for _ in 0..rounds {
        if send(connections, byte) == 0 {
            return;
        }
        std::thread::sleep(PAUSE);
    }
}

/// A head whose last field never ends.
const HALF_A_HEAD: &str = "GET / HTTP/1.1\r\nHost: a\r\nX: ";

pub(crate) fn slow_heads(target: &Target, count: usize) -> Vec<Connection> {
    let mut connections = open_with(target, count, HALF_A_HEAD);
    trickle(&mut connections, 40, b"y");
    connections
}

/// The same on connections that have had one request answered.
pub(crate) fn slow_heads_on_used_connections(target: &Target, count: usize) -> Vec<Connection> {
    let mut connections = used(target, count);
    send(&mut connections, HALF_A_HEAD.as_bytes());
    trickle(&mut connections, 40, b"y");
    connections
}

pub(crate) fn slow_bodies(target: &Target, count: usize, path: &str, rounds: usize) -> Vec<Connection> {
    let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
    let mut connections = open_with(target, count, &head);
    trickle(&mut connections, rounds, b" ");
    connections
}

pub(crate) fn stopped_bodies(target: &Target, count: usize) -> Vec<Connection> {
    open_with(target, count, "POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nx")
}

/// The same without a length, so that the server behind may have to answer before the rest comes.
pub(crate) fn stopped_chunks(target: &Target, count: usize) -> Vec<Connection> {
    open_with(target, count, "POST /small HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
}

/// Ask for a large answer and do not read it.
pub(crate) fn slow_readers(target: &Target, count: usize) -> Vec<Connection> {
    open_with(target, count, "GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
}

/// Connections that never send a byte.
pub(crate) fn idle(target: &Target, count: usize) -> Vec<Connection> {
    (0..count).map(|_| open(target)).collect()
}

/// Connections that had one request answered, and send nothing more.
pub(crate) fn used(target: &Target, count: usize) -> Vec<Connection> {
    let connections = (0..count).map(|_| {
        let mut connection = open(target);
        // This is no attack yet.
        connection.patience(LONG);
        assert!(connection.is_usable(), "{}", target.name);
        connection.patience(target.patience);
        connection
    });
    connections.collect()
}
