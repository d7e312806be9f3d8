//! Servers for the tests: one that speaks HTTP as it should, and one that does with its connections what it likes.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use forebay_batch::backend::Target;
use forebay_mesh_config::decode::DecodeLimits;
use forebay_protocol::{InferRequest, InferResponse, OutputForm, v2};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::task::JoinSet;

/// A request as the server saw it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    fn json_length(&self) -> Option<usize> {
        self.header("inference-header-content-length").map(|length| v2::parse_json_length(length).unwrap())
    }

    pub(crate) fn infer_request(&self) -> InferRequest {
        v2::decode_request("m", None, self.body.clone(), self.json_length(), &DecodeLimits::default()).unwrap().0
    }

    /// Its own rows, in the form in which they came.
    pub(crate) fn echo(&self) -> Response<Full<Bytes>> {
        let request = self.infer_request();
        let outputs = request.inputs.into_iter().map(|input| input.tensor.renamed("y")).collect();
        let response = InferResponse { model: "m".into(), version: None, id: None, parameters: vec![], outputs };
        let form = OutputForm { binary_by_default: self.json_length().is_some(), outputs: vec![] };
        let encoded = v2::encode_response(&response, &form, &|_, _| None).unwrap();
        let mut answer = Response::new(Full::new(encoded.body));
        if let Some(length) = encoded.json_length {
            answer.headers_mut().insert("inference-header-content-length", length.into());
        }
        answer
    }
}

pub(crate) fn says(status: u16, body: &'static str) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(Bytes::from_static(body.as_bytes())));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap();
    answer
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Duplex for S {}

impl Listener {
    async fn accept(&self) -> Box<dyn Duplex> {
        match self {
            Listener::Tcp(tcp) => Box::new(tcp.accept().await.unwrap().0),
            Listener::Unix(unix) => Box::new(unix.accept().await.unwrap().0),
        }
    }
}

/// A server of HTTP/1.1. It ends when dropped.
pub(crate) struct Server {
    pub(crate) target: Target,
    pub(crate) connections: Arc<AtomicUsize>,
    pub(crate) seen: Arc<Mutex<Vec<Seen>>>,
    _tasks: JoinSet<()>,
}

type Answer = dyn Fn(&Seen) -> Response<Full<Bytes>> + Send + Sync;

impl Server {
    pub(crate) async fn start(answer: impl Fn(&Seen) -> Response<Full<Bytes>> + Send + Sync + 'static) -> Server {
        Server::on("127.0.0.1:0", answer).await
    }

    pub(crate) async fn on(address: &str, answer: impl Fn(&Seen) -> Response<Full<Bytes>> + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind(address).await.unwrap();
        let target = Target::Tcp { authority: listener.local_addr().unwrap().to_string() };
        Server::serve(target, Arc::new(answer), Listener::Tcp(listener))
    }

    pub(crate) fn on_unix(path: &Path, answer: impl Fn(&Seen) -> Response<Full<Bytes>> + Send + Sync + 'static) -> Server {
        let listener = UnixListener::bind(path).unwrap();
        let target = Target::Unix { path: path.to_owned() };
        Server::serve(target, Arc::new(answer), Listener::Unix(listener))
    }

    fn serve(target: Target, answer: Arc<Answer>, listener: Listener) -> Server {
        let (connections, seen) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
        let mut tasks = JoinSet::new();
        let (counted, remembered) = (connections.clone(), seen.clone());
        tasks.spawn(async move {
            let mut open = JoinSet::new();
            loop {
                let stream = listener.accept().await;
                counted.fetch_add(1, Ordering::SeqCst);
                let (answer, seen) = (answer.clone(), remembered.clone());
                open.spawn(async move {
                    let service = service_fn(|request| one(request, &*answer, &seen));
                    let _broken = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Server { target, connections, seen, _tasks: tasks }
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn one(request: Request<Incoming>, answer: &Answer, seen: &Mutex<Vec<Seen>>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let request = Seen { path: head.uri.to_string(), headers: head.headers, body };
    seen.lock().push(request.clone());
    Ok(answer(&request))
}

/// What a [`Rude`] server does with one request: answers with these bytes or with none, and keeps the connection or closes it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Manner {
    Answers(&'static str),
    AnswersAndCloses(&'static str),
    Closes,
}

/// A server that treats its requests in turn as the script says, whatever they are.
pub(crate) struct Rude {
    pub(crate) target: Target,
    pub(crate) connections: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl Rude {
    pub(crate) async fn start(script: &'static [Manner]) -> Rude {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = Target::Tcp { authority: listener.local_addr().unwrap().to_string() };
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = connections.clone();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut script = script.iter();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                counted.fetch_add(1, Ordering::SeqCst);
                while read_request(&mut stream).await {
                    let Some(manner) = script.next() else { return };
                    match manner {
                        Manner::Answers(text) => stream.write_all(text.as_bytes()).await.unwrap(),
                        Manner::AnswersAndCloses(text) => {
                            stream.write_all(text.as_bytes()).await.unwrap();
                            break;
                        }
                        Manner::Closes => break,
                    }
                }
            }
        });
        Rude { target, connections, _tasks: tasks }
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// Reads a request whole; false when the connection ends first.
async fn read_request(stream: &mut TcpStream) -> bool {
    let mut read = Vec::new();
    loop {
        if let Some(end) = read.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&read[..end]).to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse::<usize>().unwrap());
            if read.len() >= end + 4 + length {
                return true;
            }
        }
        match stream.read_buf(&mut read).await {
            Ok(0) | Err(_) => return false,
            Ok(_) => {}
        }
    }
}
