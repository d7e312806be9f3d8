//! What a value looks like in a file: how it is read, described and shown.
//!
//! Leaves: [`text`], [`boolean`], [`whole`], [`number`], [`choice`], [`path`], and each [`Scalar`]. Around them: [`list`], [`maybe`],
//! [`table`], [`named`], [`unstated`].

use std::collections::HashMap;

use serde_json::{Map, Value as Json, json};

pub use super::scalar::{Boolean, Choice, Number, Path, Scalar, Text, Whole, WholeNumber, boolean, choice, number, path, text, whole};
use super::{Entry, Mistake, Node, Reading, Section, Value, keys};

/// The form of a value.
pub trait Form {
    type Value;

    /// The value at `node`. A mistake is reported, and `from` stays.
    fn read(&self, node: &Node, reading: &mut Reading<'_>, from: Self::Value) -> Self::Value;

    /// The value as it would stand in a file; null where nothing would. Secrets are left out.
    fn write(&self, value: &Self::Value) -> Json;

    /// The JSON Schema of every value that [`Form::read`] takes.
    fn schema(&self, from: &Self::Value) -> Json;

    /// What the schema calls the default.
    fn default(&self, from: &Self::Value) -> Option<Json> {
        Some(self.write(from)).filter(|value| !value.is_null())
    }

    /// What a problem and the schema give as an example.
    fn example(&self, from: &Self::Value) -> Json {
        self.write(from)
    }
}

/// A list of values of one form; `blank` is what each begins with.
pub fn list<F: Form>(form: F, blank: fn() -> F::Value) -> List<F> {
    List { form, blank, name: None }
}

/// See [`list`].
pub struct List<F: Form> {
    form: F,
    blank: fn() -> F::Value,
    name: Option<fn(&F::Value) -> &str>,
}

impl<F: Form> List<F> {
    /// No two items may have the same name.
    pub fn unique(self, name: fn(&F::Value) -> &str) -> Self {
        Self { name: Some(name), ..self }
    }

    /// Items that were wrong themselves have no name to compare.
    fn read_unique(&self, items: &[Node], reading: &mut Reading<'_>, name: fn(&F::Value) -> &str) -> Vec<F::Value> {
        let mut taken: HashMap<String, &Node> = HashMap::new();
        let mut values = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let reported = reading.reported();
            let value = self.read_item(index, item, reading);
            if reading.reported() == reported
                && let Some(earlier) = taken.insert(name(&value).to_owned(), item)
            {
                let mistake = Mistake::new(
                    format!("has the name {:?} of another", name(&value)),
                    format!("the other is at {}; give this one another name", earlier.place),
                );
                reading.at_index(index, |reading| reading.refuse(&item.place, mistake));
            }
            values.push(value);
        }
        values
    }

    fn read_item(&self, index: usize, item: &Node, reading: &mut Reading<'_>) -> F::Value {
        reading.at_index(index, |reading| self.form.read(item, reading, (self.blank)()))
    }
}

impl<F: Form> Form for List<F> {
    type Value = Vec<F::Value>;

    fn read(&self, node: &Node, reading: &mut Reading<'_>, from: Self::Value) -> Self::Value {
        match (&node.value, self.name) {
            (Value::List(items), Some(name)) => self.read_unique(items, reading, name),
            (Value::List(items), None) => items.iter().enumerate().map(|(index, item)| self.read_item(index, item, reading)).collect(),
            (Value::Empty | Value::Scalar(_) | Value::Map(_), _) => {
                reading.refuse_shape(node, "a list", "begin each item with a hyphen on a line of its own, or write [a, b]");
                from
            }
        }
    }

    fn write(&self, value: &Self::Value) -> Json {
        value.iter().map(|item| self.form.write(item)).collect()
    }

    fn schema(&self, _: &Self::Value) -> Json {
        json!({ "type": "array", "items": self.form.schema(&(self.blank)()) })
    }
}

/// A value that may be missing altogether; `blank` is what it begins with where it is not.
pub fn maybe<F: Form>(form: F, blank: fn() -> F::Value) -> Maybe<F> {
    Maybe { form, blank }
}

/// See [`maybe`].
pub struct Maybe<F: Form> {
    form: F,
    blank: fn() -> F::Value,
}

impl<F: Form> Form for Maybe<F> {
    type Value = Option<F::Value>;

    fn read(&self, node: &Node, reading: &mut Reading<'_>, from: Self::Value) -> Self::Value {
        Some(self.form.read(node, reading, from.unwrap_or_else(self.blank)))
    }

