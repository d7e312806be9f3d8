//! TCP and unix sockets as one type, and the listeners that give them.

use std::io;
use std::mem::MaybeUninit;
use std::net::IpAddr;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use anyhow::Context as _;
use forebay_mesh_config::listen::Address;
use socket2::{SockFilter, SockRef};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

/// A connection of either kind.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    pub(super) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(s) => s.try_write(bytes),
            Socket::Unix(s) => s.try_write(bytes),
        }
    }

    /// Resolves when there is something to read, or the peer has closed; after a read that filled its buffer it may resolve too early.
    pub(super) async fn readable(&self) -> io::Result<()> {
        match self {
            Socket::Tcp(s) => s.readable().await,
            Socket::Unix(s) => s.readable().await,
        }
    }

    /// What is to be read; resolves when there is something, the peer has closed, or nobody knows.
    pub(super) async fn more(&self) -> io::Result<More> {
        let mut byte = [MaybeUninit::uninit()];
        let (ready, peeked) = match self {
            Socket::Tcp(s) => (s.ready(Interest::READABLE).await?, s.try_io(Interest::READABLE, || SockRef::from(s).peek(&mut byte))),
            Socket::Unix(s) => (s.ready(Interest::READABLE).await?, s.try_io(Interest::READABLE, || SockRef::from(s).peek(&mut byte))),
        };
        match peeked {
            _ if ready.is_read_closed() => Ok(More::Nothing),
            Ok(0) => Ok(More::Nothing),
            Ok(_) => Ok(More::Bytes),
            // The system said so before the last byte was read; now it is asked again.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(More::Unknown),
            Err(error) => Err(error),
        }
    }

    /// Resolves when the peer has broken the connection off.
    pub(super) async fn error(&self) -> io::Result<()> {
        match self {
            Socket::Tcp(s) => s.ready(Interest::ERROR).await.map(drop),
            Socket::Unix(s) => s.ready(Interest::ERROR).await.map(drop),
        }
    }

    pub(super) fn reset_on_close(&self) {
        let linger = Some(Duration::ZERO);
        // Without it the connection ends all the same.
        let _set = match self {
            Socket::Tcp(s) => SockRef::from(s).set_linger(linger),
            Socket::Unix(_) => Ok(()),
        };
    }

    pub(super) fn descriptor(&self) -> i32 {
        match self {
            Socket::Tcp(s) => s.as_raw_fd(),
            Socket::Unix(s) => s.as_raw_fd(),
        }
    }
}

/// What a socket has to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum More {
    Bytes,
    /// The peer has closed its side.
    Nothing,
    Unknown,
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Socket::Tcp(s) => Pin::new(s).poll_read(cx, buffer),
            Socket::Unix(s) => Pin::new(s).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Socket::Tcp(s) => Pin::new(s).poll_write(cx, bytes),
            Socket::Unix(s) => Pin::new(s).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Socket::Tcp(s) => Pin::new(s).poll_flush(cx),
            Socket::Unix(s) => Pin::new(s).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Socket::Tcp(s) => Pin::new(s).poll_shutdown(cx),
            Socket::Unix(s) => Pin::new(s).poll_shutdown(cx),
        }
    }
}

