//! Connections to the server, kept for the next request.
//!
//! A connection of HTTP/1.1 has no task of its own: whoever has a request on it drives it, so that between client and server there is
//! neither a wake-up nor a hand-over from task to task. gRPC calls share connections of HTTP/2, each of which has a task.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use forebay_batch::backend::{Connector, Stream, Target};
use futures_util::future::Either;
use http::Response;
use hyper::body::{Body as _, Frame, Incoming};
use hyper::client::conn::{TrySendError, http1, http2};
use hyper_util::rt::TokioExecutor;
use parking_lot::Mutex;
use pingora::http::ResponseHeader;
use tokio::time::{Instant, interval};

use super::head::{Kind, Outgoing, announcement};
use super::upload::Body;
use crate::rejection::Rejection;
use crate::request::{InFlight, Permit};

/// Idle connections are kept shorter than servers keep them (uvicorn: 5 s), so that a request does not meet one that is being closed.
const IDLE: Duration = Duration::from_secs(4);

/// Idle connections that are kept; more come from a burst.
const MOST_IDLE: usize = 128;

/// What is read of an answer at once, and the most that its head may have; and what of a body waits for the server. With its frame it is one
/// write to the client.
const PIECE: usize = (16 << 10) - 256;

/// Calls on one HTTP/2 connection, if the server allows so many: as many as RFC 9113 section 6.5.2 wants it to, at least.
const CALLS: usize = 100;

/// How often is looked whether a server has changed how many calls it takes on a connection.
const LOOK: Duration = Duration::from_millis(500);

/// What an HTTP/2 stream may bring before it is taken. All of them together may bring it, or clients that do not take their answers would
/// hold up the others'.
const STREAM_WINDOW: u32 = 64 << 10;
const CONNECTION_WINDOW: u32 = STREAM_WINDOW * CALLS as u32;

/// The connections to one server.
pub(super) struct Connections {
    connector: Connector,
    /// The last used is the last.
    idle: Mutex<Vec<Idle>>,
    http2: Mutex<Vec<Http2>>,
}

struct Idle {
    http1: Box<Http1>,
    since: Instant,
}

impl std::fmt::Debug for Connections {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connections").field("idle", &self.idle.lock().len()).finish_non_exhaustive()
    }
}

impl Connections {
    pub(super) fn new(target: &Target) -> Result<Self, http::uri::InvalidUri> {
        Ok(Connections { connector: Connector::new(target)?, idle: Mutex::default(), http2: Mutex::default() })
    }

    /// Closes those that nobody has used for a while.
    pub(super) fn sweep(&self) {
        self.idle.lock().retain(|kept| kept.since.elapsed() < IDLE);
        let mut one = false;
        self.http2.lock().retain(|http2| !http2.sender.is_closed() && (http2.calls.count() > 0 || !std::mem::replace(&mut one, true)));
    }

    /// The connection that was used last, or a new one.
    pub(super) async fn take(&self, kind: Kind) -> Result<Connection, Rejection> {
        if kind == Kind::Grpc {
            let shared = self.http2.lock().iter().find(|http2| http2.takes_another()).map(|http2| http2.call(false));
            return match shared {
                Some(connection) => Ok(connection),
                None => self.open(kind).await,
            };
        }
        while let Some(mut http1) = self.pop() {
            if http1.is_reusable().await {
                return Ok(Connection::Http1(http1));
            }
        }
        self.open(kind).await
    }

    /// In a box of its own: a request on a connection that stands does not carry the room for this.
    pub(super) async fn open(&self, kind: Kind) -> Result<Connection, Rejection> {
        Box::pin(self.connect(kind)).await
    }

    async fn connect(&self, kind: Kind) -> Result<Connection, Rejection> {
        let unreachable = |_| Rejection::Upstream { detail: "it does not take connections, or its name has no address" };
        let stream = self.connector.connect().await.map_err(unreachable)?;
        let unreadable = |_| Rejection::Upstream { detail: NO_HTTP };
        if kind != Kind::Grpc {
            let (sender, driver) = http1::Builder::new().max_buf_size(PIECE).handshake(stream).await.map_err(unreadable)?;
            let http1 = Http1 { sender, driver, ended: false, answered: false, announced: Arc::default() };
            return Ok(Connection::Http1(Box::new(http1)));
        }
        let mut http2 = http2::Builder::new(TokioExecutor::new());
        http2.initial_stream_window_size(STREAM_WINDOW).initial_connection_window_size(CONNECTION_WINDOW);
        let (sender, mut driver) = http2.handshake(stream).await.map_err(unreadable)?;
        let http2 = Http2 { sender, calls: InFlight::default(), most: Arc::new(driver.current_max_send_streams().into()) };
        let most = http2.most.clone();
        tokio::spawn(async move {
            // It is not told when the server says how many calls it takes.
            let mut look = interval(LOOK);
            loop {
                tokio::select! {
                    // Why it ended is told to its requests.
                    _ended = &mut driver => return,
                    _ = look.tick() => most.store(driver.current_max_send_streams(), Ordering::Relaxed),
                }
            }
        });
        let connection = http2.call(true);
        self.http2.lock().push(http2);
        Ok(connection)
    }

    fn pop(&self) -> Option<Box<Http1>> {
        let mut idle = self.idle.lock();
        let kept = idle.pop().filter(|kept| kept.since.elapsed() < IDLE);
        // Those below it are older still.
        if kept.is_none() {
            idle.clear();
        }
        kept.map(|kept| kept.http1)
    }

    /// No more calls go to a connection on which nothing moves.
    pub(super) fn avoid(&self, connection: &Connection) {
        if let Connection::Http2 { most, .. } = connection {
            self.http2.lock().retain(|http2| !Arc::ptr_eq(&http2.most, most));
        }
    }

    /// Keeps a connection that takes another request.
    pub(super) async fn give_back(&self, connection: Connection) {
        let Connection::Http1(mut http1) = connection else { return };
        http1.answered = true;
        if http1.is_reusable().await {
            let mut idle = self.idle.lock();
            if idle.len() < MOST_IDLE {
                idle.push(Idle { http1, since: Instant::now() });
            }
        }
    }
}

const NO_HTTP: &str = "it answers something that is not HTTP";
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

/// A connection that calls share.
struct Http2 {
    sender: http2::SendRequest<Body>,
    calls: InFlight,
    /// How many the server allows at once.
    most: Arc<AtomicUsize>,
}

impl Http2 {
    fn takes_another(&self) -> bool {
        !self.sender.is_closed() && self.calls.count() < self.most.load(Ordering::Relaxed).min(CALLS)
    }

    fn call(&self, new: bool) -> Connection {
        let (call, _) = self.calls.enter(usize::MAX);
        Connection::Http2 { sender: self.sender.clone(), new, most: self.most.clone(), _call: call }
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
    async fn is_reusable(&mut self) -> bool {
        poll_fn(|cx| {
            self.advance(cx);
            Poll::Ready(())
        })
        .await;
        !self.ended && self.sender.is_ready()
    }
}
