//! Tagged rows for the simulated accelerator, as JSON or with the binary tensor extension.
//!
//! Rendering 64 numbers for every request would cost the generator more than the proxy pays to read them. So each texture's request is
//! rendered once, and only the digits (or bytes) that tell the request's number are put in before it is sent.

use super::{Head, Payload, Verdict};
use crate::http::Message;
use crate::row::{ANSWERED, COLUMNS, TEXTURES, Tag};
use crate::target::Target;
use crate::wire;

/// How tensors are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TensorForm {
    Json,
    Binary,
}

/// A rendered request and the places of its number.
#[derive(Debug)]
struct Template {
    bytes: Vec<u8>,
    /// Where seven digits are: the low half, or the high one.
    digits: Vec<(usize, Half)>,
    /// Where four bytes of FP32 are.
    floats: Vec<(usize, Half)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Half {
    Low,
    High,
}

/// Sends `rows` tagged rows in each request.
#[derive(Debug)]
pub struct Tensors {
    rows: usize,
    /// Added to every number, so that two generators do not send the same rows.
    base: u64,
    /// Whether the answers are judged: an upstream that answers all alike cannot be.
    judged: bool,
    /// One per target and texture.
    templates: Vec<Template>,
}

impl Tensors {
    pub fn new(targets: &[Target], model: &str, form: TensorForm, rows: usize, seed: u64, fields: &[String]) -> Self {
        let path = format!("/v2/models/{model}/infer");
        let templates = targets.iter().flat_map(|target| {
            let path = &path;
            (0..TEXTURES).map(move |texture| Template::new(target, path, form, rows, texture, fields))
        });
        Tensors { rows, base: seed % 1000 * 1_000_000_000, judged: true, templates: templates.collect() }
    }

    /// Takes every whole answer with status 200 for right.
    pub fn unjudged(mut self) -> Self {
        self.judged = false;
        self
    }

    fn check(&self, number: u64, answer: &Message<'_>) -> Result<(), String> {
        let read = wire::read_answer(answer.body, answer.head.json_length, ANSWERED).map_err(|e| e.to_string())?;
        if read.rows != self.rows {
            return Err(format!("{} rows came back of {}", read.rows, self.rows));
        }
        for (row, got) in read.values.chunks(ANSWERED).enumerate() {
            let expected = Tag { number, row }.answer();
            if got != expected {
                return Err(format!("row {row} of request {number}: expected {expected:?}, got {got:?}"));
            }
        }
        let (low, high) = Tag::halves(number);
        match read.id {
            Some(id) if id != format!("{low}-{high}") => Err(format!("request {number} was answered under id {id}")),
            _ => Ok(()),
        }
    }
}

impl Payload for Tensors {
    fn write(&mut self, target: usize, number: u64, out: &mut Vec<u8>) {
        let number = self.base + number;
        let texture = Tag { number, row: 0 }.texture();
        if let Some(template) = self.templates.get_mut(target * TEXTURES + texture) {
            template.stamp(number);
            out.extend_from_slice(&template.bytes);
        }
    }

