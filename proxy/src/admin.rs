//! The admin listener: what an operator, a kubelet and a Prometheus ask. It reads and never changes anything.
//!
//! | path | answer |
//! |---|---|
//! | `/live` | 200 while the process can answer |
//! | `/ready` | 200, or 503 when new requests should go elsewhere; with `?verbose` each reason on a line, or as JSON if `Accept` asks for it |
//! | `/metrics` | Prometheus text |
//! | `/config` | the configuration in force as JSON, secrets redacted |
//!
//! It is its own server, on hyper, so that it answers while the API drains, is saturated or cannot start. It takes only what such callers
//! need: `GET` and `HEAD`, no bodies, small heads, few connections, each for a limited time.

mod connections;
mod pages;

use serde::Serialize;

pub(crate) use self::connections::serve;

/// Where the answers come from. Every part is asked anew for each request, and must answer without waiting.
pub(crate) struct AdminState {
    pub(crate) registry: prometheus::Registry,
    pub(crate) ready: Box<dyn Fn() -> Readiness + Send + Sync>,
    /// Redacted: it is shown as it comes.
    pub(crate) config: Box<dyn Fn() -> serde_json::Value + Send + Sync>,
    /// Brings metrics up to date that nobody pushes.
    pub(crate) before_scrape: Box<dyn Fn() + Send + Sync>,
}

/// Whether new requests should come here, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Readiness {
    pub(crate) ready: bool,
    /// What was looked at, each with its own verdict. One that is not well need not make the whole unready: a refused reload does not.
    pub(crate) checks: Vec<Check>,
}

/// One thing that readiness looks at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Check {
    /// `model digits`, `config`, `drain`.
    pub(crate) what: String,
    pub(crate) ok: bool,
    /// May have several lines.
    pub(crate) detail: String,
}
