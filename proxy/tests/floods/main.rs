//! Abuse: connections that are slow, idle or many, and floods of HTTP/2 frames. Each is bounded by its limit in the configuration.
//!
//! During each attack the memory of the process is sampled and a good client goes on asking; afterwards nothing is in flight.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests fail loudly, and these tell figures"
)]

#[path = "../frames/mod.rs"]
mod frames;
mod http1;
mod http2;
#[path = "../support/mod.rs"]
mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use support::{Connection, Forebay, MODEL, Reply, Server, oip_backend, request, until_true};

/// What one attack may cost in memory at its height, most of it by the allocator of a build without optimisation.
const GROWTH: u64 = 64 << 20;
/// The longest wait of the good client, on a machine that runs other tests too.
const SLOWEST: Duration = Duration::from_secs(3);
/// A read of an attacker that takes longer is a hang.
const PATIENCE: Duration = Duration::from_secs(20);

/// Limits small enough that an attack ends within seconds.
const LIMITS: &str = "head: 16KiB, head_time: 1s, body: 1MiB, body_idle: 1s, body_time: 2s, write_idle: 1s, keep_alive: 3s, \
     connections: 5000, connections_per_address: 4500";

/// Bytes of the large answer, more than any buffer on the way.
const LARGE: usize = 16 << 20;

/// What happened beside the attack.
#[derive(Debug, Default)]
struct Meanwhile {
    peak: u64,
    served: usize,
    failed: Vec<String>,
    slowest: Duration,
}

/// Runs `attack` on the address of a Forebay with [`LIMITS`], a model and a server behind it, and asserts what must hold meanwhile and after.
fn under(name: &str, attack: impl FnOnce(&Forebay)) {
    let server = Server::start(|received| {
        let size = if received.target == "/large" { LARGE } else { 5 };
        Reply::Answer(200, Vec::new(), vec![b'x'; size])
    });
    let backend = oip_backend();
    let forebay = Forebay::start(&format!(
        "listen: {{ limits: {{ {LIMITS} }} }}\ntelemetry: {{ requests: {{ sample: 0 }} }}\nupstream: http://{}\n{}",
        server.address,
        backend.config("")
    ))
    .when_ready();
    // What is filled once is not growth.
    for _ in 0..20 {
        assert_eq!(support::get(&forebay.api, "/v2/health/live").status, 200);
        assert_eq!(support::get(&forebay.api, "/small").status, 200);
    }
    let before = forebay.rss_bytes();
    let over = AtomicBool::new(false);
    let meanwhile = std::thread::scope(|scope| {
        let good = scope.spawn(|| good_client(&forebay, &over));
        {
            let _over = Over(&over);
            attack(&forebay);
        }
        good.join().unwrap()
    });
    let grown = meanwhile.peak.saturating_sub(before);
    println!("{name}: {} KiB at most, {} answers meanwhile, the slowest after {:?}", grown >> 10, meanwhile.served, meanwhile.slowest);
    assert!(meanwhile.failed.is_empty(), "{name}: {:?}", meanwhile.failed);
    assert!(meanwhile.served > 0 && meanwhile.slowest < SLOWEST, "{name}: {meanwhile:?}");
    assert!(grown <= GROWTH, "{name}: memory grew by {grown} bytes");
    until_true(&format!("nothing in flight after {name}"), || forebay.metric("forebay_requests_in_flight", &[]) == 0.0);
}

/// Says on drop that the attack is over, also when it failed.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Waits until `count` requests of an attacker are served, and then until none is.
fn come_and_go(forebay: &Forebay, count: f64) {
    let in_flight = || forebay.metric("forebay_requests_in_flight", &[]);
    until_true("the attack is under way", || in_flight() >= count);
    // The good client has one.
    until_true("nobody waits for the attackers", || in_flight() <= 1.0);
}

fn good_client(forebay: &Forebay, over: &AtomicBool) -> Meanwhile {
    let mut meanwhile = Meanwhile::default();
    let mut connection = Connection::open(&forebay.api);
    while !over.load(Ordering::SeqCst) {
        let asked = Instant::now();
        let path = if meanwhile.served % 2 == 0 { format!("/v2/models/{MODEL}") } else { "/small".to_owned() };
        let answered = connection.try_send(request("GET", &path, &[], b"")).and_then(|()| connection.try_answer());
        if !answered.as_ref().is_ok_and(|answer| answer.status == 200) {
            meanwhile.failed.push(format!("{path}: {answered:?}"));
            connection = Connection::open(&forebay.api);
        }
        meanwhile.served += 1;
        meanwhile.slowest = meanwhile.slowest.max(asked.elapsed());
        meanwhile.peak = meanwhile.peak.max(forebay.rss_bytes());
        std::thread::sleep(Duration::from_millis(2));
    }
    meanwhile
}
