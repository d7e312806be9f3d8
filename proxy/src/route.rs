//! Who answers a path: a model that the configuration declares, one of Forebay's own forms, or the server behind it.
//!
//! The one rule: Forebay answers only for the models and forms that are declared. `/v2`, `/v2/health/*` and `/v1/predict` are declared with
//! the first model, the short forms with `short_forms: true`. Everything else belongs to the upstream, byte for byte, its own `/health` and
//! `/metrics` too; without an upstream it is a 404 that says what is missing. Paths are compared as they were sent: an encoded or
//! roundabout spelling of a declared path is somebody else's.

use http::Method;

use crate::rejection::Rejection;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route<'a> {
    /// `GET /v2`.
    Server,
    /// `GET /v2/health/live`.
    Live,
    /// `GET /v2/health/ready`.
    Ready,
    /// `GET /v2/models/{m}[/versions/{v}]`.
    Metadata(ModelPath<'a>),
    /// `GET /v2/models/{m}[/versions/{v}]/ready`.
    ModelReady(ModelPath<'a>),
    /// `GET /v2/models/{m}[/versions/{v}]/config`: Triton's model configuration, which does not exist here.
    ModelConfig,
    /// `POST /v2/models/{m}[/versions/{v}]/infer`.
    Infer(ModelPath<'a>),
    /// `GET /v1/models/{m}`.
    V1Status(&'a str),
    /// `POST /v1/models/{m}:predict`.
    V1Predict(&'a str),
    /// `POST /v1/predict`: a picture for the default model.
    Predict,
    /// One of the forms for older clients.
    Short(Short),
    /// The server behind Forebay.
    Upstream,
}

/// A model and perhaps a version, as named in a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ModelPath<'a> {
    pub(crate) model: &'a str,
    pub(crate) version: Option<&'a str>,
}

/// Forms that older clients use, for the default model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Short {
    /// `POST /predict`: a picture, or an object of named features.
    Predict,
    /// `POST /batch-predict`: a list in, a list out.
    BatchPredict,
    /// `POST /infer`: a picture as base64 in JSON.
    Infer,
    /// `GET /model-info`.
    ModelInfo,
    /// `GET /health`.
    Health,
    /// `GET /metrics`.
    Metrics,
}

/// What the configuration declares, as far as paths are concerned.
pub(crate) trait Declared {
    fn model(&self, name: &str) -> bool;
    fn any_model(&self) -> bool;
    fn short_forms(&self) -> bool;
    fn upstream(&self) -> bool;
}

/// Finds the route of a request, or why there is none.
pub(crate) fn route<'a>(declared: &impl Declared, method: &Method, path: &'a str) -> Result<Route<'a>, Rejection> {
    match own(declared, path) {
        Some(route) => allowed(route, method),
        None if declared.upstream() => Ok(Route::Upstream),
        None => Err(nowhere(path)),
    }
}

/// Routes that Forebay answers itself.
pub(crate) fn own<'a>(declared: &impl Declared, path: &'a str) -> Option<Route<'a>> {
    let short = |form| declared.short_forms().then_some(Route::Short(form));
    let first = |route| declared.any_model().then_some(route);
    match path {
        "/v2" | "/v2/" => first(Route::Server),
        "/v2/health/live" => first(Route::Live),
        "/v2/health/ready" => first(Route::Ready),
        "/v1/predict" => first(Route::Predict),
        "/predict" => short(Short::Predict),
        "/batch-predict" => short(Short::BatchPredict),
        "/infer" => short(Short::Infer),
        "/model-info" => short(Short::ModelInfo),
        "/health" => short(Short::Health),
        "/metrics" => short(Short::Metrics),
        _ => model_route(path).filter(|(model, _)| declared.model(model)).map(|(_, route)| route),
    }
}

/// The model that a path names, and what is asked of it.
fn model_route(path: &str) -> Option<(&str, Route<'_>)> {
    if let Some(rest) = path.strip_prefix("/v1/models/") {
        return match rest.split_once(':') {
            Some((model, "predict")) => Some((model, Route::V1Predict(model))),
            Some(_) => None,
            None => Some((rest, Route::V1Status(rest))),
        };
    }
    let mut segments = path.strip_prefix("/v2/models/")?.split('/');
    let model = segments.next()?;
    let mut next = segments.next();
    let version = match next {
        Some("versions") => {
            let version = segments.next().filter(|v| !v.is_empty())?;
            next = segments.next();
            Some(version)
        }
        _ => None,
    };
    let named = ModelPath { model, version };
    let route = match next {
        None | Some("") => Route::Metadata(named),
        Some("ready") => Route::ModelReady(named),
        Some("config") => Route::ModelConfig,
        Some("infer") => Route::Infer(named),
        Some(_) => return None,
    };
    segments.next().is_none().then_some((model, route))
}

