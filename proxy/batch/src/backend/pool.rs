//! Connections to one server over HTTP/1.1, kept for the next request.
//!
//! A connection has no task of its own: whoever sends a request drives the connection until the answer is there. Between a batch and its
//! bytes then stands neither a wake-up nor a hand-over from task to task.

use std::error::Error as _;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, response};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::connect::{Connector, Stream, Target};

/// Idle connections are used again within this time: longer than the pause between two probes, shorter than most servers' own limit.
const IDLE: Duration = Duration::from_secs(4);

/// Why there is no whole answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    #[error(transparent)]
    Connect(io::Error),
    #[error(transparent)]
    Head(hyper::Error),
    #[error("its answer broke off: {0}")]
    Body(Box<dyn std::error::Error + Send + Sync>),
    #[error("its answer is larger than {0} bytes")]
    TooLarge(usize),
}

/// The connections to one server; clones share them.
#[derive(Clone)]
pub(super) struct Pool {
    connector: Connector,
    /// The last used is the last.
    idle: Arc<Mutex<Vec<Idle>>>,
}

struct Idle {
    connection: Connection,
    since: Instant,
}

impl Pool {
    pub(super) fn new(target: &Target) -> Result<Self, http::uri::InvalidUri> {
        Ok(Pool { connector: Connector::new(target)?, idle: Arc::default() })
    }

    /// Sends a request, once more when its connection turns out to have been closed as idle, and holds the answer.
    ///
    /// A server may close a connection between two requests, and the next one is then lost without a byte of an answer. Inference may be
    /// repeated: it changes nothing on the server, and failed batches are run again as well.
    pub(super) async fn exchange(&self, request: Request<Full<Bytes>>, max_answer: usize) -> Result<(response::Parts, Bytes), Broken> {
        let mut connection = self.take().await?;
        let mut answer = connection.exchange(request.clone(), max_answer).await;
        if matches!(&answer, Err(Broken::Head(error)) if connection.answered && broke(error)) {
            connection = self.open().await?;
            answer = Box::pin(connection.exchange(request, max_answer)).await;
        }
        let answer = answer?;
        if connection.is_reusable().await {
            self.idle.lock().push(Idle { connection, since: Instant::now() });
        }
        Ok(answer)
    }

    /// The connection that was used last, or a new one.
    async fn take(&self) -> Result<Connection, Broken> {
        while let Some(mut connection) = self.pop() {
            if connection.is_reusable().await {
                return Ok(connection);
            }
        }
        self.open().await
    }

    /// In a box of its own, as the repeated exchange is: a request on a connection that stands does not carry the room for them.
    async fn open(&self) -> Result<Connection, Broken> {
        Box::pin(Connection::open(&self.connector)).await
    }

    fn pop(&self) -> Option<Connection> {
        let mut idle = self.idle.lock();
        idle.retain(|kept| kept.since.elapsed() < IDLE);
        idle.pop().map(|kept| kept.connection)
    }
}

struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// `None` when it has ended.
    driver: Option<http1::Connection<Stream, Full<Bytes>>>,
    /// Whether it has carried an answer: only then may its server have closed it as idle while a request was under way.
    answered: bool,
}

impl Connection {
    async fn open(connector: &Connector) -> Result<Self, Broken> {
        let stream = connector.connect().await.map_err(Broken::Connect)?;
        let (sender, driver) = http1::handshake(stream).await.map_err(Broken::Head)?;
        Ok(Connection { sender, driver: Some(driver), answered: false })
    }

    async fn exchange(&mut self, request: Request<Full<Bytes>>, max_answer: usize) -> Result<(response::Parts, Bytes), Broken> {
        let sent = self.sender.send_request(request);
        let (head, body) = self
            .drive(async {
                let (head, body) = sent.await.map_err(Broken::Head)?.into_parts();
                match Limited::new(body, max_answer).collect().await {
                    Ok(body) => Ok((head, body.to_bytes())),
                    Err(e) if e.is::<LengthLimitError>() => Err(Broken::TooLarge(max_answer)),
                    Err(e) => Err(Broken::Body(e)),
                }
            })
            .await?;
        self.answered = true;
        Ok((head, body))
    }

    /// Runs the connection until `work` on it is done.
    async fn drive<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        poll_fn(|cx| {
            let done = work.as_mut().poll(cx);
            if done.is_ready() || !self.advance(cx) {
                return done;
            }
            work.as_mut().poll(cx)
        })
        .await
    }

    /// Whether there was a connection to run.
    fn advance(&mut self, cx: &mut std::task::Context<'_>) -> bool {
        let Some(driver) = &mut self.driver else { return false };
        // Why it ended is told to the request.
        if Pin::new(driver).poll(cx).is_ready() {
            self.driver = None;
        }
        true
    }

    /// Whether it takes another request, as far as is known here.
    async fn is_reusable(&mut self) -> bool {
        poll_fn(|cx| {
            self.advance(cx);
            Poll::Ready(())
        })
        .await;
        self.driver.is_some() && self.sender.is_ready()
    }
}

/// Whether a connection broke without a byte of the answer. An answer that cannot be read is none; one that breaks off in its head is, and
/// counts as none.
fn broke(error: &hyper::Error) -> bool {
    error.is_canceled() || error.is_incomplete_message() || error.source().is_some_and(|cause| cause.is::<io::Error>())
}
