//! The connections to one server, kept for the next request.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use forebay_batch::backend::{Connector, Target};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::TokioExecutor;
use parking_lot::Mutex;
use tokio::time::{Instant, interval};

use super::body::Body;
use super::connection::{Connection, Http1, NO_HTTP};
use super::head::Kind;
use crate::rejection::Rejection;
use crate::request::InFlight;

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
            return Ok(Connection::Http1(Box::new(Http1::new(sender, driver))));
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
        http1.is_answered();
        if http1.is_reusable().await {
            let mut idle = self.idle.lock();
            if idle.len() < MOST_IDLE {
                idle.push(Idle { http1, since: Instant::now() });
            }
        }
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
