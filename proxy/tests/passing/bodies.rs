//! Bodies of requests: gathered, passed on piece by piece, and stopped.

use std::time::{Duration, Instant};

use crate::support::until_true;
use crate::wire::{Behind, client, used};

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
fn who_waits_to_be_asked_while_many_do_is_asked_by_forebay_and_has_its_time() {
    const HEAD: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n";
    let behind = Behind::new();
    let forebay = behind.forebay("bodies_ungathered: 1, body_idle: 1s");
    let (mut first, mut second, mut third) = (client(&forebay), client(&forebay), client(&forebay));
    first.send(HEAD);
    let mut waiting = behind.accept();
    waiting.head();
    second.send(HEAD);
    assert!(second.head().starts_with("HTTP/1.1 100 "));
    second.send("{}");
    let mut server = behind.accept();
    server.head();
    assert_eq!(server.read(2), "{}");
    third.send(HEAD);
    assert!(third.head().starts_with("HTTP/1.1 100 "));
    assert!(third.head().starts_with("HTTP/1.1 408 "));
    // The first one need not wait to be asked, but then its time is that of others.
    first.send("{");
    assert_eq!(waiting.read(1), "{");
    assert!(first.head().starts_with("HTTP/1.1 408 "));
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

#[test]
fn a_body_that_was_passed_on_in_pieces_is_not_sent_again_without_it() {
    let behind = Behind::new();
    let forebay = behind.forebay("");
    let long = "y".repeat(20_000);
    let bodies = [
        ("Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n".to_owned(), String::new(), "0\r\n\r\n".to_owned()),
        (format!("Content-Length: 40000\r\n\r\n{long}"), long.clone(), format!("{long}{long}")),
    ];
    for (first, second, end) in bodies {
        let (mut client, mut server) = used(&forebay, &behind);
        client.send(&format!("PUT /put HTTP/1.1\r\nHost: a\r\n{first}"));
        server.head();
        client.send(&second);
        server.read_to(&end);
        drop(server);
        client.read_to("HTTP/1.1 502 ");
        let mut victim = self::client(&forebay);
        victim.send("GET /victim HTTP/1.1\r\nHost: a\r\n\r\n");
        assert!(behind.accept().head().starts_with("GET /victim "));
    }
}

#[test]
fn a_body_that_was_gathered_whole_is_sent_again_with_it() {
    let behind = Behind::new();
    let forebay = behind.forebay("");
    let (mut client, mut server) = used(&forebay, &behind);
    client.send("PUT /put HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    server.read_to("hello");
    drop(server);
    let mut server = behind.accept();
    let head = server.head();
    assert!(head.starts_with("PUT /put ") && head.contains("content-length: 5\r\n"), "{head}");
    assert_eq!(server.read(5), "hello");
    server.send("HTTP/1.1 204 No Content\r\n\r\n");
    assert!(client.head().starts_with("HTTP/1.1 204 "));
}

#[test]
fn a_client_may_send_all_before_it_reads_any() {
    const MUCH: usize = 16 << 20;
    let behind = Behind::new();
    let forebay = behind.forebay("write_idle: 2s");
    let mut client = client(&forebay);
    client.send(&format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {MUCH}\r\n\r\n"));
    client.send_many(20_000);
    let mut server = behind.accept();
    server.head();
    server.send(&format!("HTTP/1.1 200 OK\r\nContent-Length: {MUCH}\r\n\r\n"));
    let mut answering = server.again();
    let answer = std::thread::spawn(move || answering.send_many(MUCH));
    let body = std::thread::spawn(move || server.read(MUCH).len());
    client.send_many(MUCH - 20_000);
    assert_eq!(body.join().unwrap(), MUCH);
    client.head();
    assert_eq!(client.read(MUCH).len(), MUCH);
    answer.join().unwrap();
}

#[test]
fn a_client_that_leaves_while_its_body_is_not_taken_is_noticed() {
    let behind = Behind::new();
    let forebay = behind.forebay("");
    for framing in ["Content-Length: 1000000000", "Transfer-Encoding: chunked"] {
        let mut client = client(&forebay);
        client.send(&format!("POST / HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n"));
        if framing.ends_with("chunked") {
            client.send("3b9aca00\r\n");
        }
        let server = behind.server_that_reads_nothing(&mut client);
        client.reset();
        until_true("no request is in flight", || forebay.metric("forebay_requests_in_flight", &[]) == 0.0);
        drop(server);
    }
}

#[test]
fn a_server_that_takes_or_gives_nothing_is_not_waited_for_for_ever() {
    const IDLE: Duration = Duration::from_secs(1);
    let behind = Behind::new();
    let forebay = behind.forebay("upstream_idle: 1s");
    let mut asking = client(&forebay);
    asking.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut silent = behind.accept();
    silent.head();
    let began = Instant::now();
    assert!(asking.head().starts_with("HTTP/1.1 504 "));
    assert!(began.elapsed() >= IDLE / 2 && began.elapsed() < 3 * IDLE, "{:?}", began.elapsed());
    // As long as something comes it is waited for.
    let mut asking = client(&forebay);
    asking.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut slow = behind.accept();
    slow.head();
    slow.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n");
    for piece in ["ab", "cd", "ef"] {
        std::thread::sleep(IDLE * 3 / 5);
        slow.send(piece);
    }
    asking.read_to("abcdef");
    drop(slow);
    // Its client cannot be seen to leave: what it sent stands between.
    let mut client = client(&forebay);
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n");
    let _server = behind.server_that_reads_nothing(&mut client);
    drop(client);
    until_true("no request is in flight", || forebay.metric("forebay_requests_in_flight", &[]) == 0.0);
}

#[test]
fn a_client_may_wait_as_long_as_it_takes_to_be_asked() {
    let behind = Behind::new();
    let forebay = behind.forebay("body_idle: 1s");
    let mut client = client(&forebay);
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    let mut server = behind.accept();
    server.head();
    std::thread::sleep(Duration::from_millis(1_500));
    server.send("HTTP/1.1 100 Continue\r\n\r\n");
    assert!(client.head().starts_with("HTTP/1.1 100 "));
    // And then it is its turn.
    assert!(client.head().starts_with("HTTP/1.1 408 "));
}
