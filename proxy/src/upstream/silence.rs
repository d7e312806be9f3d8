//! How long the server behind, or both sides of a tunnel, have neither taken nor given anything.

use std::pin::Pin;
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use crate::rejection::Rejection;

/// Watches one request's server.
pub(super) struct Silence<'a> {
    alarm: Pin<&'a mut Sleep>,
    since: Instant,
    longest: Duration,
}

impl<'a> Silence<'a> {
    /// `alarm` rings after `longest` for the first time.
    pub(super) fn new(alarm: Pin<&'a mut Sleep>, longest: Duration) -> Self {
        Silence { alarm, since: Instant::now(), longest }
    }

    /// It took or gave something. The alarm is not set anew for each piece.
    pub(super) fn ends(&mut self) {
        self.since = Instant::now();
    }

    /// Resolves when it has lasted too long. May be left at any time.
    pub(super) async fn lasts(&mut self) -> Rejection {
        loop {
            self.alarm.as_mut().await;
            let end = self.since + self.longest;
            if end <= Instant::now() {
                return Rejection::UpstreamSilent { after: self.longest };
            }
            self.alarm.as_mut().reset(end);
        }
    }
}
