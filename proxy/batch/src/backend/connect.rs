//! Opening connections to a backend, over TCP or a unix socket, for hyper's client; each remembers whether it has been answered on.

use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, UnixStream};
use tower_service::Service;

/// A server beside us or in the same cluster that takes longer is gone: a run that waits for it would hold the slot until its own time ends.
/// Long enough for two lost SYNs.
const CONNECT: Duration = Duration::from_secs(4);

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// `host:port`, an IPv6 address in brackets.
    Tcp {
        authority: String,
    },
    Unix {
        path: PathBuf,
    },
}

impl Target {
    /// What goes into `Host`.
    pub(super) fn authority(&self) -> String {
        match self {
            Target::Tcp { authority } => authority.clone(),
            Target::Unix { .. } => "localhost".to_owned(),
        }
    }
}

/// Opens connections to one target.
#[derive(Clone)]
pub(super) enum Connector {
    Tcp(HttpConnector),
    Unix(Arc<PathBuf>),
}

impl Connector {
    pub(super) fn new(target: &Target) -> Self {
        match target {
            Target::Tcp { .. } => {
                let mut tcp = HttpConnector::new();
                tcp.set_nodelay(true);
                tcp.set_connect_timeout(Some(CONNECT));
                Connector::Tcp(tcp)
            }
            Target::Unix { path } => Connector::Unix(Arc::new(path.clone())),
        }
    }
}

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Stream>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Connector::Tcp(tcp) => tcp.poll_ready(cx).map_err(io::Error::other),
            Connector::Unix(_) => Poll::Ready(Ok(())),
        }
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        match self {
            Connector::Tcp(tcp) => {
                let connecting = tcp.call(uri);
                Box::pin(async move { connecting.await.map(|tcp| Stream::new(Socket::Tcp(tcp))).map_err(io::Error::other) })
            }
            Connector::Unix(path) => {
                let path = path.clone();
                Box::pin(async move {
                    let unix = UnixStream::connect(path.as_path()).await?;
                    Ok(Stream::new(Socket::Unix(TokioIo::new(unix))))
                })
            }
        }
    }
}

/// Whether a connection has carried an answer before: only then may its server have closed it as idle while a request was under way.
/// Comes with every answer and every error of the connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Proven(Arc<AtomicBool>);

impl Proven {
    pub(super) fn prove(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_proven(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A connection.
pub(super) struct Stream {
    socket: Socket,
    proven: Proven,
}

enum Socket {
    Tcp(TokioIo<TcpStream>),
    Unix(TokioIo<UnixStream>),
}

impl Stream {
    fn new(socket: Socket) -> Self {
        Stream { socket, proven: Proven::default() }
    }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new().extra(self.proven.clone())
    }
}

impl Read for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        match &mut self.socket {
            Socket::Tcp(s) => Pin::new(s).poll_read(cx, buffer),
            Socket::Unix(s) => Pin::new(s).poll_read(cx, buffer),
        }
    }
}

impl Write for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.socket {
            Socket::Tcp(s) => Pin::new(s).poll_write(cx, bytes),
            Socket::Unix(s) => Pin::new(s).poll_write(cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.socket {
            Socket::Tcp(s) => Pin::new(s).poll_flush(cx),
            Socket::Unix(s) => Pin::new(s).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.socket {
            Socket::Tcp(s) => Pin::new(s).poll_shutdown(cx),
            Socket::Unix(s) => Pin::new(s).poll_shutdown(cx),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match &mut self.socket {
            Socket::Tcp(s) => Pin::new(s).poll_write_vectored(cx, bytes),
            Socket::Unix(s) => Pin::new(s).poll_write_vectored(cx, bytes),
        }
    }
}
