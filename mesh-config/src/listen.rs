//! `listen:` where Forebay listens, and what one connection or one request may take.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use crate::address::AddressForm;
pub use crate::cors::Cors;
use crate::tree::form::{Whole, maybe, table, unstated, whole};
use crate::tree::{Keys, Mistake};
use crate::units::{SOME_TIME, duration, size};

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

/// What one connection or one request may take, and all of them together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpLimits {
    /// Bytes of a body as received and after decompression. Default 16 MiB. Passed-through bodies are not limited.
    pub body: usize,
    /// Bytes of all request bodies held at once, over all connections. Default 512 MiB.
    pub bodies_in_memory: usize,
    /// Bytes of a request's head, and of the trailers and extensions of its chunked body together. Default 64 KiB.
    pub head: usize,
    /// Header lines of a request. Default 100.
    pub headers: usize,
    /// Open connections. Default 4,096. Over it a new one is closed at once.
    pub connections: usize,
    /// Open connections from one address (IPv6: one /64). Default 1,024.
    pub connections_per_address: usize,
    /// Requests in flight at once, over all connections. Default 1,024: one that is passed through holds up to 256 KiB.
    pub requests_in_flight: usize,
    /// From a request's first byte to the end of its head. Default 10 s.
    pub head_time: Duration,
    /// Longest wait between two pieces of a request's body. Default 30 s.
    pub body_idle: Duration,
    /// Bytes of a body of known length that are there before the server behind hears of it; 0 passes every byte on at once. Default 16 KiB.
    pub body_gathered: usize,
    /// Bodies of unknown length or that wait to be asked for, before their answers begin, that the server behind hears of at once. More of them
    /// are gathered like the others. Default 32.
    pub bodies_ungathered: usize,
    /// From the end of the head to the end of a body that Forebay reads itself. Default 60 s.
    pub body_time: Duration,
    /// Longest wait for the client to take a piece of the answer. Default 30 s.
    pub write_idle: Duration,
    /// How long the server behind may neither take a piece of a body that is there nor give one of its answer. Default 10 min.
    pub upstream_idle: Duration,
    /// How long nothing may be said on a connection that has become a websocket's. Default 5 min.
    pub tunnel_idle: Duration,
    /// How long a connection may stay without a request. Default 60 s.
    pub keep_alive: Duration,
    pub http2: Http2Limits,
}

/// What one HTTP/2 connection may take (RFC 9113).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http2Limits {
    /// Streams open at once. Default 100.
    pub streams: u32,
    /// Bytes that a client may send of one stream before they are read. Default 64 KiB.
    pub stream_window: u32,
    /// Bytes that a client may send of all streams before they are read. Default 1 MiB.
    pub connection_window: u32,
    /// Bytes of answers that wait for a slow reader, per stream. Default 256 KiB.
    pub send_buffer: usize,
    /// Streams that the client reset before they were accepted; more end the connection (CVE-2023-44487). Default 20.
    pub resets_pending: usize,
    /// Streams that Forebay itself reset for the client's mistakes; more end the connection (CVE-2025-8671). Default 100.
    pub own_resets: usize,
}

impl Default for Listen {
    fn default() -> Self {
        let loopback = |port| Address::Tcp(SocketAddr::from(([127, 0, 0, 1], port)));
        Listen {
            api: loopback(8080),
            admin: loopback(9901),
            threads: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            limits: HttpLimits::default(),
            cors: None,
        }
    }
}

impl Default for HttpLimits {
    fn default() -> Self {
        HttpLimits {
            body: 16 << 20,
            bodies_in_memory: 512 << 20,
            head: 64 << 10,
            headers: 100,
            connections: 4_096,
            connections_per_address: 1_024,
            requests_in_flight: 1_024,
            head_time: Duration::from_secs(10),
            body_idle: Duration::from_secs(30),
            body_gathered: 16 << 10,
            bodies_ungathered: 32,
            body_time: Duration::from_secs(60),
            write_idle: Duration::from_secs(30),
            upstream_idle: Duration::from_secs(600),
            tunnel_idle: Duration::from_secs(300),
            keep_alive: Duration::from_secs(60),
            http2: Http2Limits::default(),
        }
    }
}

