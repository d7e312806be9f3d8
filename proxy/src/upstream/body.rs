//! The body of a request as hyper sends it: whole, or piece by piece as the client's side brings it.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_channel::mpsc;
use futures_util::StreamExt;
use hyper::body::{Frame, SizeHint};

/// The client's side went away in the middle.
#[derive(Debug, thiserror::Error)]
#[error("the body broke off")]
pub(super) struct Abandoned;

/// What goes from the client's side to the server's.
pub(super) enum Piece {
    Data(Bytes),
    End,
}

/// A body, as it is sent.
#[derive(Debug)]
pub(super) enum Body {
    Whole(Option<Bytes>),
    Pieces { first: Option<Bytes>, rest: mpsc::Receiver<Piece> },
}

impl std::fmt::Debug for Piece {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if matches!(self, Piece::End) { "End" } else { "Data" })
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Abandoned;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Abandoned>>> {
        match self.get_mut() {
            Body::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Body::Pieces { first, rest } => match first.take() {
                Some(first) => Poll::Ready(Some(Ok(Frame::data(first)))),
                None => rest.poll_next_unpin(cx).map(|piece| match piece {
                    Some(Piece::Data(bytes)) => Some(Ok(Frame::data(bytes))),
                    Some(Piece::End) => None,
                    // Without this, a body that was cut short would end in order.
                    None => Some(Err(Abandoned)),
                }),
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Body::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Body::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Body::Pieces { .. } => SizeHint::default(),
        }
    }
}
