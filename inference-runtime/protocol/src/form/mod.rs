//! How pictures and named features come in a request: raw, multipart, base64 in JSON or as text, a JSON object, and lists of them.
//!
//! Every form ends as a request of one row in the inner form; a list ends as one request per element, each with its own success.

mod content;
mod features;
mod json;
mod multipart;

use bytes::Bytes;
use forebay_mesh_config::decode::DecodeLimits;

use crate::dtype::Dtype;
use crate::error::DecodeError;
use crate::image;
use crate::infer::{InferRequest, Input, ModelMetadata, TensorSpec};
use crate::manifest::Meaning;
use content::Content;

/// The forms in which one model can be asked.
#[derive(Clone, Copy, Debug)]
pub struct Forms<'a> {
    /// Name under which the model is asked.
    pub model: &'a str,
    pub metadata: &'a ModelMetadata,
    pub meaning: &'a Meaning,
    pub limits: &'a DecodeLimits,
}

/// One element of a request: what a prediction is made of.
#[derive(Clone, Debug)]
enum Subject {
    /// A picture, and the member of a JSON object that holds it, if one does.
    Picture {
        bytes: Bytes,
        member: Option<&'static str>,
    },
    Features(Vec<Input>),
}

impl Subject {
    fn picture(bytes: Bytes) -> Self {
        Subject::Picture { bytes, member: None }
    }
}

impl Forms<'_> {
    /// One picture: a PNG or JPEG as the body, a file in `multipart/form-data`, `{"image": base64 or data URL}`, or base64 as `text/plain`.
    pub fn picture(&self, content_type: Option<&str>, body: &Bytes) -> Result<InferRequest, DecodeError> {
        let subject = match Content::of(content_type, body)? {
            Content::Raw => Subject::picture(body.clone()),
            Content::Base64 => Subject::picture(json::from_base64(body)?),
            Content::Multipart { boundary } => Subject::picture(multipart::picture(body, &boundary, self.limits)?),
            Content::Json => json::picture(body, self.limits)?,
        };
        self.request(subject, &mut self.limits.image_pixels.clone())
    }

    /// One picture, or a JSON object of the model's features by name.
    pub fn picture_or_features(&self, content_type: Option<&str>, body: &Bytes) -> Result<InferRequest, DecodeError> {
        match Content::of(content_type, body)? {
            Content::Json => {
                let subject = json::subject(body, self)?;
                self.request(subject, &mut self.limits.image_pixels.clone())
            }
            _ => self.picture(content_type, body),
        }
    }

    /// A list: JSON of `{"image": …}` objects, base64 strings or feature objects, or `multipart/form-data` with a file for each.
    ///
    /// Fails as a whole only where the list cannot be read; each element has its own error, and all pictures share the pixels of one.
    pub fn list(&self, content_type: Option<&str>, body: &Bytes) -> Result<Vec<Result<InferRequest, DecodeError>>, DecodeError> {
        let subjects = match Content::of(content_type, body)? {
            Content::Json => json::list(body, self)?,
            Content::Multipart { boundary } => {
                let pictures = multipart::pictures(body, &boundary, self.limits)?;
                pictures.into_iter().map(|picture| Ok(Subject::picture(picture))).collect()
            }
            Content::Raw | Content::Base64 => {
                return Err(DecodeError::unsupported("a list is a JSON list, or multipart/form-data with a file for each element"));
            }
        };
        let mut pixels = self.limits.image_pixels;
        let place = |index: usize| move |e: DecodeError| e.at(index);
        Ok(subjects
            .into_iter()
            .enumerate()
            .map(|(index, subject)| self.request(subject.map_err(place(index))?, &mut pixels).map_err(place(index)))
            .collect())
    }

    fn request(&self, subject: Subject, pixels: &mut u64) -> Result<InferRequest, DecodeError> {
        let inputs = match subject {
            Subject::Features(inputs) => inputs,
            Subject::Picture { bytes, member } => {
                let Some(input) = &self.meaning.image else {
                    return Err(DecodeError::unsupported(
                        "this model takes no pictures: its manifest does not say how one becomes its input",
                    ));
                };
                let tensor = image::decode(&bytes, input, self.dtype(&input.input), pixels)
                    .map_err(|e| member.into_iter().fold(e, DecodeError::under))?;
                vec![Input { tensor, parameters: Vec::new() }]
            }
        };
        Ok(InferRequest { model: self.model.to_owned(), version: None, id: None, parameters: Vec::new(), inputs, outputs: Vec::new() })
    }

    /// Datatype of an input; FP32 where the model's server does not tell.
    fn dtype(&self, input: &str) -> Dtype {
        self.spec(input).map_or(Dtype::Fp32, |spec| spec.dtype)
    }

    fn spec(&self, input: &str) -> Option<&TensorSpec> {
        self.metadata.inputs.iter().find(|spec| spec.name == input)
    }
}
