//! HTTP/1.1: one request after another on one connection, pipelined ones included.

use pingora::apps::HttpServerApp;
use pingora::protocols::http::ServerSession;

use super::connection::Connection;
use super::guard::Guard;
use super::listener::Edge;

pub(super) async fn serve(guard: Guard, connection: Connection, edge: &Edge) {
    let mut session = ServerSession::new_http1(Box::new(guard));
    loop {
        let limits = edge.limits();
        // pingora counts in whole seconds, and takes 0 for "no limit".
        session.set_keepalive(Some(limits.keep_alive.as_secs().max(1)));
        session.set_pipelining_enabled(true);
        session.set_read_timeout(Some(limits.body_idle));
        session.set_total_drain_timeout(Some(limits.body_idle));
        session.set_connection_user_context(Some(Box::new(connection.clone())));
        let Some(reusable) = edge.proxy.process_new_http(session, &edge.draining).await else { return };
        connection.phase.head();
        let (stream, settings) = reusable.consume();
        session = ServerSession::new_http1(stream);
        if let Some(settings) = settings {
            settings.apply_to_session(&mut session);
        }
    }
}
