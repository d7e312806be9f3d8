//! The life of a request in pingora's phases; the only file that names `ProxyHttp`. Each phase asks one part one question.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use bytes::Bytes;
use forebay_identity::Caller;
use forebay_limit::Verdict;
use http::{Version, header};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::proxy::{FailToProxy, ProxyHttp, Session};
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorSource, ErrorType};

use crate::answer::{self, Answer};
use crate::body::{self, BodyMemory};
use crate::edge::{Connection, check_head};
use crate::forms::Forms;
use crate::live::Live;
use crate::metrics::Metrics;
use crate::record::Recorder;
use crate::rejection::Rejection;
use crate::request::{InFlight, Label, Request};
use crate::route::{Route, Short, own, route};
use crate::trace::{Names, REQUEST_ID, TRACEPARENT};
use crate::{cors, upstream};

/// What requests are served with.
pub(crate) struct Gateway {
    pub(crate) live: Arc<ArcSwap<Live>>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) in_flight: InFlight,
    pub(crate) bodies: BodyMemory,
    pub(crate) names: Names,
    pub(crate) recorder: Recorder,
    pub(crate) forms: Forms,
}

/// Who answers.
enum Reply {
    Forebay(Answer),
    Upstream,
}

impl Gateway {
    /// identify → route → admit → answer, or on to the upstream.
    async fn serve(&self, session: &mut Session, request: &mut Request) -> Result<Reply, Rejection> {
        self.begin(session, request)?;
        let live = request.live.clone();
        let head = session.req_header();
        let (method, path) = (head.method.clone(), head.uri.path().to_owned());
        if let Some(declared) = &live.snapshot.listen.cors
            && cors::is_preflight(&method, &head.headers)
            && own(&*live, &path).is_some()
        {
            request.label = Label::Server;
            return Ok(Reply::Forebay(cors::preflight(declared)));
        }
        let found = route(&*live, &method, &path);
        let is_probe = matches!(found, Ok(Route::Live | Route::Ready | Route::Short(Short::Health)));
        // Whoever asks if Forebay lives has no key and no patience.
        let admitted = if is_probe { Ok(()) } else { self.admit(session, request) };
        request.stages.admit = Some(request.began.elapsed());
        admitted?;
        match found? {
            Route::Upstream => {
                request.label = Label::Upstream;
                Ok(Reply::Upstream)
            }
            // In a box of its own: what passes through does not carry the room for what an inference needs.
            ours => Box::pin(self.forms.answer(session, request, ours, &self.bodies)).await.map(Reply::Forebay),
        }
    }

    /// Names the request and checks that its head means one thing only.
    fn begin(&self, session: &mut Session, request: &mut Request) -> Result<(), Rejection> {
        if request.connection.is_none() {
            request.connection = session.req_header_mut().extensions_mut().remove::<Connection>();
        }
        if let Some(connection) = &request.connection {
            connection.phase.request();
        }
        let head = session.req_header();
        request.trace = Some(self.names.name(&head.headers));
        let limits = &request.live.snapshot.listen.limits;
        let (permit, free) = self.in_flight.enter(limits.requests_in_flight);
        request.permit = Some(permit);
        let raw = session.as_downstream().as_http1().map(|http1| http1.get_headers_raw_bytes());
        check_head(head, raw.as_deref(), limits.head, limits.headers)?;
        if let (Some(connection), Some(raw)) = (&request.connection, raw) {
            if head.headers.contains_key(header::TRANSFER_ENCODING) {
                connection.phase.chunks()?;
            } else {
                connection.phase.length(raw.len().saturating_add(body::declared_length(&head.headers).unwrap_or(0)));
            }
        }
        if free { Ok(()) } else { Err(Rejection::TooManyInFlight) }
    }

    /// Who calls, and whether they may: decided from the head alone.
    fn admit(&self, session: &Session, request: &mut Request) -> Result<(), Rejection> {
        let peer = request.connection.as_ref().and_then(|c| c.peer);
        let caller = Caller { headers: &session.req_header().headers, peer };
        let principal = request.live.identifier.identify(caller).map_err(Rejection::from)?;
        let verdict = request.live.limiter.admit(&principal, Instant::now());
        request.principal = Some(principal);
        match verdict {
            Verdict::Admit(admission) => {
                self.metrics.admitted();
                request.standings.clone_from(&admission.standings);
                request.admission = Some(admission);
                Ok(())
            }
            Verdict::Deny(denial) => {
                self.metrics.denied(&denial.quota);
                request.standings.clone_from(&denial.standings);
                Err(Rejection::OverQuota(denial))
            }
        }
    }

