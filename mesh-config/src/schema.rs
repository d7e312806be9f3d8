//! The JSON Schema of the file, for editors. It is committed beside the crate as `forebay.schema.json`.

use serde_json::{Map, Value as Json, json};

use crate::snapshot::Snapshot;
use crate::tree::form::{Form, table};

/// The JSON Schema of the file, draft 2020-12, from the same declarations that read it.
///
/// Every key with its help, its default and its form. What two keys must be to each other it cannot say; `forebay check` does.
pub fn json_schema() -> Json {
    let mut schema = table(Snapshot::declare).schema(&Snapshot::blank());
    admit_references(&mut schema);
    if let Json::Object(schema) = &mut schema {
        schema.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        schema.insert("title".to_owned(), json!("Forebay's configuration"));
        let reference = json!({
            "description": "What a variable or a file holds: ${NAME}, ${NAME:-default}, file:PATH.",
            "type": "string",
            "pattern": r"\$\{|^file:",
        });
        schema.insert("$defs".to_owned(), json!({ "reference": reference }));
    }
    schema
}

/// Lets a reference stand wherever the form of a single value would not take its text.
fn admit_references(schema: &mut Json) {
    let Json::Object(keywords) = schema else { return };
    if is_strict_scalar(keywords) {
        const BESIDE: [&str; 3] = ["description", "default", "examples"];
        let (beside, form): (Map<_, _>, Map<_, _>) =
            std::mem::take(keywords).into_iter().partition(|(word, _)| BESIDE.contains(&word.as_str()));
        *keywords = beside;
        keywords.insert("anyOf".to_owned(), json!([form, { "$ref": "#/$defs/reference" }]));
        return;
    }
    for word in ["items", "additionalProperties"] {
        keywords.get_mut(word).into_iter().for_each(admit_references);
    }
    keywords.get_mut("properties").and_then(Json::as_object_mut).into_iter().flat_map(Map::values_mut).for_each(admit_references);
    keywords.get_mut("oneOf").and_then(Json::as_array_mut).into_iter().flatten().for_each(admit_references);
}

fn is_strict_scalar(keywords: &Map<String, Json>) -> bool {
    let alternatives = || keywords.get("oneOf").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
    let strict = |one: &Json| one.as_object().is_some_and(is_strict_scalar);
    match keywords.get("type").and_then(Json::as_str) {
        Some("integer" | "number" | "boolean") => true,
        Some("string") => keywords.contains_key("pattern"),
        Some(_) => false,
        None => keywords.contains_key("enum") || (!alternatives().is_empty() && alternatives().iter().all(strict)),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::problem::Place;
    use crate::tree::{Node, Reading, Value};

    #[test]
    fn the_committed_schema_is_the_one_that_is_read() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("forebay.schema.json");
        let committed = std::fs::read_to_string(&file).unwrap_or_default();
        // As values: the order of keys is the business of serde_json's features.
        if serde_json::from_str(&committed).ok() != Some(json_schema()) {
            std::fs::write(&file, format!("{:#}\n", json_schema())).unwrap();
            panic!("{} was not current; it is now, commit it", file.display());
        }
    }

    #[test]
    fn everything_yaml_holds_every_key() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/everything.yaml");
        let root = Reading::literal().open(&file, &Place::file(&file)).unwrap();
        let mut missing = Vec::new();
        find_missing(&json_schema(), &[&root], "", &mut missing);
        assert_eq!(missing, Vec::<String>::new());
    }

    #[test]
    fn every_key_is_explained() {
        let mut mute = Vec::new();
        find_mute(&json_schema(), "", &mut mute);
        assert_eq!(mute, Vec::<String>::new());
    }

    /// Keys of the schema that none of the nodes has.
    fn find_missing(schema: &Json, nodes: &[&Node], path: &str, missing: &mut Vec<String>) {
        for (key, property) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{key}");
            let below: Vec<&Node> = nodes.iter().flat_map(|node| values(node, Some(key))).collect();
            if below.is_empty() {
                missing.push(path);
            } else {
                find_missing(property, &below, &path, missing);
            }
        }
        for part in ["items", "additionalProperties"].iter().filter_map(|part| schema.get(part)) {
            let below: Vec<&Node> = nodes.iter().flat_map(|node| values(node, None)).collect();
            find_missing(part, &below, path, missing);
        }
        for one in schema["oneOf"].as_array().into_iter().flatten() {
            find_missing(one, nodes, path, missing);
        }
    }

    fn values<'n>(node: &'n Node, key: Option<&str>) -> Vec<&'n Node> {
        match &node.value {
            Value::Map(entries) => {
                entries.iter().filter(|entry| key.is_none_or(|key| entry.key == key)).map(|entry| &entry.value).collect()
            }
            Value::List(items) if key.is_none() => items.iter().collect(),
            Value::List(_) | Value::Empty | Value::Scalar(_) => Vec::new(),
        }
    }

    fn find_mute(schema: &Json, path: &str, mute: &mut Vec<String>) {
        for (key, property) in schema["properties"].as_object().into_iter().flatten() {
            if property["description"].as_str().unwrap_or_default().is_empty() {
                mute.push(format!("{path}.{key}"));
            }
            find_mute(property, &format!("{path}.{key}"), mute);
        }
        for part in ["items", "additionalProperties"].iter().filter_map(|part| schema.get(part)) {
            find_mute(part, path, mute);
        }
        for one in schema["oneOf"].as_array().into_iter().flatten() {
            find_mute(one, path, mute);
        }
    }
}
