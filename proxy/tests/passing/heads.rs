//! Heads: what is passed on, and what stays with its connection.

use crate::wire::{Behind, client};

/// The names of a head's fields, in lower case.
fn names(head: &str) -> Vec<String> {
    head.lines().skip(1).filter_map(|line| Some(line.split_once(':')?.0.to_lowercase())).collect()
}

#[test]
fn what_belongs_to_one_connection_stays_there() {
    let behind = Behind::new();
    let forebay = behind.forebay("");
    let mut client = client(&forebay);
    client.send(
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, X-Mine, Upgrade\r\nX-Mine: 1\r\nX-Theirs: 2\r\nKeep-Alive: timeout=9\r\n\
         Proxy-Connection: keep-alive\r\nTE: trailers\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
    );
    let mut server = behind.accept();
    let mut arrived = names(&server.head());
    arrived.sort();
    assert_eq!(arrived, ["host", "traceparent", "x-request-id", "x-theirs"]);
    server.send("HTTP/1.1 200 Fine by me\r\nContent-Length: 0\r\nConnection: X-Secret\r\nX-Secret: 1\r\nX-Shown: 2\r\nKeep-Alive: timeout=9\r\n\r\n");
    let head = client.head();
    assert!(head.starts_with("HTTP/1.1 200 Fine by me\r\n"), "{head}");
    let arrived = names(&head);
    assert!(arrived.contains(&"x-shown".to_owned()));
    assert!(!arrived.contains(&"x-secret".to_owned()) && !arrived.contains(&"keep-alive".to_owned()), "{head}");
}

#[test]
fn a_target_with_a_host_of_its_own_is_the_servers_path() {
    let behind = Behind::new();
    let forebay = behind.forebay("");
    let mut client = client(&forebay);
    client.send("GET http://a/b?c HTTP/1.1\r\nHost: a\r\n\r\n");
    let head = behind.accept().head().to_lowercase();
    assert!(head.starts_with("get /b?c http/1.1\r\n") && head.contains("host: a\r\n"), "{head}");
}

#[test]
fn http_1_0_becomes_http_1_1_and_back() {
    let behind = Behind::new();
    let forebay = behind.forebay("");
    let mut client = client(&forebay);
    client.send("GET / HTTP/1.0\r\n\r\n");
    let mut server = behind.accept();
    let head = server.head().to_lowercase();
    assert!(head.starts_with("get / http/1.1\r\n") && head.contains("host: \r\n"), "{head}");
    server.send("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n");
    let head = client.head().to_lowercase();
    assert!(head.contains(" 200 ok\r\n") && !head.contains("transfer-encoding"), "{head}");
    assert_eq!(client.rest(), "ok");
}

#[test]
fn interim_answers_are_passed_on_before_the_last_one() {
    let behind = Behind::new();
    let forebay = behind.forebay("");
    let mut client = client(&forebay);
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut server = behind.accept();
    server.head();
    server.send("HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n");
    let hint = client.head();
    assert!(hint.starts_with("HTTP/1.1 103 ") && hint.contains("rel=preload"), "{hint}");
    // Both at once.
    server.send("HTTP/1.1 102 Processing\r\nConnection: close, X-Secret\r\nX-Secret: 1\r\nContent-Length: 7\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assert_eq!(client.head(), "HTTP/1.1 102 Processing\r\n\r\n");
    assert!(client.head().starts_with("HTTP/1.1 200 "));
    assert_eq!(client.read(2), "ok");
}