    fn write(&self, value: &Self::Value) -> Json {
        value.as_ref().map_or(Json::Null, |value| self.form.write(value))
    }

    fn schema(&self, from: &Self::Value) -> Json {
        match from {
            Some(from) => self.form.schema(from),
            None => self.form.schema(&(self.blank)()),
        }
    }

    fn default(&self, from: &Self::Value) -> Option<Json> {
        from.as_ref().and_then(|from| self.form.default(from))
    }
}

/// A mapping with the keys that `section` declares. Nothing at all is a mapping without keys.
pub fn table<T: Clone>(section: Section<T>) -> Table<T> {
    Table(section)
}

/// See [`table`].
pub struct Table<T>(Section<T>);

impl<T: Clone> Form for Table<T> {
    type Value = T;

    fn read(&self, node: &Node, reading: &mut Reading<'_>, from: T) -> T {
        match &node.value {
            Value::Map(entries) => keys::read(entries, &node.place, reading, self.0, from),
            Value::Empty => keys::read(&[], &node.place, reading, self.0, from),
            Value::Scalar(_) | Value::List(_) => {
                reading.refuse_shape(node, "a mapping", "write keys below it, indented, or {key: value}");
                from
            }
        }
    }

    fn write(&self, value: &T) -> Json {
        keys::show(self.0, value.clone())
    }

    fn schema(&self, from: &T) -> Json {
        keys::describe(self.0, from.clone())
    }

    /// Its keys have theirs.
    fn default(&self, _: &T) -> Option<Json> {
        None
    }
}

/// A mapping from names to sections, in the order of the file. The name is a value too, of the form `name`.
pub fn named<N: Scalar<Value = String>, T: Clone>(name: N, section: Section<T>, blank: fn(String) -> T, of: fn(&T) -> &str) -> Named<N, T> {
    Named { name, section, blank, of }
}

/// See [`named`].
pub struct Named<N, T> {
    name: N,
    section: Section<T>,
    blank: fn(String) -> T,
    of: fn(&T) -> &str,
}

impl<N: Scalar<Value = String>, T: Clone> Named<N, T> {
    fn read_entry(&self, entry: &Entry, reading: &mut Reading<'_>) -> T {
        reading.at_key(&entry.key, |reading| {
            if let Err(mistake) = self.name.parse(&entry.key) {
                reading.refuse(&entry.place, Mistake { is: format!("{:?} {}", entry.key, mistake.is), hint: mistake.hint });
            }
            table(self.section).read(&entry.value, reading, (self.blank)(entry.key.clone()))
        })
    }
}

impl<N: Scalar<Value = String>, T: Clone> Form for Named<N, T> {
    type Value = Vec<T>;

    fn read(&self, node: &Node, reading: &mut Reading<'_>, from: Vec<T>) -> Vec<T> {
        match &node.value {
            Value::Map(entries) => entries.iter().map(|entry| self.read_entry(entry, reading)).collect(),
            Value::Empty | Value::Scalar(_) | Value::List(_) => {
                reading.refuse_shape(node, "a mapping from names", "write each name as a key below it, indented: digits: {...}");
                from
            }
        }
    }

    fn write(&self, value: &Vec<T>) -> Json {
        value.iter().map(|item| ((self.of)(item).to_owned(), keys::show(self.section, item.clone()))).collect::<Map<_, _>>().into()
    }

    fn schema(&self, _: &Vec<T>) -> Json {
        json!({
            "type": "object",
            "propertyNames": self.name.describe(),
            "additionalProperties": keys::describe(self.section, (self.blank)(String::new())),
        })
    }

    fn default(&self, from: &Vec<T>) -> Option<Json> {
        (!from.is_empty()).then(|| self.write(from))
    }
}

/// A value whose default depends on the machine, and therefore is no part of the schema.
pub fn unstated<F: Form>(form: F) -> Unstated<F> {
    Unstated(form)
}

/// See [`unstated`].
pub struct Unstated<F>(F);

impl<F: Form> Form for Unstated<F> {
    type Value = F::Value;

    fn read(&self, node: &Node, reading: &mut Reading<'_>, from: F::Value) -> F::Value {
        self.0.read(node, reading, from)
    }

    fn write(&self, value: &F::Value) -> Json {
        self.0.write(value)
    }

    fn schema(&self, from: &F::Value) -> Json {
        self.0.schema(from)
    }

    fn default(&self, _: &F::Value) -> Option<Json> {
        None
    }
}
