//! What Forebay answers to slow and idle clients of HTTP/1.1.

use super::attacks::http1::{idle, slow_bodies, slow_heads, slow_heads_on_used_connections, slow_readers, stopped_bodies, used};
use super::support::{Connection, INFER};
use super::{come_and_go, under};

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
    under("slow heads", |_, target| all_are_answered_and_closed(slow_heads(target, 300), 408));
}

#[test]
fn slow_heads_on_used_connections_end_with_their_time() {
    under("slow heads after a request", |_, target| all_are_answered_and_closed(slow_heads_on_used_connections(target, 100), 408));
}

#[test]
fn slow_bodies_for_a_model_end_with_their_time() {
    under("slow bodies", |_, target| all_are_answered_and_closed(slow_bodies(target, 300, INFER, 60), 408));
}

#[test]
fn bodies_for_the_server_behind_that_stop_end_with_their_pause() {
    under("stopped bodies", |_, target| all_are_answered_and_closed(stopped_bodies(target, 300), 408));
}

#[test]
fn clients_that_do_not_read_are_let_go() {
    under("slow readers", |forebay, target| {
        let connections = slow_readers(target, 8);
        come_and_go(forebay, 8.0);
        connections.into_iter().for_each(|mut connection| assert!(connection.is_closed()));
    });
}

#[test]
fn thousands_of_idle_connections_are_closed_in_their_time() {
    under("idle connections", |_, target| {
        let connections = [idle(target, 1_500), used(target, 1_500)];
        connections.into_iter().flatten().for_each(|mut connection| assert!(connection.is_closed()));
    });
}
