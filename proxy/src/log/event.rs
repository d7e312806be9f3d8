//! Events of `tracing`, and records of the `log` crate that come as such, in the form of every line: timestamp, level, message, fields, target.
//!
//! Spans leave no trace here: what a line needs to be understood is in its fields.

use std::error::Error;
use std::fmt::{Debug, Write as _};
use std::sync::Arc;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use super::lines::Lines;
use super::timestamp::Timestamp;

/// Bytes of one value. Messages of others, a backend's error for one, can be of any length.
const LONGEST_VALUE: usize = 4096;

/// Writes events as JSON lines.
#[derive(Debug)]
pub(super) struct JsonLines {
    lines: Arc<Lines>,
}

impl JsonLines {
    pub(super) fn new(lines: Arc<Lines>) -> Self {
        JsonLines { lines }
    }
}

impl<S: Subscriber> Layer<S> for JsonLines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = Vec::with_capacity(256);
        // Cannot fail: the sink is memory and every key is text.
        write(event, &mut serde_json::Serializer::new(&mut line)).ok();
        line.push(b'\n');
        self.lines.push(&line);
    }
}

fn write<S: Serializer>(event: &Event<'_>, serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(None)?;
    map.serialize_entry("timestamp", &Timestamp::now())?;
    map.serialize_entry("level", level(*event.metadata().level()))?;
    let mut fields = Fields { map, target_seen: false };
    event.record(&mut fields);
    let Fields { mut map, target_seen } = fields;
    if !target_seen {
        map.serialize_entry("target", event.metadata().target())?;
    }
    map.end()
}

fn level(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

/// Writes each field as it comes.
struct Fields<M> {
    map: M,
    target_seen: bool,
}

impl<M: SerializeMap> Fields<M> {
    /// All but what the `log` crate's records tell of their place in a source file.
    fn put(&mut self, field: &Field, value: &(impl Serialize + ?Sized)) {
        if !field.name().starts_with("log.") {
            self.map.serialize_entry(field.name(), value).ok();
        }
    }
}

impl<M: SerializeMap> Visit for Fields<M> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, &value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, &value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, &value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, &value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            // Records of the `log` crate carry their module as a field, because events of one kind share their metadata.
            "log.target" => {
                self.target_seen = true;
                self.map.serialize_entry("target", cut(value)).ok();
            }
            _ => self.put(field, cut(value)),
        }
    }

    fn record_error(&mut self, field: &Field, error: &(dyn Error + 'static)) {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            write!(text, ": {cause}").ok();
            source = cause.source();
        }
        self.put(field, cut(&text));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.put(field, cut(&format!("{value:?}")));
    }
}

fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(LONGEST_VALUE)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use tracing_subscriber::layer::SubscriberExt;

    use super::super::lines::tests::Paper;
    use super::*;

    fn written(emit: impl FnOnce()) -> Value {
        let paper = Paper::default();
        let lines = Lines::start(paper.clone()).unwrap();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(JsonLines::new(lines.clone())), emit);
        lines.close();
        let mut value: Value = serde_json::from_str(&paper.text()).unwrap();
        assert_eq!(value.as_object_mut().unwrap().remove("timestamp").unwrap().as_str().unwrap().len(), "1970-01-01T00:00:00.000Z".len());
        value
    }

    #[test]
    fn an_event_becomes_one_flat_line() {
        let line =
            written(|| tracing::warn!(target: "here", model = "digits", rows = 3_u64, ratio = 0.5, up = false, at = %1.5, "it is\nslow"));
        let expected = json!({
            "level": "warn", "message": "it is\nslow", "target": "here",
            "model": "digits", "rows": 3, "ratio": 0.5, "up": false, "at": "1.5",
        });
        assert_eq!(line, expected);
    }

    /// The names are those that tracing-log gives.
    #[test]
    fn a_record_of_the_log_crate_looks_no_different() {
        let emit = || tracing::info!(target: "log", { "log.target" = "pingora_core::server", "log.line" = 7 }, "started");
        let line = written(emit);
        assert_eq!(line, json!({ "level": "info", "message": "started", "target": "pingora_core::server" }));
    }

    #[test]
    fn an_error_is_told_with_its_causes() {
        #[derive(Debug, thiserror::Error)]
        #[error("the file cannot be read")]
        struct Outer(#[source] std::io::Error);
        let error = Outer(std::io::Error::other("the disk is gone"));
        let line = written(|| tracing::error!(error = &error as &(dyn Error + 'static), "reload failed"));
        assert_eq!(line["error"], "the file cannot be read: the disk is gone");
    }

    #[test]
    fn a_long_value_is_cut_between_characters() {
        let long = "€".repeat(2000);
        let line = written(|| tracing::info!(text = long, "{long}"));
        assert_eq!(line["text"], long[..4095]);
        assert_eq!(line["message"], long[..4095]);
    }
}
