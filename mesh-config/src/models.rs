//! `models:` the models that Forebay answers for, where each runs, and how its rows may wait.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

/// A model that Forebay declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// The name in the path: `/v2/models/{name}`.
    pub name: String,
    pub source: Source,
    /// Most rows in one batch. Absent: the model's manifest, the server's metadata, or 32.
    pub max_rows: Option<NonZeroU32>,
    /// Batches that the backend takes at once. Default 1: an accelerator runs one after another.
    pub concurrency: NonZeroUsize,
    /// Rows that may wait. Default 1,024. Full: 503.
    pub queue_rows: NonZeroUsize,
    /// From the end of the request's body to its answer. Default 30 s. Over it: 504.
    pub timeout: Duration,
    pub probe: Probe,
}

/// Where a model runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// In this process: `{repository}/{name}/manifest.yaml`.
    Repository(PathBuf),
    /// A server of the Open Inference Protocol V2 over HTTP/1.1.
    Backend(Upstream),
}

/// How the health of a backend is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Between two probes. Default 1 s.
    pub every: Duration,
    /// For one probe. Default 1 s.
    pub timeout: Duration,
    /// Failures in a row until the backend counts as down. Default 2.
    pub down_after: NonZeroU32,
    /// Successes in a row until it counts as up again. Default 1.
    pub up_after: NonZeroU32,
}

/// An HTTP server: `http://host:port` or `unix:/path`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Upstream {
    /// `host` is a name or an address, without brackets.
    Http {
        host: String,
        port: u16,
    },
    Unix(PathBuf),
}
