//! A connection that has changed its protocol: bytes both ways, until either side has ended and the server has.

use bytes::{Buf, Bytes, BytesMut};
use hyper_util::rt::TokioIo;
use pingora::protocols::http::ServerSession;
use tokio::io::{AsyncReadExt, AsyncWriteExt, split};

use super::connection::Ours;
use crate::answer;
use crate::rejection::Rejection;

/// Bytes that are read of the server at once.
const PIECE: usize = 16 << 10;

pub(super) async fn run(session: &mut ServerSession, ours: Ours) -> Result<(), Rejection> {
    let (mut from_server, mut to_server) = split(TokioIo::new(ours.stream));
    let (mut down, mut up, mut client_ended) = (BytesMut::from(&ours.read[..]), Bytes::new(), false);
    loop {
        if !down.is_empty() {
            let piece = down.split().freeze();
            session.write_response_body(piece, false).await.map_err(|_| Rejection::CallerLeft)?;
        }
        down.reserve(PIECE);
        tokio::select! {
            read = from_server.read_buf(&mut down) => match read {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            },
            written = to_server.write_buf(&mut up), if up.has_remaining() => if written.is_err() { break },
            piece = session.read_request_body(), if !client_ended && !up.has_remaining() => match piece {
                Ok(Some(piece)) => up = piece,
                Ok(None) => {
                    client_ended = true;
                    if to_server.shutdown().await.is_err() {
                        break;
                    }
                }
                Err(_) => return Err(Rejection::CallerLeft),
            },
        }
    }
    answer::finish(session).await.map_err(|_| Rejection::CallerLeft)
}
