//! Text → [`Node`], under limits, from the events of a YAML parser.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError};

use super::{Entry, MAX_BYTES, MAX_DEPTH, MAX_NODES, Node, Value};
use crate::path::{KeyPath, Segment};
use crate::problem::{Place, Problem};

/// Where text comes from.
#[derive(Clone, Debug)]
pub(crate) enum Origin {
    File(Arc<Path>),
    /// A flag or an environment variable; its values all have its name as their place.
    Named(Arc<str>),
}

impl Origin {
    pub(crate) fn file(file: &Path) -> Self {
        Self::File(file.into())
    }

    fn at(&self, marker: &Marker) -> Place {
        match self {
            Self::File(file) => Place::File { file: Arc::clone(file), line: marker.line(), column: marker.col() + 1 },
            Self::Named(name) => Place::Origin(Arc::clone(name)),
        }
    }

    fn whole(&self) -> Place {
        match self {
            Self::File(file) => Place::file(file),
            Self::Named(name) => Place::Origin(Arc::clone(name)),
        }
    }
}

/// Builds the tree; absent if the text cannot be read to its end. A key that stands twice is a problem and keeps its first value.
pub(crate) fn parse(text: &str, origin: &Origin, problems: &mut Vec<Problem>) -> Option<Node> {
    if text.len() > MAX_BYTES {
        problems.push(whole(origin, format!("is {} bytes long", text.len()), &format!("at most {MAX_BYTES} are read")));
        return None;
    }
    let mut builder = Builder { origin, problems, open: Vec::new(), root: None, nodes: 0 };
    for event in Parser::new_from_str(text) {
        let step = match event {
            Ok((event, span)) => builder.take(event, &span.start),
            Err(error) => builder.not_yaml(&error),
        };
        step?;
    }
    Some(builder.root.take().unwrap_or_else(|| Node { place: origin.whole(), value: Value::Empty }))
}

fn whole(origin: &Origin, message: String, hint: &str) -> Problem {
    Problem { place: origin.whole(), path: KeyPath::default(), message, hint: Some(hint.to_owned()) }
}

/// A list or mapping that has not ended yet.
enum Open {
    List { place: Place, items: Vec<Node> },
    Map { place: Place, entries: Vec<Entry>, lines: HashMap<String, Place>, key: Option<(String, Place)>, doubled: bool },
}

struct Builder<'a> {
    origin: &'a Origin,
    problems: &'a mut Vec<Problem>,
    open: Vec<Open>,
    root: Option<Node>,
    nodes: usize,
}

/// `None` once the text is given up.
type Step = Option<()>;

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>, at: &Marker) -> Step {
        match event {
            Event::Alias(_) => self.stop(at, "is an alias (`*`)", "write the value where it is meant"),
            Event::Scalar(_, _, anchor, ref tag) | Event::SequenceStart(anchor, ref tag) | Event::MappingStart(anchor, ref tag)
                if anchor != 0 || tag.is_some() =>
            {
                self.stop(at, "has an anchor (`&`) or a tag (`!`)", "write the plain value, in quotes if it begins so")
            }
            Event::Scalar(text, style, _, _) => self.scalar(text.into_owned(), style, at),
            Event::SequenceStart(..) => self.begin(at, |place| Open::List { place, items: Vec::new() }),
            Event::MappingStart(..) => {
                self.begin(at, |place| Open::Map { place, entries: Vec::new(), lines: HashMap::new(), key: None, doubled: false })
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::DocumentStart(_) if self.root.is_some() => {
                self.stop(at, "begins a second document", "one file holds one document; remove the line ---")
            }
            Event::DocumentStart(_) | Event::DocumentEnd | Event::StreamStart | Event::StreamEnd | Event::Nothing => Some(()),
        }
    }

    fn stop(&mut self, at: &Marker, message: impl Into<String>, hint: &str) -> Step {
        let problem = Problem { place: self.origin.at(at), path: self.path(), message: message.into(), hint: Some(hint.to_owned()) };
        self.problems.push(problem);
        None
    }

    /// Without a path: where the text is broken, what it belongs to is a guess.
    fn not_yaml(&mut self, error: &ScanError) -> Step {
        self.problems.push(Problem {
            place: self.origin.at(error.marker()),
            path: KeyPath::default(),
            message: format!("is not YAML: {}", error.info()),
            hint: Some("look for a bracket, quote or indentation before it".to_owned()),
        });
        None
    }

    fn count(&mut self, at: &Marker) -> Step {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return self.stop(at, format!("is value {}", self.nodes), &format!("at most {MAX_NODES} are read"));
        }
        Some(())
    }

    fn begin(&mut self, at: &Marker, open: impl FnOnce(Place) -> Open) -> Step {
        self.count(at)?;
        if self.open.len() >= MAX_DEPTH {
            return self.stop(at, "is nested too deep", &format!("at most {MAX_DEPTH} levels are read"));
        }
        if let Some(Open::Map { key: None, .. }) = self.open.last() {
            return self.stop(at, "is a list or mapping as a key", "a key is a single value");
        }
        self.open.push(open(self.origin.at(at)));
        Some(())
    }

    fn end(&mut self) -> Step {
        let node = match self.open.pop()? {
            Open::List { place, items } => Node { place, value: Value::List(items) },
            Open::Map { place, entries, .. } => Node { place, value: Value::Map(entries) },
        };
        self.put(node);
        Some(())
    }

    fn scalar(&mut self, text: String, style: ScalarStyle, at: &Marker) -> Step {
        self.count(at)?;
        let place = self.origin.at(at);
        if let Some(Open::Map { key: key @ None, lines, doubled, .. }) = self.open.last_mut() {
            let first = lines.get(&text).cloned();
            *doubled = first.is_some();
            *key = Some((text.clone(), place.clone()));
            match first {
                Some(first) => self.report_doubled(place, &first),
                None => {
                    lines.insert(text, place);
                }
            }
            return Some(());
        }
        let value = if style == ScalarStyle::Plain && is_null(&text) { Value::Empty } else { Value::Scalar(text) };
        self.put(Node { place, value });
        Some(())
    }

    fn report_doubled(&mut self, place: Place, first: &Place) {
        let problem = Problem {
            place,
            path: self.path(),
            message: "stands here a second time".to_owned(),
            hint: Some(format!("the first is at {first}; keep one")),
        };
        self.problems.push(problem);
    }

    /// Into the list or mapping that is open, or as the root.
    fn put(&mut self, node: Node) {
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open::List { items, .. }) => items.push(node),
            Some(Open::Map { entries, key, doubled, .. }) => {
                if let (Some((key, place)), false) = (key.take(), *doubled) {
                    entries.push(Entry { key, place, value: node });
                }
            }
        }
    }

    fn path(&self) -> KeyPath {
        self.open
            .iter()
            .filter_map(|open| match open {
                Open::List { items, .. } => Some(Segment::Index(items.len())),
                Open::Map { key, .. } => key.as_ref().map(|(key, _)| Segment::Key(key.clone())),
            })
            .collect()
    }
}

