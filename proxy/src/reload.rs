//! Swaps in a changed configuration whole, or refuses it whole and says why: in the log, in a metric and on `/ready?verbose`.

use std::sync::Arc;

use arc_swap::ArcSwap;
use forebay_mesh_config::{Loaded, Snapshot};
use parking_lot::Mutex;

use crate::cli::Source;
use crate::live::{Live, Makings};
use crate::log::Log;
use crate::watch::Watcher;

/// Why the configuration on disk is not the one in force; empty when it is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Refusal(Arc<Mutex<String>>);

impl Refusal {
    pub(crate) fn text(&self) -> String {
        self.0.lock().clone()
    }
}

/// Reloads the configuration whenever it changes. Never ends.
pub(crate) struct Reloader {
    pub(crate) source: Source,
    pub(crate) watcher: Watcher,
    pub(crate) live: Arc<ArcSwap<Live>>,
    pub(crate) makings: Makings,
    pub(crate) log: Log,
    pub(crate) refusal: Refusal,
}

impl Reloader {
    pub(crate) async fn run(mut self) {
        loop {
            self.watcher.changed().await;
            let refused = self.reload().await.err();
            self.makings.metrics.config_read(refused.is_none());
            if let Some(reason) = &refused {
                tracing::error!(reason, "the changed configuration is refused; the one before stays in force");
            }
            *self.refusal.0.lock() = refused.unwrap_or_default();
        }
    }

    /// Reads the file again and swaps the result in; an error is the reason why not.
    async fn reload(&mut self) -> Result<(), String> {
        let Loaded { snapshot, files } = match self.source.load() {
            Ok(loaded) => loaded,
            Err(problems) => {
                self.watcher.watch(problems.files().to_vec());
                return Err(problems.to_string());
            }
        };
        self.watcher.watch(files);
        let before = self.live.load_full();
        if before.snapshot == snapshot {
            tracing::info!(version = snapshot.version, "the configuration is as it was");
            return Ok(());
        }
        warn_of_restarts(&before.snapshot, &snapshot);
        let named: Vec<_> = snapshot.models.iter().map(|model| model.name.clone()).collect();
        let swapped = self.swap(snapshot, &before).await;
        if swapped.is_err() {
            self.show_models(&named);
        }
        swapped
    }

    async fn swap(&self, snapshot: Snapshot, before: &Live) -> Result<(), String> {
        let live = Live::make(snapshot, Some(before), &self.makings).await.map_err(|e| format!("{e:#}"))?;
        self.log.set_filter(&live.snapshot.telemetry.log).map_err(|e| e.to_string())?;
        let version = live.snapshot.version.clone();
        self.live.store(Arc::new(live));
        self.forget_models(before);
        self.makings.metrics.config_in_force(&version);
        tracing::info!(version, "the changed configuration is in force");
        Ok(())
    }

    /// Of these models only those in force are shown, as they are: a refused configuration may have begun with others.
    fn show_models(&self, named: &[String]) {
        let (live, metrics) = (self.live.load(), &self.makings.metrics);
        for name in named {
            match live.served(name) {
                Some(served) => metrics.model_ready(name, served.ready().is_ok()),
                None => metrics.forget_model(name),
            }
        }
    }

    fn forget_models(&self, before: &Live) {
        let now = self.live.load();
        let gone = before.models.iter().filter(|m| now.served(&m.name).is_none());
        gone.for_each(|model| self.makings.metrics.forget_model(&model.name));
    }
}

/// Some settings are used once, at the start.
fn warn_of_restarts(before: &Snapshot, after: &Snapshot) {
    let (b, a) = (&before.listen, &after.listen);
    for (key, changed) in [("listen.api", b.api != a.api), ("listen.admin", b.admin != a.admin), ("listen.threads", b.threads != a.threads)]
    {
        if changed {
            tracing::warn!(key, "this change takes effect with the next start");
        }
    }
}
