//! A mapping from names to names, as a form of the configuration's tree.

use forebay_mesh_config::tree::form::{Form, Text, text};
use forebay_mesh_config::tree::{Node, Reading, Value};
use serde_json::{Map, Value as Json, json};

/// Pairs in the order of the file; the names before the colon are unique.
pub(crate) fn pairs() -> Pairs {
    Pairs(text())
}

/// See [`pairs`].
pub(crate) struct Pairs(Text);

impl Form for Pairs {
    type Value = Vec<(String, String)>;

    fn read(&self, node: &Node, reading: &mut Reading<'_>, from: Self::Value) -> Self::Value {
        let Value::Map(entries) = &node.value else {
            reading.refuse_shape(node, "a mapping from names to names", "write feature: input");
            return from;
        };
        entries.iter().map(|entry| (entry.key.clone(), self.0.read(&entry.value, reading, String::new()))).collect()
    }

    fn write(&self, value: &Self::Value) -> Json {
        if value.is_empty() {
            return Json::Null;
        }
        value.iter().map(|(name, other)| (name.clone(), json!(other))).collect::<Map<_, _>>().into()
    }

    fn schema(&self, _: &Self::Value) -> Json {
        json!({ "type": "object", "additionalProperties": self.0.schema(&String::new()) })
    }
}