/// The core schema's null (YAML 1.2.2, section 10.3.2).
fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        let mut problems = Vec::new();
        parse(text, &Origin::file("f.yaml".as_ref()), &mut problems);
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_value_has_its_line_and_column() {
        let mut problems = Vec::new();
        let root = parse("a:\n  - x\n  - {b: 1}\n", &Origin::file("f.yaml".as_ref()), &mut problems).unwrap();
        let Value::Map(entries) = &root.value else { panic!("{root:?}") };
        let Value::List(items) = &entries[0].value.value else { panic!("{root:?}") };
        assert_eq!(entries[0].place.to_string(), "f.yaml:1:1");
        assert_eq!(items[0].place.to_string(), "f.yaml:2:5");
        let Value::Map(inner) = &items[1].value else { panic!("{root:?}") };
        assert_eq!((inner[0].place.to_string(), inner[0].value.place.to_string()), ("f.yaml:3:6".into(), "f.yaml:3:9".into()));
    }

    #[test]
    fn empty_text_is_an_empty_document() {
        for text in ["", "# nothing\n", "---\n", "~", "\u{feff}"] {
            let mut problems = Vec::new();
            let root = parse(text, &Origin::file("f.yaml".as_ref()), &mut problems);
            assert_eq!(root.map(|root| root.value), Some(Value::Empty), "{text:?} {problems:?}");
        }
    }

    #[test]
    fn what_makes_a_file_mean_something_else_than_it_says_is_refused() {
        let table = [
            ("a: 1\nb: 2\na: 3", "f.yaml:3:1: a: stands here a second time; the first is at f.yaml:1:1; keep one"),
            ("a: &x 1\nb: 2", "f.yaml:1:4: a: has an anchor (`&`) or a tag (`!`); write the plain value, in quotes if it begins so"),
            ("a: !!str 1", "f.yaml:1:4: a: has an anchor (`&`) or a tag (`!`); write the plain value, in quotes if it begins so"),
            ("a: 1\n---\nb: 1", "f.yaml:2:1: begins a second document; one file holds one document; remove the line ---"),
            ("[a]: 1", "f.yaml:1:1: is a list or mapping as a key; a key is a single value"),
        ];
        for (text, expected) in table {
            assert_eq!(problems(text), [expected], "{text}");
        }
    }

    #[test]
    fn size_depth_and_count_are_bounded() {
        let long = "#".repeat(MAX_BYTES + 1);
        assert_eq!(problems(&long), ["f.yaml: is 1048577 bytes long; at most 1048576 are read"]);
        let deep = format!("a: {}{}", "[".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH));
        assert!(problems(&deep)[0].contains("is nested too deep; at most 32 levels are read"), "{:?}", problems(&deep));
        let many = format!("[{}]", "1,".repeat(MAX_NODES));
        assert!(problems(&many)[0].ends_with("is value 100001; at most 100000 are read"), "{:?}", problems(&many));
    }

    #[test]
    fn a_hundred_thousand_brackets_end_early() {
        for text in ["[".repeat(100_000), "{a: ".repeat(100_000), "- ".repeat(100_000), "? ".repeat(100_000)] {
            assert_eq!(problems(&text).len(), 1);
        }
    }
}
