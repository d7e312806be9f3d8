//! The loop that accepts connections, and what every connection shares.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use forebay_mesh_config::listen::HttpLimits;
use pingora::proxy::HttpProxy;
use pingora::server::ShutdownWatch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connection;
use super::count::Connections;
use super::socket::Listener;
use crate::gateway::Gateway;
use crate::live::Live;
use crate::metrics::Metrics;

/// After a failed `accept`, such as one for want of file descriptors, which another try at once would only repeat.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What every connection shares.
pub(crate) struct Edge {
    pub(crate) proxy: Arc<HttpProxy<Gateway>>,
    pub(crate) live: Arc<ArcSwap<Live>>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) connections: Connections,
    /// True from the first sign of a stop: answers close their connections.
    pub(crate) draining: ShutdownWatch,
    /// Cancelled when no new connection is served any more.
    pub(crate) closing: CancellationToken,
    /// Every connection and every HTTP/2 stream.
    pub(crate) tasks: TaskTracker,
}

impl Edge {
    pub(super) fn limits(&self) -> HttpLimits {
        self.live.load().snapshot.listen.limits.clone()
    }
}

/// Accepts connections until [`Edge::closing`].
pub(crate) async fn accept(listener: Listener, edge: Arc<Edge>) {
    loop {
        let accepted = tokio::select! {
            () = edge.closing.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let (socket, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let limits = edge.limits();
        let place = match edge.connections.take(peer, limits.connections, limits.connections_per_address) {
            Ok(place) => place,
            Err(full) => {
                edge.metrics.refused_connection(full.label());
                continue;
            }
        };
        let shared = edge.clone();
        edge.tasks.spawn(async move {
            let _place = place;
            connection::serve(socket, peer, &shared).await;
        });
    }
}
