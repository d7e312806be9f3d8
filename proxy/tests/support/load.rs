//! Many clients at once that ask the scripted model, and count what fails.

use std::io::ErrorKind;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use super::client::{Connection, request};
use super::echo::{INFER, infer_body, rows_of};
use super::wait::until_true;

/// Clients at once, each with one request at a time.
pub(crate) const CLIENTS: usize = 8;

/// What became of the requests of a load.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    answered: AtomicUsize,
    failed: AtomicUsize,
    /// Set to end the load.
    over: AtomicBool,
    /// Set when Forebay is on its way out: a refused connection then ends a client.
    leaving: AtomicBool,
    /// When the first connection was refused.
    refused: OnceLock<Instant>,
}

impl Tally {
    /// Sends one request after another until the load is over. Keeps its connection, and opens a new one when the answer says so.
    fn client(&self, api: &str, number: usize) {
        let mut connection = None;
        for round in 0.. {
            if self.over.load(Ordering::SeqCst) {
                return;
            }
            let row = (number * 100_000 + round) as f64;
            let kept = connection.is_some();
            let began = Instant::now();
            let mut open = match connection.take().map_or_else(|| Connection::try_open(api), Ok) {
                Ok(open) => open,
                // Reset: the listener was closed in the middle of the handshake.
                Err(error) if matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset) && self.is_leaving() => {
                    self.refused.get_or_init(Instant::now);
                    return;
                }
                Err(error) => return self.fail(&format!("cannot connect: {error}")),
            };
            let sent = open.try_send(request("POST", INFER, &[], &infer_body(&[row])));
            match sent.and_then(|()| open.try_answer()) {
                Ok(answer) if answer.status == 200 && rows_of(&answer.json()) == [row] => {
                    self.answered.fetch_add(1, Ordering::SeqCst);
                    connection = (!answer.closes).then_some(open);
                }
                Ok(answer) => self.fail(&format!("{}: {}", answer.status, answer.text())),
                Err(error) => {
                    self.fail(&format!("{error} after {:?} on a {} connection", began.elapsed(), if kept { "kept" } else { "new" }))
                }
            }
        }
    }

    fn fail(&self, what: &str) {
        eprintln!("a request failed: {what}");
        self.failed.fetch_add(1, Ordering::SeqCst);
    }

    /// Forebay is told to stop: from now on a refused connection is the end of a client and no failure.
    pub(crate) fn leave(&self) {
        self.leaving.store(true, Ordering::SeqCst);
    }

    /// When the first connection was refused.
    pub(crate) fn refused(&self) -> Option<Instant> {
        self.refused.get().copied()
    }

    fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::SeqCst)
    }

    pub(crate) fn answered(&self) -> usize {
        self.answered.load(Ordering::SeqCst)
    }

    pub(crate) fn failed(&self) -> usize {
        self.failed.load(Ordering::SeqCst)
    }
}

/// Runs `during` while clients load `api`.
pub(crate) fn under_load(api: &str, tally: &Tally, during: impl FnOnce()) {
    std::thread::scope(|scope| {
        for number in 0..CLIENTS {
            scope.spawn(move || tally.client(api, number));
        }
        until_true("the load runs", || tally.answered() >= 10 * CLIENTS);
        during();
        tally.over.store(true, Ordering::SeqCst);
    });
}