impl Default for Http2Limits {
    fn default() -> Self {
        Http2Limits {
            streams: 100,
            stream_window: 64 << 10,
            connection_window: 1 << 20,
            send_buffer: 256 << 10,
            resets_pending: 20,
            own_resets: 100,
        }
    }
}

impl Listen {
    pub(crate) fn declare(keys: &mut Keys<'_, '_>, from: Self) -> Self {
        let listen = Listen {
            api: keys.key("api", AddressForm, from.api, "Where clients are served: an IP address and a port, or unix:/path. Needs a restart."),
            admin: keys.key(
                "admin",
                AddressForm,
                from.admin,
                "Where /live, /ready, /metrics and /config are. It has no authentication: keep it on loopback or behind a network policy. Needs a restart.",
            ),
            threads: keys.key(
                "threads",
                unstated(whole().at_most(1_024)),
                from.threads,
                "Worker threads of the API listener. Default: the processor's cores. Needs a restart.",
            ),
            limits: keys.key("limits", table(HttpLimits::declare), from.limits, "What one connection or one request may take, and all of them together."),
            cors: keys.key(
                "cors",
                maybe(table(Cors::declare), Cors::example),
                from.cors,
                "Which web pages of other origins may call. Without it no CORS header is sent.",
            ),
        };
        if clash(&listen.api, &listen.admin) {
            keys.refuse("admin", Mistake::new("cannot be bound beside api", "give each its own port"));
        }
        listen
    }
}

/// Whether the second of two listeners could not be bound. At port 0 the system gives each its own.
fn clash(api: &Address, admin: &Address) -> bool {
    let (Address::Tcp(api), Address::Tcp(admin)) = (api, admin) else { return api == admin };
    let covers = |wide: IpAddr, narrow: IpAddr| wide.is_unspecified() && (wide.is_ipv6() || narrow.is_ipv4());
    let (a, b) = (api.ip(), admin.ip());
    api.port() != 0 && api.port() == admin.port() && (a == b || covers(a, b) || covers(b, a))
}

/// A piece of the wire is never smaller, and no single limit should need more.
const LEAST_PIECE: u64 = 1 << 10;
const MOST_MEMORY: u64 = 64 << 30;

impl HttpLimits {
    fn declare(keys: &mut Keys<'_, '_>, from: Self) -> Self {
        let limits = HttpLimits {
            body: keys.key(
                "body",
                size(1, MOST_MEMORY),
                from.body,
                "Bytes of a body as received and after decompression. What is passed through is not limited.",
            ),
            bodies_in_memory: keys.key(
                "bodies_in_memory",
                size(1, MOST_MEMORY),
                from.bodies_in_memory,
                "Bytes of all request bodies held at once, over all connections.",
            ),
            head: keys.key(
                "head",
                size(LEAST_PIECE, 1 << 20),
                from.head,
                "Bytes of a request's head, and of the trailers and extensions of its chunked body together.",
            ),
            headers: keys.key("headers", whole().at_least(8).at_most(10_000), from.headers, "Header lines of a request."),
            connections: keys.key("connections", count(), from.connections, "Open connections. Over it a new one is closed at once."),
            connections_per_address: keys.key(
                "connections_per_address",
                count(),
                from.connections_per_address,
                "Open connections from one address; of IPv6 from one /64.",
            ),
            requests_in_flight: keys.key(
                "requests_in_flight",
                count(),
                from.requests_in_flight,
                "Requests in flight at once, over all connections.",
            ),
            head_time: keys.key("head_time", duration(SOME_TIME), from.head_time, "From a request's first byte to the end of its head."),
            body_idle: keys.key("body_idle", duration(SOME_TIME), from.body_idle, "Longest wait between two pieces of a request's body."),
            body_gathered: keys.key(
                "body_gathered",
                size(0, 1 << 20),
                from.body_gathered,
                "Bytes of a body of known length that are there before the server behind hears of it; 0 passes every byte on at once.",
            ),
            bodies_ungathered: keys.key(
                "bodies_ungathered",
                whole().at_most(10_000_000),
                from.bodies_ungathered,
                "Bodies of unknown length or with Expect, before their answers begin, that the server behind hears of at once; more are gathered.",
            ),
            body_time: keys.key(
                "body_time",
                duration(SOME_TIME),
                from.body_time,
                "From the end of the head to the end of a body that Forebay reads itself.",
            ),
            write_idle: keys.key(
                "write_idle",
                duration(SOME_TIME),
                from.write_idle,
                "Longest wait for the client to take a piece of the answer.",
            ),
            upstream_idle: keys.key(
                "upstream_idle",
                duration(SOME_TIME),
                from.upstream_idle,
                "How long the server behind may neither take a piece of a body that is there nor give one of its answer.",
            ),
            tunnel_idle: keys.key(
                "tunnel_idle",
                duration(SOME_TIME),
                from.tunnel_idle,
                "How long nothing may be said on a connection that has become a websocket's.",
            ),
            keep_alive: keys.key("keep_alive", duration(SOME_TIME), from.keep_alive, "How long a connection may stay without a request."),
            http2: keys.key("http2", table(Http2Limits::declare), from.http2, "What one HTTP/2 connection may take."),
        };
        if limits.body > limits.bodies_in_memory {
            keys.refuse(
                "body",
                Mistake::new("is more than bodies_in_memory", "a body of that size could never be held; lower one or raise the other"),
            );
        }
        if limits.connections_per_address > limits.connections {
            keys.refuse("connections_per_address", Mistake::new("is more than connections", "lower one or raise the other"));
        }
        limits
    }
}

