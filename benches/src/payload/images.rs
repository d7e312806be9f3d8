//! A folder of images as the pool of requests: as they are, as base64 in JSON, or decoded as a V2 tensor.
//!
//! An image has no tag that comes back. So each is asked about once, alone, before the run; under load every answer must be the same. An
//! answer that another image would have got is seen unless the model gives both the same class with the same probability.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::{Head, Payload, Verdict};
use crate::client;
use crate::http::Message;
use crate::target::Target;

/// Images of a folder that are used; the rest is left out.
const POOL: usize = 512;
/// Batches of other sizes round differently; the protocol's own promise for the digits is 1e-5.
const TOLERANCE: f64 = 1e-4;

/// How images are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageForm {
    Raw,
    Base64,
    Tensors,
}

/// What is sent about each image, and what must come back.
#[derive(Debug)]
pub struct Images {
    /// By target, then by image.
    requests: Vec<Vec<Vec<u8>>>,
    references: Vec<Reference>,
}

#[derive(Clone, Debug, PartialEq)]
struct Reference {
    file: String,
    answer: Value,
}

impl Images {
    /// Reads the folder and asks the first target about every image once.
    pub fn new(targets: &[Target], folder: &Path, form: ImageForm, model: &str, scale: f32, fields: &[String]) -> anyhow::Result<Self> {
        let first = targets.first().context("there is no target")?;
        let files = images_in(folder)?;
        let input = if form == ImageForm::Tensors { Some(Input::of(first, model)?) } else { None };
        let mut requests: Vec<Vec<Vec<u8>>> = targets.iter().map(|_| Vec::new()).collect();
        for file in &files {
            let body = Body::new(file, form, input.as_ref(), scale).with_context(|| format!("{}", file.display()))?;
            for (target, requests) in targets.iter().zip(&mut requests) {
                requests.push(body.request(target, model, fields));
            }
        }
        let references = requests.first().into_iter().flatten().zip(&files).map(|(request, file)| reference(first, request, file));
        let references = references.collect::<anyhow::Result<_>>()?;
        Ok(Images { requests, references })
    }
}

impl Payload for Images {
    fn write(&mut self, target: usize, number: u64, out: &mut Vec<u8>) {
        let image = place(number, self.references.len());
        out.extend_from_slice(self.requests.get(target).and_then(|images| images.get(image)).map_or(&[], Vec::as_slice));
    }

    fn judge(&self, number: u64, answer: &Message<'_>) -> Verdict {
        let Some(reference) = self.references.get(place(number, self.references.len())) else {
            return Verdict::Wrong("no such image".into());
        };
        match essence(answer.body) {
            Ok(got) if same(&got, &reference.answer) => Verdict::Right,
            Ok(got) => Verdict::Wrong(format!("{}: expected {}, got {got}", reference.file, reference.answer)),
            Err(error) => Verdict::Wrong(format!("{}: {error:#}", reference.file)),
        }
    }
}

fn place(number: u64, images: usize) -> usize {
    usize::try_from(number).unwrap_or(0) % images.max(1)
}

fn images_in(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read the folder {}", folder.display()))?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(|path| content_type(path).is_some()).collect();
    files.sort();
    files.truncate(POOL);
    ensure!(!files.is_empty(), "{} has no .png, .jpg or .jpeg", folder.display());
    Ok(files)
}

fn content_type(file: &Path) -> Option<&'static str> {
    match file.extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "png" => Some("image/png"),
        "jpg" | "jpeg" => Some("image/jpeg"),
        _ => None,
    }
}

/// The model's first input, from its metadata.
struct Input {
    name: String,
    datatype: String,
    shape: Vec<i64>,
}

impl Input {
    fn of(target: &Target, model: &str) -> anyhow::Result<Self> {
        let answered = client::get(target, &format!("/v2/models/{model}"))?;
        ensure!(answered.status == 200, "the metadata of model `{model}` is answered {}", answered.status);
        let metadata: Value = serde_json::from_slice(&answered.body)?;
        let input = metadata.pointer("/inputs/0").context("the model's metadata names no input")?;
        let text = |key| input.get(key).and_then(Value::as_str).map(str::to_owned);
        let shape = input.get("shape").and_then(Value::as_array).context("the input's metadata has no shape")?;
        Ok(Input {
            name: text("name").context("the input's metadata has no name")?,
            datatype: text("datatype").context("the input's metadata has no datatype")?,
            shape: shape.iter().filter_map(Value::as_i64).collect(),
        })
    }

