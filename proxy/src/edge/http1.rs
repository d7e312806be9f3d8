//! HTTP/1.1: one request after another on one connection, pipelined ones included.

use bytes::BytesMut;
use http::Version;
use pingora::protocols::Stream;
use pingora::protocols::http::ServerSession;
use pingora::{Error, ErrorType};
use tokio::time::timeout;

use super::connection::Connection;
use super::guard::Guard;
use super::left::guard;
use super::listener::Edge;
use crate::rejection::Rejection;

pub(super) async fn serve(mut guard: Box<Guard>, connection: Connection, edge: &Edge) {
    while let Some((stream, next)) = Box::pin(request(guard, &connection, edge)).await {
        connection.phase.head();
        guard = match at_the_next_request(stream, next, edge).await {
            Some(guard) => guard,
            None => return,
        };
    }
}

/// Serves the next request; gives back the connection, if another may follow on it, and what was read of that already. Nothing of a session is
/// held between two.
async fn request(guard: Box<Guard>, connection: &Connection, edge: &Edge) -> Option<(Stream, Option<BytesMut>)> {
    let mut session = session(guard, edge);
    let read = tokio::select! {
        biased;
        read = session.read_request() => read,
        () = edge.no_more_heads() => return None,
    };
    match read {
        Ok(true) => {}
        Ok(false) => return None,
        Err(error) => {
            refuse(&mut session, &error).await;
            return None;
        }
    }
    if *edge.draining.borrow() {
        session.set_keepalive(None);
    }
    if edge.gateway.serve(&mut session, connection.clone()).await.is_err() {
        break_off(&session);
        return None;
    }
    Box::pin(session.finish()).await.ok().flatten().map(|reusable| reusable.into_parts())
}

fn session(guard: Box<Guard>, edge: &Edge) -> Box<ServerSession> {
    let mut session = Box::new(ServerSession::new_http1(guard));
    let limits = edge.limits();
    // pingora counts in whole seconds, and takes 0 for "no limit".
    session.set_keepalive(Some(limits.keep_alive.as_secs().max(1)));
    session.set_pipelining_enabled(true);
    session.set_read_timeout(Some(limits.body_idle));
    session.set_total_drain_timeout(Some(limits.body_idle));
    session
}

/// A client of HTTP/1.0 may know the end of an answer by the end of the connection alone.
fn break_off(session: &ServerSession) {
    if session.req_header().version == Version::HTTP_10
        && let Some(guard) = guard(session)
    {
        guard.reset_on_close();
    }
}

/// Answers a head that pingora could not read. There is no request, so that there is no line in the log either.
async fn refuse(session: &mut ServerSession, error: &Error) {
    if *error.etype() == ErrorType::InvalidHTTPHeader
        && let Some(guard) = guard(session)
    {
        guard.refuse(&Rejection::BadHead { detail: "the head cannot be read as one of HTTP/1.1" });
    }
    session.shutdown().await;
}

/// Waits for the next request without what pingora holds for one, 17 KiB; `None` when none comes.
async fn at_the_next_request(stream: Stream, next: Option<BytesMut>, edge: &Edge) -> Option<Box<Guard>> {
    let mut guard: Box<Guard> = stream.into_any().downcast().ok()?;
    match next {
        Some(read) => guard.unread(read),
        None => tokio::select! {
            biased;
            readable = timeout(edge.limits().keep_alive, guard.readable()) => readable.ok()?.ok()?,
            () = edge.no_more_requests() => return None,
        },
    }
    Some(guard)
}
