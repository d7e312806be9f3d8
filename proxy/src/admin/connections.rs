//! Accepts the admin listener's connections and bounds what each may take.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http::header::CONNECTION;
use http::{HeaderValue, Request};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::AdminState;
use super::pages::{self, Page};
use crate::edge::{Listener, Socket};

/// Connections at once: a kubelet, some scrapers and a person need one each. Further ones wait in the listener's backlog.
const CONNECTIONS: usize = 64;

/// From the last answer, or the start, to the end of the next head: it bounds idle connections too.
const HEAD_TIME: Duration = Duration::from_secs(10);

/// Bytes that are read ahead; the least that hyper takes, and enough for any scraper's head.
const READ_BUFFER: usize = 8 * 1024;

/// After this a connection is closed at the end of its current answer, whoever keeps it busy.
const CONNECTION_TIME: Duration = Duration::from_secs(300);

/// For the current answer, when a connection's time is over or the listener stops. It bounds readers that have stopped.
const LAST_ANSWER_TIME: Duration = Duration::from_secs(5);

/// Before the next try after a failed accept, which fails for all (no file descriptors left) rather than for one caller.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Serves until `stop`, then lets current answers end. Connections are tasks of `tasks`. For a drain to be seen from outside, stop it last.
pub(crate) async fn serve(listener: Listener, state: Arc<AdminState>, stop: CancellationToken, tasks: &TaskTracker) {
    stop.run_until_cancelled(accept(&listener, &state, &stop, tasks)).await;
}

/// A place is taken before a connection is: what cannot be served is not accepted.
async fn accept(listener: &Listener, state: &Arc<AdminState>, stop: &CancellationToken, tasks: &TaskTracker) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    while let Ok(place) = places.clone().acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => _ = tasks.spawn(connection(stream, state.clone(), stop.clone(), place)),
            Err(error) => {
                tracing::warn!(error = &error as &(dyn std::error::Error + 'static), "the admin listener cannot accept");
                sleep(ACCEPT_AGAIN).await;
            }
        }
    }
}

/// One connection, which gives its place back at the end. How it ends is the caller's business: nobody is told.
async fn connection(stream: Socket, state: Arc<AdminState>, stop: CancellationToken, _place: OwnedSemaphorePermit) {
    let service = service_fn(move |request| {
        let page = respond(request, &state);
        async { Ok::<_, Infallible>(page) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(READ_BUFFER)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        () = sleep(CONNECTION_TIME) => {}
        () = stop.cancelled() => {}
    }
    connection.as_mut().graceful_shutdown();
    timeout(LAST_ANSWER_TIME, connection).await.ok();
}

/// A body is not read, so that the connection cannot go on after it.
fn respond(request: Request<Incoming>, state: &AdminState) -> Page {
    let (head, body) = request.into_parts();
    if body.is_end_stream() {
        return pages::answer(&head, state);
    }
    let mut page = pages::no_bodies();
    page.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    page
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

    use super::super::pages::tests::{ready, state};
    use super::*;

    struct Served {
        address: SocketAddr,
        stop: CancellationToken,
        tasks: TaskTracker,
    }

    async fn served() -> Served {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        start(Listener::Tcp(listener), &stop, &tasks);
        Served { address, stop, tasks }
    }

    fn start(listener: Listener, stop: &CancellationToken, tasks: &TaskTracker) {
        let (stop, of) = (stop.clone(), tasks.clone());
        tasks.spawn(async move { serve(listener, Arc::new(state(ready())), stop, &of).await });
    }

    /// All that comes until the other side closes.
    async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &str) -> String {
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // A reset after the answer is an end too.
        stream.read_to_end(&mut answer).await.ok();
        String::from_utf8(answer).unwrap()
    }

    #[tokio::test]
    async fn pages_are_served_over_tcp_one_after_the_other() {
        let served = served().await;
        let requests = "GET /live HTTP/1.1\r\nhost: a\r\n\r\nGET /ready HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
        let answers = exchange(TcpStream::connect(served.address).await.unwrap(), requests).await;
        assert_eq!(answers.matches("HTTP/1.1 200 OK\r\n").count(), 2, "{answers}");
        assert!(answers.contains("live\n") && answers.ends_with("ready\n"));
    }

    #[tokio::test]
    async fn pages_are_served_over_a_unix_socket() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        start(Listener::Unix(UnixListener::bind(&path).unwrap()), &stop, &tasks);
        let answer = exchange(UnixStream::connect(&path).await.unwrap(), "GET /live HTTP/1.0\r\n\r\n").await;
        assert!(answer.ends_with("\r\n\r\nlive\n"), "{answer}");
    }

    #[tokio::test]
    async fn a_head_request_gets_the_head_alone() {
        let served = served().await;
        let request = "HEAD /live HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
        let answer = exchange(TcpStream::connect(served.address).await.unwrap(), request).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("content-length: 5\r\n"), "{answer}");
        assert!(answer.ends_with("\r\n\r\n"), "{answer}");
    }

    #[tokio::test]
    async fn a_body_is_refused_unread_and_the_connection_closed() {
        let served = served().await;
        for framing in ["content-length: 1000000000000", "transfer-encoding: chunked"] {
            let request = format!("GET /live HTTP/1.1\r\nhost: a\r\n{framing}\r\n\r\n");
            let answer = exchange(TcpStream::connect(served.address).await.unwrap(), &request).await;
            assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
        }
    }

    #[tokio::test]
    async fn a_head_without_end_is_refused() {
        let served = served().await;
        let request = format!("GET /live HTTP/1.1\r\nx: {}", "y".repeat(READ_BUFFER));
        let answer = exchange(TcpStream::connect(served.address).await.unwrap(), &request).await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_says_nothing_is_closed() {
        let served = served().await;
        for started in ["", "GET /live HTTP/1.1\r\nhost: "] {
            exchange(TcpStream::connect(served.address).await.unwrap(), started).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn connections_beyond_the_most_wait_for_a_place() {
        let served = served().await;
        let mut idle = Vec::new();
        for _ in 0..CONNECTIONS {
            idle.push(TcpStream::connect(served.address).await.unwrap());
        }
        let answer = exchange(TcpStream::connect(served.address).await.unwrap(), "GET /live HTTP/1.0\r\n\r\n").await;
        assert!(answer.ends_with("live\n"), "{answer}");
    }

    #[tokio::test]
    async fn the_stop_ends_idle_connections_and_their_tasks() {
        let served = served().await;
        let mut idle = TcpStream::connect(served.address).await.unwrap();
        idle.write_all(b"GET /live HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let mut answer = [0; 1024];
        assert!(idle.read(&mut answer).await.unwrap() > 0);
        served.stop.cancel();
        served.tasks.close();
        served.tasks.wait().await;
        assert_eq!(idle.read(&mut answer).await.unwrap(), 0);
        assert!(TcpStream::connect(served.address).await.is_err());
    }
}
