//! `models:` the models that Forebay answers for, where each runs, and how its rows may wait.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use crate::address::UpstreamForm;
use crate::tree::form::{choice, maybe, path, table, whole};
use crate::tree::{Keys, Mistake};
use crate::units::{SOME_TIME, duration};

/// A model that Forebay declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// The name in the path: `/v2/models/{name}`.
    pub name: String,
    pub source: Source,
    /// Most rows in one batch. Absent: the model's manifest, the server's metadata, or 32.
    pub max_rows: Option<NonZeroU32>,
    /// What becomes of a request with more rows than a batch may have.
    pub larger_than_batch: LargerThanBatch,
    /// How pictures and named features become inputs of a backend's model, and what its output means; a manifest file as a repository has it.
    /// Absent for a model of a repository, which has its own.
    pub manifest: Option<PathBuf>,
    /// Batches that the backend takes at once. Default 1: an accelerator runs one after another.
    pub concurrency: NonZeroUsize,
    /// Rows that may wait. Default 1,024. Full: 503.
    pub queue_rows: NonZeroUsize,
    /// From the end of the request's body to its answer. Default 30 s. Over it: 504.
    pub timeout: Duration,
    pub probe: Probe,
}

/// A request of more rows than `max_rows`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LargerThanBatch {
    /// It runs in several batches and is answered whole (the default).
    Split,
    /// 400.
    Refuse,
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

impl Default for Probe {
    fn default() -> Self {
        const TWO: NonZeroU32 = NonZeroU32::MIN.saturating_add(1);
        Probe { every: Duration::from_secs(1), timeout: Duration::from_secs(1), down_after: TWO, up_after: NonZeroU32::MIN }
    }
}

impl Probe {
    fn declare(keys: &mut Keys<'_, '_>, from: Self) -> Self {
        Probe {
            every: keys.key("every", duration(SOME_TIME), from.every, "Time between two probes."),
            timeout: keys.key("timeout", duration(SOME_TIME), from.timeout, "Time for one probe."),
            down_after: keys.key(
                "down_after",
                whole().at_most(1_000),
                from.down_after,
                "Failures in a row until the backend counts as down.",
            ),
            up_after: keys.key("up_after", whole().at_most(1_000), from.up_after, "Successes in a row until it counts as up again."),
        }
    }
}

impl Source {
    /// Where a model runs before its keys are read.
    const NOWHERE: Source = Source::Repository(PathBuf::new());

    fn repository(&self) -> Option<PathBuf> {
        match self {
            Source::Repository(folder) if !folder.as_os_str().is_empty() => Some(folder.clone()),
            Source::Repository(_) | Source::Backend(_) => None,
        }
    }

    fn backend(&self) -> Option<Upstream> {
        match self {
            Source::Backend(server) => Some(server.clone()),
            Source::Repository(_) => None,
        }
    }

    fn declare(keys: &mut Keys<'_, '_>, from: Self) -> Self {
        let repository = keys.key(
            "repository",
            maybe(path(), PathBuf::new),
            from.repository(),
            "Runs in this process, from the folder REPOSITORY/NAME. Either this or backend.",
        );
        let nowhere = || Upstream::Unix(PathBuf::new());
        let backend = keys.key(
            "backend",
            maybe(UpstreamForm, nowhere),
            from.backend(),
            "Runs on a server of the Open Inference Protocol V2: http://host:port or unix:/path. Either this or repository.",
        );
        match (repository, backend) {
            (Some(folder), None) => Source::Repository(folder),
            (None, Some(server)) => Source::Backend(server),
            (Some(_), Some(server)) => {
                keys.refuse("backend", Mistake::new("stands beside repository", "a model runs in one place; keep one of them"));
                Source::Backend(server)
            }
            (None, None) => {
                let hint = "write repository: FOLDER to run it here, or backend: http://host:port";
                keys.refuse_all(Mistake::new("does not say where it runs", hint));
                from
            }
        }
    }
}

impl Model {
    /// A model of which nothing is known but its name.
    pub(crate) fn named(name: String) -> Self {
        const QUEUE: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1_024 - 1);
        Model {
            name,
            source: Source::NOWHERE,
            max_rows: None,
            larger_than_batch: LargerThanBatch::Split,
            manifest: None,
            concurrency: NonZeroUsize::MIN,
            queue_rows: QUEUE,
            timeout: Duration::from_secs(30),
            probe: Probe::default(),
        }
    }

    pub(crate) fn declare(keys: &mut Keys<'_, '_>, from: Self) -> Self {
        let model = Model {
            source: Source::declare(keys, from.source),
            max_rows: keys.key(
                "max_rows",
                maybe(whole().at_most(65_536), || NonZeroU32::MIN),
                from.max_rows,
                "Most rows in one batch. Without it: the model's manifest, the server's metadata, or 32.",
            ),
            larger_than_batch: keys.key(
                "larger_than_batch",
                choice(&[("split", LargerThanBatch::Split), ("refuse", LargerThanBatch::Refuse)]),
                from.larger_than_batch,
                "A request of more rows than max_rows runs in several batches, or is refused with 400.",
            ),
            manifest: keys.key(
                "manifest",
                maybe(path(), PathBuf::new),
                from.manifest,
                "Of a backend's model: a manifest file as a repository has it, for pictures, features and labels.",
            ),
            concurrency: keys.key(
                "concurrency",
                whole().at_most(1_024),
                from.concurrency,
                "Batches that the backend takes at once. An accelerator runs one after another.",
            ),
            queue_rows: keys.key("queue_rows", whole().at_most(1 << 20), from.queue_rows, "Rows that may wait. Full: 503."),
            timeout: keys.key(
                "timeout",
                duration(SOME_TIME),
                from.timeout,
                "From the end of the request's body to its answer. Over it: 504.",
            ),
            probe: keys.key("probe", table(Probe::declare), from.probe, "How the health of a backend is watched."),
            name: from.name,
        };
        model.refuse_what_cannot_be(keys);
        model
    }

    fn refuse_what_cannot_be(&self, keys: &mut Keys<'_, '_>) {
        if self.source.repository().is_some() && self.manifest.is_some() {
            keys.refuse(
                "manifest",
                Mistake::new("stands beside repository", "a model of a repository has its own manifest.yaml; remove the key"),
            );
        }
        if self.max_rows.is_some_and(|rows| rows.get() as usize > self.queue_rows.get()) {
            keys.refuse("queue_rows", Mistake::new("is less than max_rows", "the queue must hold a batch; raise it"));
        }
    }
}
