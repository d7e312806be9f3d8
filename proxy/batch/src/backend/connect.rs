//! Opening connections to a backend, over TCP or a unix socket, for hyper's client.

use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, UnixStream};
use tower_service::Service;

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
                Box::pin(async move { connecting.await.map(Stream::Tcp).map_err(io::Error::other) })
            }
            Connector::Unix(path) => {
                let path = path.clone();
                Box::pin(async move { UnixStream::connect(path.as_path()).await.map(|s| Stream::Unix(TokioIo::new(s))) })
            }
        }
    }
}

/// A connection of either kind.
pub(super) enum Stream {
    Tcp(TokioIo<TcpStream>),
    Unix(TokioIo<UnixStream>),
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Stream::Tcp(s) => Pin::new(s).poll_read(cx, buffer),
            Stream::Unix(s) => Pin::new(s).poll_read(cx, buffer),
        }
    }
}

impl Write for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut *self {
            Stream::Tcp(s) => Pin::new(s).poll_write(cx, bytes),
            Stream::Unix(s) => Pin::new(s).poll_write(cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Stream::Tcp(s) => Pin::new(s).poll_flush(cx),
            Stream::Unix(s) => Pin::new(s).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Stream::Tcp(s) => Pin::new(s).poll_shutdown(cx),
            Stream::Unix(s) => Pin::new(s).poll_shutdown(cx),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match &mut *self {
            Stream::Tcp(s) => Pin::new(s).poll_write_vectored(cx, bytes),
            Stream::Unix(s) => Pin::new(s).poll_write_vectored(cx, bytes),
        }
    }
}
