//! How Forebay stops: nothing that was accepted is lost.
//!
//! On SIGTERM readiness turns false at once and answers begin to close their connections, while new connections are still served for
//! `drain.ready_false_for`, because whoever balances load learns of it late. Then no more are accepted, idle connections are closed, and
//! what is in flight ends, queued rows included. Idle ends it, `drain.at_most` ends it anyway. SIGINT is a person who waits: no while.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use forebay_mesh_config::drain::Drain;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};

use crate::edge::Edge;

/// Whether Forebay is on its way out.
#[derive(Clone, Debug, Default)]
pub(crate) struct Draining(Arc<AtomicBool>);

impl Draining {
    pub(crate) fn has_begun(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Why Forebay is to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    Terminate,
    Interrupt,
}

/// The signals that stop Forebay.
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(crate) fn listen() -> std::io::Result<Self> {
        Ok(Signals { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    pub(crate) async fn next(&mut self) -> Stop {
        tokio::select! {
            _ = self.terminate.recv() => Stop::Terminate,
            _ = self.interrupt.recv() => Stop::Interrupt,
        }
    }
}

/// Stops serving. Returns when nothing is in flight, or at the configured end.
pub(crate) async fn drain(
    stop: Stop,
    settings: &Drain,
    state: &Draining,
    close_answers: &watch::Sender<bool>,
    edge: &Edge,
    signals: &mut Signals,
) {
    let end = Instant::now() + settings.at_most;
    tracing::info!(reason = ?stop, at_most_seconds = settings.at_most.as_secs(), "draining: readiness is false from now on");
    state.0.store(true, Ordering::Relaxed);
    close_answers.send_replace(true);
    if stop == Stop::Terminate {
        tokio::select! {
            () = sleep(settings.ready_false_for.min(settings.at_most)) => {}
            _ = signals.next() => tracing::info!("asked again: not waiting for new connections any longer"),
        }
    }
    edge.closing.cancel();
    edge.tasks.close();
    tokio::select! {
        idle = timeout_at(end, edge.tasks.wait()) => match idle {
            Ok(()) => tracing::info!("nothing is in flight; stopping"),
            Err(_) => tracing::warn!(connections = edge.tasks.len(), "the time to drain is over; what is still in flight is cut off"),
        },
        _ = signals.next() => tracing::warn!("asked again: stopping at once"),
    }
}
