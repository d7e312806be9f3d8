//! What each path of the admin listener answers. Pure: a head goes in, a response comes out.

use bytes::Bytes;
use http::header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use http_body_util::Full;
use prometheus::{Encoder, TextEncoder};
use serde::Serialize;

use super::{AdminState, Check, Readiness};

pub(super) type Page = Response<Full<Bytes>>;

const TEXT: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";
/// The exposition format's version is part of its type.
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

const INDEX: &str = "<!doctype html>
<title>Forebay admin</title>
<h1>Forebay</h1>
<ul>
<li><a href=\"/live\">/live</a>: the process answers
<li><a href=\"/ready?verbose\">/ready</a>: requests are welcome; <code>?verbose</code> says why or why not
<li><a href=\"/metrics\">/metrics</a>: Prometheus text
<li><a href=\"/config\">/config</a>: the configuration in force, without its secrets
</ul>
";

/// Answers a request that has no body. For `HEAD` too: hyper sends the head alone.
pub(super) fn answer(head: &Parts, state: &AdminState) -> Page {
    let page = match head.uri.path() {
        "/" => page(StatusCode::OK, HTML, INDEX),
        "/live" => page(StatusCode::OK, TEXT, "live\n"),
        "/ready" => ready(head, &(state.ready)()),
        "/metrics" => metrics(state),
        "/config" => json(StatusCode::OK, &(state.config)()),
        _ => return page(StatusCode::NOT_FOUND, TEXT, "There is no such page. There are /live, /ready, /metrics and /config.\n"),
    };
    match head.method {
        Method::GET | Method::HEAD => page,
        _ => not_allowed(),
    }
}

/// For a request that brings a body, on any path.
pub(super) fn no_bodies() -> Page {
    page(StatusCode::PAYLOAD_TOO_LARGE, TEXT, "The admin listener takes no request bodies.\n")
}

fn not_allowed() -> Page {
    let mut page = page(StatusCode::METHOD_NOT_ALLOWED, TEXT, "Only GET and HEAD: the admin listener changes nothing.\n");
    page.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    page
}

fn ready(head: &Parts, readiness: &Readiness) -> Page {
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let verbose = head.uri.query().unwrap_or_default().split('&').any(|parameter| parameter.split('=').next() == Some("verbose"));
    if accepts_json(head) { json(status, &ReadyJson::of(readiness, verbose)) } else { page(status, TEXT, ready_text(readiness, verbose)) }
}

fn accepts_json(head: &Parts) -> bool {
    head.headers.get_all(ACCEPT).iter().any(|accept| accept.to_str().is_ok_and(|accept| accept.contains(JSON)))
}

#[derive(Serialize)]
struct ReadyJson<'a> {
    ready: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    checks: Option<&'a [Check]>,
}

impl<'a> ReadyJson<'a> {
    fn of(readiness: &'a Readiness, verbose: bool) -> Self {
        ReadyJson { ready: readiness.ready, checks: verbose.then_some(readiness.checks.as_slice()) }
    }
}

/// The verdict first, then a line per check, its further lines indented.
fn ready_text(readiness: &Readiness, verbose: bool) -> String {
    let mut text = String::from(if readiness.ready { "ready\n" } else { "not ready\n" });
    for check in readiness.checks.iter().filter(|_| verbose) {
        let mark = if check.ok { "ok  " } else { "FAIL" };
        text.push_str(&format!("{mark} {}: {}\n", check.what, check.detail.trim_end().replace('\n', "\n     ")));
    }
    text
}

