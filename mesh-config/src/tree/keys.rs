//! The keys of one section, declared once and used three ways.

use serde_json::{Map, Value as Json};

use super::did_you_mean::nearest;
use super::form::Form;
use super::{Entry, Mistake, Reading};
use crate::problem::Place;

/// From a section's value so far to its value as written.
pub type Section<T> = fn(&mut Keys<'_, '_>, T) -> T;

/// The keys of a section. A declaration asks it for one value after the other; what happens is the pass's business.
pub struct Keys<'a, 'e>(Pass<'a, 'e>);

enum Pass<'a, 'e> {
    /// Values come from a mapping.
    Read { entries: &'a [Entry], place: &'a Place, declared: Vec<&'static str>, reading: &'a mut Reading<'e> },
    /// Each key becomes a property of a JSON Schema.
    Describe { properties: Map<String, Json>, required: Vec<Json> },
    /// Each value is written as it would stand in a file.
    Show(Map<String, Json>),
}

impl<'a, 'e> Keys<'a, 'e> {
    /// A key that may be absent: then the value so far stays.
    pub fn key<F: Form>(&mut self, name: &'static str, form: F, from: F::Value, help: &str) -> F::Value {
        match &mut self.0 {
            Pass::Read { entries, declared, reading, .. } => {
                declared.push(name);
                match present(entries, name) {
                    Some(entry) => reading.at_key(name, |reading| form.read(&entry.value, reading, from)),
                    None => from,
                }
            }
            Pass::Describe { properties, .. } => {
                let schema = described(form.schema(&from), help);
                let schema = match form.default(&from) {
                    Some(default) => with(schema, "default", default),
                    None => schema,
                };
                properties.insert(name.to_owned(), schema);
                from
            }
            Pass::Show(values) => {
                let value = form.write(&from);
                if !value.is_null() {
                    values.insert(name.to_owned(), value);
                }
                from
            }
        }
    }

    /// A key that must be there. `from` serves as the example in the problem and in the schema.
    pub fn required<F: Form>(&mut self, name: &'static str, form: F, from: F::Value, help: &str) -> F::Value {
        match &mut self.0 {
            Pass::Read { entries, place, reading, .. } => {
                if present(entries, name).is_none() {
                    let example = match form.example(&from) {
                        Json::String(text) => format!(", for example {name}: {text}"),
                        example => format!(", for example {name}: {example}"),
                    };
                    reading.at_key(name, |reading| reading.refuse(place, Mistake::new("is missing", format!("add it{example}"))));
                }
            }
            Pass::Describe { properties, required } => {
                let examples = Json::Array(vec![form.example(&from)]);
                properties.insert(name.to_owned(), with(described(form.schema(&from), help), "examples", examples));
                required.push(Json::String(name.to_owned()));
                return from;
            }
            Pass::Show(_) => {}
        }
        self.key(name, form, from, help)
    }

    /// Reports what is wrong with a key in view of the others; said only where a file is read.
    pub fn refuse(&mut self, key: &str, mistake: Mistake) {
        if let Pass::Read { entries, place, reading, .. } = &mut self.0 {
            let place = present(entries, key).map_or(*place, |entry| &entry.value.place);
            reading.at_key(key, |reading| reading.refuse(place, mistake));
        }
    }

    /// As [`Keys::refuse`], for the section as a whole.
    pub fn refuse_all(&mut self, mistake: Mistake) {
        if let Pass::Read { place, reading, .. } = &mut self.0 {
            reading.refuse(place, mistake);
        }
    }

    /// Whether the file has the key, with a value.
    pub fn has(&self, key: &str) -> bool {
        match &self.0 {
            Pass::Read { entries, .. } => present(entries, key).is_some(),
            Pass::Describe { .. } | Pass::Show(_) => false,
        }
    }
}

/// An empty value is as if the key were absent.
fn present<'n>(entries: &'n [Entry], name: &str) -> Option<&'n Entry> {
    entries.iter().find(|entry| entry.key == name && entry.value.value != super::Value::Empty)
}

/// A schema with the help of its key.
pub(crate) fn described(schema: Json, help: &str) -> Json {
    with(schema, "description", Json::String(help.to_owned()))
}

fn with(mut schema: Json, word: &str, value: Json) -> Json {
    if let Json::Object(schema) = &mut schema {
        schema.insert(word.to_owned(), value);
    }
    schema
}

/// Reads a section from a mapping's entries; keys that it does not declare are problems.
pub(super) fn read<'a, 'e, T>(entries: &'a [Entry], place: &'a Place, reading: &'a mut Reading<'e>, section: Section<T>, from: T) -> T {
    let mut keys = Keys(Pass::Read { entries, place, declared: Vec::new(), reading });
    let value = section(&mut keys, from);
    if let Pass::Read { declared, reading, .. } = keys.0 {
        for entry in entries.iter().filter(|entry| !declared.contains(&entry.key.as_str())) {
            let hint = match nearest(&entry.key, declared.iter().copied()) {
                Some(known) => format!("did you mean {known}?"),
                None => format!("known here: {}", declared.join(", ")),
            };
            reading.at_key(&entry.key, |reading| reading.refuse(&entry.place, Mistake::new("is not a known key", hint)));
        }
    }
    value
}

/// The JSON Schema of a section.
pub(super) fn describe<T>(section: Section<T>, from: T) -> Json {
    let mut keys = Keys(Pass::Describe { properties: Map::new(), required: Vec::new() });
    section(&mut keys, from);
    let mut schema = Map::new();
    schema.insert("type".to_owned(), "object".into());
    if let Pass::Describe { properties, required } = keys.0 {
        schema.insert("properties".to_owned(), Json::Object(properties));
        if !required.is_empty() {
            schema.insert("required".to_owned(), Json::Array(required));
        }
    }
    schema.insert("additionalProperties".to_owned(), false.into());
    Json::Object(schema)
}

/// The section as it would stand in a file.
pub(super) fn show<T>(section: Section<T>, from: T) -> Json {
    let mut keys = Keys(Pass::Show(Map::new()));
    section(&mut keys, from);
    match keys.0 {
        Pass::Show(values) => Json::Object(values),
        Pass::Read { .. } | Pass::Describe { .. } => Json::Null,
    }
}
