//! HTTP/2: many requests at once on one connection, each a task of its own.
//!
//! The limits against floods are those of the `h2` crate, set from the configuration: streams open at once, header lists, resets by the
//! client before its streams were accepted, and resets that the client provoked. What it has no limit for is an open connection without a
//! stream: that ends here.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use forebay_mesh_config::listen::HttpLimits;
use pingora::protocols::Digest;
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::{H2Accept, H2Options, HttpSession, default_h2_options, handshake};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::connection::Connection;
use super::guard::Guard;
use super::listener::Edge;

/// Requests that pingora refused for an ambiguous authority or length before they reached us; more end the connection.
const MALFORMED: usize = 32;

/// Streams of one connection that are being served.
#[derive(Default)]
struct Streams {
    open: AtomicUsize,
    none_left: Notify,
}

impl Streams {
    async fn none(&self) {
        while self.open.load(Ordering::Acquire) > 0 {
            self.none_left.notified().await;
        }
    }
}

/// One stream; counts itself out on drop.
struct Open(Arc<Streams>);

impl Open {
    fn new(streams: &Arc<Streams>) -> Self {
        streams.open.fetch_add(1, Ordering::AcqRel);
        Open(streams.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if self.0.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.none_left.notify_one();
        }
    }
}

fn options(limits: &HttpLimits) -> H2Options {
    let http2 = &limits.http2;
    let mut options = default_h2_options();
    options
        .max_concurrent_streams(http2.streams)
        .max_header_list_size(u32::try_from(limits.head).unwrap_or(u32::MAX))
        .initial_window_size(http2.stream_window)
        .initial_connection_window_size(http2.connection_window)
        .max_send_buffer_size(http2.send_buffer)
        .max_pending_accept_reset_streams(http2.resets_pending)
        .max_local_error_reset_streams(Some(http2.own_resets));
    options
}

pub(super) async fn serve(guard: Box<Guard>, connection: Connection, edge: &Edge) {
    let (head_time, keep_alive, options) = {
        let limits = edge.limits();
        (limits.head_time, limits.keep_alive, options(&limits))
    };
    connection.phase.request();
    let Ok(Ok(mut http2)) = timeout(head_time, handshake(guard, Some(options))).await else { return };
    let digest = Arc::new(Digest::default());
    let streams = Arc::new(Streams::default());
    let (mut malformed, mut going_away) = (0, false);
    loop {
        let idle = async {
            streams.none().await;
            sleep(keep_alive).await;
        };
        let accepted = tokio::select! {
            biased;
            () = edge.closing.cancelled(), if !going_away => {
                going_away = true;
                http2.graceful_shutdown();
                continue;
            }
            accepted = HttpSession::from_h2_conn(&mut http2, digest.clone()) => accepted,
            () = idle => return,
        };
        match accepted {
            Ok(Some(H2Accept::Session(stream))) => spawn(stream, Open::new(&streams), &connection, edge),
            Ok(Some(H2Accept::Rejected)) if malformed < MALFORMED => malformed += 1,
            Ok(Some(H2Accept::Rejected) | None) | Err(_) => return,
        }
    }
}

fn spawn(stream: HttpSession, open: Open, connection: &Connection, edge: &Edge) {
    let mut session = Box::new(ServerSession::new_http2(stream));
    session.set_write_timeout(Some(edge.limits().write_idle));
    let (gateway, connection) = (edge.gateway.clone(), connection.clone());
    edge.tasks.spawn(async move {
        let _open = open;
        // An answer that broke off resets its stream as the session is dropped.
        if gateway.serve(&mut session, connection).await.is_ok() {
            let _ended = session.finish().await;
        }
    });
}