/// A bound address that accepts connections.
#[derive(Debug)]
pub(crate) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    /// Binds `address`. The file of a unix socket that nobody listens on any more is replaced.
    pub(crate) async fn bind(address: &Address) -> anyhow::Result<Self> {
        match address {
            Address::Tcp(tcp) => {
                let bound = TcpListener::bind(tcp).await;
                Ok(Listener::Tcp(bound.with_context(|| format!("cannot listen on {tcp}; is another process using the port?"))?))
            }
            Address::Unix(path) => Self::bind_unix(path).await,
        }
    }

    async fn bind_unix(path: &Path) -> anyhow::Result<Self> {
        if UnixStream::connect(path).await.is_ok() {
            anyhow::bail!("cannot listen on unix:{}; another process is listening there", path.display());
        }
        if path.exists() {
            std::fs::remove_file(path).with_context(|| format!("cannot replace the abandoned socket {}", path.display()))?;
        }
        Ok(Listener::Unix(UnixListener::bind(path).with_context(|| format!("cannot listen on unix:{}", path.display()))?))
    }

    /// The next connection, and its peer's address; `None` on a unix socket.
    pub(crate) async fn accept(&self) -> io::Result<(Socket, Option<IpAddr>)> {
        match self {
            Listener::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok((Socket::Tcp(stream), Some(peer.ip())))
            }
            Listener::Unix(listener) => listener.accept().await.map(|(stream, _)| (Socket::Unix(stream), None)),
        }
    }

    /// From now on the listener hears of no new connection. Without this, one that came between the last `accept` and the close would be
    /// reset after its client was told that it stands; unheard, the client asks again, and is refused or finds another listener. A handshake
    /// that is under way may still end: its client has, or is about to get, the word that the connection stands.
    pub(super) fn take_no_more(&self) {
        match self {
            // Where filters are not allowed that chance of a microsecond stays.
            Listener::Tcp(listener) => drop(SockRef::from(listener).attach_filter(&DROP_SYN)),
            Listener::Unix(listener) => {
                let address = listener.local_addr().ok();
                // Whoever has replaced it already has done what is to be done.
                address.and_then(|a| a.as_pathname().map(std::fs::remove_file));
            }
        }
    }

    /// Stops listening. Connections that the system took on our behalf already go to `serve`: tokio's `accept` would miss those that it has
    /// not been told of yet.
    pub(super) fn close(self, mut serve: impl FnMut(Socket, Option<IpAddr>)) {
        /// As long as a backlog gets: whoever connects without end does not keep the listener open.
        const MOST: usize = 4_096;
        match self {
            Listener::Tcp(listener) => {
                let Ok(listener) = listener.into_std() else { return };
                let accepted = std::iter::from_fn(|| listener.accept().ok()).take(MOST);
                accepted
                    .filter_map(|(stream, peer)| Some((tcp(stream).ok()?, peer)))
                    .for_each(|(socket, peer)| serve(socket, Some(peer.ip())));
            }
            Listener::Unix(listener) => {
                let Ok(listener) = listener.into_std() else { return };
                let accepted = std::iter::from_fn(|| listener.accept().ok()).take(MOST);
                accepted.filter_map(|(stream, _)| unix(stream).ok()).for_each(|socket| serve(socket, None));
            }
        }
    }

    /// As a person would type it: `http://127.0.0.1:8080`, `unix:/run/forebay/api.sock`.
    pub(crate) fn url(&self) -> String {
        match self {
            Listener::Tcp(listener) => listener.local_addr().map(|a| format!("http://{a}")).unwrap_or_default(),
            Listener::Unix(listener) => {
                let address = listener.local_addr().ok();
                address.and_then(|a| a.as_pathname().map(|p| format!("unix:{}", p.display()))).unwrap_or_default()
            }
        }
    }
}

/// A packet filter of the system (classic BPF) that drops the first packet of a TCP handshake and keeps all others.
const DROP_SYN: [SockFilter; 5] = {
    const LOAD_BYTE: u16 = 0x30;
    const AND: u16 = 0x54;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const KEEP_BYTES: u16 = 0x06;
    // RFC 9293 section 3.1: the header's byte 13 holds the flags, 0x02 of which is SYN and 0x10 is ACK.
    [
        SockFilter::new(LOAD_BYTE, 0, 0, 13),
        SockFilter::new(AND, 0, 0, 0x12),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, 0x02),
        SockFilter::new(KEEP_BYTES, 0, 0, 0),
        SockFilter::new(KEEP_BYTES, 0, 0, u32::MAX),
    ]
};

fn tcp(stream: std::net::TcpStream) -> io::Result<Socket> {
    stream.set_nonblocking(true)?;
    stream.set_nodelay(true)?;
    TcpStream::from_std(stream).map(Socket::Tcp)
}

fn unix(stream: std::os::unix::net::UnixStream) -> io::Result<Socket> {
    stream.set_nonblocking(true)?;
    UnixStream::from_std(stream).map(Socket::Unix)
}
