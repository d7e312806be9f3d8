//! Heads on their way through: what belongs to one connection stays behind (RFC 9110 section 7.6.1), and how a body is framed is said anew.

use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, EXPECT, HOST, SEC_WEBSOCKET_KEY, TE, TRANSFER_ENCODING, UPGRADE};
use http::response::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, Version};
use hyper::body::{Body as _, Incoming};
use hyper::ext::ReasonPhrase;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::http::ServerSession;

use super::body::Body;
use crate::rejection::Rejection;
use crate::request::Request;
use crate::trace::{REQUEST_ID, TRACEPARENT};

/// A request as it goes to the server.
pub(super) type Outgoing = http::Request<Body>;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");

/// What a request wants of the connection to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Plain,
    /// HTTP/2 from end to end; without TLS there is nothing to negotiate, so it is spoken at once.
    Grpc,
    /// The only protocol that a connection may change to: HTTP/2 would carry further requests past every limit.
    WebSocket,
}

impl Kind {
    pub(super) fn of(session: &mut ServerSession) -> Self {
        let no_body = session.is_body_done();
        let head = session.req_header();
        if head.headers.get(CONTENT_TYPE).is_some_and(|value| is_grpc(value.as_bytes())) {
            Kind::Grpc
        } else if no_body && is_websocket(head) {
            Kind::WebSocket
        } else {
            Kind::Plain
        }
    }
}

/// gRPC over HTTP/2 and nothing else: gRPC-Web is made for HTTP/1.1.
fn is_grpc(content_type: &[u8]) -> bool {
    content_type.strip_prefix(b"application/grpc").is_some_and(|rest| matches!(rest, [] | [b'+' | b';' | b' ', ..]))
}

/// A handshake (RFC 6455 section 4.1).
fn is_websocket(head: &RequestHeader) -> bool {
    let mut upgrades = head.headers.get_all(UPGRADE).iter();
    let websocket = upgrades.next().is_some_and(|u| u.as_bytes().eq_ignore_ascii_case(b"websocket")) && upgrades.next().is_none();
    websocket
        && head.version == Version::HTTP_11
        && head.method == Method::GET
        && head.headers.contains_key(SEC_WEBSOCKET_KEY)
        && named_by_connection(&head.headers).any(|name| name == UPGRADE)
}

/// The fields that a message keeps to its connection, by their names.
fn named_by_connection(headers: &HeaderMap) -> impl Iterator<Item = HeaderName> {
    let names = headers.get_all(CONNECTION).iter().flat_map(|value| value.as_bytes().split(|&b| b == b','));
    names.filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
}

/// Removes what belongs to the connection. A message may not name what it is read by.
pub(super) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<_> = named_by_connection(headers).filter(|name| name != HOST && name != CONTENT_LENGTH && name != KEEP_ALIVE).collect();
    for name in named.iter().chain(&[CONNECTION, KEEP_ALIVE, PROXY_CONNECTION, TRANSFER_ENCODING, UPGRADE, HTTP2_SETTINGS]) {
        headers.remove(name);
    }
}

/// The head that goes to the server, with its body.
pub(super) fn outgoing(head: &RequestHeader, request: &Request, kind: Kind, body: Body) -> Result<Outgoing, Rejection> {
    let mut outgoing = http::Request::new(body);
    *outgoing.method_mut() = head.method.clone();
    let path = head.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    let mut headers = head.headers.clone();
    remove_hop_by_hop(&mut headers);
    let trailers = headers.remove(TE).is_some_and(|te| te.as_bytes().eq_ignore_ascii_case(b"trailers"));
    // Over HTTP/2 it may be in the target alone. One without any, as HTTP/1.0 allows, gets an empty one (RFC 9112 section 3.2).
    if !headers.contains_key(HOST) {
        let authority = head.uri.authority().map_or("", |authority| authority.as_str());
        headers.insert(HOST, HeaderValue::from_str(authority).unwrap_or(HeaderValue::from_static("")));
    }
    match kind {
        Kind::Grpc => {
            *outgoing.version_mut() = Version::HTTP_2;
            *outgoing.uri_mut() = with_authority(&mut headers, path)?;
            if trailers {
                headers.insert(TE, HeaderValue::from_static("trailers"));
            }
        }
        Kind::Plain | Kind::WebSocket => {
            *outgoing.uri_mut() = Uri::from(path);
            if head.version == Version::HTTP_2 {
                join_cookies(&mut headers);
                // pingora passes no interim answer on to a stream, and the server would wait for what the client never hears of.
                headers.remove(EXPECT);
            }
            match outgoing.body().size_hint().exact() {
                // The last chunk of nothing is a length too: some servers ask for one with every POST.
                Some(length) if head.headers.contains_key(TRANSFER_ENCODING) => {
                    headers.insert(CONTENT_LENGTH, length.into());
                }
                None if !headers.contains_key(CONTENT_LENGTH) => {
                    headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
                }
                _ => {}
            }
        }
    }
    if kind == Kind::WebSocket {
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    }
    if let Some(trace) = &request.trace {
        for (name, value) in [(REQUEST_ID, &trace.request_id), (TRACEPARENT, &trace.traceparent)] {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        }
    }
    *outgoing.headers_mut() = headers;
    Ok(outgoing)
}

