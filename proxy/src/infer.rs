//! From a checked request to its answer: gate, queue, run.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use forebay_batch::{BackendError, Ticket};
use forebay_mesh_config::decode::DecodeLimits;
use forebay_mesh_config::models::LargerThanBatch;
use forebay_protocol::coding::{self, Coding};
use forebay_protocol::{DecodeError, DecodeErrorKind, InferRequest, InferResponse, check};
use http::header::CONTENT_ENCODING;
use pingora::protocols::http::ServerSession;
use tokio::task::yield_now;
use tokio::time::timeout;

use crate::edge::left;
use crate::rejection::Rejection;
use crate::request::{Request, Stopwatch};
use crate::served::{Ready, Served};

/// Converting more than this may take longer than the other requests of the worker should wait.
pub(crate) const INLINE_BYTES: usize = 64 << 10;

/// The model's current state, or a refusal.
pub(crate) fn gate(served: &Served) -> Result<Arc<Ready>, Rejection> {
    served.ready().map_err(|detail| Rejection::NotReady { model: served.name.clone(), detail })
}

/// Whether the model has the version that a path names.
pub(crate) fn has_version(served: &Served, ready: &Ready, version: Option<&str>) -> Result<(), Rejection> {
    match version {
        Some(version) if !ready.metadata.versions.is_empty() && !ready.metadata.versions.iter().any(|v| v == version) => {
            Err(Rejection::UnknownVersion { model: served.name.to_string(), version: version.chars().take(64).collect() })
        }
        _ => Ok(()),
    }
}

/// Decodes a request or encodes an answer of `bytes` bytes: at once when it is little, else where it keeps no other request waiting.
pub(crate) async fn convert<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> Result<T, Rejection> + Send + 'static,
) -> Result<T, Rejection> {
    match bytes {
        0..=INLINE_BYTES => catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(panicked())),
        _ => apart(work).await,
    }
}

/// Runs `work` on a thread that no other request waits for. There are few of them, which bounds what decoding holds at once.
pub(crate) async fn apart<T: Send + 'static>(work: impl FnOnce() -> Result<T, Rejection> + Send + 'static) -> Result<T, Rejection> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(panicked()))
}

/// The log tells the place.
fn panicked() -> Rejection {
    Rejection::Internal { detail: "the request or its answer could not be converted" }
}

/// Checks a request against the model and queues it.
pub(crate) fn submit(served: &Served, ready: &Ready, request: InferRequest, limits: &DecodeLimits) -> Result<(Ticket, usize), Rejection> {
    let rows = check::check(&request, &ready.metadata, &ready.meaning, limits)?;
    if let Some(max_rows) = ready.max_rows
        && rows > max_rows
        && served.config.larger_than_batch == LargerThanBatch::Refuse
    {
        let detail = format!("{rows} rows, a batch of this model has at most {max_rows} and larger requests are not split");
        return Err(DecodeError { kind: DecodeErrorKind::Malformed, pointer: "/inputs/0/shape/0".to_owned(), detail }.into());
    }
    let ticket = ready.batcher.submit(request, rows);
    let ticket = ticket.map_err(|full| Rejection::QueueFull { rows_waiting: full.rows_waiting, retry_after: full.retry_after })?;
    Ok((ticket, rows))
}

/// Waits for the answer; gives up when the caller leaves or the time is over, which withdraws the rows.
pub(crate) async fn answer(
    session: &mut ServerSession,
    request: &mut Request,
    served: &Served,
    ticket: Ticket,
) -> Result<InferResponse, Rejection> {
    let answer = wait(session, served, ticket).await?;
    let answer = answer.map_err(|error| failed(served, error))?;
    request.stages.queue = Some(answer.timing.queue);
    request.stages.run = Some(answer.timing.run);
    request.batch_rows = Some(answer.timing.batch_rows);
    Ok(answer.response)
}

/// What a failure of the backend means to the caller; a backend that is gone is looked at soon.
pub(crate) fn failed(served: &Served, error: BackendError) -> Rejection {
    if matches!(error, BackendError::Unavailable { .. }) {
        served.suspected.notify_one();
    }
    Rejection::Backend(error)
}

/// Waits for `work` as long as the model's time allows and the caller stays.
pub(crate) async fn wait<T>(session: &mut ServerSession, served: &Served, work: impl Future<Output = T>) -> Result<T, Rejection> {
    let within = served.config.timeout;
    let given_up = async {
        // The batch goes first: watch and clock are set up while it runs.
        yield_now().await;
        match timeout(within, left(session)).await {
            Ok(()) => Rejection::CallerLeft,
            Err(_) => Rejection::TimedOut { after: within },
        }
    };
    tokio::select! {
        biased;
        done = work => Ok(done),
        rejection = given_up => Err(rejection),
    }
}

/// The body of a request that Forebay answers itself: read, and with its content coding undone.
pub(crate) async fn body(session: &mut ServerSession, request: &mut Request, memory: &crate::body::BodyMemory) -> Result<Bytes, Rejection> {
    let live = request.live.clone();
    let limits = &live.snapshot.listen.limits;
    let mut stopwatch = Stopwatch::start();
    let codings: Vec<_> =
        session.req_header().headers.get_all(CONTENT_ENCODING).iter().map(|v| String::from_utf8_lossy(v.as_bytes())).collect();
    let coding = Coding::of_content(&codings.join(",")).map_err(Rejection::UnknownCoding)?;
    let read = crate::body::read(session, limits, memory).await?;
    request.stages.read = stopwatch.lap();
    let mut held = read.held;
    let bytes = match coding {
        Coding::Identity => read.bytes,
        Coding::Gzip | Coding::Deflate => {
            let most = limits.body;
            // A few bytes may become many, so size does not tell how long it takes.
            let plain = apart(move || coding::decode(coding, read.bytes, most).map_err(Rejection::from)).await?;
            held.grow(plain.len(), limits.bodies_in_memory)?;
            plain
        }
    };
    request.held = Some(held);
    Ok(bytes)
}
