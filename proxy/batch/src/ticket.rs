//! A request's claim on its rows: it becomes the answer, and dropping it earlier withdraws what still waits.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use forebay_protocol::{InferResponse, Tensor};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::backend::BackendError;
use crate::stitch;

/// What a request gets, and how it came to be.
#[derive(Debug)]
pub struct Answer {
    pub response: InferResponse,
    pub timing: Timing,
}

/// Where a request's time went. For a request of several parts: the longest of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timing {
    pub queue: Duration,
    pub run: Duration,
    /// Rows of the batch it ran in, its own included.
    pub batch_rows: usize,
}

impl Timing {
    fn longest(self, other: Timing) -> Timing {
        Timing { queue: self.queue.max(other.queue), run: self.run.max(other.run), batch_rows: self.batch_rows.max(other.batch_rows) }
    }
}

/// Collects the parts of one request and answers when the last one is there, or the first one fails.
#[derive(Debug)]
pub(crate) struct Claim(Mutex<State>);

#[derive(Debug)]
struct State {
    /// The outputs of each part; empty for a request of one part, whose answer is handed on as it is.
    parts: Vec<Option<Vec<Tensor>>>,
    missing: usize,
    timing: Timing,
    /// Gone once the request is answered.
    reply: Option<oneshot::Sender<Result<Answer, BackendError>>>,
}

impl Claim {
    pub(crate) fn new(parts: usize) -> (Arc<Claim>, oneshot::Receiver<Result<Answer, BackendError>>) {
        let (reply, answer) = oneshot::channel();
        let kept = if parts > 1 { vec![None; parts] } else { Vec::new() };
        let state = State { parts: kept, missing: parts, timing: Timing::default(), reply: Some(reply) };
        (Arc::new(Claim(Mutex::new(state))), answer)
    }

    /// Whether nobody waits any more: the caller left, or another part has failed.
    pub(crate) fn is_settled(&self) -> bool {
        self.0.lock().reply.as_ref().is_none_or(oneshot::Sender::is_closed)
    }

    pub(crate) fn fail(&self, error: BackendError) {
        if let Some(reply) = self.0.lock().reply.take() {
            let _gone = reply.send(Err(error));
        }
    }

    /// Part `index` ran; `response` holds its own rows and nothing else. Each part runs to its end once.
    pub(crate) fn fulfil(&self, index: usize, mut response: InferResponse, timing: Timing) {
        let mut state = self.0.lock();
        state.timing = state.timing.longest(timing);
        state.missing = state.missing.saturating_sub(1);
        if let Some(part) = state.parts.get_mut(index) {
            *part = Some(std::mem::take(&mut response.outputs));
        }
        if state.missing > 0 {
            return;
        }
        let Some(reply) = state.reply.take() else { return };
        let whole = match state.parts.as_slice() {
            [] => Ok(response),
            parts => stitch::join_outputs(parts).map(|outputs| InferResponse { outputs, ..response }),
        };
        let timing = state.timing;
        let _gone = reply.send(whole.map(|response| Answer { response, timing }));
    }
}

/// Withdraws the parts of a request that still wait.
pub(crate) type Withdraw = Box<dyn FnOnce() + Send>;

/// A future of the request's [`Answer`]. Dropping it withdraws the rows that have not begun to run.
pub struct Ticket {
    pub(crate) answer: oneshot::Receiver<Result<Answer, BackendError>>,
    pub(crate) withdraw: Option<Withdraw>,
}

impl std::fmt::Debug for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ticket").field("answered", &self.withdraw.is_none()).finish_non_exhaustive()
    }
}

impl Future for Ticket {
    type Output = Result<Answer, BackendError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = std::task::ready!(Pin::new(&mut self.answer).poll(cx));
        let answer = answer.unwrap_or_else(|_| Err(BackendError::Unavailable { detail: "Forebay is shutting down".into() }));
        // When one part of a request has failed, its other parts still wait and would run for nothing.
        match self.withdraw.take() {
            Some(withdraw) if answer.is_err() => withdraw(),
            _ => {}
        }
        Poll::Ready(answer)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.answer.close();
        if let Some(withdraw) = self.withdraw.take() {
            withdraw();
        }
    }
}