    async fn refuse(&self, session: &mut Session, request: &mut Request, rejection: &Rejection) -> pingora::Result<bool> {
        request.rejected = Some(rejection.label());
        if let Some(admission) = request.admission.take()
            && rejection.status().is_server_error()
        {
            admission.give_back();
        }
        match rejection {
            Rejection::CallerLeft => return Err(Error::explain(ErrorType::ConnectionClosed, "the caller left").into_down()),
            // Where a message ends that could be read in two ways, nobody knows.
            Rejection::BadHead { .. } | Rejection::BodyBroken { .. } | Rejection::BodyTimedOut => session.set_keepalive(None),
            _ => body::skip(session).await,
        }
        let problem = Answer::problem(rejection, request.trace.as_ref().map(|t| t.request_id.as_str()));
        answer::write(session, request, problem).await?;
        Ok(true)
    }
}

#[async_trait]
impl ProxyHttp for Gateway {
    type CTX = Request;

    fn new_ctx(&self) -> Request {
        Request::new(self.live.load_full())
    }

    fn on_connection_reuse(&self, _session: &mut Session, request: &mut Request, connection: Box<dyn std::any::Any + Send + Sync>) {
        request.connection = connection.downcast().ok().map(|c| *c);
    }

    async fn request_filter(&self, session: &mut Session, request: &mut Request) -> pingora::Result<bool> {
        match self.serve(session, request).await {
            Ok(Reply::Upstream) => {
                if let Some(connection) = &request.connection {
                    connection.upload.begin();
                }
                Ok(false)
            }
            Ok(Reply::Forebay(answer)) => {
                let timing = request.server_timing();
                let inference = request.stages.run.is_some();
                let answer = if inference { answer.with(header::HeaderName::from_static("server-timing"), &timing) } else { answer };
                answer::write(session, request, answer).await?;
                Ok(true)
            }
            Err(rejection) => self.refuse(session, request, &rejection).await,
        }
    }

    async fn upstream_peer(&self, session: &mut Session, request: &mut Request) -> pingora::Result<Box<HttpPeer>> {
        upstream::peer(session.req_header(), &request.live).await
    }

    async fn upstream_request_filter(&self, session: &mut Session, head: &mut RequestHeader, request: &mut Request) -> pingora::Result<()> {
        // pingora speaks HTTP/1.1 for a caller of HTTP/1.0, and leaves out what that demands (RFC 9112 section 3.2).
        if session.req_header().version == Version::HTTP_10 && !head.headers.contains_key(header::HOST) {
            head.insert_header(header::HOST, "")?;
        }
        if let Some(trace) = &request.trace {
            head.insert_header(REQUEST_ID, trace.request_id.as_str())?;
            head.insert_header(TRACEPARENT, trace.traceparent.as_str())?;
        }
        Ok(())
    }

    async fn request_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        end_of_stream: bool,
        request: &mut Request,
    ) -> pingora::Result<()> {
        if let Some(connection) = &request.connection {
            connection.upload.piece();
            if end_of_stream {
                connection.upload.end();
            }
        }
        upstream::end_once(body, end_of_stream);
        Ok(())
    }

    fn response_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        end_of_stream: bool,
        _request: &mut Request,
    ) -> pingora::Result<Option<Duration>> {
        upstream::end_once(body, end_of_stream);
        Ok(None)
    }

    async fn response_filter(&self, _session: &mut Session, head: &mut ResponseHeader, request: &mut Request) -> pingora::Result<()> {
        if let Some(connection) = &request.connection {
            connection.upload.end();
        }
        answer::common(head, request)
    }

    async fn fail_to_proxy(&self, session: &mut Session, error: &Error, request: &mut Request) -> FailToProxy {
        let rejection = upstream::rejection(error);
        request.rejected.get_or_insert(rejection.label());
        let gone = matches!(rejection, Rejection::CallerLeft) || session.response_written().is_some();
        if !gone {
            let problem = Answer::problem(&rejection, request.trace.as_ref().map(|t| t.request_id.as_str()));
            session.set_keepalive(None);
            if answer::write(session, request, problem).await.is_err() {
                request.rejected = Some(Rejection::CallerLeft.label());
            }
        }
        FailToProxy { error_code: rejection.status().as_u16(), can_reuse_downstream: false }
    }

    fn suppress_error_log(&self, _session: &Session, _request: &Request, error: &Error) -> bool {
        // Each is in the request's line; callers that leave are nobody's error.
        matches!(error.esource(), ErrorSource::Downstream | ErrorSource::Upstream)
    }

    async fn logging(&self, session: &mut Session, _error: Option<&Error>, request: &mut Request) {
        self.recorder.record(session, request, &self.metrics);
    }
}
