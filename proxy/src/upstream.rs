//! The server behind Forebay: where a passed-through request goes, and what its failure means.

use std::time::Duration;

use bytes::Bytes;
use forebay_mesh_config::models::Upstream;
use http::header::CONTENT_TYPE;
use pingora::http::RequestHeader;
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorSource, ErrorType, OrErr};

use crate::body;
use crate::live::Live;
use crate::rejection::Rejection;

/// A server next door that has not taken a connection by then will not.
const CONNECT: Duration = Duration::from_secs(5);

/// Idle connections are kept shorter than servers keep them (uvicorn: 5 s), so that a request does not meet one that is being closed.
const IDLE: Duration = Duration::from_secs(4);

/// Where `head` goes.
pub(crate) async fn peer(head: &RequestHeader, live: &Live) -> pingora::Result<Box<HttpPeer>> {
    let mut peer = match live.upstream() {
        None => return Error::e_explain(ErrorType::InternalError, "no upstream"),
        Some(Upstream::Unix(path)) => HttpPeer::new_uds(&path.to_string_lossy(), false, String::new())?,
        Some(Upstream::Http { host, port }) => {
            let address = live.resolve(host, *port).await.or_err(ErrorType::ConnectError, "the upstream's name")?;
            HttpPeer::new(address, false, String::new())
        }
    };
    // gRPC is HTTP/2 from end to end; without TLS there is nothing to negotiate, so it is spoken at once.
    if is_grpc(head) {
        peer.options.set_http_version(2, 2);
    }
    peer.options.connection_timeout = Some(CONNECT);
    peer.options.idle_timeout = Some(IDLE);
    Ok(Box::new(peer))
}

fn is_grpc(head: &RequestHeader) -> bool {
    head.headers.get(CONTENT_TYPE).is_some_and(|v| v.as_bytes().starts_with(b"application/grpc"))
}

/// HTTP/2 may end a body with an empty frame. pingora would write that as a chunk of no bytes, which is the end of a chunked body, and then
/// the end once more: five bytes before the next message on the same connection.
pub(crate) fn end_once(body: &mut Option<Bytes>, end_of_stream: bool) {
    if end_of_stream && body.as_ref().is_some_and(Bytes::is_empty) {
        *body = None;
    }
}

/// What a failure in passing through means to the caller.
pub(crate) fn rejection(error: &Error) -> Rejection {
    if let Some(rejection) = body::bad_chunk(error) {
        return rejection;
    }
    match (error.esource(), error.etype()) {
        (ErrorSource::Downstream, ErrorType::ReadTimedout) => Rejection::BodyTimedOut,
        (
            ErrorSource::Downstream,
            ErrorType::ReadError | ErrorType::WriteError | ErrorType::WriteTimedout | ErrorType::ConnectionClosed,
        ) => Rejection::CallerLeft,
        (ErrorSource::Downstream, _) => Rejection::BodyBroken { detail: "the request cannot be passed on as it is framed".to_owned() },
        (ErrorSource::Upstream, ErrorType::ReadTimedout | ErrorType::WriteTimedout) => Rejection::Upstream { detail: "it took too long" },
        (ErrorSource::Upstream, ErrorType::ConnectionClosed | ErrorType::ReadError | ErrorType::WriteError) => {
            Rejection::Upstream { detail: "it broke the connection off" }
        }
        (ErrorSource::Upstream, _) => Rejection::Upstream { detail: "it does not take connections, or answers something that is not HTTP" },
        (ErrorSource::Internal | ErrorSource::Unset, ErrorType::ConnectError) => Rejection::Upstream { detail: "its name has no address" },
        (ErrorSource::Internal | ErrorSource::Unset, _) => Rejection::Internal { detail: "the request could not be passed on" },
    }
}
