//! What the bytes of a connection belong to, shared by its socket, which sees bytes, and its request, which knows what they mean.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::rejection::Rejection;

/// Whether the bytes belong to a head or to a request that is under way, counted: even for a head, odd for its request. Only the connection's
/// own task writes.
#[derive(Debug, Default)]
pub(crate) struct Phase {
    number: AtomicUsize,
    /// What was read last was a head to its end and nothing behind it, for certain.
    at_seam: AtomicBool,
    chunked: AtomicBool,
    /// What is written leaves at once, instead of with what is written next.
    at_once: AtomicBool,
}

impl Phase {
    /// The head is read; the request's own limits hold now.
    pub(crate) fn request(&self) {
        self.number.fetch_or(1, Ordering::Relaxed);
    }

    /// The request's body comes in chunks, which are to be checked. None of them may have been read unchecked with the head.
    pub(crate) fn chunks(&self) -> Result<(), Rejection> {
        if !self.at_seam.load(Ordering::Relaxed) {
            return Err(Rejection::BadHead { detail: "the body cannot be told from the head" });
        }
        self.chunked.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Whether what is written from now on leaves at once, because nobody knows when more of it comes.
    pub(crate) fn write_at_once(&self, at_once: bool) {
        self.at_once.store(at_once, Ordering::Relaxed);
    }

    pub(super) fn writes_at_once(&self) -> bool {
        self.at_once.load(Ordering::Relaxed)
    }

    /// The next bytes are another head.
    pub(crate) fn head(&self) {
        self.number.store(self.number().next_multiple_of(2), Ordering::Relaxed);
        self.at_seam.store(false, Ordering::Relaxed);
        self.chunked.store(false, Ordering::Relaxed);
        self.at_once.store(false, Ordering::Relaxed);
    }

    pub(super) fn head_read(&self, at_seam: bool) {
        self.at_seam.store(at_seam, Ordering::Relaxed);
    }

    pub(super) fn in_request(&self) -> bool {
        self.number() % 2 == 1
    }

    pub(super) fn has_chunks(&self) -> bool {
        self.chunked.load(Ordering::Relaxed)
    }

    pub(super) fn number(&self) -> usize {
        self.number.load(Ordering::Relaxed)
    }
}