fn count() -> Whole<usize> {
    whole().at_least(1).at_most(10_000_000)
}

impl Http2Limits {
    fn declare(keys: &mut Keys<'_, '_>, from: Self) -> Self {
        // RFC 9113, section 6.9.1.
        const LARGEST_WINDOW: u64 = (1 << 31) - 1;
        // Section 6.9.2: a connection begins with 65,535 bytes, and SETTINGS cannot lower it.
        const FIRST_WINDOW: u64 = 65_535;
        Http2Limits {
            streams: keys.key("streams", whole().at_least(1).at_most(10_000), from.streams, "Streams open at once."),
            stream_window: keys.key(
                "stream_window",
                size(LEAST_PIECE, LARGEST_WINDOW),
                from.stream_window,
                "Bytes that a client may send of one stream before they are read.",
            ),
            connection_window: keys.key(
                "connection_window",
                size(FIRST_WINDOW, LARGEST_WINDOW),
                from.connection_window,
                "Bytes that a client may send of all streams before they are read.",
            ),
            send_buffer: keys.key(
                "send_buffer",
                size(LEAST_PIECE, 1 << 30),
                from.send_buffer,
                "Bytes of answers that wait for a slow reader, per stream.",
            ),
            resets_pending: keys.key(
                "resets_pending",
                whole().at_least(1).at_most(10_000),
                from.resets_pending,
                "Streams that the client reset before they were accepted; more end the connection (CVE-2023-44487).",
            ),
            own_resets: keys.key(
                "own_resets",
                whole().at_least(1).at_most(100_000),
                from.own_resets,
                "Streams that Forebay itself reset for the client's mistakes; more end the connection (CVE-2025-8671).",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_listeners_clash_where_the_system_would_refuse_the_second() {
        let tcp = |text: &str| Address::Tcp(text.parse().unwrap());
        let table = [
            ("127.0.0.1:80", "127.0.0.1:80", true),
            ("127.0.0.1:80", "127.0.0.1:81", false),
            ("127.0.0.1:80", "127.0.0.2:80", false),
            ("127.0.0.1:0", "127.0.0.1:0", false),
            ("0.0.0.0:80", "127.0.0.1:80", true),
            ("127.0.0.1:80", "[::]:80", true),
            ("0.0.0.0:80", "[::1]:80", false),
        ];
        for (api, admin, expected) in table {
            assert_eq!(clash(&tcp(api), &tcp(admin)), expected, "{api} {admin}");
        }
        assert!(clash(&Address::Unix("/a".into()), &Address::Unix("/a".into())));
        assert!(!clash(&Address::Unix("/a".into()), &tcp("127.0.0.1:80")));
    }
}
