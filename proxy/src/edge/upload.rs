//! Whether the body of a request that is passed through still comes.
//!
//! pingora has no limit of time for it over HTTP/2: a stream that stops halfway would hold its connection to the server for ever. The rule
//! is that of HTTP/1.1: until the answer begins, two pieces may be `body_idle` apart. Afterwards a pause is the server's business, as in
//! gRPC with streams in both directions.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::sleep;

/// Shared between a stream and its request.
#[derive(Debug, Default)]
pub(crate) struct Upload {
    awaited: AtomicBool,
    pieces: AtomicUsize,
}

impl Upload {
    /// The body is being passed on.
    pub(crate) fn begin(&self) {
        self.awaited.store(true, Ordering::Relaxed);
    }

    pub(crate) fn piece(&self) {
        self.pieces.fetch_add(1, Ordering::Relaxed);
    }

    /// The body has ended, or the answer has begun.
    pub(crate) fn end(&self) {
        self.awaited.store(false, Ordering::Relaxed);
    }

    /// Returns when no piece has come for `idle` and one should have, after at most twice that.
    pub(super) async fn stopped(&self, idle: Duration) {
        loop {
            let (awaited, before) = (self.awaited.load(Ordering::Relaxed), self.pieces.load(Ordering::Relaxed));
            sleep(idle).await;
            let now = self.awaited.load(Ordering::Relaxed);
            if awaited && now && before == self.pieces.load(Ordering::Relaxed) {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, timeout};

    use super::*;

    const IDLE: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stops_is_noticed_within_twice_the_time() {
        let upload = Upload::default();
        upload.begin();
        upload.piece();
        let began = Instant::now();
        upload.stopped(IDLE).await;
        assert!(began.elapsed() <= 2 * IDLE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_comes_or_has_ended_or_was_never_passed_on_is_not() {
        let upload = Upload::default();
        assert!(timeout(10 * IDLE, upload.stopped(IDLE)).await.is_err());
        upload.begin();
        let pieces = async {
            for _ in 0..20 {
                upload.piece();
                sleep(IDLE / 2).await;
            }
            upload.end();
        };
        tokio::select! {
            () = upload.stopped(IDLE) => panic!("pieces came"),
            () = pieces => {}
        }
        assert!(timeout(10 * IDLE, upload.stopped(IDLE)).await.is_err());
    }
}
