//! Answers: as they come, as they are framed, and what is no answer.

use crate::wire::{Behind, client};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn the_head_and_each_piece_reach_the_client_as_they_come() {
    let behind = Behind::new();
    let forebay = behind.forebay("");
    let mut client = client(&forebay);
    client.send(GET);
    let mut server = behind.accept();
    server.head();
    server.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n");
    assert!(client.head().starts_with("HTTP/1.1 200 "));
    for piece in ["abc", "def"] {
        server.send(piece);
        assert_eq!(client.read(3), piece);
    }
}

#[test]
fn an_answer_that_ends_with_its_connection_is_framed_anew() {
    let behind = Behind::new();
    let forebay = behind.forebay("");
    let mut client = client(&forebay);
    client.send(GET);
    let mut server = behind.accept();
    server.head();
    server.send("HTTP/1.0 200 OK\r\n\r\nhello");
    drop(server);
    assert!(client.head().to_lowercase().contains("transfer-encoding: chunked\r\n"));
    assert_eq!(client.read_to("0\r\n\r\n"), "5\r\nhello\r\n0\r\n\r\n");
    // The client's connection is not the server's.
    client.send(GET);
    behind.accept().head();
}

#[test]
fn an_answer_without_a_body_is_one_whatever_its_length_says() {
    let behind = Behind::new();
    let forebay = behind.forebay("");
    let mut client = client(&forebay);
    let mut server = None;
    for (method, status, length) in
        [("HEAD", "200 OK", "Content-Length: 5\r\n"), ("GET", "304 Not Modified", ""), ("GET", "204 No Content", "Content-Length: 5\r\n")]
    {
        client.send(&format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n"));
        let server = server.get_or_insert_with(|| behind.accept());
        server.head();
        server.send(&format!("HTTP/1.1 {status}\r\n{length}\r\n"));
        let head = client.head();
        assert!(head.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{head}");
        assert_eq!(head.to_lowercase().contains("content-length: 5\r\n"), method == "HEAD", "{head}");
        assert!(!head.to_lowercase().contains("transfer-encoding"), "{head}");
    }
}

#[test]
fn what_is_no_answer_is_502() {
    let behind = Behind::new();
    let forebay = behind.forebay("");
    for nonsense in [
        "what?\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
        "HTTP/1.0 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: ",
        "",
    ] {
        let mut client = client(&forebay);
        client.send(GET);
        let mut server = behind.accept();
        server.head();
        server.send(nonsense);
        drop(server);
        let head = client.head();
        assert!(head.starts_with("HTTP/1.1 502 ") && head.contains("application/problem+json"), "{nonsense:?}: {head}");
    }
}

#[test]
fn a_head_that_is_too_large_is_no_answer() {
    let behind = Behind::new();
    let forebay = behind.forebay("");
    let mut client = client(&forebay);
    client.send(GET);
    let mut server = behind.accept();
    server.head();
    server.send(&format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(20_000)));
    assert!(client.head().starts_with("HTTP/1.1 502 "));
}

#[test]
fn an_answer_that_breaks_off_does_not_end_in_order() {
    let behind = Behind::new();
    let forebay = behind.forebay("");
    for (framing, rest) in [("Content-Length: 100\r\n\r\nabc", "abc"), ("Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "3\r\nabc\r\n")] {
        let mut client = client(&forebay);
        client.send(GET);
        let mut server = behind.accept();
        server.head();
        server.send(&format!("HTTP/1.1 200 OK\r\n{framing}"));
        client.head();
        assert_eq!(client.read(rest.len()), rest);
        drop(server);
        assert_eq!(client.rest(), "");
    }
    let lines = crate::support::until("both lines", || Some(forebay.request_lines()).filter(|lines| lines.len() == 2));
    assert!(lines.iter().all(|line| line["reason"] == "upstream"), "{lines:?}");
}

#[test]
fn an_answer_with_two_framings_is_framed_once() {
    let behind = Behind::new();
    let forebay = behind.forebay("");
    for length in ["3", "30"] {
        let mut client = client(&forebay);
        client.send(GET);
        let mut server = behind.accept();
        server.head();
        server.send(&format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"));
        let head = client.head().to_lowercase();
        assert!(head.contains("transfer-encoding: chunked\r\n") && !head.contains("content-length"), "{head}");
        assert_eq!(client.read_to("0\r\n\r\n"), "5\r\nhello\r\n0\r\n\r\n");
        drop(server);
    }
}

#[test]
fn pieces_reach_a_client_that_has_sent_its_next_request() {
    let behind = Behind::new();
    let forebay = behind.forebay("");
    let mut client = client(&forebay);
    client.send(GET);
    let mut server = behind.accept();
    server.head();
    client.send("GET /next HTTP/1.1\r\nHost: a\r\n\r\n");
    for piece in ["HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n", "abc", "def"] {
        server.send(piece);
        if piece.len() > 3 {
            client.head();
        } else {
            assert_eq!(client.read(3), piece);
        }
    }
    assert!(server.head().starts_with("GET /next "));
}

#[test]
fn an_answer_that_breaks_off_is_told_to_whoever_reads_until_it_ends() {
    let behind = Behind::new();
    let forebay = behind.forebay("");
    let mut client = client(&forebay);
    client.send("GET / HTTP/1.0\r\nHost: a\r\n\r\n");
    let mut server = behind.accept();
    server.head();
    server.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    client.head();
    assert_eq!(client.read(3), "abc");
    drop(server);
    assert!(client.is_reset());
}

#[test]
fn a_pause_in_an_answer_is_the_servers_business() {
    let behind = Behind::new();
    let forebay = behind.forebay("body_idle: 1s");
    let mut client = client(&forebay);
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n");
    let mut server = behind.accept();
    server.read_to("1\r\nx\r\n");
    server.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc");
    client.head();
    std::thread::sleep(std::time::Duration::from_millis(1_500));
    server.send("def");
    assert_eq!(client.read(6), "abcdef");
}

#[test]
fn a_client_that_was_slow_gets_everything_that_is_there() {
    let behind = Behind::new();
    let forebay = behind.forebay("");
    let mut client = client(&forebay);
    client.send(GET);
    let mut server = behind.accept();
    server.head();
    server.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
    client.head();
    let mut sent = 0;
    // Odd pieces, so that the last one is cut somewhere.
    for _ in 0..200 {
        server.send_many(3_001);
        sent += 3_001;
    }
    sent += server.fill();
    assert_eq!(client.read(sent).len(), sent);
}
