//! What Forebay tells about itself as a whole; the Batcher's families are in `forebay-batch`.

use std::time::Duration;

use forebay_batch::BatchMetrics;
use prometheus::{Gauge, GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

/// Every family, registered once.
#[derive(Debug)]
pub(crate) struct Metrics {
    pub(crate) registry: Registry,
    pub(crate) batch: BatchMetrics,
    requests: IntCounterVec,
    duration: HistogramVec,
    in_flight: IntGauge,
    connections: IntGauge,
    connections_refused: IntCounterVec,
    bodies: IntGauge,
    verdicts: IntCounterVec,
    principals: IntGauge,
    model_ready: IntGaugeVec,
    probes_failed: IntCounterVec,
    config_info: IntGaugeVec,
    config_accepted: IntGauge,
    config_reloads: IntCounterVec,
    config_loaded: Gauge,
    log_dropped: IntGauge,
}

/// Seconds: 500 µs to 8 s doubling, and the points that people put into objectives.
const DURATIONS: [f64; 16] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

impl Metrics {
    /// Registers every family, those of the process and of the Batcher included.
    pub(crate) fn register() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
        let batch = BatchMetrics::register(&registry)?;
        let counter = |name: &str, help: &str, labels: &[&str]| -> Result<IntCounterVec, prometheus::Error> {
            let family = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(family.clone()))?;
            Ok(family)
        };
        let gauge = |name: &str, help: &str| -> Result<IntGauge, prometheus::Error> {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok(gauge)
        };
        let gauges = |name: &str, help: &str, labels: &[&str]| -> Result<IntGaugeVec, prometheus::Error> {
            let family = IntGaugeVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(family.clone()))?;
            Ok(family)
        };
        let duration = HistogramVec::new(
            HistogramOpts::new("forebay_request_duration_seconds", "Time from a request's head to the end of its answer.")
                .buckets(DURATIONS.to_vec()),
            &["route"],
        )?;
        registry.register(Box::new(duration.clone()))?;
        let config_loaded =
            Gauge::new("forebay_config_loaded_timestamp_seconds", "When the configuration in force was loaded, in seconds since 1970.")?;
        registry.register(Box::new(config_loaded.clone()))?;
        let build =
            GaugeVec::new(Opts::new("forebay_build_info", "Always 1; the labels tell which build this is."), &["version", "rustc_target"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION"), std::env::consts::ARCH]).set(1.0);
        registry.register(Box::new(build))?;
        Ok(Metrics {
            requests: counter(
                "forebay_requests_total",
                "Requests answered, by route (a model's name, upstream, server, none), status code, and why Forebay refused them (reason; empty when it did not).",
                &["route", "code", "reason"],
            )?,
            duration,
            in_flight: gauge("forebay_requests_in_flight", "Requests whose answer is not complete.")?,
            connections: gauge("forebay_connections", "Open connections of clients.")?,
            connections_refused: counter(
                "forebay_connections_refused_total",
                "Connections closed at once because a cap was reached, by cap.",
                &["limit"],
            )?,
            bodies: gauge("forebay_bodies_bytes", "Bytes of request bodies that are held right now.")?,
            verdicts: counter(
                "forebay_limiter_verdicts_total",
                "What the limiter said, by verdict (admit, deny) and by the quota that denied (empty for admit).",
                &["verdict", "quota"],
            )?,
            principals: gauge("forebay_limiter_principals", "Callers whose buckets are remembered.")?,
            model_ready: gauges("forebay_model_ready", "1 while the model can be asked: loaded and warm, or its backend up.", &["model"])?,
            probes_failed: counter("forebay_probes_failed_total", "Probes of a model's backend that failed.", &["model"])?,
            config_info: gauges("forebay_config_info", "Always 1; the label is the version of the configuration in force.", &["version"])?,
            config_accepted: gauge(
                "forebay_config_accepted",
                "1 when the configuration on disk is the one in force, 0 when its last change was refused.",
            )?,
            config_reloads: counter(
                "forebay_config_reloads_total",
                "Changes of the configuration, by result (accepted, refused).",
                &["result"],
            )?,
            config_loaded,
            log_dropped: gauge("forebay_log_lines_dropped", "Log lines lost because nobody took them fast enough.")?,
            registry,
            batch,
        })
    }

    /// A request was answered; `reason` is empty unless Forebay refused it.
    pub(crate) fn answered(&self, route: &str, code: u16, reason: &str, took: Duration) {
        let mut digits = [0; 3];
        self.requests.with_label_values(&[route, status_text(code, &mut digits), reason]).inc();
        self.duration.with_label_values(&[route]).observe(took.as_secs_f64());
    }

    pub(crate) fn refused_connection(&self, limit: &str) {
        self.connections_refused.with_label_values(&[limit]).inc();
    }

    pub(crate) fn admitted(&self) {
        self.verdicts.with_label_values(&["admit", ""]).inc();
    }

    pub(crate) fn denied(&self, quota: &str) {
        self.verdicts.with_label_values(&["deny", quota]).inc();
    }

    pub(crate) fn model_ready(&self, model: &str, ready: bool) {
        self.model_ready.with_label_values(&[model]).set(i64::from(ready));
    }

    /// The model is not declared any more.
    pub(crate) fn forget_model(&self, model: &str) {
        let _was_never_shown = self.model_ready.remove_label_values(&[model]);
    }

    pub(crate) fn probe_failed(&self, model: &str) {
        self.probes_failed.with_label_values(&[model]).inc();
    }

    /// The configuration of this version is in force.
    pub(crate) fn config_in_force(&self, version: &str) {
        self.config_info.reset();
        self.config_info.with_label_values(&[version]).set(1);
        let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        self.config_loaded.set(since_1970.as_secs_f64());
        self.config_accepted.set(1);
    }

    /// The file on disk was read again.
    pub(crate) fn config_read(&self, accepted: bool) {
        self.config_reloads.with_label_values(&[if accepted { "accepted" } else { "refused" }]).inc();
        self.config_accepted.set(i64::from(accepted));
    }

    /// Sets the gauges that are only looked at when somebody asks.
    pub(crate) fn observe(&self, in_flight: usize, connections: usize, bodies: usize, principals: usize, log_dropped: u64) {
        let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        self.in_flight.set(count(in_flight));
        self.connections.set(count(connections));
        self.bodies.set(count(bodies));
        self.principals.set(count(principals));
        self.log_dropped.set(i64::try_from(log_dropped).unwrap_or(i64::MAX));
    }
}

