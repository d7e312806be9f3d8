//! Builds every part and hands it to the next; the only file that knows them all.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use arc_swap::{ArcSwap, ArcSwapOption};
use forebay_batch::Surroundings;
use forebay_identity::Pseudonyms;
use forebay_mesh_config::{Loaded, Snapshot};
use tokio::runtime::Builder;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admin::{AdminState, Check, Readiness};
use crate::body::BodyMemory;
use crate::cli::Source;
use crate::drain::{Draining, Signals, drain};
use crate::edge::{Connections, Edge, Listener, accept};
use crate::forms::Forms;
use crate::gateway::Gateway;
use crate::live::{Live, Makings};
use crate::log::Log;
use crate::metrics::Metrics;
use crate::record::Recorder;
use crate::reload::{Refusal, Reloader};
use crate::request::InFlight;
use crate::trace::Names;
use crate::watch::Watcher;
use crate::{admin, announce, log};

/// Between two sweeps of buckets that are full again.
const SWEEP: Duration = Duration::from_secs(1);

/// For tasks that nobody waits for any more.
const LAST_TASKS: Duration = Duration::from_millis(200);

/// Serves until a signal ends it.
pub(crate) fn run(source: Source) -> anyhow::Result<()> {
    let Loaded { snapshot, files } = source.load()?;
    let log = log::init(&snapshot.telemetry.log)?;
    let runtime = runtime(snapshot.listen.threads).context("the runtime cannot be started")?;
    let served = runtime.block_on(serve(source, files, log.clone()));
    runtime.shutdown_timeout(LAST_TASKS);
    log.flush();
    served
}

/// One runtime for everything: a request that never changes threads never waits for one to wake up. One thread needs none of what several
/// need to share their work.
fn runtime(threads: NonZeroUsize) -> std::io::Result<tokio::runtime::Runtime> {
    /// Threads beside the workers, for large decodings, model loading and names to be looked up. Few, because each may hold a large body.
    const BESIDE: usize = 4;
    let mut runtime = match threads.get() {
        1 => Builder::new_current_thread(),
        several => {
            let mut runtime = Builder::new_multi_thread();
            runtime.worker_threads(several);
            runtime
        }
    };
    runtime.max_blocking_threads(threads.get() + BESIDE).thread_name("forebay").enable_all().build()
}

/// What the parts of the process share.
struct Shared {
    metrics: Arc<Metrics>,
    log: Log,
    draining: Draining,
    refusal: Refusal,
    in_flight: InFlight,
    bodies: BodyMemory,
    connections: Connections,
    /// Empty while the models are loaded.
    live: Arc<ArcSwapOption<ArcSwap<Live>>>,
}

impl Shared {
    /// Sets the gauges that are only looked at when somebody asks.
    fn observe(&self) {
        let principals = self.live.load_full().map_or(0, |live| live.load().limiter.principals());
        self.metrics.observe(self.in_flight.count(), self.connections.open(), self.bodies.held(), principals, self.log.dropped());
    }
}

async fn serve(source: Source, files: Vec<PathBuf>, log: Log) -> anyhow::Result<()> {
    let mut signals = Signals::listen().context("signals cannot be received")?;
    let mut watcher = Watcher::new(files).context("SIGHUP cannot be received")?;
    // Read once more now that they are watched, so that no change falls in between.
    let Loaded { snapshot, files } = source.load()?;
    watcher.watch(files);
    let shared = Arc::new(Shared {
        metrics: Arc::new(Metrics::register()?),
        log,
        draining: Draining::default(),
        refusal: Refusal::default(),
        in_flight: InFlight::default(),
        bodies: BodyMemory::default(),
        connections: Connections::default(),
        live: Arc::default(),
    });
    let (api, admin) = (Listener::bind(&snapshot.listen.api).await?, Listener::bind(&snapshot.listen.admin).await?);
    let (api_url, admin_url) = (api.url(), admin.url());
    let (stop_admin, admin_tasks) = (CancellationToken::new(), TaskTracker::new());
    let pages = Arc::new(admin_state(&shared, &snapshot));
    let admin = tokio::spawn({
        let (stop, tasks) = (stop_admin.clone(), admin_tasks.clone());
        async move { admin::serve(admin, pages, stop, &tasks).await }
    });
    let started = tokio::select! {
        started = start(&shared, snapshot) => started?,
        _ = signals.next() => return Ok(()),
    };
    let Started { live, makings, edge, close_answers } = started;
    let mut background = tokio::task::JoinSet::new();
    background.spawn(accept(api, edge.clone()));
    background.spawn(sweep(live.clone()));
    let reloader = Reloader { source, watcher, live: live.clone(), makings, log: shared.log.clone(), refusal: shared.refusal.clone() };
    background.spawn(reloader.run());
    announce::listening(&api_url, &admin_url, &live.load().snapshot);
    let stop = signals.next().await;
    let settings = live.load().snapshot.drain.clone();
    drain(stop, &settings, &shared.draining, &close_answers, &edge, &mut signals).await;
    stop_admin.cancel();
    admin_tasks.close();
    let _late = tokio::time::timeout(LAST_TASKS, async { (admin.await, admin_tasks.wait().await) }).await;
    Ok(())
}

