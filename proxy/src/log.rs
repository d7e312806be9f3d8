//! Forebay's log: JSON lines on stderr, one per event and one per request, through one bounded buffer (see `log/lines.rs`).
//!
//! Every line has `timestamp`, `level`, `message` and `target`. Records of the `log` crate, pingora's, come in the same form. The filter
//! (see `log/filter.rs`) can be changed at any time and holds for request lines too, under the name `forebay::request`.
//! No line blocks its writer; lines that found no room are counted.

mod event;
mod filter;
mod json;
mod lines;
mod request_line;
mod timestamp;

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, reload};

use self::event::JsonLines;
use self::lines::Lines;
use self::timestamp::Timestamp;

pub(crate) use self::filter::NotAFilter;
pub(crate) use self::request_line::{RequestLine, Stages};

/// The handle on the log. Clones are the same log; when the last one is dropped, what waits is written (for two seconds at most) and
/// the log is closed.
#[derive(Clone, Debug)]
pub(crate) struct Log(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    lines: Arc<Lines>,
    filter: reload::Handle<Targets, Registry>,
    /// What the filter says of request lines of level info and warn, remembered so that a line costs no lookup.
    requests: AtomicBool,
    request_warnings: AtomicBool,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.lines.close();
    }
}

/// Makes stderr the place of all events, of the `log` crate's records and of panics. Once per process.
pub(crate) fn init(filter: &str) -> anyhow::Result<Log> {
    let (log, subscriber) = build(filter, std::io::stderr())?;
    subscriber.try_init().context("another log is already in place")?;
    log.follow_ceiling();
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        let what = panic.payload_as_str().unwrap_or("no message");
        tracing::error!(target: "forebay::panic", location, thread = std::thread::current().name(), "panic: {what}");
    }));
    Ok(log)
}

fn build(filter: &str, sink: impl Write + Send + 'static) -> anyhow::Result<(Log, impl SubscriberInitExt + tracing::Subscriber)> {
    let targets = filter::parse(filter)?;
    let lines = Lines::start(sink).context("the log's thread cannot be started")?;
    let (layer, handle) = reload::Layer::new(targets.clone());
    let subscriber = tracing_subscriber::registry().with(layer).with(JsonLines::new(lines.clone()));
    let log = Log(Arc::new(Shared { lines, filter: handle, requests: AtomicBool::new(false), request_warnings: AtomicBool::new(false) }));
    log.remember(&targets);
    Ok((log, subscriber))
}

impl Log {
    /// Changes what is written from now on. A text that is no filter changes nothing.
    pub(crate) fn set_filter(&self, filter: &str) -> Result<(), NotAFilter> {
        let targets = filter::parse(filter)?;
        self.remember(&targets);
        // Fails only when the subscriber is gone, and then nobody writes.
        self.0.filter.reload(targets).ok();
        self.follow_ceiling();
        Ok(())
    }

    /// Writes the line of a finished request.
    pub(crate) fn request(&self, line: &RequestLine<'_>) {
        let wanted = if line.is_warning() { &self.0.request_warnings } else { &self.0.requests };
        if wanted.load(Ordering::Relaxed) {
            self.0.lines.push(&line.to_json(Timestamp::now()));
        }
    }

    /// Lines lost since the start, because the reader of stderr was too slow or gone.
    pub(crate) fn dropped(&self) -> u64 {
        self.0.lines.dropped()
    }

    /// Returns when everything logged so far is written; after two seconds in any case. It blocks its thread.
    pub(crate) fn flush(&self) {
        self.0.lines.flush();
    }

    fn remember(&self, targets: &Targets) {
        let wanted = |level| targets.would_enable(request_line::TARGET, &level);
        self.0.requests.store(wanted(Level::INFO), Ordering::Relaxed);
        self.0.request_warnings.store(wanted(Level::WARN), Ordering::Relaxed);
    }

    /// The `log` crate has a ceiling of its own, set once by whoever connects it to `tracing`.
    fn follow_ceiling(&self) {
        log::set_max_level(match LevelFilter::current() {
            LevelFilter::OFF => log::LevelFilter::Off,
            LevelFilter::ERROR => log::LevelFilter::Error,
            LevelFilter::WARN => log::LevelFilter::Warn,
            LevelFilter::INFO => log::LevelFilter::Info,
            LevelFilter::DEBUG => log::LevelFilter::Debug,
            LevelFilter::TRACE => log::LevelFilter::Trace,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::lines::tests::Paper;
    use super::*;

    fn messages(paper: &Paper) -> Vec<String> {
        let line = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        paper.text().lines().map(|text| line(text)["message"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn the_filter_can_be_changed_while_lines_are_written() {
        let paper = Paper::default();
        let (log, subscriber) = build("warn", paper.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!("too quiet");
            log.set_filter("info").unwrap();
            tracing::info!("heard");
            assert!(log.set_filter("loud").is_err());
            tracing::info!("heard still");
            log.set_filter("error").unwrap();
            tracing::info!("too quiet again");
        });
        log.flush();
        assert_eq!(messages(&paper), ["heard", "heard still"]);
    }

    #[test]
    fn request_lines_obey_the_filter_too() {
        let (served, failed) =
            (RequestLine { status: 200, ..RequestLine::default() }, RequestLine { status: 503, ..RequestLine::default() });
        for (filter, lines) in [("info", 2), ("warn", 1), ("info,forebay::request=off", 0), ("off,forebay=info", 2)] {
            let paper = Paper::default();
            let (log, _subscriber) = build(filter, paper.clone()).unwrap();
            log.request(&served);
            log.request(&failed);
            log.flush();
            assert_eq!(messages(&paper).len(), lines, "{filter}");
        }
    }

    #[test]
    fn the_last_handle_writes_what_waits() {
        let paper = Paper::default();
        let (log, _subscriber) = build("info", paper.clone()).unwrap();
        let other = log.clone();
        other.request(&RequestLine::default());
        drop(log);
        drop(other);
        assert_eq!(messages(&paper), ["request"]);
    }
}
