//! An answer on its way to the client, while the rest of the request's body is on its way to the server.

use std::future::Future;
use std::pin::pin;
use std::task::Poll;

use futures_util::FutureExt;
use http::header::CONTENT_LENGTH;
use http::response::Parts;
use hyper::body::{Bytes, Frame, Incoming};
use pingora::protocols::http::ServerSession;

use super::connection::Connection;
use super::delivery::Delivery;
use super::silence::Silence;
use super::upload::Upload;
use super::{answer_head, broken_off, head};
use crate::answer;
use crate::edge::poll_again;
use crate::rejection::Rejection;
use crate::request::Request;

/// A request whose answer has begun: both sides, and what is on its way between them.
pub(super) struct Passage<'a> {
    pub(super) session: &'a mut ServerSession,
    pub(super) connection: Connection,
    pub(super) upload: Upload,
    pub(super) delivery: Delivery,
    pub(super) silence: Silence<'a>,
}

impl Passage<'_> {
    pub(super) async fn answer(&mut self, request: &Request, parts: Parts, mut body: Incoming) -> Result<(), Rejection> {
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
