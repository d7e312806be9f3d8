//! HTTP/1.1: one request after another on one connection, pipelined ones included.

use std::future::Future;
use std::pin::Pin;

use pingora::apps::{HttpPersistentSettings, HttpServerApp, ReusedHttpStream};
use pingora::protocols::Stream;
use pingora::protocols::http::ServerSession;
use tokio::time::timeout;

use super::connection::Connection;
use super::guard::Guard;
use super::listener::Edge;

pub(super) async fn serve(guard: Box<Guard>, connection: Connection, edge: &Edge) {
    let mut served = request(guard, None, &connection, edge).await;
    while let Some(reusable) = served {
        let (stream, settings) = reusable.consume();
        let Some(guard) = at_the_next_request(stream, &connection, edge).await else { return };
        served = request(guard, settings, &connection, edge).await;
    }
}

type Served<'a> = Pin<Box<dyn Future<Output = Option<ReusedHttpStream>> + Send + 'a>>;

/// Serves the next request, as pingora's own future, so that nothing of a session is held between two.
fn request<'a>(guard: Box<Guard>, settings: Option<HttpPersistentSettings>, connection: &Connection, edge: &'a Edge) -> Served<'a> {
    let mut session = ServerSession::new_http1(guard);
    if let Some(settings) = settings {
        settings.apply_to_session(&mut session);
    }
    let limits = edge.limits();
    // pingora counts in whole seconds, and takes 0 for "no limit".
    session.set_keepalive(Some(limits.keep_alive.as_secs().max(1)));
    session.set_pipelining_enabled(true);
    session.set_read_timeout(Some(limits.body_idle));
    session.set_total_drain_timeout(Some(limits.body_idle));
    session.set_connection_user_context(Some(Box::new(connection.clone())));
    edge.proxy.process_new_http(session, &edge.draining)
}

/// Waits for the next request without what pingora holds for one, 17 KiB; `None` when none comes. What pingora has read of it already is not to
/// be seen from here: then there is no waiting.
async fn at_the_next_request(stream: Stream, connection: &Connection, edge: &Edge) -> Option<Box<Guard>> {
    let guard: Box<Guard> = stream.into_any().downcast().ok()?;
    let nothing_of_it_is_read = guard.has_handed_on_one_request();
    connection.phase.head();
    if nothing_of_it_is_read {
        tokio::select! {
            biased;
            readable = timeout(edge.limits().keep_alive, guard.readable()) => readable.ok()?.ok()?,
            () = edge.no_more_requests() => return None,
        }
    }
    Some(guard)
}
