//! A server of the Open Inference Protocol V2 over HTTP/1.1, on TCP or a unix socket, that knows nothing of batching but a batch dimension.
//!
//! Tensors go as binary when the server's metadata announces `binary_tensor_data`, otherwise as JSON.

use bytes::Bytes;
use forebay_protocol::{DecodeError, InferRequest, InferResponse, ModelMetadata, v2};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::Full;

use super::connect::Target;
use super::pool::{Broken, Pool};
use super::{Backend, BackendError, Permit, Running};

/// Header of the binary tensor extension: how many bytes of the body are JSON.
const JSON_LENGTH: &str = "inference-header-content-length";

/// The server's address does not make a URI.
#[derive(Debug, thiserror::Error)]
#[error("{authority:?} is not a host and port: {source}")]
pub struct HttpBackendError {
    authority: String,
    #[source]
    source: http::uri::InvalidUri,
}

/// One model on one server.
#[derive(Clone)]
pub struct HttpBackend {
    pool: Pool,
    authority: String,
    model: String,
    /// Most bytes of an answer.
    max_answer: usize,
    binary: bool,
}

impl std::fmt::Debug for HttpBackend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpBackend").field("authority", &self.authority).field("model", &self.model).finish_non_exhaustive()
    }
}

impl HttpBackend {
    /// Connects when first used. `max_answer` bounds the bytes of an answer that is held.
    pub fn new(target: &Target, model: &str, max_answer: usize) -> Result<Self, HttpBackendError> {
        let authority = target.authority();
        let pool = Pool::new(target).map_err(|source| HttpBackendError { authority: authority.clone(), source })?;
        Ok(HttpBackend { pool, authority, model: model.to_owned(), max_answer, binary: false })
    }

    /// Sends tensors as binary from now on, if the server says that it takes them.
    pub fn with_binary(mut self, binary: bool) -> Self {
        self.binary = binary;
        self
    }

    /// Whether the server announces the binary tensor extension in `GET /v2`.
    pub async fn takes_binary(&self) -> Result<bool, BackendError> {
        let (_, body) = self.get("/v2").await?;
        let metadata = v2::decode_server_metadata(&body).map_err(|e| failed(e.detail))?;
        Ok(metadata.extensions.iter().any(|e| e == "binary_tensor_data"))
    }

    /// `GET /v2/models/{model}`.
    pub async fn metadata(&self) -> Result<ModelMetadata, BackendError> {
        let (_, body) = self.get(&format!("/v2/models/{}", self.model)).await?;
        v2::decode_metadata(&body).map_err(|e| failed(format!("its metadata of model {:?}: {}", self.model, e.detail)))
    }

    /// `GET /v2/models/{model}/ready`: whether it may be asked.
    pub async fn probe(&self) -> Result<(), BackendError> {
        self.get(&format!("/v2/models/{}/ready", self.model)).await.map(|_| ())
    }

    async fn get(&self, path: &str) -> Result<(HeaderMap, Bytes), BackendError> {
        self.exchange(self.request(Method::GET, path, &HeaderMap::new(), Bytes::new())?).await
    }

    fn request(&self, method: Method, path: &str, headers: &HeaderMap, body: Bytes) -> Result<Request<Full<Bytes>>, BackendError> {
        let mut request = Request::builder().method(method).uri(path).header(HOST, &self.authority);
        if let Some(all) = request.headers_mut() {
            all.extend(headers.clone());
        }
        if !body.is_empty() {
            request = request.header(CONTENT_LENGTH, body.len());
        }
        request.body(Full::new(body)).map_err(|e| failed(e.to_string()))
    }

    /// Sends a request and holds its answer; anything but 2xx is an error.
    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<(HeaderMap, Bytes), BackendError> {
        let (head, body) = self.pool.exchange(request, self.max_answer).await.map_err(|broken| match broken {
            Broken::TooLarge(_) => failed(broken.to_string()),
            Broken::Connect(_) | Broken::Head(_) | Broken::Body(_) => BackendError::Unavailable { detail: with_cause(&broken) },
        })?;
        match head.status {
            status if status.is_success() => Ok((head.headers, body)),
            StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::TOO_MANY_REQUESTS
            | StatusCode::REQUEST_TIMEOUT
            | StatusCode::BAD_GATEWAY
            | StatusCode::GATEWAY_TIMEOUT => {
                Err(BackendError::Unavailable { detail: format!("it answers {}: {}", head.status, said(&body)) })
            }
            status if status.is_client_error() => Err(BackendError::Refused { status: status.as_u16(), detail: said(&body) }),
            status => Err(failed(format!("it answers {status}: {}", said(&body)))),
        }
    }

    async fn infer(self, mut batch: InferRequest, permit: Permit) -> Result<InferResponse, BackendError> {
        let path = match &batch.version {
            Some(version) => format!("/v2/models/{}/versions/{version}/infer", self.model),
            None => format!("/v2/models/{}/infer", self.model),
        };
        batch.model.clone_from(&self.model);
        let (bytes, binary) = (batch.inputs.iter().map(|input| input.tensor.data().len()).sum(), self.binary);
        let encoded = convert(bytes, move || v2::encode_request(&batch, binary).map_err(|e| failed(e.detail))).await?;
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
        if let Some(length) = encoded.json_length {
            headers.insert(CONTENT_TYPE, http::HeaderValue::from_static("application/octet-stream"));
            headers.insert(JSON_LENGTH, length.into());
        }
        let (headers, body) = self.exchange(self.request(Method::POST, &path, &headers, encoded.body)?).await?;
        drop(permit);
        // The next batch is sent before this one's answer is read.
        tokio::task::yield_now().await;
        let unreadable = |e: DecodeError| failed(format!("its answer at {}: {}", e.pointer, e.detail));
        // Bytes that are not text are no number either.
        let json_length = headers.get(JSON_LENGTH).map(|length| v2::parse_json_length(length.to_str().unwrap_or_default()));
        let json_length = json_length.transpose().map_err(unreadable)?;
        convert(body.len(), move || v2::decode_response(body, json_length).map_err(unreadable)).await
    }
}

impl Backend for HttpBackend {
    fn run(&self, batch: InferRequest, permit: Permit) -> Running {
        Box::pin(self.clone().infer(batch, permit))
    }
}

/// Converts `bytes` bytes of tensors to or from what the server speaks: a large batch where no other request waits for it.
async fn convert<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> Result<T, BackendError> + Send + 'static,
) -> Result<T, BackendError> {
    /// A batch of usual rows is less, and its conversion takes less time than a hand-over.
    const INLINE: usize = 64 << 10;
    match bytes {
        0..=INLINE => work(),
        _ => tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(failed("a batch could not be converted".to_owned()))),
    }
}

fn failed(detail: String) -> BackendError {
    BackendError::Failed { detail }
}

/// The error message of the protocol (`{"error": "..."}`), or the beginning of whatever it said.
fn said(body: &[u8]) -> String {
    /// Enough for a message, too little for a stack trace.
    const LONGEST: usize = 512;
    let message = v2::decode_error(body).unwrap_or_else(|| String::from_utf8_lossy(body.get(..LONGEST).unwrap_or(body)).into_owned());
    message.chars().filter(|c| !c.is_control()).take(LONGEST).collect()
}

/// hyper's errors say little without their causes.
fn with_cause(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(e) = cause {
        text = format!("{text}: {e}");
        cause = e.source();
    }
    text
}
