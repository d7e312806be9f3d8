//! Whether the client of a request is still there.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

use pingora::protocols::http::ServerSession;
use tokio::time::{Instant, sleep};

use super::guard::Guard;

/// How often is looked while bytes of a next request wait, which hide that nothing comes behind them.
pub(super) const AGAIN: Duration = Duration::from_millis(250);

/// Waits for `poll`, which begins anew each time that it is called: what it waits for by the clock is forgotten with each call, so that it is
/// called now and then.
pub(crate) async fn poll_again<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
    let mut again = pin!(sleep(AGAIN));
    poll_fn(|cx| {
        loop {
            if let Poll::Ready(done) = poll(cx) {
                return Poll::Ready(done);
            }
            if again.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            again.as_mut().reset(Instant::now() + AGAIN);
        }
    })
    .await
}

/// Resolves when the client has left: it has reset its stream or closed its side of the connection. Nothing is read. May be left at any time.
pub(crate) async fn left(session: &mut ServerSession) {
    match guard(session) {
        Some(guard) => guard.left().await,
        // Over HTTP/2 it is pingora who waits, until the head of an answer is written.
        None => drop(session.read_body_or_idle(true).await),
    }
}

/// Resolves when the client has broken its connection of HTTP/1.1 off. May be left at any time.
pub(crate) async fn broken(session: &ServerSession) {
    match guard(session) {
        Some(guard) => guard.broken().await,
        None => std::future::pending().await,
    }
}

/// Below the session; over HTTP/2 there is none of its own.
pub(super) fn guard(session: &ServerSession) -> Option<&Guard> {
    session.stream().and_then(|stream| stream.as_any().downcast_ref())
}
