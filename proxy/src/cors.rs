//! Cross-Origin Resource Sharing (Fetch standard, <https://fetch.spec.whatwg.org/#http-cors-protocol>) for what Forebay answers itself.

use forebay_mesh_config::listen::Cors;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS,
    ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use pingora::http::ResponseHeader;

use crate::answer::Answer;

/// What a script may read of an answer beside the headers that it always may.
const EXPOSED: &str = "x-request-id, retry-after, ratelimit, ratelimit-policy, server-timing, inference-header-content-length";

/// Whether a browser asks beforehand if a script may send its request.
pub(crate) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::OPTIONS && headers.contains_key(ORIGIN) && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// The answer to a preflight; [`answer`] adds the origin.
pub(crate) fn preflight(cors: &Cors) -> Answer {
    let answer = Answer::empty(StatusCode::NO_CONTENT)
        .with(ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD, POST")
        .with(ACCESS_CONTROL_MAX_AGE, &cors.max_age.as_secs().to_string());
    match cors.headers.is_empty() {
        true => answer,
        false => answer.with(ACCESS_CONTROL_ALLOW_HEADERS, &cors.headers.join(", ")),
    }
}

/// Lets the scripts of a configured origin read the answer.
pub(crate) fn answer(cors: &Cors, request: &HeaderMap, head: &mut ResponseHeader) -> pingora::Result<()> {
    let any = cors.origins.iter().any(|o| o == "*");
    if !any {
        head.append_header(VARY, HeaderValue::from_static("origin"))?;
    }
    let Some(origin) = request.get(ORIGIN) else { return Ok(()) };
    let allowed = match any {
        true => HeaderValue::from_static("*"),
        false if cors.origins.iter().any(|o| o.as_bytes() == origin.as_bytes()) => origin.clone(),
        false => return Ok(()),
    };
    head.insert_header(ACCESS_CONTROL_ALLOW_ORIGIN, allowed)?;
    head.insert_header(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn allowed(origins: &[&str], origin: &'static str) -> Option<String> {
        let cors = Cors { origins: origins.iter().map(|&o| o.to_owned()).collect(), headers: vec![], max_age: Duration::from_secs(1) };
        let mut request = HeaderMap::new();
        request.insert(ORIGIN, HeaderValue::from_static(origin));
        let mut head = ResponseHeader::build(200, None).unwrap();
        answer(&cors, &request, &mut head).unwrap();
        head.headers.get(ACCESS_CONTROL_ALLOW_ORIGIN).map(|v| v.to_str().unwrap().to_owned())
    }

    #[test]
    fn a_configured_origin_may_read_and_no_other() {
        assert_eq!(allowed(&["https://a.example"], "https://a.example").as_deref(), Some("https://a.example"));
        assert_eq!(allowed(&["https://a.example"], "https://a.example.evil"), None);
        assert_eq!(allowed(&["*"], "https://any.example").as_deref(), Some("*"));
    }
}