/// HTTP/2 may send one field in several (RFC 9113 section 8.2.3); HTTP/1.1 must not.
fn join_cookies(headers: &mut HeaderMap) {
    let mut cookies = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes);
    if let (Some(first), Some(second)) = (cookies.next(), cookies.next()) {
        let joined = [first, second].into_iter().chain(cookies).collect::<Vec<_>>().join(&b"; "[..]);
        if let Ok(joined) = HeaderValue::from_bytes(&joined) {
            headers.insert(COOKIE, joined);
        }
    }
}

/// HTTP/2 has the host in the target (RFC 9113 section 8.3.1).
fn with_authority(headers: &mut HeaderMap, path: PathAndQuery) -> Result<Uri, Rejection> {
    let host = headers.remove(HOST);
    let host = host.as_ref().map(HeaderValue::as_bytes).filter(|host| !host.is_empty()).unwrap_or(b"localhost");
    let uri = Uri::builder().scheme("http").authority(host).path_and_query(path).build();
    uri.map_err(|_| Rejection::BadHead { detail: "Host is not a host and a port" })
}

/// The head of the server's answer as it goes to the client.
pub(super) fn incoming(mut parts: Parts, request: &RequestHeader, body: &Incoming) -> Result<ResponseHeader, Rejection> {
    // hyper undoes that one and says nothing of others.
    if parts.headers.get_all(TRANSFER_ENCODING).iter().any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"chunked")) {
        return Err(Rejection::Upstream { detail: "its answer has a transfer coding other than chunked" });
    }
    remove_hop_by_hop(&mut parts.headers);
    frame(&mut parts, request, body);
    let reason = parts.extensions.remove::<ReasonPhrase>();
    parts.version = Version::HTTP_11;
    let mut head = ResponseHeader::from(parts);
    if let Some(reason) = reason.as_ref().and_then(|reason| std::str::from_utf8(reason.as_bytes()).ok()) {
        // The phrase is decoration: an answer without it is whole.
        let _named = head.set_reason_phrase(Some(reason));
    }
    Ok(head)
}

/// Says how the body is framed: by the length that is kept to, whatever was said and however often, or in chunks.
fn frame(parts: &mut Parts, request: &RequestHeader, body: &Incoming) {
    let said = parts.headers.remove(CONTENT_LENGTH);
    let length = match parts.status {
        StatusCode::NO_CONTENT => return,
        // The length of what is not sent.
        StatusCode::NOT_MODIFIED => said,
        _ if request.method == Method::HEAD => said,
        _ => match body.size_hint().exact() {
            Some(length) => Some(length.into()),
            None if request.version == Version::HTTP_11 => {
                parts.headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
                return;
            }
            None => return,
        },
    };
    parts.headers.extend(length.map(|length| (CONTENT_LENGTH, length)));
}

/// An interim answer as it goes to the client.
pub(super) fn announcement(status: StatusCode, mut headers: HeaderMap) -> Option<ResponseHeader> {
    remove_hop_by_hop(&mut headers);
    headers.remove(CONTENT_LENGTH);
    let (mut parts, ()) = http::Response::new(()).into_parts();
    (parts.status, parts.headers) = (status, headers);
    (status != StatusCode::SWITCHING_PROTOCOLS).then(|| ResponseHeader::from(parts))
}
