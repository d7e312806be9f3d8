//! The life of a request; each step asks one part one question.

use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use forebay_identity::Caller;
use forebay_limit::Verdict;
use http::{Method, header};
use pingora::protocols::http::ServerSession;

use crate::answer::{self, Answer};
use crate::body::{self, BodyMemory};
use crate::cors;
use crate::edge::{Connection, check_head};
use crate::forms::Forms;
use crate::live::Live;
use crate::metrics::Metrics;
use crate::record::Recorder;
use crate::rejection::Rejection;
use crate::request::{InFlight, Label, Request};
use crate::route::{Route, Short, own, route};
use crate::trace::Names;

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
    /// It has.
    Upstream,
}

/// Why a request has no whole answer: its caller is gone, or the answer broke off. Its connection cannot be used again.
#[derive(Debug)]
pub(crate) struct Unanswered;

impl Gateway {
    /// Serves a request whose head is read, and writes down how it went.
    pub(crate) async fn serve(&self, session: &mut ServerSession, connection: Connection) -> Result<(), Unanswered> {
        let mut request = Request::new(self.live.load_full(), connection);
        let answered = match self.reply(session, &mut request).await {
            Ok(Reply::Upstream) => Ok(()),
            Ok(Reply::Forebay(answer)) => self.answer(session, &request, answer).await,
            Err(rejection) => self.refuse(session, &mut request, &rejection).await,
        };
        if answered.is_err() {
            request.rejected.get_or_insert(Rejection::CallerLeft.label());
        }
        self.recorder.record(session, &request, &self.metrics);
        answered
    }

    /// identify → route → admit → answer, or on to the upstream.
    async fn reply(&self, session: &mut ServerSession, request: &mut Request) -> Result<Reply, Rejection> {
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
                let upstream = live.upstream.as_ref().ok_or(Rejection::NotFound)?;
                Box::pin(upstream.pass(session, request)).await.map(|()| Reply::Upstream)
            }
            // In boxes of their own: neither carries the room for what the other needs.
            ours => Box::pin(self.forms.answer(session, request, ours, &self.bodies)).await.map(Reply::Forebay),
        }
    }

    /// Names the request and checks that its head means one thing only.
    fn begin(&self, session: &mut ServerSession, request: &mut Request) -> Result<(), Rejection> {
        request.connection.phase.request();
        let head = session.req_header();
        request.trace = Some(self.names.name(&head.headers));
        let limits = &request.live.snapshot.listen.limits;
        let (permit, free) = self.in_flight.enter(limits.requests_in_flight);
        request.permit = Some(permit);
        let raw = session.as_http1().map(|http1| http1.get_headers_raw_bytes());
        check_head(head, raw.as_deref(), limits.head, limits.headers)?;
        if head.method == Method::CONNECT {
            return Err(Rejection::NoTunnel);
        }
        if raw.is_some() && head.headers.contains_key(header::TRANSFER_ENCODING) {
            request.connection.phase.chunks()?;
        }
        if free { Ok(()) } else { Err(Rejection::TooManyInFlight) }
    }

    /// Who calls, and whether they may: decided from the head alone.
    fn admit(&self, session: &ServerSession, request: &mut Request) -> Result<(), Rejection> {
        let peer = request.connection.peer;
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

    async fn answer(&self, session: &mut ServerSession, request: &Request, answer: Answer) -> Result<(), Unanswered> {
        let answer = match request.stages.run {
            Some(_) => answer.with(header::HeaderName::from_static("server-timing"), &request.server_timing()),
            None => answer,
        };
        answer::write(session, request, answer).await.map_err(|_| Unanswered)
    }

    async fn refuse(&self, session: &mut ServerSession, request: &mut Request, rejection: &Rejection) -> Result<(), Unanswered> {
        request.rejected = Some(rejection.label());
        if let Some(admission) = request.admission.take()
            && rejection.status().is_server_error()
        {
            admission.give_back();
        }
        if answer::has_begun(session) {
            return Err(Unanswered);
        }
        match rejection {
            Rejection::CallerLeft => return Err(Unanswered),
            // Where a message ends that could be read in two ways, nobody knows; nor what follows a request for a tunnel.
            Rejection::BadHead { .. } | Rejection::BodyBroken { .. } | Rejection::BodyTimedOut | Rejection::NoTunnel => {
                session.set_keepalive(None);
            }
            _ => body::skip(session).await,
        }
        let problem = Answer::problem(rejection, request.trace.as_ref().map(|t| t.request_id.as_str()));
        answer::write(session, request, problem).await.map_err(|_| Unanswered)
    }
}
