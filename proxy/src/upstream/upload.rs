//! The body of a request as it comes from the client.
//!
//! A body of a known length is gathered up to a piece before the server hears of the request: whoever sends slowly, or stops, holds no
//! connection to it. A small body is whole then, and can be sent again. Where there is no length, the server may have to answer before the
//! client sends more, so that every piece goes at once, unless very many bodies come like that.

use std::future::poll_fn;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use forebay_mesh_config::listen::HttpLimits;
use futures_channel::mpsc;
use futures_util::FutureExt;
use http::Version;
use http::header::EXPECT;
use pingora::protocols::http::ServerSession;
use tokio::time::timeout;

use super::body::{Body, Piece};
use super::delivery::Delivery;
use super::head::Kind;
use crate::body::{ask, broken, declared_length};
use crate::rejection::Rejection;
use crate::request::{InFlight, Permit};

/// The client's side of a body.
pub(super) struct Upload {
    rest: Rest,
    ready: Ready,
    /// Of a body that was not gathered, until its answer begins.
    ungathered: Option<Permit>,
    /// The client waits for a word of the server before it sends more, and for how long is the server's to say.
    waits: bool,
}

/// What can be sent.
enum Ready {
    /// All of it, again and again.
    Whole(Option<Bytes>),
    /// Its pieces, once.
    Pieces(Body),
    Gone,
}

/// What comes yet.
enum Rest {
    Passed(mpsc::Sender<Piece>),
    /// The server wants no more of it. It is read all the same, so that the client comes to read its answer.
    Dropped,
    Nothing,
}

impl Upload {
    /// Gathers what is gathered before the server is asked.
    pub(super) async fn begin(
        session: &mut ServerSession,
        kind: Kind,
        limits: &HttpLimits,
        ungathered: &InFlight,
    ) -> Result<Self, Rejection> {
        let whole = |bytes: Option<Bytes>| Upload { rest: Rest::Nothing, ready: Ready::Whole(bytes), ungathered: None, waits: false };
        if session.is_body_done() {
            return Ok(whole(None));
        }
        let head = session.req_header();
        let (length, version) = (declared_length(&head.headers), head.version);
        let asks = version == Version::HTTP_11 && head.headers.contains_key(EXPECT);
        let may_be_at_once = kind != Kind::Grpc && (length.is_none() || asks);
        let ungathered =
            may_be_at_once.then(|| ungathered.enter(limits.bodies_ungathered)).and_then(|(permit, free)| free.then_some(permit));
        // How a call goes on is the server's to say, and so is whether a body is asked for, as long as not too many wait for it.
        let waits = (kind == Kind::Grpc && version == Version::HTTP_2) || (asks && ungathered.is_some());
        let at_once = kind == Kind::Grpc || ungathered.is_some();
        if asks && !at_once {
            ask(session).await?;
        }
        let gathered = match length.unwrap_or(usize::MAX).min(limits.body_gathered) {
            most if !at_once && most > 0 => gather(session, most, limits.body_idle).await?,
            _ => Bytes::new(),
        };
        let gathered = (!gathered.is_empty()).then_some(gathered);
        if session.is_body_done() {
            return Ok(whole(gathered));
        }
        let (sender, rest) = mpsc::channel(0);
        Ok(Upload { rest: Rest::Passed(sender), ready: Ready::Pieces(Body::Pieces { first: gathered, rest }), ungathered, waits })
    }

    /// The server has begun to answer.
    pub(super) fn is_answered(&mut self) {
        self.ungathered = None;
    }

    /// The server has asked for the body.
    pub(super) fn is_asked_for(&mut self) {
        self.waits = false;
    }

    /// The body to be sent; `None` when it was sent before and cannot be again.
    pub(super) fn body(&mut self) -> Option<Body> {
        match std::mem::replace(&mut self.ready, Ready::Gone) {
            Ready::Whole(bytes) => {
                self.ready = Ready::Whole(bytes.clone());
                Some(Body::Whole(bytes))
            }
            Ready::Pieces(body) => Some(body),
            Ready::Gone => None,
        }
    }