fn allowed<'a>(route: Route<'a>, method: &Method) -> Result<Route<'a>, Rejection> {
    let posts = matches!(
        route,
        Route::Infer(_) | Route::V1Predict(_) | Route::Predict | Route::Short(Short::Predict | Short::BatchPredict | Short::Infer)
    );
    match (posts, method) {
        (true, &Method::POST) | (false, &Method::GET | &Method::HEAD) => Ok(route),
        (true, _) => Err(Rejection::MethodNotAllowed { allow: "POST" }),
        (false, _) => Err(Rejection::MethodNotAllowed { allow: "GET, HEAD" }),
    }
}

/// A model that is not declared is worth its name.
fn nowhere(path: &str) -> Rejection {
    /// No declared model's name is longer.
    const LONGEST_NAME: usize = 128;
    match model_route(path) {
        Some((model, _)) => Rejection::UnknownModel { model: model.chars().take(LONGEST_NAME).collect() },
        None => Rejection::NotFound,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Config {
        short_forms: bool,
        upstream: bool,
    }

    impl Declared for Config {
        fn model(&self, name: &str) -> bool {
            name == "m"
        }
        fn any_model(&self) -> bool {
            true
        }
        fn short_forms(&self) -> bool {
            self.short_forms
        }
        fn upstream(&self) -> bool {
            self.upstream
        }
    }

    const ALL: Config = Config { short_forms: true, upstream: true };

    #[test]
    fn declared_paths_are_ours() {
        let m = |version| ModelPath { model: "m", version };
        let cases = [
            ("GET", "/v2", Route::Server),
            ("HEAD", "/v2/health/live", Route::Live),
            ("GET", "/v2/health/ready", Route::Ready),
            ("GET", "/v2/models/m", Route::Metadata(m(None))),
            ("GET", "/v2/models/m/", Route::Metadata(m(None))),
            ("GET", "/v2/models/m/versions/3", Route::Metadata(m(Some("3")))),
            ("GET", "/v2/models/m/ready", Route::ModelReady(m(None))),
            ("GET", "/v2/models/m/versions/3/ready", Route::ModelReady(m(Some("3")))),
            ("GET", "/v2/models/m/config", Route::ModelConfig),
            ("POST", "/v2/models/m/infer", Route::Infer(m(None))),
            ("POST", "/v2/models/m/versions/3/infer", Route::Infer(m(Some("3")))),
            ("POST", "/v1/models/m:predict", Route::V1Predict("m")),
            ("GET", "/v1/models/m", Route::V1Status("m")),
            ("POST", "/v1/predict", Route::Predict),
            ("POST", "/predict", Route::Short(Short::Predict)),
            ("GET", "/metrics", Route::Short(Short::Metrics)),
        ];
        for (method, path, expected) in cases {
            assert_eq!(route(&ALL, &method.parse().unwrap(), path).unwrap(), expected, "{path}");
        }
    }

    #[test]
    fn everything_else_is_the_upstreams() {
        let others = [
            "/",
            "/v2/models",
            "/v2/models/other/infer",
            "/v2/models/m/infer/more",
            "/v2/models/m/generate",
            "/v2/models/m/versions//infer",
            "/v2/models/%6d/infer",
            "/v2/models/m/../m/infer",
            "//v2/models/m/infer",
            "/v2/health/live/",
            "/v1/models/m:explain",
            "/v1/models/other:predict",
            "/v1/chat/completions",
        ];
        for path in others {
            assert_eq!(route(&ALL, &Method::POST, path).unwrap(), Route::Upstream, "{path}");
        }
        let plain = Config { short_forms: false, upstream: true };
        for path in ["/predict", "/batch-predict", "/infer", "/model-info", "/health", "/metrics"] {
            assert_eq!(route(&plain, &Method::GET, path).unwrap(), Route::Upstream, "{path}");
        }
    }

    #[test]
    fn without_an_upstream_the_answer_says_what_is_missing() {
        let alone = Config { short_forms: false, upstream: false };
        assert!(matches!(route(&alone, &Method::GET, "/health"), Err(Rejection::NotFound)));
        let unknown = route(&alone, &Method::POST, "/v2/models/other/infer");
        assert!(matches!(unknown, Err(Rejection::UnknownModel { model }) if model == "other"));
    }

    #[test]
    fn a_wrong_method_is_told_the_right_one() {
        for (method, path, allow) in [("GET", "/v2/models/m/infer", "POST"), ("POST", "/v2/health/live", "GET, HEAD")] {
            let refused = route(&ALL, &method.parse().unwrap(), path);
            assert!(matches!(refused, Err(Rejection::MethodNotAllowed { allow: a }) if a == allow), "{path}");
        }
    }
}
