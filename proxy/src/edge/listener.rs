//! The loop that accepts connections, and what every connection shares.

use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use forebay_mesh_config::listen::HttpLimits;
use pingora::server::ShutdownWatch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connection::{self, LAST_WORD};
use super::count::Connections;
use super::socket::{Listener, Socket};
use crate::gateway::Gateway;
use crate::live::Live;
use crate::metrics::Metrics;

/// After a failed `accept`, such as one for want of file descriptors, which another try at once would only repeat.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What every connection shares.
pub(crate) struct Edge {
    pub(crate) gateway: Arc<Gateway>,
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
    /// Resolves when a connection that is idle is to be closed.
    pub(super) async fn no_more_requests(&self) {
        self.closing.cancelled().await;
        sleep(LAST_WORD).await;
    }

    /// Resolves when a head that is not whole is not waited for any longer.
    pub(super) async fn no_more_heads(&self) {
        self.no_more_requests().await;
        sleep(LAST_WORD).await;
    }

    pub(super) fn limits(&self) -> HttpLimits {
        self.live.load().snapshot.listen.limits.clone()
    }
}

/// Accepts connections until [`Edge::closing`], and then those whose client may believe that they stand already.
pub(crate) async fn accept(listener: Listener, edge: Arc<Edge>) {
    // Nothing is idle while somebody may wait at the door.
    let _at_the_door = edge.tasks.token();
    edge.accept_until(&listener, edge.closing.cancelled()).await;
    listener.take_no_more();
    edge.accept_until(&listener, sleep(LAST_WORD)).await;
    listener.close(|socket, peer| edge.serve(socket, peer));
}

impl Edge {
    async fn accept_until(self: &Arc<Self>, listener: &Listener, end: impl Future<Output = ()>) {
        let mut end = std::pin::pin!(end);
        loop {
            let accepted = tokio::select! {
                () = &mut end => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((socket, peer)) => self.serve(socket, peer),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Serves a connection in a task of its own, if there is room for one more.
    fn serve(self: &Arc<Self>, socket: Socket, peer: Option<IpAddr>) {
        let limits = self.limits();
        match self.connections.take(peer, limits.connections, limits.connections_per_address) {
            Err(full) => self.metrics.refused_connection(full.label()),
            Ok(place) => {
                let edge = self.clone();
                self.tasks.spawn(async move {
                    let _place = place;
                    connection::serve(socket, peer, &edge).await;
                });
            }
        }
    }
}
