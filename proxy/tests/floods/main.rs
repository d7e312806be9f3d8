//! Abuse: connections that are slow, idle or many, and floods of HTTP/2 frames. Each is bounded by its limit in the configuration.
//!
//! During each attack the memory of the process is measured and a good client goes on asking; afterwards nothing is in flight. The same
//! attacks run on HAProxy and Envoy for comparison.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests fail loudly, and these tell figures"
)]

mod attacks;
mod compare;
#[path = "../frames/mod.rs"]
mod frames;
mod http1;
mod http2;
mod meanwhile;
#[path = "../peers/mod.rs"]
mod peers;
#[path = "../support/mod.rs"]
mod support;
mod table;
mod target;

use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use meanwhile::meanwhile;
use support::{Forebay, Reply, Server, oip_backend, until_true};
use target::Target;

/// What one attack may cost in memory at its height, most of it by the allocator of a build without optimisation.
const GROWTH: u64 = 64 << 20;
/// The longest wait of the good client, on a machine that runs other tests too.
const SLOWEST: Duration = Duration::from_secs(3);
/// What the good client's 99th percentile may be during an attack, by what it was before. A worker thread that an attack holds shows here. What
/// does not is a machine with other tests on its two cores, and the scripted server's own time for fifty large answers: tens of
/// milliseconds each, seldom 150.
fn untouched(before: Duration) -> Duration {
    10 * before + Duration::from_millis(250)
}

/// A read of an attacker that takes longer is a hang.
const PATIENCE: Duration = Duration::from_secs(20);

/// Limits small enough that an attack ends within seconds.
const LIMITS: &str = "head: 16KiB, head_time: 1s, body: 1MiB, body_idle: 1s, body_time: 2s, write_idle: 1s, keep_alive: 3s, \
     connections: 5000, connections_per_address: 4500";

/// Bytes of the large answer, more than any buffer on the way.
const LARGE: usize = 16 << 20;

/// A server with a small answer, and one of `large` bytes.
fn server(large: usize) -> Server {
    Server::start(move |received| {
        let size = if received.target == "/large" { large } else { 5 };
        Reply::Answer(200, Vec::new(), vec![b'x'; size])
    })
}

/// Attacks on Forebay alone run beside each other; the comparison, in which an attacker waits for half a second at most, runs by itself.
static MACHINE: RwLock<()> = RwLock::new(());

/// Runs `attack` on a Forebay with [`LIMITS`], a model and a server behind it, and asserts what must hold meanwhile and after.
fn under(name: &str, attack: impl FnOnce(&Forebay, &Target)) {
    // Another test's failure is not this one's.
    let _beside_others = MACHINE.read().unwrap_or_else(PoisonError::into_inner);
    let server = server(LARGE);
    let backend = oip_backend();
    let forebay = Forebay::start(&format!(
        "listen: {{ limits: {{ {LIMITS} }} }}\ntelemetry: {{ requests: {{ sample: 0 }} }}\nupstream: http://{}\n{}",
        server.address,
        backend.config("")
    ))
    .when_ready();
    let target = Target::forebay(&forebay, PATIENCE);
    let seen = meanwhile(&target, &["/v2/models/echo", "/small"], || attack(&forebay, &target));
    let (calm, p99) = (seen.calm.quantile(0.99), seen.waits.quantile(0.99));
    println!(
        "{name}: {} KiB at most, {} answers meanwhile, p99 {p99:.1?} ({calm:.1?} before), the slowest after {:.1?}",
        seen.grown >> 10,
        seen.waits.count(),
        seen.waits.slowest()
    );
    assert!(seen.failed.is_empty(), "{name}: {:?}", seen.failed);
    assert!(seen.waits.count() > 0 && seen.waits.slowest() < SLOWEST, "{name}: {seen:?}");
    assert!(p99 <= untouched(calm), "{name}: the good client's p99 was {p99:?}, and {calm:?} before");
    assert!(seen.grown <= GROWTH, "{name}: memory grew by {} bytes", seen.grown);
    until_true(&format!("nothing in flight after {name}"), || forebay.metric("forebay_requests_in_flight", &[]) == 0.0);
}

/// Waits until `count` requests of an attacker are served, and then until none is.
fn come_and_go(forebay: &Forebay, count: f64) {
    let in_flight = || forebay.metric("forebay_requests_in_flight", &[]);
    until_true("the attack is under way", || in_flight() >= count);
    // The good client has one.
    until_true("nobody waits for the attackers", || in_flight() <= 1.0);
}
