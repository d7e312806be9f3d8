//! Passing a request through to the server behind Forebay, and its answer back.
//!
//! One task moves the bytes of both directions, a piece at a time: what one side does not take is not read from the other, so that a request
//! under way holds a piece or two of 16 KiB, however large it is and however slow its client.

mod connection;
mod delivery;
mod head;
mod silence;
mod tunnel;
mod upload;

use std::future::Future;
use std::pin::pin;
use std::task::Poll;

use forebay_batch::backend::Target;
use forebay_mesh_config::models;
use futures_util::FutureExt;
use http::header::CONTENT_LENGTH;
use http::response::Parts;
use http::{StatusCode, Version};
use hyper::body::{Bytes, Frame, Incoming};
use pingora::http::ResponseHeader;
use pingora::protocols::http::ServerSession;
use tokio::time::sleep;

use self::connection::{Connection, Connections, Unanswered};
use self::delivery::Delivery;
use self::head::{Kind, Outgoing, outgoing};
use self::silence::Silence;
use self::upload::Upload;
use crate::answer;
use crate::body::announce;
use crate::edge::poll_again;
use crate::rejection::Rejection;
use crate::request::{InFlight, Request};

/// The server behind Forebay.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) config: models::Upstream,
    connections: Connections,
    /// Bodies that were not gathered.
    ungathered: InFlight,
}

impl Upstream {
    /// Connects when first used.
    pub(crate) fn new(config: &models::Upstream) -> anyhow::Result<Self> {
        Ok(Upstream { config: config.clone(), connections: Connections::new(&target(config))?, ungathered: InFlight::default() })
    }

    /// Closes connections that nobody has used for a while.
    pub(crate) fn sweep(&self) {
        self.connections.sweep();
    }

    /// Passes one request through. An error before the answer has begun is the caller's answer; one after it ends the connection.
    pub(crate) async fn pass(&self, session: &mut ServerSession, request: &mut Request) -> Result<(), Rejection> {
        let kind = Kind::of(session);
        let mut upload = Upload::begin(session, kind, &request.live.snapshot.listen.limits, &self.ungathered).await?;
        // What is waited for from here on, is waited for here.
        session.set_read_timeout(None);
        let longest = request.live.snapshot.listen.limits.upstream_idle;
        let alarm = pin!(sleep(longest));
        let mut silence = Silence::new(alarm, longest);
        let (connection, answer) = self.answer(session, request, kind, &mut upload, &mut silence).await?;
        // From now on a pause is the server's business, as in streams in both directions.
        upload.is_answered();
        let (parts, body) = answer.into_parts();
        if parts.status == StatusCode::SWITCHING_PROTOCOLS {
            return Box::pin(switch(session, request, kind, connection, parts)).await;
        }
        let mut passage = Passage { session, connection, upload, delivery: Delivery::new(), silence };
        let passed = passage.answer(request, parts, body).await;
        request.bytes_out = passage.delivery.sent();
        passed?;
        self.connections.give_back(passage.connection).await;
        Ok(())
    }

    /// Sends the request until the answer's head is there: on a connection that was used before, and once more on a new one if that had been
    /// closed meanwhile.
    async fn answer(
        &self,
        session: &mut ServerSession,
        request: &Request,
        kind: Kind,
        upload: &mut Upload,
        silence: &mut Silence<'_>,
    ) -> Result<(Connection, http::Response<Incoming>), Rejection> {
        let mut next = outgoing(session.req_header(), request, kind, upload.body().ok_or_else(broken_off)?)?;
        let mut fresh = false;
        loop {
            let mut connection = if fresh { self.connections.open(kind).await? } else { self.connections.take(kind).await? };
            fresh = connection.is_new();
            match await_answer(session, request, &mut connection, next, upload, silence).await {
                Ok(answer) => return Ok((connection, answer)),
                Err(Unanswered::Never(rejection)) => {
                    if matches!(rejection, Rejection::UpstreamSilent { .. }) {
                        self.connections.avoid(&connection);
                    }
                    return Err(rejection);
                }
                Err(Unanswered::Unsent(unsent)) if !fresh => next = *unsent,
                // It may have been read before the connection broke, so that it is repeated only if that makes no difference.
                Err(Unanswered::Broken) if !fresh && session.req_header().method.is_idempotent() => {
                    next = outgoing(session.req_header(), request, kind, upload.body().ok_or_else(broken_off)?)?;
                }
                Err(Unanswered::Unsent(_) | Unanswered::Broken) => return Err(broken_off()),
            }
            fresh = true;
        }
    }
}

/// As batches' backends name it.
pub(crate) fn target(config: &models::Upstream) -> Target {
    match config {
        models::Upstream::Http { host, port } if host.contains(':') => Target::Tcp { authority: format!("[{host}]:{port}") },
        models::Upstream::Http { host, port } => Target::Tcp { authority: format!("{host}:{port}") },
        models::Upstream::Unix(path) => Target::Unix { path: path.clone() },
    }
}

/// What it means that a connection ended before its answer did.
fn broken_off() -> Rejection {
    Rejection::Upstream { detail: "it broke the connection off" }
}