    /// Passes the next piece on, and fails when the client has left. A piece may take `idle`; without that, as long as it likes. May be left at
    /// any time.
    pub(super) async fn advance(
        &mut self,
        session: &mut ServerSession,
        delivery: &mut Delivery,
        idle: Option<Duration>,
    ) -> Result<(), Rejection> {
        let idle = idle.filter(|_| !self.waits);
        let piece = match &mut self.rest {
            Rest::Nothing => {
                delivery.left(session).await;
                return Err(Rejection::CallerLeft);
            }
            Rest::Dropped => next(session, idle).await?.map(|_| Bytes::new()),
            Rest::Passed(pieces) => {
                let taken = tokio::select! {
                    biased;
                    taken = poll_fn(|cx| pieces.poll_ready(cx)) => taken,
                    () = delivery.left(session) => return Err(Rejection::CallerLeft),
                };
                if taken.is_err() {
                    self.rest = Rest::Dropped;
                    return Ok(());
                }
                let piece = next(session, idle).await?;
                join(session, piece)?
            }
        };
        self.pass(piece);
        Ok(())
    }

    /// Hands a piece over to the server's side, which has room for it. If nobody takes it, the next call notices.
    fn pass(&mut self, piece: Option<Bytes>) {
        let ended = piece.is_none();
        // Whoever sends without having been asked does not wait for it.
        if self.ungathered.is_some() {
            self.waits = false;
        }
        if let Rest::Passed(pieces) = &mut self.rest {
            let _taken = match piece {
                Some(bytes) if bytes.is_empty() => Ok(()),
                Some(bytes) => pieces.start_send(Piece::Data(bytes)),
                None => pieces.start_send(Piece::End),
            };
        }
        if ended {
            self.rest = Rest::Nothing;
            self.ungathered = None;
        }
    }
}

/// Reads at least so many bytes of the body, if it has them.
async fn gather(session: &mut ServerSession, enough: usize, idle: Duration) -> Result<Bytes, Rejection> {
    let mut gathered = BytesMut::new();
    while gathered.len() < enough {
        let Some(piece) = next(session, Some(idle)).await? else { break };
        // Most bodies come in one piece, and need no copy.
        if gathered.is_empty() && piece.len() >= enough {
            return Ok(piece);
        }
        gathered.extend_from_slice(&piece);
    }
    Ok(gathered.freeze())
}

/// Joins what has come meanwhile to a piece that is small: a byte that comes in a frame of its own would go on in a chunk of its own.
fn join(session: &mut ServerSession, piece: Option<Bytes>) -> Result<Option<Bytes>, Rejection> {
    const SMALL: usize = 1 << 10;
    /// No more at once, or the other requests would wait.
    const PIECES: usize = 256;
    let first = match piece {
        Some(first) if first.len() < SMALL => first,
        other => return Ok(other),
    };
    let mut joined = BytesMut::new();
    for _ in 0..PIECES {
        match session.read_request_body().now_or_never() {
            Some(Ok(Some(more))) => {
                if joined.is_empty() {
                    joined.extend_from_slice(&first);
                }
                joined.extend_from_slice(&more);
            }
            Some(Err(error)) => return Err(broken(&error)),
            // The end is told again.
            Some(Ok(None)) | None => break,
        }
        if joined.len() >= SMALL {
            break;
        }
    }
    Ok(Some(if joined.is_empty() { first } else { joined.freeze() }))
}

async fn next(session: &mut ServerSession, idle: Option<Duration>) -> Result<Option<Bytes>, Rejection> {
    let read = match idle {
        Some(idle) => timeout(idle, session.read_request_body()).await.map_err(|_| Rejection::BodyTimedOut)?,
        None => session.read_request_body().await,
    };
    read.map_err(|error| broken(&error))
}
