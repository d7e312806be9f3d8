//! Bodies of requests: gathered, passed on piece by piece, and stopped.

use std::time::{Duration, Instant};

use crate::wire::{Behind, client};

#[test]
fn a_body_that_does_not_come_is_nothing_that_the_server_hears_of() {
    let behind = Behind::new();
    let forebay = behind.forebay("");
    let (mut slow, mut other) = (client(&forebay), client(&forebay));
    slow.send("POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345");
    other.send("GET /other HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(behind.accept().head().starts_with("GET /other "));
    slow.send("67890");
    let mut server = behind.accept();
    assert!(server.head().starts_with("POST /slow "));
    assert_eq!(server.read(10), "1234567890");
}

#[test]
fn what_is_to_be_gathered_can_be_configured() {
    let behind = Behind::new();
    let forebay = behind.forebay("body_gathered: 0B");
    let mut client = client(&forebay);
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345");
    let mut server = behind.accept();
    server.head();
    assert_eq!(server.read(5), "12345");
}

#[test]
fn a_large_body_is_passed_on_before_all_of_it_is_there() {
    let behind = Behind::new();
    let forebay = behind.forebay("");
    let mut client = client(&forebay);
    client.send(&format!("POST /large HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n{}", "a".repeat(20_000)));
    let mut server = behind.accept();
    assert!(server.head().to_lowercase().contains("content-length: 100000\r\n"));
    assert_eq!(server.read(20_000), "a".repeat(20_000));
    client.send(&"b".repeat(80_000));
    assert_eq!(server.read(80_000), "b".repeat(80_000));
    server.send("HTTP/1.1 204 No Content\r\n\r\n");
    assert!(client.head().starts_with("HTTP/1.1 204 "));
}

#[test]
fn chunks_are_passed_on_at_once_in_both_directions() {
    let behind = Behind::new();
    let forebay = behind.forebay("");
    let mut client = client(&forebay);
    client.send("POST /talk HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    let mut server = behind.accept();
    assert!(server.head().to_lowercase().contains("transfer-encoding: chunked\r\n"));
    server.read_to("hello\r\n");
    server.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nyes\r\n");
    client.read_to("\r\n\r\n3\r\nyes\r\n");
    for word in ["again", "still"] {
        client.send(&format!("5\r\n{word}\r\n"));
        server.read_to(&format!("{word}\r\n"));
        server.send(&format!("5\r\n{word}\r\n"));
        client.read_to(&format!("5\r\n{word}\r\n"));
    }
    client.send("0\r\n\r\n");
    server.read_to("0\r\n\r\n");
    server.send("0\r\n\r\n");
    client.read_to("0\r\n\r\n");
}

#[test]
fn chunks_of_more_bodies_than_allowed_are_gathered() {
    const HEAD: &str = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n";
    let behind = Behind::new();
    let forebay = behind.forebay("bodies_ungathered: 1");
    let (mut first, mut second) = (client(&forebay), client(&forebay));
    first.send(HEAD);
    let mut servers_first = behind.accept();
    servers_first.read_to("1\r\nx\r\n");
    second.send(HEAD);
    // It is passed on when it is whole, with its length,
    second.send("0\r\n\r\n");
    let mut servers_second = behind.accept();
    assert!(servers_second.head().to_lowercase().contains("content-length: 1\r\n"));
    assert_eq!(servers_second.read(1), "x");
    servers_second.send("HTTP/1.1 204 No Content\r\n\r\n");
    second.head();
    second.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    assert!(servers_second.head().to_lowercase().contains("content-length: 0\r\n"));
    servers_second.send("HTTP/1.1 204 No Content\r\n\r\n");
    second.head();
    // or when enough of it is there,
    second.send(&format!("{HEAD}4000\r\n{}\r\n", "y".repeat(0x4000)));
    assert!(servers_second.head().to_lowercase().contains("transfer-encoding: chunked\r\n"));
    servers_second.read_to("xyyy");
    // and at once as soon as the other's answer has begun.
    servers_first.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    first.head();
    let mut third = client(&forebay);
    drop(second);
    servers_second.rest();
    third.send(HEAD);
    behind.accept().read_to("1\r\nx\r\n");
}

#[test]
fn the_body_is_the_servers_to_ask_for() {
    let behind = Behind::new();
    let forebay = behind.forebay("");
    let mut client = client(&forebay);
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    let mut server = behind.accept();
    assert!(server.head().to_lowercase().contains("expect: 100-continue\r\n"));
    server.send("HTTP/1.1 100 Continue\r\n\r\n");
    assert!(client.head().starts_with("HTTP/1.1 100 "));
    client.send("{}");
    assert_eq!(server.read(2), "{}");
    server.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let head = client.head();
    assert!(head.starts_with("HTTP/1.1 200 ") && head.to_lowercase().contains("connection: keep-alive\r\n"), "{head}");
}

#[test]
fn a_body_that_the_server_does_not_ask_for_is_not_sent() {
    let behind = Behind::new();
    let forebay = behind.forebay("");
    let mut client = client(&forebay);
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    let mut server = behind.accept();
    server.head();
    server.send("HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n");
    let head = client.head();
    assert!(head.starts_with("HTTP/1.1 417 ") && head.to_lowercase().contains("connection: close\r\n"), "{head}");
}

#[test]
fn an_answer_before_the_end_of_the_body_reaches_the_client() {
    let behind = Behind::new();
    let forebay = behind.forebay("");
    let mut client = client(&forebay);
    client.send(&format!("POST /large HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n{}", "a".repeat(20_000)));
    let mut server = behind.accept();
    server.head();
    server.send("HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno!");
    let head = client.head();
    assert!(head.starts_with("HTTP/1.1 413 ") && head.to_lowercase().contains("connection: close\r\n"), "{head}");
    assert_eq!(client.read(3), "no!");
}

#[test]
fn a_body_that_stops_is_408_whether_the_server_has_heard_of_it_or_not() {
    const IDLE: Duration = Duration::from_secs(1);
    let behind = Behind::new();
    let forebay = behind.forebay("body_idle: 1s");
    for framing in ["Content-Length: 100\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"] {
        let began = Instant::now();
        let mut client = client(&forebay);
        client.send(&format!("POST / HTTP/1.1\r\nHost: a\r\n{framing}"));
        let head = client.head();
        assert!(head.starts_with("HTTP/1.1 408 ") && head.contains("application/problem+json"), "{head}");
        assert!(began.elapsed() >= IDLE && began.elapsed() < 3 * IDLE, "{:?}", began.elapsed());
    }
    // Of the chunked one the server has heard, and sees that it ended before its end.
    let mut server = behind.accept();
    assert!(!server.rest().ends_with("0\r\n\r\n"));
}
