//! One connection to the server.
//!
//! A connection of HTTP/1.1 has no task of its own: whoever has a request on it drives it, so that between client and server there is
//! neither a wake-up nor a hand-over from task to task. gRPC calls share connections of HTTP/2, each of which has a task.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::task::{Context, Poll};

use bytes::Bytes;
use forebay_batch::backend::Stream;
use futures_util::future::Either;
use http::Response;
use hyper::body::{Body as _, Frame, Incoming};
use hyper::client::conn::{TrySendError, http1, http2};
use parking_lot::Mutex;
use pingora::http::ResponseHeader;

use super::body::Body;
use super::head::{Outgoing, announcement};
use crate::rejection::Rejection;
use crate::request::Permit;

pub(super) const NO_HTTP: &str = "it answers something that is not HTTP";
const TOO_LARGE: &str = "the head of its answer has more than 16 KB or 100 lines";

/// The connection of one request.
pub(super) enum Connection {
    Http1(Box<Http1>),
    Http2 { sender: http2::SendRequest<Body>, new: bool, most: Arc<AtomicUsize>, _call: Permit },
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Unanswered {
    /// Nor will there be one.
    Never(Rejection),
    /// The server has not seen the request.
    Unsent(Box<Outgoing>),
    /// It may have.
    Broken,
}

impl From<Rejection> for Unanswered {
    fn from(rejection: Rejection) -> Self {
        Unanswered::Never(rejection)
    }
}

impl From<TrySendError<Outgoing>> for Unanswered {
    fn from(mut failed: TrySendError<Outgoing>) -> Self {
        match failed.take_message() {
            Some(unsent) => Unanswered::Unsent(Box::new(unsent)),
            None if failed.error().is_parse_too_large() => Unanswered::Never(Rejection::Upstream { detail: TOO_LARGE }),
            None if failed.error().is_parse() => Unanswered::Never(Rejection::Upstream { detail: NO_HTTP }),
            None => Unanswered::Broken,
        }
    }
}

/// What comes from the server before the body.
pub(super) struct Arrived {
    /// Interim responses (RFC 9110 section 15.2).
    pub(super) announced: Vec<ResponseHeader>,
    pub(super) answer: Option<Result<Response<Incoming>, Unanswered>>,
}

/// What is left of a connection that changed its protocol.
pub(super) struct Ours {
    pub(super) stream: Stream,
    /// Read already.
    pub(super) read: Bytes,
}

type Answer = Result<Response<Incoming>, TrySendError<Outgoing>>;

impl Connection {
    /// Whether no request was on it before this one.
    pub(super) fn is_new(&self) -> bool {
        match self {
            Connection::Http1(http1) => !http1.answered,
            Connection::Http2 { new, .. } => *new,
        }
    }

    /// Hands a request over; the answer comes as the connection is driven.
    pub(super) fn send(&mut self, outgoing: Outgoing) -> impl Future<Output = Answer> + use<> {
        match self {
            Connection::Http1(http1) => Either::Left(http1.send(outgoing)),
            Connection::Http2 { sender, .. } => Either::Right(sender.try_send_request(outgoing)),
        }
    }

    /// The next thing that comes from the server. May be dropped at any time.
    pub(super) async fn arrival(&mut self, mut answer: Pin<&mut impl Future<Output = Answer>>) -> Arrived {
        poll_fn(|cx| {
            let polled = self.drive(cx, |cx| answer.as_mut().poll(cx));
            let announced = match self {
                Connection::Http1(http1) => std::mem::take(&mut *http1.announced.lock()),
                Connection::Http2 { .. } => Vec::new(),
            };
            match polled {
                Poll::Pending if announced.is_empty() => Poll::Pending,
                Poll::Pending => Poll::Ready(Arrived { announced, answer: None }),
                Poll::Ready(answer) => Poll::Ready(Arrived { announced, answer: Some(answer.map_err(Unanswered::from)) }),
            }
        })
        .await
    }

    /// The next piece of an answer. May be dropped at any time.
    pub(super) async fn frame(&mut self, body: &mut Incoming) -> Option<hyper::Result<Frame<Bytes>>> {
        poll_fn(|cx| self.drive(cx, |cx| Pin::new(&mut *body).poll_frame(cx))).await
    }

    /// Polls what depends on the connection, and the connection.
    fn drive<T>(&mut self, cx: &mut Context<'_>, mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
        let polled = poll(cx);
        if polled.is_pending() && self.advance(cx) { poll(cx) } else { polled }
    }

    /// Drives the connection; whether there was one that needs it.
    pub(super) fn advance(&mut self, cx: &mut Context<'_>) -> bool {
        match self {
            Connection::Http1(http1) => http1.advance(cx),
            Connection::Http2 { .. } => false,
        }
    }

    /// The bare stream, once hyper has let go of it.
    pub(super) async fn into_stream(self) -> Option<Ours> {
        let Connection::Http1(mut http1) = self else { return None };
        poll_fn(|cx| {
            http1.advance(cx);
            if http1.ended { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        let parts = http1.driver.into_parts();
        Some(Ours { stream: parts.io, read: parts.read_buf })
    }
}

pub(super) struct Http1 {
    sender: http1::SendRequest<Body>,
    driver: http1::Connection<Stream, Body>,
    ended: bool,
    /// Whether it has carried an answer: only then may its server have closed it as idle while a request was under way.
    answered: bool,
    announced: Announced,
}

/// Interim responses that were not passed on yet.
type Announced = Arc<Mutex<Vec<ResponseHeader>>>;

impl Http1 {
    pub(super) fn new(sender: http1::SendRequest<Body>, driver: http1::Connection<Stream, Body>) -> Self {
        Http1 { sender, driver, ended: false, answered: false, announced: Arc::default() }
    }

    /// It has carried an answer.
    pub(super) fn is_answered(&mut self) {
        self.answered = true;
    }

    fn send(&mut self, mut outgoing: Outgoing) -> impl Future<Output = Answer> + use<> {
        let announced = self.announced.clone();
        hyper::ext::on_informational(&mut outgoing, move |head| {
            announced.lock().extend(announcement(head.status(), head.headers().clone()));
        });
        self.sender.try_send_request(outgoing)
    }

    /// Whether there was a connection to be driven.
    fn advance(&mut self, cx: &mut Context<'_>) -> bool {
        if self.ended {
            return false;
        }
        // Why it ended is told to the request.
        self.ended = self.driver.poll_without_shutdown(cx).is_ready();
        true
    }

    /// Whether it takes another request, as far as is known here.
    pub(super) async fn is_reusable(&mut self) -> bool {
        poll_fn(|cx| {
            self.advance(cx);
            Poll::Ready(())
        })
        .await;
        !self.ended && self.sender.is_ready()
    }
}
