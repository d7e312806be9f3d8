//! Passing a request through to the server behind Forebay, and its answer back.
//!
//! One task moves the bytes of both directions, a piece at a time: what one side does not take is not read from the other, so that a request
//! under way holds a piece or two of 16 KiB, however large it is and however slow its client.

mod body;
mod connection;
mod delivery;
mod head;
mod passage;
mod pool;
mod silence;
mod tunnel;
mod upload;

use std::pin::pin;

use forebay_batch::backend::Target;
use forebay_mesh_config::models;
use http::response::Parts;
use http::{StatusCode, Version};
use hyper::body::Incoming;
use pingora::http::ResponseHeader;
use pingora::protocols::http::ServerSession;
use tokio::time::sleep;

use self::connection::{Connection, Unanswered};
use self::delivery::Delivery;
use self::head::{Kind, Outgoing, outgoing};
use self::passage::Passage;
use self::pool::Connections;
use self::silence::Silence;
use self::upload::Upload;
use crate::answer;
use crate::body::announce;
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
