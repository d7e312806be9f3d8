//! Connections that end: the server's between two requests, the client's in the middle, and both after a change of protocol.

use std::time::{Duration, Instant};

use crate::support::{Forebay, until_true};
use crate::wire::{Behind, End, client, used};

#[test]
fn a_request_that_met_a_closed_connection_is_sent_again_if_that_makes_no_difference() {
    let behind = Behind::new();
    let forebay = behind.forebay("");
    let (mut client, mut server) = used(&forebay, &behind);
    client.send("GET /second HTTP/1.1\r\nHost: a\r\n\r\n");
    server.head();
    drop(server);
    let mut server = behind.accept();
    assert!(server.head().starts_with("GET /second "));
    server.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond");
    client.read_to("second");
    // What may have been done is not done twice.
    client.send("POST /third HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}");
    server.head();
    drop(server);
    client.read_to("HTTP/1.1 502 ");
    client.send("GET /fourth HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(behind.accept().head().starts_with("GET /fourth "));
}

#[test]
fn a_connection_that_was_closed_before_is_not_used_for_anything() {
    let behind = Behind::new();
    let forebay = behind.forebay("");
    let (mut client, server) = used(&forebay, &behind);
    drop(server);
    client.send("POST /second HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}");
    let mut server = behind.accept();
    server.head();
    server.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond");
    client.read_to("second");
}

#[test]
fn a_connection_on_which_the_server_spoke_unasked_is_not_used_again() {
    let behind = Behind::new();
    let forebay = behind.forebay("");
    let (mut client, mut server) = used(&forebay, &behind);
    server.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
    assert_eq!(server.rest(), "", "closed as soon as Forebay looks at it, or when it is swept");
    client.send("GET /second HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut server = behind.accept();
    server.head();
    server.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond");
    client.read_to("\r\n\r\nsecond");
}

#[test]
fn a_client_that_leaves_takes_its_request_along() {
    let behind = Behind::new();
    let forebay = behind.forebay("");
    for request in ["GET / HTTP/1.1\r\nHost: a\r\n\r\n", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n"] {
        let mut client = client(&forebay);
        client.send(request);
        let mut server = behind.accept();
        server.head();
        drop(client);
        assert!(!server.rest().contains("0\r\n\r\n"), "a body that was cut short has no end");
    }
    // In the middle of its answer.
    let mut client = client(&forebay);
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut server = behind.accept();
    server.head();
    server.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc");
    client.read_to("abc");
    drop(client);
    server.rest();
}

/// Both ends of a connection that has become a websocket's.
fn websocket(forebay: &Forebay, behind: &Behind) -> (End, End) {
    let mut client = client(forebay);
    client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n");
    let mut server = behind.accept();
    let head = server.head().to_lowercase();
    assert!(head.contains("upgrade: websocket\r\n") && head.contains("connection: upgrade\r\n"), "{head}");
    // The first message comes with the head.
    server.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: y\r\n\r\nhello");
    let head = client.read_to("hello");
    assert!(head.starts_with("HTTP/1.1 101 ") && head.to_lowercase().contains("upgrade: websocket\r\n"), "{head}");
    (client, server)
}

#[test]
fn a_websocket_ends_when_the_server_ends_it() {
    let behind = Behind::new();
    let forebay = behind.forebay("");
    let (mut client, mut server) = websocket(&forebay, &behind);
    client.send("a question");
    assert_eq!(server.read(10), "a question");
    server.send("the last word");
    drop(server);
    assert_eq!(client.rest(), "the last word");
}

#[test]
fn a_websocket_whose_client_says_no_more_may_still_be_told_something() {
    let behind = Behind::new();
    let forebay = behind.forebay("");
    let (mut client, mut server) = websocket(&forebay, &behind);
    client.send("the last question");
    client.half_close();
    assert_eq!(server.rest(), "the last question");
    server.send("the last word");
    drop(server);
    assert_eq!(client.rest(), "the last word");
}

#[test]
fn a_handshake_that_the_server_declines_is_a_request_like_any_other() {
    let behind = Behind::new();
    let forebay = behind.forebay("");
    let mut client = client(&forebay);
    client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n");
    let mut server = behind.accept();
    server.head();
    server.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno");
    client.read_to("\r\n\r\nno");
    client.send("GET /again HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(server.head().starts_with("GET /again "));
}

#[test]
fn a_client_that_leaves_behind_its_next_request_is_noticed() {
    let behind = Behind::new();
    let forebay = behind.forebay("");
    for more in ["GET /next HTTP/1.1\r\nHost: a\r\n\r\n", "\r\n"] {
        let mut client = client(&forebay);
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        let mut server = behind.accept();
        server.head();
        client.send(more);
        drop(client);
        assert_eq!(server.rest(), "");
    }
}

#[test]
fn a_websocket_may_be_silent_for_its_own_time() {
    let behind = Behind::new();
    let forebay = behind.forebay("body_idle: 1s, tunnel_idle: 3s");
    let (mut client, mut server) = websocket(&forebay, &behind);
    std::thread::sleep(Duration::from_millis(1_500));
    client.send("still here");
    assert_eq!(server.read(10), "still here");
    let began = Instant::now();
    assert_eq!((client.rest().as_str(), server.rest().as_str()), ("", ""));
    assert!(began.elapsed() > Duration::from_secs(2), "{:?}", began.elapsed());
}

#[test]
fn a_websocket_talks_while_the_other_direction_is_full() {
    let behind = Behind::new();
    let forebay = behind.forebay("");
    let (mut client, mut server) = websocket(&forebay, &behind);
    let unread = server.fill();
    client.send("a question");
    assert_eq!(server.read(10), "a question");
    assert_eq!(client.read(unread).len(), unread);
}

#[test]
fn a_websocket_whose_client_leaves_while_nothing_is_taken_ends() {
    let behind = Behind::new();
    let forebay = behind.forebay("");
    let (mut client, server) = websocket(&forebay, &behind);
    client.fill();
    client.reset();
    until_true("no request is in flight", || forebay.metric("forebay_requests_in_flight", &[]) == 0.0);
    drop(server);
}

#[test]
fn what_a_websocket_said_before_it_ended_arrives_at_a_slow_server() {
    let behind = Behind::new();
    let forebay = behind.forebay("");
    let (mut client, mut server) = websocket(&forebay, &behind);
    let said = client.fill();
    client.half_close();
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(server.rest().len(), said);
}
