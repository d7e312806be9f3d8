//! Reads the body of a request that Forebay answers itself, under its limits of size, time and memory.
//!
//! Memory follows what was received: nothing is reserved for what a header declares, and what all bodies hold together has a cap.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use forebay_mesh_config::listen::HttpLimits;
use http::header::{CONTENT_LENGTH, EXPECT};
use http::{HeaderMap, StatusCode};
use pingora::http::ResponseHeader;
use pingora::protocols::http::ServerSession;
use tokio::time::timeout;

use crate::edge::BadChunk;
use crate::rejection::Rejection;

/// Bytes that all bodies hold.
#[derive(Clone, Debug, Default)]
pub(crate) struct BodyMemory(Arc<AtomicUsize>);

impl BodyMemory {
    pub(crate) fn held(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// A part of the memory for bodies; given back on drop.
#[derive(Debug)]
pub(crate) struct Held {
    memory: BodyMemory,
    bytes: usize,
}

impl Held {
    pub(crate) fn nothing(memory: &BodyMemory) -> Self {
        Held { memory: memory.clone(), bytes: 0 }
    }

    /// Holds `more` bytes on top, if all bodies together stay within `limit`.
    pub(crate) fn grow(&mut self, more: usize, limit: usize) -> Result<(), Rejection> {
        let before = self.memory.0.fetch_add(more, Ordering::Relaxed);
        self.bytes += more;
        if before.saturating_add(more) > limit {
            return Err(Rejection::OutOfMemory { limit });
        }
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.memory.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// A body that was read whole.
#[derive(Debug)]
pub(crate) struct Body {
    pub(crate) bytes: Bytes,
    pub(crate) held: Held,
}

/// Reads the whole body as it was sent.
pub(crate) async fn read(session: &mut ServerSession, limits: &HttpLimits, memory: &BodyMemory) -> Result<Body, Rejection> {
    let headers = &session.req_header().headers;
    if declared_length(headers).is_some_and(|length| length > limits.body) {
        return Err(Rejection::BodyTooLarge { limit: limits.body });
    }
    if headers.contains_key(EXPECT) {
        ask(session).await?;
    }
    match timeout(limits.body_time, collect(session, limits, memory)).await {
        Ok(body) => body,
        Err(_) => Err(Rejection::BodyTimedOut),
    }
}

/// Asks for the body of a client that waits to be asked.
pub(crate) async fn ask(session: &mut ServerSession) -> Result<(), Rejection> {
    let head = ResponseHeader::build_no_case(StatusCode::CONTINUE, Some(0));
    announce(session, Box::new(head.map_err(|_| Rejection::Internal { detail: "the body could not be asked for" })?)).await
}

/// Writes an interim response (RFC 9110 section 15.2). pingora takes an answer before the body's end for the last one, this one too.
pub(crate) async fn announce(session: &mut ServerSession, head: Box<ResponseHeader>) -> Result<(), Rejection> {
    session.set_close_on_response_before_downstream_finish(false);
    let announced = session.write_response_header(head).await;
    session.set_close_on_response_before_downstream_finish(true);
    announced.map_err(|_| Rejection::CallerLeft)
}

/// `Content-Length`, of a head that was checked.
pub(crate) fn declared_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

async fn collect(session: &mut ServerSession, limits: &HttpLimits, memory: &BodyMemory) -> Result<Body, Rejection> {
    let mut held = Held::nothing(memory);
    let mut hold = |chunk: &Bytes, so_far: usize| {
        if so_far + chunk.len() > limits.body {
            return Err(Rejection::BodyTooLarge { limit: limits.body });
        }
        held.grow(chunk.len(), limits.bodies_in_memory)
    };
    let Some(first) = next(session, limits.body_idle).await? else { return Ok(Body { bytes: Bytes::new(), held }) };
    hold(&first, 0)?;
    // Most bodies come in one piece, and need no second copy.
    let Some(second) = next(session, limits.body_idle).await? else { return Ok(Body { bytes: first, held }) };
    hold(&second, first.len())?;
    let mut all = BytesMut::with_capacity(first.len() + second.len());
    all.extend_from_slice(&first);
    all.extend_from_slice(&second);
    drop((first, second));
    while let Some(chunk) = next(session, limits.body_idle).await? {
        hold(&chunk, all.len())?;
        all.extend_from_slice(&chunk);
    }
    Ok(Body { bytes: all.freeze(), held })
}

/// The next piece; `None` at the end.
async fn next(session: &mut ServerSession, idle: Duration) -> Result<Option<Bytes>, Rejection> {
    match timeout(idle, session.read_request_body()).await {
        Ok(Ok(piece)) => Ok(piece),
        Ok(Err(error)) => Err(broken(&error)),
        Err(_) => Err(Rejection::BodyTimedOut),
    }
}

/// What was wrong with a chunk, if that is why a body could not be read.
pub(crate) fn bad_chunk(error: &pingora::Error) -> Option<Rejection> {
    let flaw = error.root_cause().downcast_ref::<std::io::Error>()?.get_ref()?.downcast_ref::<BadChunk>()?;
    Some(Rejection::BodyBroken { detail: flaw.to_string() })
}

/// pingora's reasons in our words: its own name bytes of the body.
pub(crate) fn broken(error: &pingora::Error) -> Rejection {
    use pingora::ErrorType;
    if let Some(rejection) = bad_chunk(error) {
        return rejection;
    }
    match error.etype() {
        ErrorType::ReadTimedout => Rejection::BodyTimedOut,
        ErrorType::ConnectionClosed => Rejection::CallerLeft,
        _ => Rejection::BodyBroken { detail: "the body is not framed as its head says".to_owned() },
    }
}

/// Reads and drops what is left of a small body, so that the connection stays usable after a refusal.
pub(crate) async fn skip(session: &mut ServerSession) {
    /// A larger or slower rest is not worth the connection.
    const MOST: usize = 64 << 10;
    const LONGEST: Duration = Duration::from_millis(500);
    if session.is_body_done() {
        return;
    }
    let headers = &session.req_header().headers;
    if headers.contains_key(EXPECT) || declared_length(headers).is_none_or(|length| length > MOST) {
        return;
    }
    let rest = async { while let Ok(Some(_)) = session.read_request_body().await {} };
    let _in_time = timeout(LONGEST, rest).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_given_back_and_the_cap_holds() {
        let memory = BodyMemory::default();
        let mut first = Held::nothing(&memory);
        first.grow(60, 100).unwrap();
        let mut second = Held::nothing(&memory);
        assert!(matches!(second.grow(50, 100), Err(Rejection::OutOfMemory { limit: 100 })));
        drop(second);
        assert_eq!(memory.held(), 60);
        drop(first);
        assert_eq!(memory.held(), 0);
    }
}
