//! The socket of one client, with what pingora leaves open: a deadline and a size for heads, chunks that mean one thing only, a deadline
//! for slow readers, one write per answer, and a close that lets the client read its answer.
//!
//! pingora reads a head for as long as bytes trickle in, up to 1 MiB, and writes head and body apart. The guard stands below it, so both
//! hold for every request, whatever state pingora is in. A head that takes too long or grows too large is answered here, because pingora
//! has no hook for it.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use forebay_mesh_config::listen::HttpLimits;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, TimingDigest, UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::chunks::{BadChunk, Chunks, Progress};
use super::farewell::Farewell;
use super::left::AGAIN;
pub(super) use super::phase::Phase;
use super::seam::Seam;
use super::socket::{More, Socket};
use crate::rejection::{Rejection, wire};

/// Bytes of an answer that are gathered before they are written: a head and a small body leave in one segment train.
const GATHERED: usize = 16 << 10;

/// A read may bring this much of the body along with the head, as large as pingora's first buffer may grow for a head at the limit.
const READ_AHEAD: usize = 16 << 10;

/// What the guard needs of [`HttpLimits`].
#[derive(Clone, Copy, Debug)]
struct Bounds {
    head: usize,
    head_time: Duration,
    write_idle: Duration,
}

/// A guarded socket.
#[derive(Debug)]
pub(crate) struct Guard {
    socket: Socket,
    phase: Arc<Phase>,
    bounds: Bounds,
    /// Read already, and to be read again.
    ahead: BytesMut,
    /// Written and not yet sent, from `sent` on.
    gathered: Vec<u8>,
    sent: usize,
    /// The phase that `head_bytes`, `head_deadline` and `chunks` are of.
    counted: usize,
    head_bytes: usize,
    head_deadline: Option<Pin<Box<Sleep>>>,
    seam: Seam,
    /// The chunked body that is under way.
    chunks: Option<Chunks>,
    /// Nothing is read any more: nobody knows where the next request begins.
    broken: Option<BadChunk>,
    write_deadline: Option<Pin<Box<Sleep>>>,
    farewell: Option<Farewell>,
}

impl Guard {
    pub(super) fn new(socket: Socket, limits: &HttpLimits) -> Self {
        let bounds = Bounds { head: limits.head, head_time: limits.head_time, write_idle: limits.write_idle };
        Guard {
            socket,
            phase: Arc::default(),
            bounds,
            ahead: BytesMut::new(),
            gathered: Vec::new(),
            sent: 0,
            counted: 0,
            head_bytes: 0,
            head_deadline: None,
            seam: Seam::default(),
            chunks: None,
            broken: None,
            write_deadline: None,
            farewell: None,
        }
    }

    pub(super) fn phase(&self) -> Arc<Phase> {
        self.phase.clone()
    }

    /// The next read gives these bytes first.
    pub(super) fn unread(&mut self, mut bytes: BytesMut) {
        self.head_bytes = 0;
        bytes.extend_from_slice(&self.ahead);
        self.ahead = bytes;
    }

    /// Resolves when there is something to read, or the client has closed. It may resolve too early.
    pub(super) async fn readable(&self) -> io::Result<()> {
        if self.ahead.is_empty() { self.socket.readable().await } else { Ok(()) }
    }

    /// Resolves when the client has closed its side. Nothing is read: what comes may belong to the next request.
    pub(super) async fn left(&self) {
        while let Ok(more) = self.socket.more().await {
            match more {
                More::Nothing => return,
                More::Bytes => sleep(AGAIN).await,
                More::Unknown => {}
            }
        }
    }

    /// Resolves when the client has broken the connection off; that it only says no more is not seen.
    pub(super) async fn broken(&self) {
        // Nobody is there of whom to hear, either.
        let _seen = self.socket.error().await;
    }

    /// The connection is to be reset: whoever reads until it ends must not take an answer that broke off for a whole one.
    pub(super) fn reset_on_close(&self) {
        self.socket.reset_on_close();
    }

    /// Not every request reads a body, so that its phase may have passed without a read.
    fn turn_to_phase(&mut self) {
        if self.counted == self.phase.number() {
            return;
        }
        self.counted = self.phase.number();
        self.head_bytes = 0;
        self.head_deadline = None;
        self.seam.begin();
        self.chunks = self.phase.has_chunks().then(|| Chunks::new(self.bounds.head));
    }

    /// Reads from what is ahead as much as may be handed on.
    fn read_ahead(&mut self, buffer: &mut ReadBuf<'_>) -> io::Result<()> {
        let mut ahead = std::mem::take(&mut self.ahead);
        let readable = ahead.get(..buffer.remaining()).unwrap_or(&ahead);
        let handed = self.admit(readable)?;
        buffer.put_slice(&ahead.split_to(handed));
        if !ahead.is_empty() {
            self.ahead = ahead;
        }
        Ok(())
    }

    /// Reads from the socket, and keeps ahead what may not be handed on yet.
    fn poll_read_socket(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        if Pin::new(&mut self.socket).poll_read(cx, buffer)?.is_pending() {
            self.poll_head_deadline(cx)?;
            return Poll::Pending;
        }
        let read = buffer.filled().get(before..).unwrap_or_default();
        let handed = self.admit(read)?;
        if handed < read.len() {
            self.ahead = read.get(handed..).unwrap_or_default().into();
            buffer.set_filled(before + handed);
        }
        Poll::Ready(Ok(()))
    }

