//! `listen:` where Forebay listens, and what one connection or one request may take.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

/// A TCP address or the path of a unix socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// Default `127.0.0.1:8080`. Needs a restart to change, like `admin` and `threads`.
    pub api: Address,
    /// Default `127.0.0.1:9901`.
    pub admin: Address,
    /// Worker threads of the API listener. Default: the processor's cores.
    pub threads: NonZeroUsize,
    pub limits: HttpLimits,
    /// Absent: no CORS header is sent.
    pub cors: Option<Cors>,
}

/// What one connection or one request may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpLimits {
    /// Bytes of a body as received and after decompression. Default 16 MiB. Passed-through bodies are not limited.
    pub body: usize,
    /// Bytes of all request bodies held at once, over all connections. Default 512 MiB.
    pub bodies_in_memory: usize,
    /// Bytes of a request's head. Default 64 KiB.
    pub head: usize,
    /// Header lines of a request. Default 100.
    pub headers: usize,
    /// Requests in flight at once, over all connections. Default 10,000.
    pub requests_in_flight: usize,
    /// Longest wait between two pieces of a request's body. Default 30 s.
    pub body_idle: Duration,
    /// Longest wait for the client to take a piece of the answer. Default 30 s.
    pub write_idle: Duration,
    /// How long a connection may stay without a request. Default 60 s.
    pub keep_alive: Duration,
}

/// Cross-Origin Resource Sharing (Fetch standard).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    /// Exact origins, or one `*`.
    pub origins: Vec<String>,
    /// Request headers that scripts may set.
    pub headers: Vec<String>,
    /// How long a browser may remember a preflight. Default 10 min.
    pub max_age: Duration,
}
