//! One client's connection: which protocol it speaks, and what its requests may know of it.

use std::future::{Future, poll_fn};
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use pingora::protocols::Shutdown;
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

use super::chunks::is_token;
use super::guard::{Guard, Phase};
use super::listener::Edge;
use super::socket::Socket;
use super::{http1, http2};

/// What a client that speaks HTTP/2 without TLS sends first (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// When no new connection is served any more: how long a handshake may still take, and how long a request may be on its way on a connection
/// that stands.
pub(super) const LAST_WORD: Duration = Duration::from_millis(250);

/// What a request knows of the connection that it came on.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    /// `None` on a unix socket.
    pub(crate) peer: Option<IpAddr>,
    pub(crate) phase: Arc<Phase>,
}

/// Serves one connection until it ends. What a protocol needs is not held before it is spoken, so that a client that says nothing costs
/// little more than its socket.
pub(super) async fn serve(socket: Socket, peer: Option<IpAddr>, edge: &Edge) {
    // Not all limits are held for as long as the connection is open.
    let (mut guard, keep_alive) = {
        let limits = edge.limits();
        (Box::new(Guard::new(socket, &limits)), limits.keep_alive)
    };
    let connection = Connection { peer, phase: guard.phase() };
    let protocol = tokio::select! {
        biased;
        protocol = speaks_http2(&mut guard, keep_alive) => protocol,
        () = edge.no_more_requests() => return,
    };
    match protocol {
        Ok(Some(true)) => Box::pin(http2::serve(guard, connection, edge)).await,
        Ok(Some(false)) => Box::pin(http1::serve(guard, connection, edge)).await,
        Ok(None) => {}
        // The guard may have said why.
        Err(_) => guard.shutdown().await,
    }
}

/// Reads the preface of HTTP/2 or a whole head of HTTP/1, and puts it back; `None` when nobody is there who would understand an answer.
///
/// A head could be left to pingora when the first byte shows what it is. But it may come slowly, and pingora holds 17 KiB for a request.
async fn speaks_http2(guard: &mut Guard, keep_alive: Duration) -> io::Result<Option<bool>> {
    // A client that says nothing at all is as idle as one between two requests. For a head that has begun there is the guard's deadline.
    let mut first = timeout(keep_alive, first_bytes(guard)).await??;
    let mut read = first.len();
    loop {
        if read == 0 {
            return Ok(None);
        }
        let compared = first.len().min(PREFACE.len());
        let same = first.get(..compared) == PREFACE.get(..compared);
        if !same && !may_be_http1(&first) {
            return Ok(None);
        }
        if if same { first.len() >= PREFACE.len() } else { is_whole(&first, read) } {
            guard.unread(first);
            return Ok(Some(same));
        }
        read = guard.read_buf(&mut first).await?;
    }
}

/// What the first read brings; nothing when the client closed. There is no buffer while nothing comes.
async fn first_bytes(guard: &mut Guard) -> io::Result<BytesMut> {
    poll_fn(|cx| {
        let mut first = BytesMut::with_capacity(4 << 10);
        ready!(pin!(guard.read_buf(&mut first)).poll(cx))?;
        Poll::Ready(Ok(first))
    })
    .await
}

/// Whether a head may end in its last `read` bytes, for the most lenient reader; or is no head, which needs no more bytes to be refused.
fn is_whole(head: &[u8], read: usize) -> bool {
    let new = head.get(head.len().saturating_sub(read + 2)..).unwrap_or_default();
    let ends = |at: usize| new.get(at + 1..).is_some_and(|rest| rest.starts_with(b"\n") || rest.starts_with(b"\r\n"));
    !head.first().is_some_and(|&b| is_token(b) || b == b'\r' || b == b'\n') || memchr::memchr_iter(b'\n', new).any(ends)
}

/// Whether the first line, if it is there whole, names a version of HTTP/1. A TLS greeting and a mistyped preface do not, and are closed
/// without an answer (RFC 9113 section 3.4).
fn may_be_http1(first: &[u8]) -> bool {
    let mut lines = first.split(|&b| b == b'\n');
    let (line, whole) = (lines.next().unwrap_or_default(), lines.next().is_some());
    // One empty line before a request is allowed.
    !whole || line == b"\r" || line.windows(8).any(|word| word == b" HTTP/1.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_whole_with_its_last_byte_wherever_it_was_cut() {
        for head in ["GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\nHost: a\n\n", "GET / HTTP/1.1\r\nHost: a\n\r\n"] {
            for last in 1..head.len() {
                assert!(is_whole(head.as_bytes(), last), "{head:?} {last}");
                for read in 1..=head.len() - last {
                    assert!(!is_whole(&head.as_bytes()[..head.len() - last], read), "{head:?} {last} {read}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_head_is_not_waited_for() {
        assert!(is_whole(b"\x16\x03\x01", 3) && is_whole(b" GET", 4));
    }
}