    /// How many of the bytes that come next may be handed on now; not 0, which would be the connection's end.
    fn admit(&mut self, next: &[u8]) -> io::Result<usize> {
        let handed = if self.phase.in_request() {
            self.follow(next)?
        } else {
            let (handed, ends_head) = self.seam.cut(next);
            self.phase.head_read(ends_head);
            self.count_head(handed)?;
            handed
        };
        self.seam.passed(next.get(..handed).unwrap_or(next));
        Ok(handed)
    }

    /// Follows a chunked body up to its end. Behind it comes whatever pingora asks for: a byte by which it sees that the client is still
    /// there, or another protocol.
    fn follow(&mut self, next: &[u8]) -> io::Result<usize> {
        let Some(chunks) = &mut self.chunks else { return Ok(next.len()) };
        match chunks.take(next) {
            Ok(Progress::More) => Ok(next.len()),
            Ok(Progress::End(at)) => {
                self.chunks = None;
                Ok(at)
            }
            Err(flaw) => {
                self.broken = Some(flaw);
                Err(invalid(flaw))
            }
        }
    }

    /// Counts bytes of a head, and refuses the head when it is too large.
    fn count_head(&mut self, read: usize) -> io::Result<()> {
        self.head_bytes += read;
        if self.head_bytes > self.bounds.head.saturating_add(READ_AHEAD) {
            self.refuse(&Rejection::HeadTooLarge { limit: self.bounds.head });
            return Err(invalid("the head is too large"));
        }
        Ok(())
    }

    /// While a head is incomplete: fails when its time is over.
    fn poll_head_deadline(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.head_bytes == 0 || self.phase.in_request() {
            return Ok(());
        }
        let after = self.bounds.head_time;
        let deadline = self.head_deadline.get_or_insert_with(|| Box::pin(sleep(after)));
        if deadline.as_mut().poll(cx).is_pending() {
            return Ok(());
        }
        self.refuse(&Rejection::HeadTimedOut);
        Err(io::Error::new(io::ErrorKind::TimedOut, "the head took too long"))
    }

    /// Writes the answer as far as the socket takes it; whoever trickles a head may find it or not.
    pub(super) fn refuse(&self, rejection: &Rejection) {
        let answer = wire(rejection);
        let _sent = self.socket.try_write(&answer);
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.gathered.len() {
            self.sent += ready!(self.poll_socket_write(cx, None))?;
        }
        self.sent = 0;
        // An idle connection keeps no buffer.
        self.gathered = Vec::new();
        Poll::Ready(Ok(()))
    }

    /// Sends `bytes` behind what was gathered, and takes no more of them than leave.
    fn poll_write_at_once(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let before = self.gathered.len();
        let along = bytes.get(..GATHERED.saturating_sub(before)).unwrap_or(bytes);
        if before == 0 || along.is_empty() {
            ready!(self.poll_send(cx))?;
            return self.poll_socket_write(cx, Some(bytes));
        }
        self.gathered.extend_from_slice(along);
        if self.poll_send(cx)?.is_ready() {
            return Poll::Ready(Ok(along.len()));
        }
        self.gathered.truncate(before.max(self.sent));
        match self.sent.saturating_sub(before) {
            0 => Poll::Pending,
            left => {
                (self.gathered, self.sent) = (Vec::new(), 0);
                Poll::Ready(Ok(left))
            }
        }
    }

    /// One write of what was gathered, or of `bytes`; fails when the client has taken nothing for too long.
    fn poll_socket_write(&mut self, cx: &mut Context<'_>, bytes: Option<&[u8]>) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.socket).poll_write(cx, bytes.or(self.gathered.get(self.sent..)).unwrap_or_default()) {
            Poll::Ready(Ok(0)) => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            Poll::Ready(done) => {
                self.write_deadline = None;
                Poll::Ready(done)
            }
            Poll::Pending => {
                let after = self.bounds.write_idle;
                let deadline = self.write_deadline.get_or_insert_with(|| Box::pin(sleep(after)));
                ready!(deadline.as_mut().poll(cx));
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read")))
            }
        }
    }
}

fn invalid(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

impl AsyncRead for Guard {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if let Some(flaw) = this.broken {
            return Poll::Ready(Err(invalid(flaw)));
        }
        this.turn_to_phase();
        match this.ahead.is_empty() {
            true => this.poll_read_socket(cx, buffer),
            false => Poll::Ready(this.read_ahead(buffer)),
        }
    }
}

impl AsyncWrite for Guard {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.phase.writes_at_once() {
            return self.poll_write_at_once(cx, bytes);
        }
        if self.gathered.len() + bytes.len() <= GATHERED {
            self.gathered.extend_from_slice(bytes);
            return Poll::Ready(Ok(bytes.len()));
        }
        ready!(self.poll_send(cx))?;
        self.poll_socket_write(cx, Some(bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.farewell.is_none() {
            ready!(this.poll_send(cx))?;
            ready!(Pin::new(&mut this.socket).poll_shutdown(cx))?;
        }
        this.farewell.get_or_insert_with(Farewell::new).poll(&mut this.socket, cx).map(Ok)
    }
}

#[async_trait::async_trait]
impl Shutdown for Guard {
    async fn shutdown(&mut self) {
        // It ends here, in order or not.
        let _ended = AsyncWriteExt::shutdown(self).await;
    }
}

impl UniqueID for Guard {
    fn id(&self) -> UniqueIDType {
        self.socket.descriptor()
    }
}

impl Ssl for Guard {}

#[async_trait::async_trait]
impl Peek for Guard {}

impl GetTimingDigest for Guard {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        Vec::new()
    }
}

impl GetProxyDigest for Guard {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        None
    }
}

impl GetSocketDigest for Guard {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        None
    }
}

#[cfg(test)]
mod tests;
