//! Plain requests without a body: for measuring a pass-through.

use super::{Head, Payload, Verdict};
use crate::http::Message;
use crate::target::Target;

/// GETs the same path again and again. Every whole answer with status 200 is right.
#[derive(Debug)]
pub struct Get {
    requests: Vec<Vec<u8>>,
}

impl Get {
    pub fn new(targets: &[Target], fields: &[String]) -> Self {
        let head = Head { method: "GET", path: "/", content_type: "", json_length: None, fields };
        Get { requests: targets.iter().map(|target| head.write(target, 0)).collect() }
    }
}

impl Payload for Get {
    fn write(&mut self, target: usize, _: u64, out: &mut Vec<u8>) {
        out.extend_from_slice(self.requests.get(target).map_or(&[], Vec::as_slice));
    }

    fn judge(&self, _: u64, _: &Message<'_>) -> Verdict {
        Verdict::Right
    }
}