    fn judge(&self, number: u64, answer: &Message<'_>) -> Verdict {
        if !self.judged {
            return Verdict::Right;
        }
        self.check(self.base + number, answer).map_or_else(Verdict::Wrong, |()| Verdict::Right)
    }
}

impl Template {
    /// Renders a request whose first row has this texture; any number with that texture can be stamped on it.
    fn new(target: &Target, path: &str, form: TensorForm, rows: usize, texture: usize, fields: &[String]) -> Self {
        let number = u64::try_from(texture).unwrap_or(0);
        let tags: Vec<Tag> = (0..rows).map(|row| Tag { number, row }).collect();
        let mut body = Draft::default();
        body.text("{\"id\":\"");
        body.half(Half::Low);
        body.text("-");
        body.half(Half::High);
        body.text(&format!("\",\"inputs\":[{{\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":[{rows},{COLUMNS}],"));
        let json_length = match form {
            TensorForm::Json => {
                body.json_rows(&tags);
                None
            }
            TensorForm::Binary => Some(body.binary_rows(&tags)),
        };
        let content_type = if json_length.is_some() { "application/octet-stream" } else { "application/json" };
        let head = Head { method: "POST", path, content_type, json_length, fields }.write(target, body.bytes.len());
        body.into_template(head)
    }

    /// Puts a request's number in.
    fn stamp(&mut self, number: u64) {
        let (low, high) = Tag::halves(number);
        let of = |half| if half == Half::Low { low } else { high };
        for &(at, half) in &self.digits {
            let mut rest = of(half);
            for place in self.bytes.iter_mut().skip(at).take(7).rev() {
                *place = b'0' + u8::try_from(rest % 10).unwrap_or(0);
                rest /= 10;
            }
        }
        for &(at, half) in &self.floats {
            if let Some(place) = self.bytes.get_mut(at..at + 4) {
                place.copy_from_slice(&(of(half) as f32).to_le_bytes());
            }
        }
    }
}

/// A body while it is rendered.
#[derive(Default)]
struct Draft {
    bytes: Vec<u8>,
    digits: Vec<(usize, Half)>,
    floats: Vec<(usize, Half)>,
}

impl Draft {
    fn text(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
    }

    /// Seven digits, to be stamped.
    fn half(&mut self, half: Half) {
        self.digits.push((self.bytes.len(), half));
        self.text("1000000");
    }

    fn json_rows(&mut self, tags: &[Tag]) {
        self.text("\"data\":[");
        for tag in tags {
            for (column, cell) in tag.cells().into_iter().enumerate() {
                if (column, tag.row) != (0, 0) {
                    self.text(",");
                }
                match column {
                    0 => self.half(Half::Low),
                    1 => self.half(Half::High),
                    _ => self.text(&cell.to_string()),
                }
            }
        }
        self.text("]}]}");
    }

    /// Returns the length of the JSON.
    fn binary_rows(&mut self, tags: &[Tag]) -> usize {
        let size = tags.len() * COLUMNS * 4;
        self.text(&format!("\"parameters\":{{\"binary_data_size\":{size}}}}}],"));
        self.text("\"outputs\":[{\"name\":\"y\",\"parameters\":{\"binary_data\":true}}]}");
        let json_length = self.bytes.len();
        for tag in tags {
            self.floats.push((self.bytes.len(), Half::Low));
            self.floats.push((self.bytes.len() + 4, Half::High));
            self.bytes.extend(tag.cells().into_iter().flat_map(f32::to_le_bytes));
        }
        json_length
    }

    fn into_template(self, mut head: Vec<u8>) -> Template {
        let shift = head.len();
        head.extend_from_slice(&self.bytes);
        let moved = |places: Vec<(usize, Half)>| places.into_iter().map(|(at, half)| (at + shift, half)).collect();
        Template { bytes: head, digits: moved(self.digits), floats: moved(self.floats) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Reader;
    use crate::wire::Rows;

    fn sent(form: TensorForm, rows: usize, number: u64) -> (Tensors, Rows) {
        let target: Target = "http://127.0.0.1:1".parse().unwrap();
        let mut payload = Tensors::new(&[target], "sim", form, rows, 3, &["x-api-key: k".into()]);
        let mut bytes = Vec::new();
        payload.write(0, number, &mut bytes);
        let mut reader = Reader::of_requests();
        reader.fill(&mut &bytes[..]).unwrap();
        let request = reader.next(true).unwrap().unwrap();
        let read = wire::read_request(request.body, request.head.json_length, COLUMNS).unwrap();
        (payload, read)
    }

    #[test]
    fn a_stamped_request_carries_the_rows_of_its_number() {
        for form in [TensorForm::Json, TensorForm::Binary] {
            for number in [0, 1, 77, 1_234_567] {
                let (_, read) = sent(form, 3, number);
                let cells = |row| Tag { number: 3_000_000_000 + number, row }.cells();
                assert_eq!(read.values, [cells(0), cells(1), cells(2)].concat(), "{form:?} {number}");
                assert_eq!(read.binary, form == TensorForm::Binary);
            }
        }
    }

    #[test]
    fn an_answer_to_another_request_is_wrong() {
        let (payload, read) = sent(TensorForm::Json, 1, 5);
        let judged = |id: Option<&str>, values: Vec<f32>| {
            let rows = Rows { id: id.map(Into::into), rows: values.len() / ANSWERED, values, binary: false };
            let (body, _) = wire::write_answer("sim", &rows, ANSWERED).unwrap();
            let (head, _) = crate::http::Head::answer(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n").unwrap().unwrap();
            payload.judge(5, &Message { head, body: &body })
        };
        let own = crate::row::answer(&read.values).to_vec();
        let other = Tag { number: 3_000_000_006, row: 0 }.answer().to_vec();
        assert_eq!(judged(read.id.as_deref(), own.clone()), Verdict::Right);
        assert_eq!(judged(None, own.clone()), Verdict::Right);
        assert!(matches!(judged(None, other), Verdict::Wrong(_)));
        assert!(matches!(judged(Some("1000006-1003000"), own.clone()), Verdict::Wrong(_)));
        assert!(matches!(judged(None, [own.clone(), own].concat()), Verdict::Wrong(_)));
        assert!(matches!(judged(None, Vec::new()), Verdict::Wrong(_)));
    }
}
