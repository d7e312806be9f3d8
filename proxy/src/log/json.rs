//! One JSON object, written key by key into bytes.
//!
//! A line per request is the most that is logged, and its keys are known: this does what serde would, without the detours for what such a
//! line never has.

use std::time::Duration;

use crate::decimal;

/// An object that is being written. It is whole after [`Object::end`].
pub(super) struct Object<'a>(&'a mut Vec<u8>);

impl<'a> Object<'a> {
    pub(super) fn begin(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Object(out)
    }

    pub(super) fn end(self) {
        self.0.push(b'}');
    }

    /// Begins the value of `key`, which needs no escaping.
    fn key(&mut self, key: &'static str) -> &mut Vec<u8> {
        if self.0.last() != Some(&b'{') {
            self.0.push(b',');
        }
        self.0.push(b'"');
        self.0.extend_from_slice(key.as_bytes());
        self.0.extend_from_slice(b"\":");
        self.0
    }

    /// Any text.
    pub(super) fn text(&mut self, key: &'static str, text: &str) {
        // Cannot fail: the sink is memory.
        serde_json::to_writer(self.key(key), text).ok();
    }

    /// Text that needs no escaping.
    pub(super) fn plain(&mut self, key: &'static str, text: &[u8]) {
        let out = self.key(key);
        out.push(b'"');
        out.extend_from_slice(text);
        out.push(b'"');
    }

    pub(super) fn number(&mut self, key: &'static str, number: u64) {
        decimal::push(self.key(key), number, 1);
    }

    pub(super) fn milliseconds(&mut self, key: &'static str, duration: Duration) {
        decimal::push_milliseconds(self.key(key), duration);
    }

    /// A number that JSON lacks is written as null.
    pub(super) fn float(&mut self, key: &'static str, number: f64) {
        serde_json::to_writer(self.key(key), &number).ok();
    }

    pub(super) fn object(&mut self, key: &'static str) -> Object<'_> {
        Object::begin(self.key(key))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn whatever_is_written_is_json() {
        let mut out = Vec::new();
        let mut object = Object::begin(&mut out);
        object.text("text", "a \"b\"\n\u{1}é");
        object.plain("plain", b"0af7");
        object.number("zero", 0);
        object.number("most", u64::MAX);
        object.milliseconds("short", Duration::from_micros(7));
        object.milliseconds("long", Duration::from_nanos(9_123_456));
        object.float("half", 0.5);
        object.float("none", f64::NAN);
        object.object("empty").end();
        let mut inner = object.object("inner");
        inner.number("n", 1200);
        inner.end();
        object.end();
        let expected = json!({
            "text": "a \"b\"\n\u{1}é", "plain": "0af7", "zero": 0, "most": u64::MAX, "short": 0.007, "long": 9.123,
            "half": 0.5, "none": null, "empty": {}, "inner": { "n": 1200 },
        });
        assert_eq!(serde_json::from_slice::<Value>(&out).unwrap(), expected);
    }
}