struct Started {
    live: Arc<ArcSwap<Live>>,
    makings: Makings,
    edge: Arc<Edge>,
    close_answers: watch::Sender<bool>,
}

/// Loads the models and puts the request path together.
async fn start(shared: &Arc<Shared>, snapshot: Snapshot) -> anyhow::Result<Started> {
    let around =
        Surroundings { runtime: tokio::runtime::Handle::current(), tasks: TaskTracker::new(), metrics: shared.metrics.batch.clone() };
    let makings = Makings { metrics: shared.metrics.clone(), around };
    let first = Live::make(snapshot, None, &makings).await?;
    shared.metrics.config_in_force(&first.snapshot.version);
    let live = Arc::new(ArcSwap::from_pointee(first));
    shared.live.store(Some(live.clone()));
    let gateway = Gateway {
        live: live.clone(),
        metrics: shared.metrics.clone(),
        in_flight: shared.in_flight.clone(),
        bodies: shared.bodies.clone(),
        names: Names::new()?,
        recorder: Recorder { log: shared.log.clone(), pseudonyms: Pseudonyms::new(), successes: 0.into() },
        forms: Forms {
            metrics: shared.metrics.clone(),
            draining: shared.draining.clone(),
            before_scrape: Box::new({
                let shared = shared.clone();
                move || shared.observe()
            }),
        },
    };
    let (close_answers, draining) = watch::channel(false);
    let edge = Edge {
        gateway: Arc::new(gateway),
        live: live.clone(),
        metrics: shared.metrics.clone(),
        connections: shared.connections.clone(),
        draining,
        closing: CancellationToken::new(),
        tasks: TaskTracker::new(),
    };
    Ok(Started { live, makings, edge: Arc::new(edge), close_answers })
}

/// Forgets callers whose buckets are full again, and connections that are not needed any more.
async fn sweep(live: Arc<ArcSwap<Live>>) {
    let mut every = tokio::time::interval(SWEEP);
    loop {
        every.tick().await;
        let live = live.load();
        live.limiter.sweep(Instant::now());
        if let Some(upstream) = &live.upstream {
            upstream.sweep();
        }
    }
}

/// What the admin pages show.
fn admin_state(shared: &Arc<Shared>, first: &Snapshot) -> AdminState {
    let (for_ready, for_config, for_scrape) = (shared.clone(), shared.clone(), shared.clone());
    let before_live = first.to_redacted_json();
    AdminState {
        registry: shared.metrics.registry.clone(),
        ready: Box::new(move || readiness(&for_ready)),
        config: Box::new(move || match for_config.live.load_full() {
            Some(live) => live.load().snapshot.to_redacted_json(),
            None => before_live.clone(),
        }),
        before_scrape: Box::new(move || for_scrape.observe()),
    }
}

fn readiness(shared: &Shared) -> Readiness {
    let draining = shared.draining.has_begun();
    let refusal = shared.refusal.text();
    let mut checks = vec![
        Check { what: "drain".into(), ok: !draining, detail: if draining { "Forebay is stopping" } else { "not stopping" }.into() },
        Check { what: "config".into(), ok: refusal.is_empty(), detail: if refusal.is_empty() { "as on disk".into() } else { refusal } },
    ];
    let models = shared.live.load_full().map(|live| live.load_full());
    let Some(live) = models else {
        checks.push(Check { what: "models".into(), ok: false, detail: "being loaded".into() });
        return Readiness { ready: false, checks };
    };
    let unready = live.unready().is_some();
    checks.extend(live.models.iter().map(|model| {
        let state = model.ready();
        Check { what: format!("model {}", model.name), ok: state.is_ok(), detail: state.err().unwrap_or_else(|| "ready".into()) }
    }));
    Readiness { ready: !draining && !unready, checks }
}
