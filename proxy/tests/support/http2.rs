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

/// The server said before the request was sent, or of this very stream, that it does not serve it: it may be sent again elsewhere.
#[derive(Debug)]
pub(crate) struct Unsent;

impl H2 {
    pub(crate) async fn connect(address: &str) -> Self {
        Self::try_connect(address).await.unwrap()
    }

    pub(crate) async fn try_connect(address: &str) -> Result<Self, h2::Error> {
        let stream = TcpStream::connect(address).await.map_err(|_| h2::Reason::CONNECT_ERROR)?;
        let (requests, connection) = h2::client::handshake(stream).await?;
        Ok(H2 { requests, driver: tokio::spawn(connection) })
    }

    /// A POST of JSON that says when the server is going away. Any other failure fails the test.
    pub(crate) async fn try_post(&mut self, path: &str, body: impl Into<Bytes>) -> Result<Reply2, Unsent> {
        let Ok(mut requests) = self.requests.clone().ready().await else { return Err(Unsent) };
        let head = Request::post(uri(path)).header("content-type", "application/json").body(()).unwrap();
        let Ok((answer, mut stream)) = requests.send_request(head, false) else { return Err(Unsent) };
        // An error of the stream is the answer's too.
        stream.send_data(body.into(), true).ok();
        match answer.await {
            Ok(answer) => {
                let (head, body) = answer.into_parts();
                Ok(Reply2 { status: head.status.as_u16(), headers: head.headers, body: read(body).await })
            }
            Err(error)
                if error.is_remote() && error.reason().is_some_and(|r| r == h2::Reason::NO_ERROR || r == h2::Reason::REFUSED_STREAM) =>
            {
                Err(Unsent)
            }
            Err(error) => panic!("a stream failed: {error:?}"),
        }
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

    /// Waits until the server closes the connection. How it ends is not asked.
    pub(crate) async fn closed(mut self) {
        (&mut self.driver).await.ok();
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
