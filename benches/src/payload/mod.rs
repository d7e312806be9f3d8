//! What is sent, and how an answer is known to be the right one.

mod get;
mod images;
mod tensors;

use crate::http::Message;
use crate::target::Target;

pub use get::Get;
pub use images::{ImageForm, Images};

pub use tensors::{TensorForm, Tensors};

/// Whether an answer belongs to its request. Only asked of answers with status 200.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Right,
    /// It does not, for this reason.
    Wrong(String),
}

/// Writes requests and judges their answers.
pub trait Payload {
    /// Appends request `number` for `target` to `out`, head and body.
    fn write(&mut self, target: usize, number: u64, out: &mut Vec<u8>);

    /// Judges the answer to request `number`.
    fn judge(&self, number: u64, answer: &Message<'_>) -> Verdict;
}

/// The parts of a request's head that do not change.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    pub method: &'a str,
    /// Path used where the target names none.
    pub path: &'a str,
    pub content_type: &'a str,
    pub json_length: Option<usize>,
    /// More fields, each as `name: value`.
    pub fields: &'a [String],
}

impl Head<'_> {
    /// The head before a body of `length` bytes, as bytes.
    pub fn write(&self, target: &Target, length: usize) -> Vec<u8> {
        let Head { method, content_type, .. } = self;
        let path = target.path.as_deref().unwrap_or(self.path);
        let host = &target.host;
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\nuser-agent: forebay-load\r\n");
        if length > 0 {
            head += &format!("content-type: {content_type}\r\n");
        }
        // RFC 9110, section 8.6: a method that means to send a body says its length even when it is none.
        if length > 0 || *method == "POST" {
            head += &format!("content-length: {length}\r\n");
        }
        if let Some(json) = self.json_length {
            head += &format!("inference-header-content-length: {json}\r\n");
        }
        for field in self.fields {
            head += field;
            head += "\r\n";
        }
        head += "\r\n";
        head.into_bytes()
    }
}
