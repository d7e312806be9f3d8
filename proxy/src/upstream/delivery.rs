//! The body of an answer on its way to the client, a piece at a time.
//!
//! pingora's own writes end only when the client has taken them. Here they can be left and come back to, so that the client's side is read
//! meanwhile: a client may send all of a body before it reads any of the answer.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use h2::SendStream;
use http::HeaderMap;
use pingora::protocols::http::{HttpTask, ServerSession};
use tokio::time::{Sleep, sleep};

use super::head::remove_hop_by_hop;
use crate::edge;
use crate::rejection::Rejection;

/// What is written, and how.
pub(super) struct Delivery {
    way: Way,
    /// Something was put and is not written yet.
    busy: bool,
}

enum Way {
    /// No head is written yet.
    None,
    /// pingora's queue of things to write. A deadline is the guard's.
    Http1,
    /// It has changed its protocol.
    Upgraded,
    Http2(Box<Stream>),
}

/// The sending half of an HTTP/2 stream.
struct Stream {
    sender: SendStream<Bytes>,
    piece: Bytes,
    sent: usize,
    write_idle: Duration,
    deadline: Option<Pin<Box<Sleep>>>,
}

fn left<E>(_: E) -> Rejection {
    Rejection::CallerLeft
}

impl Delivery {
    /// Before the head is written.
    pub(super) fn new() -> Self {
        Delivery { way: Way::None, busy: false }
    }

    /// The head is written, and was not all.
    pub(super) fn begin(&mut self, session: &mut ServerSession, write_idle: Duration) {
        self.way = match session {
            ServerSession::H2(session) => match session.take_response_body_writer() {
                Some(sender) => Way::Http2(Box::new(Stream { sender, piece: Bytes::new(), sent: 0, write_idle, deadline: None })),
                None => Way::None,
            },
            session if session.was_upgraded() => Way::Upgraded,
            _ => Way::Http1,
        };
    }

    /// Whether what was put is not written yet.
    pub(super) fn is_busy(&self) -> bool {
        self.busy
    }

    /// Bytes that pingora has not counted.
    pub(super) fn sent(&self) -> usize {
        if let Way::Http2(stream) = &self.way { stream.sent } else { 0 }
    }

    /// Takes the next piece, when it is not busy.
    pub(super) fn put(&mut self, session: &mut ServerSession, piece: Bytes) {
        // Nothing at all would end a chunked body.
        if piece.is_empty() {
            return;
        }
        self.busy = true;
        match &mut self.way {
            Way::None => {}
            Way::Http1 => session.send_downstream_proxy_task(HttpTask::Body(Some(piece), false)),
            Way::Upgraded => session.send_downstream_proxy_task(HttpTask::UpgradedBody(Some(piece), false)),
            Way::Http2(stream) => {
                stream.sent += piece.len();
                stream.piece = piece;
            }
        }
    }

    /// Ends the body, when it is not busy. HTTP/1.1 has no room for trailers that nobody asked for.
    pub(super) fn end(&mut self, session: &mut ServerSession, trailers: Option<HeaderMap>) -> Result<(), Rejection> {
        match &mut self.way {
            Way::None => {}
            Way::Http1 | Way::Upgraded => {
                self.busy = true;
                session.send_downstream_proxy_task(HttpTask::Done);
            }
            Way::Http2(stream) => {
                let trailers = trailers.map(|mut trailers| {
                    remove_hop_by_hop(&mut trailers);
                    trailers
                });
                match trailers.filter(|trailers| !trailers.is_empty()) {
                    Some(trailers) => stream.sender.send_trailers(trailers).map_err(left)?,
                    None => stream.sender.send_data(Bytes::new(), true).map_err(left)?,
                }
            }
        }
        Ok(())
    }

    /// Writes what was put. May be left at any time.
    pub(super) fn poll(&mut self, session: &mut ServerSession, cx: &mut Context<'_>) -> Poll<Result<(), Rejection>> {
        match &mut self.way {
            Way::None => {}
            Way::Http1 | Way::Upgraded => {
                ready!(pin!(session.write_downstream_proxy_tasks()).poll(cx)).map_err(left)?;
            }
            Way::Http2(stream) => ready!(stream.poll(cx))?,
        }
        self.busy = false;
        Poll::Ready(Ok(()))
    }

    /// Resolves when the client is gone. May be left at any time.
    pub(super) async fn left(&mut self, session: &mut ServerSession) {
        match &mut self.way {
            Way::Http2(stream) => drop(poll_fn(|cx| stream.sender.poll_reset(cx)).await),
            _ => edge::left(session).await,
        }
    }
}

impl Stream {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Rejection>> {
        while !self.piece.is_empty() {
            self.sender.reserve_capacity(self.piece.len());
            match self.sender.poll_capacity(cx) {
                Poll::Ready(Some(Ok(room))) => {
                    let part = self.piece.split_to(room.min(self.piece.len()));
                    self.sender.send_data(part, false).map_err(left)?;
                    self.deadline = None;
                }
                Poll::Ready(_) => return Poll::Ready(Err(Rejection::CallerLeft)),
                Poll::Pending => {
                    let after = self.write_idle;
                    let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep(after)));
                    ready!(deadline.as_mut().poll(cx));
                    return Poll::Ready(Err(Rejection::CallerLeft));
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}