fn metrics(state: &AdminState) -> Page {
    (state.before_scrape)();
    let mut text = Vec::new();
    match TextEncoder::new().encode(&state.registry.gather(), &mut text) {
        Ok(()) => page(StatusCode::OK, METRICS, text),
        Err(error) => {
            tracing::error!(error = &error as &(dyn std::error::Error + 'static), "metrics cannot be encoded");
            page(StatusCode::INTERNAL_SERVER_ERROR, TEXT, "The metrics cannot be encoded; the log says why.\n")
        }
    }
}

fn json(status: StatusCode, value: &impl Serialize) -> Page {
    match serde_json::to_string_pretty(value) {
        Ok(text) => page(status, JSON, text + "\n"),
        Err(_) => page(StatusCode::INTERNAL_SERVER_ERROR, TEXT, "The answer cannot be written as JSON.\n"),
    }
}

fn page(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Page {
    let mut page = Response::new(Full::new(body.into()));
    *page.status_mut() = status;
    let headers: [(HeaderName, &'static str); 3] =
        [(CONTENT_TYPE, content_type), (CACHE_CONTROL, "no-store"), (X_CONTENT_TYPE_OPTIONS, "nosniff")];
    for (name, value) in headers {
        page.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    page
}

#[cfg(test)]
pub(super) mod tests {
    use http::Request;
    use http_body_util::BodyExt;
    use prometheus::{IntGauge, Registry};

    use super::*;

    /// A state that counts its scrapes, and says of itself what `readiness` does.
    pub(crate) fn state(readiness: Readiness) -> AdminState {
        let registry = Registry::new();
        let scrapes = IntGauge::new("forebay_scrapes", "Scrapes so far.").unwrap();
        registry.register(Box::new(scrapes.clone())).unwrap();
        AdminState {
            registry,
            ready: Box::new(move || readiness.clone()),
            config: Box::new(|| serde_json::json!({ "listen": { "api": "127.0.0.1:8080" } })),
            before_scrape: Box::new(move || scrapes.inc()),
        }
    }

    pub(crate) fn ready() -> Readiness {
        Readiness { ready: true, checks: Vec::new() }
    }

    fn unready() -> Readiness {
        let check = |what: &str, ok, detail: &str| Check { what: what.into(), ok, detail: detail.into() };
        Readiness {
            ready: false,
            checks: vec![check("model digits", false, "warming"), check("config", true, "version 0a1b\nthe last reload was refused")],
        }
    }

    fn ask(request: http::request::Builder, state: &AdminState) -> (StatusCode, String, String) {
        let page = answer(&request.body(()).unwrap().into_parts().0, state);
        let (head, body) = page.into_parts();
        let body = futures_util::FutureExt::now_or_never(body.collect()).unwrap().unwrap().to_bytes();
        (head.status, head.headers[CONTENT_TYPE].to_str().unwrap().to_owned(), String::from_utf8(body.to_vec()).unwrap())
    }

    fn get(path: &str, state: &AdminState) -> (StatusCode, String, String) {
        ask(Request::get(path), state)
    }

    #[test]
    fn liveness_does_not_depend_on_readiness() {
        assert_eq!(get("/live", &state(unready())), (StatusCode::OK, TEXT.into(), "live\n".into()));
    }

    #[test]
    fn readiness_is_a_status_and_its_reasons_are_given_on_demand() {
        assert_eq!(get("/ready", &state(ready())), (StatusCode::OK, TEXT.into(), "ready\n".into()));
        assert_eq!(get("/ready", &state(unready())), (StatusCode::SERVICE_UNAVAILABLE, TEXT.into(), "not ready\n".into()));
        let verbose = "not ready\nFAIL model digits: warming\nok   config: version 0a1b\n     the last reload was refused\n";
        for query in ["verbose", "verbose=1", "x=y&verbose"] {
            assert_eq!(get(&format!("/ready?{query}"), &state(unready())).2, verbose);
        }
        assert_eq!(get("/ready?verboser", &state(unready())).2, "not ready\n");
    }

    #[test]
    fn readiness_is_json_for_whoever_asks_for_it() {
        let (status, content_type, body) = ask(Request::get("/ready?verbose").header(ACCEPT, "application/json"), &state(unready()));
        assert_eq!((status, content_type.as_str()), (StatusCode::SERVICE_UNAVAILABLE, JSON));
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["ready"], false);
        assert_eq!(body["checks"][0], serde_json::json!({ "what": "model digits", "ok": false, "detail": "warming" }));
    }

    #[test]
    fn metrics_are_brought_up_to_date_before_they_are_read() {
        let state = state(ready());
        for scrapes in 1..=2 {
            let (status, content_type, body) = get("/metrics", &state);
            assert_eq!((status, content_type.as_str()), (StatusCode::OK, METRICS));
            assert!(body.ends_with(&format!("forebay_scrapes {scrapes}\n")), "{body}");
        }
    }

    #[test]
    fn the_config_is_json() {
        let (_, content_type, body) = get("/config", &state(ready()));
        assert_eq!(content_type, JSON);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&body).unwrap()["listen"]["api"], "127.0.0.1:8080");
    }

    #[test]
    fn the_index_links_every_page() {
        let (_, _, body) = get("/", &state(ready()));
        for path in ["/live", "/ready", "/metrics", "/config"] {
            assert!(body.contains(&format!(">{path}</a>")), "{path}");
        }
    }

    #[test]
    fn what_is_not_there_is_404_and_what_would_change_something_405() {
        let state = state(ready());
        for path in ["/readyz", "/live/", "//", "/config/../config"] {
            assert_eq!(get(path, &state).0, StatusCode::NOT_FOUND, "{path}");
        }
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "BREW"] {
            let page = answer(&Request::builder().method(method).uri("/config").body(()).unwrap().into_parts().0, &state);
            assert_eq!(page.status(), StatusCode::METHOD_NOT_ALLOWED, "{method}");
            assert_eq!(page.headers()[ALLOW], "GET, HEAD");
        }
    }
}
