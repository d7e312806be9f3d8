//! `forebay-load static`: an upstream that answers everything with the same bytes, at almost no cost.

use std::time::Instant;

use crate::http::Message;
use crate::server::{Answer, Asker, Service};

/// Answers every request with one body.
#[derive(Debug)]
pub struct Fixed {
    answer: Answer,
}

impl Fixed {
    pub fn new(bytes: usize) -> Self {
        let body = b"Forebay ".iter().copied().cycle().take(bytes).collect();
        Fixed { answer: Answer { status: 200, content_type: "text/plain", json_length: None, body } }
    }
}

impl Service for Fixed {
    fn ask(&mut self, _: Asker, _: Message<'_>, _: Instant) -> Option<Answer> {
        Some(self.answer.clone())
    }
}
