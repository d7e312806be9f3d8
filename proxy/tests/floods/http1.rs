//! Slow and idle clients of HTTP/1.1.

use std::time::Duration;

use super::support::{Connection, Forebay, MODEL};
use super::{come_and_go, under};

const PAUSE: Duration = Duration::from_millis(50);

fn open(forebay: &Forebay, count: usize) -> Vec<Connection> {
    (0..count).map(|_| Connection::open(&forebay.api)).collect()
}

/// Sends a byte on each connection again and again, until all are closed or `rounds` are over.
fn trickle(connections: &mut [Connection], rounds: usize, byte: &[u8]) {
    for _ in 0..rounds {
        if connections.iter_mut().map(|connection| connection.try_send(byte).is_ok()).filter(|sent| *sent).count() == 0 {
            return;
        }
        std::thread::sleep(PAUSE);
    }
}

fn all_are_answered_and_closed(connections: Vec<Connection>, status: u16) {
    for mut connection in connections {
        if let Ok(answer) = connection.try_answer() {
            assert_eq!(answer.status, status);
        }
        assert!(connection.is_closed(), "a connection is still open");
    }
}

#[test]
fn slow_heads_end_with_their_time() {
    under("slow heads", |forebay| {
        let mut connections = open(forebay, 300);
        connections.iter_mut().for_each(|connection| connection.send("GET / HTTP/1.1\r\nHost: a\r\nX: "));
        trickle(&mut connections, 40, b"y");
        all_are_answered_and_closed(connections, 408);
    });
}

#[test]
fn slow_heads_on_used_connections_end_with_their_time() {
    under("slow heads after a request", |forebay| {
        let mut connections = open(forebay, 100);
        for connection in &mut connections {
            assert!(connection.is_usable());
            connection.send("GET / HTTP/1.1\r\nHost: a\r\nX: ");
        }
        trickle(&mut connections, 40, b"y");
        all_are_answered_and_closed(connections, 408);
    });
}

#[test]
fn slow_bodies_for_a_model_end_with_their_time() {
    under("slow bodies", |forebay| {
        let mut connections = open(forebay, 300);
        let head = format!("POST /v2/models/{MODEL}/infer HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
        connections.iter_mut().for_each(|connection| connection.send(&head));
        trickle(&mut connections, 60, b" ");
        all_are_answered_and_closed(connections, 408);
    });
}

#[test]
fn bodies_for_the_server_behind_that_stop_end_with_their_pause() {
    under("stopped bodies", |forebay| {
        let mut connections = open(forebay, 300);
        connections.iter_mut().for_each(|connection| connection.send("POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nx"));
        all_are_answered_and_closed(connections, 408);
    });
}

#[test]
fn clients_that_do_not_read_are_let_go() {
    under("slow readers", |forebay| {
        let mut connections = open(forebay, 8);
        connections.iter_mut().for_each(|connection| connection.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n"));
        come_and_go(forebay, 8.0);
        connections.iter_mut().for_each(|connection| assert!(connection.is_closed()));
    });
}

#[test]
fn thousands_of_idle_connections_are_closed_in_their_time() {
    under("idle connections", |forebay| {
        let mut connections = open(forebay, 1_500);
        connections.extend((0..1_500).map(|_| {
            let mut used = Connection::open(&forebay.api);
            assert!(used.is_usable());
            used
        }));
        connections.iter_mut().for_each(|connection| assert!(connection.is_closed()));
    });
}