    /// One row of this input with the pixels of an image.
    fn tensor(&self, file: &Path, scale: f32) -> anyhow::Result<Value> {
        let numbers: i64 = self.shape.iter().skip(1).product();
        let pixels = image::open(file)?;
        let (grey, colour) = (pixels.to_luma8().into_raw(), pixels.to_rgb8().into_raw());
        let samples = [grey, colour].into_iter().find(|samples| i64::try_from(samples.len()) == Ok(numbers));
        let Some(samples) = samples else {
            bail!("{} by {} pixels do not fill an input of shape {:?}", pixels.width(), pixels.height(), self.shape);
        };
        let shape: Vec<i64> = std::iter::once(1).chain(self.shape.iter().skip(1).copied()).collect();
        let data: Vec<Value> = samples.iter().map(|&sample| self.number(sample, scale)).collect();
        Ok(serde_json::json!({"name": self.name, "datatype": self.datatype, "shape": shape, "data": data}))
    }

    fn number(&self, sample: u8, scale: f32) -> Value {
        if self.datatype.starts_with("FP") { Value::from(f32::from(sample) * scale) } else { Value::from(sample) }
    }
}

/// What is sent about one image, before it is addressed.
struct Body {
    bytes: Vec<u8>,
    content_type: &'static str,
    tensor: bool,
}

impl Body {
    fn new(file: &Path, form: ImageForm, input: Option<&Input>, scale: f32) -> anyhow::Result<Self> {
        let json = |value: Value| serde_json::to_vec(&value);
        let (bytes, content_type) = match (form, input) {
            (ImageForm::Raw, _) => (fs::read(file)?, content_type(file).unwrap_or("application/octet-stream")),
            (ImageForm::Base64, _) => (json(serde_json::json!({"image": STANDARD.encode(fs::read(file)?)}))?, "application/json"),
            (ImageForm::Tensors, Some(input)) => (json(serde_json::json!({"inputs": [input.tensor(file, scale)?]}))?, "application/json"),
            (ImageForm::Tensors, None) => bail!("a tensor needs the model's metadata"),
        };
        Ok(Body { bytes, content_type, tensor: form == ImageForm::Tensors })
    }

    fn request(&self, target: &Target, model: &str, fields: &[String]) -> Vec<u8> {
        let path = if self.tensor { format!("/v2/models/{model}/infer") } else { "/v1/predict".to_owned() };
        let head = Head { method: "POST", path: &path, content_type: self.content_type, json_length: None, fields };
        let mut request = head.write(target, self.bytes.len());
        request.extend_from_slice(&self.bytes);
        request
    }
}

fn reference(target: &Target, request: &[u8], file: &Path) -> anyhow::Result<Reference> {
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let answered = client::ask(target, request)?;
    ensure!(answered.status == 200, "{name} alone is answered {}: {}", answered.status, String::from_utf8_lossy(&answered.body));
    Ok(Reference { answer: essence(&answered.body).with_context(|| name.clone())?, file: name })
}

/// What of an answer depends on the image alone: class and probability, or the outputs' numbers.
fn essence(body: &[u8]) -> anyhow::Result<Value> {
    let mut answer: Value = serde_json::from_slice(body).context("the answer is not JSON")?;
    let mut take = |key| answer.get_mut(key).map(Value::take);
    match (take("class"), take("probability"), take("outputs")) {
        (Some(class), probability, _) => Ok(serde_json::json!([class, probability])),
        (None, _, Some(outputs)) => Ok(outputs),
        _ => bail!("the answer has neither class nor outputs"),
    }
}

fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => match (a.as_f64(), b.as_f64()) {
            (Some(a), Some(b)) => (a - b).abs() <= TOLERANCE * b.abs().max(1.0),
            _ => a == b,
        },
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => a.len() == b.len() && a.iter().all(|(k, a)| b.get(k).is_some_and(|b| same(a, b))),
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_compared_by_what_the_image_decides() {
        let of = |body: &str| essence(body.as_bytes()).unwrap();
        let first = of(r#"{"class":"7","probability":0.93,"request_id":"a","inference_time_ms":1.5}"#);
        let again = of(r#"{"class":"7","probability":0.930001,"request_id":"b","inference_time_ms":9.5}"#);
        let other = of(r#"{"class":"7","probability":0.91}"#);
        assert!(same(&first, &again) && !same(&first, &other));
        let outputs = of(r#"{"outputs":[{"name":"p","data":[0.1,0.9]}],"id":"x"}"#);
        assert!(same(&outputs, &of(r#"{"outputs":[{"name":"p","data":[0.1,0.90000001]}]}"#)));
        assert!(!same(&outputs, &of(r#"{"outputs":[{"name":"p","data":[0.9,0.1]}]}"#)));
        assert!(essence(b"{}").is_err());
    }
}
