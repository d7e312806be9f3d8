//! A guarded connection as pingora reads it, with bytes that were cut on their way in every manner.

use http::header::TRANSFER_ENCODING;
use pingora::protocols::http::ServerSession;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::task::yield_now;

use super::*;

/// What a request was: its path and its body.
type Seen = (String, Vec<u8>);

const REQUESTS: &[&str] = &[
    "GET /a HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 16\r\n\r\nchunked\r\n\r\nchunk",
    "POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a\r\nhello\r\n0\r\nX: y\r\n\r\n",
    "\r\nPOST /d HTTP/1.1\r\nTransfer-Encoding: CHUNKED\r\nHost: a\r\n\r\n9\r\n\r\n\r\nGET /\r\n0\r\n\r\n",
    "GET /chunked HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST /e HTTP/1.1\r\nHost: a\r\nX: kKkchun\r\nTransfer-Encoding:chunked\r\n\r\n0\r\n\r\n",
    "POST /f HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n000a\r\n0123456789\r\n0\r\n\r\n",
    "GET /g HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
];

fn seen() -> Vec<Seen> {
    let bodies = ["", "chunked\r\n\r\nchunk", "hello", "\r\n\r\nGET /", "", "", "0123456789", ""];
    let paths = ["/a", "/b", "/c", "/d", "/chunked", "/e", "/f", "/g"];
    paths.into_iter().zip(bodies).map(|(path, body)| (path.to_owned(), body.into())).collect()
}

/// Numbers without a pattern that matters here.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, most: u64) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % most).unwrap()
    }
}

/// Sends `bytes` in pieces of fewer than `longest` bytes, and reads them as a server does: the requests that it saw, and the failure that
/// ended the connection.
async fn converse(bytes: &[u8], longest: u64, numbers: &mut Numbers) -> (Vec<Seen>, Option<pingora::Error>) {
    let (mut client, server) = UnixStream::pair().unwrap();
    let mut guard = Guard::new(Socket::Unix(server), &HttpLimits::default());
    let lengths: Vec<usize> = bytes.iter().map(|_| 1 + numbers.below(longest)).collect();
    let idles = numbers.below(2) == 1;
    let send = async move {
        let mut rest = bytes;
        for length in lengths {
            let (piece, after) = rest.split_at(length.min(rest.len()));
            // The server may have closed.
            let _sent = client.write_all(piece).await;
            rest = after;
            yield_now().await;
            yield_now().await;
        }
        client
    };
    let serve = async move {
        let mut first = BytesMut::with_capacity(4 << 10);
        guard.read_buf(&mut first).await.unwrap();
        guard.unread(first);
        let phase = guard.phase();
        let mut seen = Vec::new();
        let failed = requests(guard, &phase, idles, &mut seen).await.err();
        (seen, failed.map(|e| *e))
    };
    let (_client, outcome) = tokio::join!(send, serve);
    outcome
}

async fn requests(guard: Guard, phase: &Phase, idles: bool, seen: &mut Vec<Seen>) -> pingora::Result<()> {
    let mut session = ServerSession::new_http1(Box::new(guard));
    let mut prefix = None;
    loop {
        session.set_pipelining_enabled(true);
        session.set_keepalive(Some(60));
        if let (Some(prefix), ServerSession::H1(http1)) = (prefix, &mut session) {
            http1.set_pipelined_prefix(prefix);
        }
        if !session.read_request().await? {
            return Ok(());
        }
        phase.request();
        let head = session.req_header();
        let path = head.uri.to_string();
        if head.headers.contains_key(TRANSFER_ENCODING) {
            phase.chunks().unwrap_or_else(|_| panic!("something of the body of {path} was read with its head"));
        }
        let last = path == "/g";
        let mut body = Vec::new();
        while let Some(piece) = session.read_request_body().await? {
            body.extend_from_slice(&piece);
        }
        seen.push((path, body));
        if last {
            return Ok(());
        }
        if idles {
            tokio::select! {
                biased;
                _ = session.read_body_or_idle(true) => {}
                () = yield_now() => {}
            }
        }
        let ServerSession::H1(http1) = session else { unreachable!() };
        let Some(reused) = http1.reuse().await? else { return Ok(()) };
        phase.head();
        let (stream, more) = reused.into_parts();
        (session, prefix) = (ServerSession::new_http1(stream), more);
    }
}

#[tokio::test]
async fn requests_of_all_kinds_are_told_apart_however_they_were_cut_on_their_way() {
    let all = REQUESTS.concat();
    for seed in 0..300 {
        let mut numbers = Numbers(seed);
        let longest = [1, 2, 8, 64, 600][numbers.below(5)];
        let (found, failed) = converse(all.as_bytes(), longest, &mut numbers).await;
        assert_eq!(found, seen(), "seed {seed}, pieces up to {longest}: {failed:?}");
        assert!(failed.is_none());
    }
}

#[tokio::test]
async fn what_comes_behind_a_broken_body_is_never_read_as_a_request() {
    let broken = "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a\n\r\nhello\r\n0\r\n\r\n";
    let all = [&REQUESTS[..5].concat(), broken, &REQUESTS.concat()].concat();
    for seed in 0..300 {
        let mut numbers = Numbers(seed);
        let longest = [1, 2, 8, 64, 1200][numbers.below(5)];
        let (found, failed) = converse(all.as_bytes(), longest, &mut numbers).await;
        assert_eq!(found, seen()[..5], "seed {seed}, pieces up to {longest}");
        let flaw = crate::body::bad_chunk(&failed.unwrap());
        assert!(matches!(flaw, Some(Rejection::BodyBroken { .. })), "seed {seed}, pieces up to {longest}: {flaw:?}");
    }
}

#[tokio::test]
async fn a_connection_with_a_broken_body_is_never_read_again() {
    let (mut client, server) = UnixStream::pair().unwrap();
    let mut guard = Guard::new(Socket::Unix(server), &HttpLimits::default());
    client.write_all(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n+5\r\n").await.unwrap();
    let mut head = BytesMut::with_capacity(4 << 10);
    guard.read_buf(&mut head).await.unwrap();
    assert!(head.ends_with(b"\r\n\r\n"));
    let phase = guard.phase();
    phase.request();
    phase.chunks().unwrap();
    client.write_all(REQUESTS.concat().as_bytes()).await.unwrap();
    for _ in 0..2 {
        let failed = guard.read_u8().await.unwrap_err();
        assert_eq!(failed.kind(), io::ErrorKind::InvalidData);
        phase.head();
    }
}

#[tokio::test]
async fn what_is_put_back_comes_again_before_what_was_kept_back() {
    let (mut client, server) = UnixStream::pair().unwrap();
    let mut guard = Guard::new(Socket::Unix(server), &HttpLimits::default());
    // As HTTP/2 begins, with the word in its first frames.
    let sent = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x07\0\0\0\0\0\x01chunked";
    client.write_all(sent).await.unwrap();
    let mut first = BytesMut::with_capacity(4 << 10);
    while first.len() < 24 {
        guard.read_buf(&mut first).await.unwrap();
    }
    guard.unread(first);
    guard.phase().request();
    let mut again = vec![0; sent.len()];
    guard.read_exact(&mut again).await.unwrap();
    assert_eq!(again, sent);
}

#[test]
fn chunks_that_were_read_with_a_head_of_unknown_end_are_refused() {
    let phase = Phase::default();
    phase.head_read(false);
    phase.request();
    assert!(matches!(phase.chunks(), Err(Rejection::BadHead { .. })));
}