/// A status code as text, without an allocation per request.
fn status_text(code: u16, digits: &mut [u8; 3]) -> &str {
    let code = code.min(999);
    for (digit, divisor) in digits.iter_mut().zip([100, 10, 1]) {
        *digit = b'0' + u8::try_from(code / divisor % 10).unwrap_or(0);
    }
    std::str::from_utf8(digits).unwrap_or("000")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_family_has_the_project_s_name_and_a_help_text() {
        let metrics = Metrics::register().unwrap();
        metrics.answered("m", 200, "", Duration::from_millis(3));
        metrics.config_in_force("0123456789ab");
        for family in metrics.registry.gather() {
            assert!(family.name().starts_with("forebay_") || family.name().starts_with("process_"), "{}", family.name());
            assert!(family.help().len() > 15, "{}", family.name());
        }
    }

    #[test]
    fn a_status_is_written_as_three_digits() {
        assert_eq!(status_text(200, &mut [0; 3]), "200");
        assert_eq!(status_text(503, &mut [0; 3]), "503");
    }

    #[test]
    fn one_version_of_the_configuration_is_in_force() {
        let metrics = Metrics::register().unwrap();
        metrics.config_in_force("a");
        metrics.config_in_force("b");
        let families = metrics.registry.gather();
        let info = families.iter().find(|f| f.name() == "forebay_config_info").unwrap();
        assert_eq!(info.get_metric().len(), 1);
    }
}
