//! A connection that has changed its protocol: bytes both ways, until the server has ended, or neither side has said anything for long.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use hyper_util::rt::TokioIo;
use pingora::protocols::http::ServerSession;
use tokio::io::{AsyncReadExt, AsyncWriteExt, split};
use tokio::time::sleep;

use super::connection::Ours;
use super::delivery::Delivery;
use super::silence::Silence;
use crate::edge::{broken, poll_again};
use crate::rejection::Rejection;

/// Bytes that are read of the server at once.
const PIECE: usize = 16 << 10;

pub(super) async fn run(session: &mut ServerSession, ours: Ours, idle: Duration) -> Result<(), Rejection> {
    let (mut from_server, mut to_server) = split(TokioIo::new(ours.stream));
    let mut client = Client { session, delivery: Delivery::new(), ended: false };
    client.delivery.begin(client.session, idle);
    client.delivery.put(client.session, ours.read);
    let (mut down, mut up) = (BytesMut::new(), Bytes::new());
    let alarm = pin!(sleep(idle));
    let mut silence = Silence::new(alarm, idle);
    loop {
        down.reserve(PIECE);
        let room = !up.has_remaining();
        tokio::select! {
            read = from_server.read_buf(&mut down), if !client.delivery.is_busy() => match read {
                Ok(0) | Err(_) => break,
                Ok(_) => client.delivery.put(client.session, down.split().freeze()),
            },
            written = to_server.write_buf(&mut up), if !room => if written.is_err() { break },
            piece = client.turn(room) => match piece? {
                Turn::Piece(piece) => up = piece,
                Turn::Ended => if to_server.shutdown().await.is_err() { break },
                Turn::Written => {}
            },
            _silent = silence.lasts() => break,
        }
        silence.ends();
    }
    while client.delivery.is_busy() {
        client.turn(false).await?;
    }
    client.delivery.end(client.session, None)?;
    poll_fn(|cx| client.delivery.poll(client.session, cx)).await
}

/// The client's side.
struct Client<'a> {
    session: &'a mut ServerSession,
    delivery: Delivery,
    /// It says nothing more.
    ended: bool,
}

/// What has happened there.
enum Turn {
    Written,
    Piece(Bytes),
    Ended,
}

impl Client<'_> {
    /// One step in whichever direction is free. Without room for what the client says, it is only watched for whether it leaves. May be left at
    /// any time.
    async fn turn(&mut self, room: bool) -> Result<Turn, Rejection> {
        let Client { session, delivery, ended } = self;
        let mut turn = |cx: &mut Context<'_>| {
            if delivery.is_busy()
                && let Poll::Ready(written) = delivery.poll(session, cx)
            {
                return Poll::Ready(written.map(|()| Turn::Written));
            }
            match (*ended, room) {
                (true, _) => Poll::Pending,
                (false, true) => match pin!(session.read_request_body()).poll(cx) {
                    Poll::Pending => Poll::Pending,
                    Poll::Ready(Ok(Some(piece))) => Poll::Ready(Ok(Turn::Piece(piece))),
                    Poll::Ready(Ok(None)) => {
                        *ended = true;
                        Poll::Ready(Ok(Turn::Ended))
                    }
                    Poll::Ready(Err(_)) => Poll::Ready(Err(Rejection::CallerLeft)),
                },
                // That it has ended is seen behind what it said before.
                (false, false) => pin!(broken(session)).poll(cx).map(|()| Err(Rejection::CallerLeft)),
            }
        };
        if room { poll_fn(turn).await } else { poll_again(&mut turn).await }
    }
}
