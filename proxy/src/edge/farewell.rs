//! The end of a connection: the client is told that nothing more comes, and what it still sends is read and dropped until it closes too.
//!
//! Closing at once would reset the connection when bytes of the client are on their way, and a reset takes from the client what it has not
//! read yet: why it was refused (RFC 9112 section 9.6), or HTTP/2's word that the rest may be sent elsewhere (RFC 9113 section 6.8).

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::socket::Socket;

/// How long and how much a client may still send.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 1 << 20;

/// What is left of the end.
#[derive(Debug)]
pub(super) struct Farewell {
    deadline: Pin<Box<Sleep>>,
    left: usize,
}

impl Farewell {
    /// To be made when the last byte is sent.
    pub(super) fn new() -> Self {
        Farewell { deadline: Box::pin(sleep(LINGER)), left: LINGER_BYTES }
    }

    /// Done when the client has closed, or has had its time or bytes.
    pub(super) fn poll(&mut self, socket: &mut Socket, cx: &mut Context<'_>) -> Poll<()> {
        let mut sink = [0; 4 << 10];
        while self.left > 0 {
            let mut sink = ReadBuf::new(&mut sink);
            match Pin::new(&mut *socket).poll_read(cx, &mut sink) {
                Poll::Ready(Ok(())) if !sink.filled().is_empty() => self.left = self.left.saturating_sub(sink.filled().len()),
                Poll::Ready(_) => break,
                Poll::Pending => {
                    ready!(self.deadline.as_mut().poll(cx));
                    break;
                }
            }
        }
        Poll::Ready(())
    }
}
