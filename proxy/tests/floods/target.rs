//! What is attacked: any proxy, known by where it listens and by its process.

use std::time::Duration;

use super::peers::Peer;
use super::support::{Forebay, Memory};

/// One proxy under attack.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) name: &'static str,
    /// Where HTTP/1.1 is spoken, as `host:port` or `unix:/path`.
    pub(crate) http1: String,
    /// Where HTTP/2 is spoken with prior knowledge.
    pub(crate) http2: String,
    pub(crate) memory: Memory,
    /// How long an attacker waits for one read or write.
    pub(crate) patience: Duration,
}

impl Target {
    /// Forebay speaks both on one address.
    pub(crate) fn forebay(forebay: &Forebay, patience: Duration) -> Self {
        Target { name: "Forebay", http1: forebay.api.clone(), http2: forebay.api.clone(), memory: Memory::of(forebay.pid()), patience }
    }

    pub(crate) fn peer(peer: &Peer, patience: Duration) -> Self {
        Target { name: peer.name, http1: peer.http1.clone(), http2: peer.http2.clone(), memory: Memory::of(peer.pid()), patience }
    }
}
