//! The socket of one client, with what pingora leaves open: a deadline and a size for heads, a deadline for slow readers, one write per
//! answer, and a close that lets the client read its answer.
//!
//! pingora reads a head for as long as bytes trickle in, up to 1 MiB, and writes head and body apart. The guard stands below it, so both
//! hold for every request, whatever state pingora is in. A head that takes too long or grows too large is answered here, because pingora
//! has no hook for it.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
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

use super::farewell::Farewell;
use super::socket::Socket;
use crate::rejection::{Rejection, wire};

/// Bytes of an answer that are gathered before they are written: a head and a small body leave in one segment train.
const GATHERED: usize = 16 << 10;

/// What an idle connection keeps of its buffer: room for most answers.
const KEPT: usize = 2 << 10;

/// A read may bring this much of the body along with the head, as large as pingora's first buffer may grow for a head at the limit.
const READ_AHEAD: usize = 16 << 10;

/// Whether the connection's bytes belong to a head or to a request that is under way, counted: even for a head, odd for its request. Shared
/// with the request.
#[derive(Debug, Default)]
pub(crate) struct Phase(AtomicUsize);

impl Phase {
    /// The head is read; the request's own limits hold now.
    pub(crate) fn request(&self) {
        self.0.fetch_or(1, Ordering::Relaxed);
    }

    /// The next bytes are another head.
    pub(crate) fn head(&self) {
        // Only the connection's own task counts on.
        self.0.store(self.number().next_multiple_of(2), Ordering::Relaxed);
    }

    fn in_request(&self) -> bool {
        self.number() % 2 == 1
    }

    fn number(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

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
    /// The phase that `head_bytes` and `head_deadline` are of.
    counted: usize,
    head_bytes: usize,
    head_deadline: Option<Pin<Box<Sleep>>>,
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
            write_deadline: None,
            farewell: None,
        }
    }

    pub(super) fn phase(&self) -> Arc<Phase> {
        self.phase.clone()
    }

    /// The next read gives these bytes first.
    pub(super) fn unread(&mut self, bytes: BytesMut) {
        self.head_bytes = 0;
        self.ahead = bytes;
    }

    fn read_ahead(&mut self, buffer: &mut ReadBuf<'_>) -> usize {
        let taken = self.ahead.len().min(buffer.remaining());
        buffer.put_slice(&self.ahead.split_to(taken));
        if self.ahead.is_empty() {
            self.ahead = BytesMut::new();
        }
        taken
    }

    /// Counts bytes of a head, and refuses the head when it is too large.
    fn count_head(&mut self, read: usize) -> io::Result<()> {
        self.head_bytes += read;
        if self.head_bytes > self.bounds.head.saturating_add(READ_AHEAD) {
            self.refuse(&Rejection::HeadTooLarge { limit: self.bounds.head });
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the head is too large"));
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
    fn refuse(&mut self, rejection: &Rejection) {
        let answer = wire(rejection);
        let _sent = self.socket.try_write(&answer);
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.gathered.len() {
            self.sent += ready!(self.poll_socket_write(cx, None))?;
        }
        self.sent = 0;
        self.gathered.clear();
        self.gathered.shrink_to(KEPT);
        Poll::Ready(Ok(()))
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

impl AsyncRead for Guard {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        // Not every request reads a body, so that its phase may have passed without a read.
        if this.counted != this.phase.number() {
            this.counted = this.phase.number();
            this.head_bytes = 0;
            this.head_deadline = None;
        }
        let read = if this.ahead.is_empty() {
            let before = buffer.filled().len();
            if Pin::new(&mut this.socket).poll_read(cx, buffer)?.is_pending() {
                this.poll_head_deadline(cx)?;
                return Poll::Pending;
            }
            buffer.filled().len() - before
        } else {
            this.read_ahead(buffer)
        };
        if !this.phase.in_request() {
            this.count_head(read)?;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Guard {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
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