/// Sends the head, and the body as it comes, until there is a head of an answer. Those that announce another one are passed on.
async fn await_answer(
    session: &mut ServerSession,
    request: &Request,
    connection: &mut Connection,
    outgoing: Outgoing,
    upload: &mut Upload,
    silence: &mut Silence<'_>,
) -> Result<http::Response<Incoming>, Unanswered> {
    let idle = request.live.snapshot.listen.limits.body_idle;
    let mut delivery = Delivery::new();
    let mut answer = pin!(connection.send(outgoing));
    loop {
        tokio::select! {
            biased;
            arrived = connection.arrival(answer.as_mut()) => {
                for head in arrived.announced {
                    if head.status == StatusCode::CONTINUE {
                        upload.is_asked_for();
                    }
                    // HTTP/1.0 has none of them, and over HTTP/2 pingora leaves them out.
                    if session.req_header().version == Version::HTTP_11 {
                        announce(session, Box::new(head)).await?;
                    }
                }
                if let Some(answer) = arrived.answer {
                    return answer;
                }
            }
            uploaded = upload.advance(session, &mut delivery, Some(idle)) => uploaded?,
            silent = silence.lasts() => return Err(silent.into()),
        }
        silence.ends();
    }
}

async fn answer_head(session: &mut ServerSession, request: &Request, mut head: ResponseHeader, bodiless: bool) -> Result<(), Rejection> {
    answer::common(&mut head, request).map_err(|_| Rejection::Internal { detail: "the answer could not be named" })?;
    answer::write_head(session, head, bodiless).await.map_err(|_| Rejection::CallerLeft)
}

/// A request whose answer has begun: both sides, and what is on its way between them.
struct Passage<'a> {
    session: &'a mut ServerSession,
    connection: Connection,
    upload: Upload,
    delivery: Delivery,
    silence: Silence<'a>,
}

impl Passage<'_> {
    async fn answer(&mut self, request: &Request, parts: Parts, mut body: Incoming) -> Result<(), Rejection> {
        let head = head::incoming(parts, self.session.req_header(), &body)?;
        // pingora flushes the pieces of a body that has no length, and h2 its frames.
        let is_flushed = self.session.is_http2() || !head.headers.contains_key(CONTENT_LENGTH);
        let write_at_once = |at_once: bool| request.connection.phase.write_at_once(at_once && !is_flushed);
        let mut first = self.connection.frame(&mut body).now_or_never();
        // What is there already is written together with the head.
        write_at_once(first.is_none());
        let bodiless = matches!(first, Some(None));
        answer_head(self.session, request, head, bodiless).await?;
        if bodiless {
            return answer::finish(self.session).await.map_err(|_| Rejection::CallerLeft);
        }
        write_at_once(true);
        self.delivery.begin(self.session, request.live.snapshot.listen.limits.write_idle);
        loop {
            let frame = match first.take() {
                Some(frame) => frame,
                None => self.next(&mut body).await?,
            };
            match frame.transpose().map_err(|_| broken_off())?.map(Frame::into_data) {
                Some(Ok(piece)) => self.delivery.put(self.session, piece),
                Some(Err(trailers)) => {
                    self.delivery.end(self.session, trailers.into_trailers().ok())?;
                    break;
                }
                None => {
                    self.delivery.end(self.session, None)?;
                    break;
                }
            }
        }
        while self.delivery.is_busy() {
            self.turn().await?;
        }
        Ok(())
    }

    /// The next frame of the answer, when the one before is written. Meanwhile the rest of the request's body is passed on.
    async fn next(&mut self, body: &mut Incoming) -> Result<Option<hyper::Result<Frame<Bytes>>>, Rejection> {
        loop {
            while self.delivery.is_busy() {
                self.turn().await?;
            }
            self.silence.ends();
            tokio::select! {
                biased;
                frame = self.connection.frame(body) => return Ok(frame),
                uploaded = self.upload.advance(self.session, &mut self.delivery, None) => uploaded?,
                silent = self.silence.lasts() => return Err(silent),
            }
        }
    }

    /// One step on the client's connection, in whichever direction is free, and on the server's as far as that needs it.
    async fn turn(&mut self) -> Result<(), Rejection> {
        let Passage { session, connection, upload, delivery, .. } = self;
        poll_again(|cx| {
            if let Poll::Ready(written) = delivery.poll(session, cx) {
                return Poll::Ready(written);
            }
            connection.advance(cx);
            pin!(upload.advance(session, delivery, None)).poll(cx)
        })
        .await
    }
}

/// The server speaks another protocol from now on; only the one that was asked for.
async fn switch(
    session: &mut ServerSession,
    request: &mut Request,
    kind: Kind,
    connection: Connection,
    parts: Parts,
) -> Result<(), Rejection> {
    if kind != Kind::WebSocket || parts.version != Version::HTTP_11 {
        return Err(Rejection::Upstream { detail: "it changed to a protocol that it was not asked for" });
    }
    let ours = connection.into_stream().await.ok_or_else(broken_off)?;
    answer_head(session, request, ResponseHeader::from(parts), false).await?;
    tunnel::run(session, ours, request.live.snapshot.listen.limits.tunnel_idle).await
}
