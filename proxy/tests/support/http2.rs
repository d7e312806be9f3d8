//! An HTTP/2 client with prior knowledge, over the `h2` crate, for tests that are not about frames.

use bytes::Bytes;
use h2::RecvStream;
use h2::client::{ResponseFuture, SendRequest};
use http::{HeaderMap, Request};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// A connection.
pub(crate) struct H2 {
    requests: SendRequest<Bytes>,
    driver: JoinHandle<Result<(), h2::Error>>,
}

/// One answer.
#[derive(Debug)]
pub(crate) struct Reply2 {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl H2 {
    pub(crate) async fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let (requests, connection) = h2::client::handshake(stream).await.unwrap();
        H2 { requests, driver: tokio::spawn(connection) }
    }

    /// Sends a whole request. Dropping what this gives resets the stream.
    pub(crate) async fn send(&mut self, request: Request<Bytes>) -> ResponseFuture {
        let (head, body) = request.into_parts();
        let mut requests = self.requests.clone().ready().await.unwrap();
        let (answer, mut stream) = requests.send_request(Request::from_parts(head, ()), body.is_empty()).unwrap();
        if !body.is_empty() {
            stream.send_data(body, true).unwrap();
        }
        answer
    }

    /// Sends a request and reads its answer.
    pub(crate) async fn exchange(&mut self, request: Request<Bytes>) -> Reply2 {
        let (head, body) = self.send(request).await.await.unwrap().into_parts();
        Reply2 { status: head.status.as_u16(), headers: head.headers, body: read(body).await }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Reply2 {
        self.exchange(Request::get(uri(path)).body(Bytes::new()).unwrap()).await
    }

    pub(crate) async fn post(&mut self, path: &str, body: impl Into<Bytes>) -> Reply2 {
        self.exchange(Request::post(uri(path)).header("content-type", "application/json").body(body.into()).unwrap()).await
    }

    /// Breaks the connection off without a word.
    pub(crate) fn abort(self) {
        self.driver.abort();
    }

    /// Waits until the server closes the connection.
    pub(crate) async fn closed(self) {
        drop(self.requests);
        // How it ends is not asked.
        self.driver.await.ok();
    }
}

fn uri(path: &str) -> String {
    format!("http://forebay.test{path}")
}

async fn read(mut body: RecvStream) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(piece) = body.data().await {
        let piece = piece.unwrap();
        body.flow_control().release_capacity(piece.len()).unwrap();
        all.extend_from_slice(&piece);
    }
    all
}
