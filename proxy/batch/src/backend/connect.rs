//! Opening connections to a server, over TCP or a unix socket, for hyper's client.

use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use http::uri::{Authority, InvalidUri};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, UnixStream};
use tower_service::Service;

/// A server beside us or in the same cluster that takes longer is gone: a run that waits for it would hold the slot until its own time ends.
/// Long enough for two lost SYNs.
const CONNECT: Duration = Duration::from_secs(4);

/// A host that does not answer any more is found out by the system within a few minutes, even while nothing is to be sent to it.
const KEEPALIVE: Duration = Duration::from_secs(20);

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
pub struct Connector(Way);

#[derive(Clone)]
enum Way {
    Tcp(HttpConnector, Uri),
    Unix(Arc<PathBuf>),
}

impl Connector {
    /// Connects when asked to. A name is looked up for each connection.
    pub fn new(target: &Target) -> Result<Self, InvalidUri> {
        Ok(Connector(match target {
            Target::Tcp { authority } => {
                let mut tcp = HttpConnector::new();
                tcp.set_nodelay(true);
                tcp.set_connect_timeout(Some(CONNECT));
                tcp.set_keepalive(Some(KEEPALIVE));
                tcp.set_keepalive_interval(Some(KEEPALIVE));
                let authority: Authority = authority.parse()?;
                Way::Tcp(tcp, format!("http://{authority}/").parse()?)
            }
            Target::Unix { path } => Way::Unix(Arc::new(path.clone())),
        }))
    }

    /// Opens a connection; fails after 4 s.
    pub async fn connect(&self) -> io::Result<Stream> {
        match &self.0 {
            // It is always ready to be called.
            Way::Tcp(tcp, uri) => tcp.clone().call(uri.clone()).await.map(Stream::Tcp).map_err(io::Error::other),
            Way::Unix(path) => UnixStream::connect(path.as_path()).await.map(|unix| Stream::Unix(TokioIo::new(unix))),
        }
    }
}

/// A connection of either kind.
#[derive(Debug)]
pub enum Stream {
    Tcp(TokioIo<TcpStream>),
    Unix(TokioIo<UnixStream>),
}

impl Read for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(s) => Pin::new(s).poll_read(cx, buffer),
            Stream::Unix(s) => Pin::new(s).poll_read(cx, buffer),
        }
    }
}

impl Write for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Tcp(s) => Pin::new(s).poll_write(cx, bytes),
            Stream::Unix(s) => Pin::new(s).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(s) => Pin::new(s).poll_flush(cx),
            Stream::Unix(s) => Pin::new(s).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(s) => Pin::new(s).poll_shutdown(cx),
            Stream::Unix(s) => Pin::new(s).poll_shutdown(cx),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Tcp(s) => Pin::new(s).poll_write_vectored(cx, bytes),
            Stream::Unix(s) => Pin::new(s).poll_write_vectored(cx, bytes),
        }
    }
}
