//! The same attacks on Forebay, HAProxy and Envoy, one after another: a fresh process each, one worker thread, limits as alike as they go, in
//! front of the same server.
//!
//! Everything is passed through, so that all three do the same job. Each listens on unix sockets: their buffers are small, so that what is not
//! read or not taken shows in the process and not in the system.
//!
//! Forebay may grow by twice what the better of the two grows by.

use std::net::SocketAddr;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use super::attacks::{http1, http2};
use super::frames::{Wire, get};
use super::meanwhile::{Meanwhile, meanwhile};
use super::peers::{self, Peer};
use super::support::{Connection, Forebay};
use super::table::{Row, Table};
use super::target::Target;
use super::{LIMITS, MACHINE, server};

/// How long an attacker waits for one read or write: a flood that is not read any more is over.
const PATIENCE: Duration = Duration::from_millis(500);

/// How long an attack that only holds what it took goes on.
const HOLD: Duration = Duration::from_millis(500);

/// Bytes of the large answer: more than any of the three holds of one.
const LARGE: usize = 2 << 20;

/// An attack and how it ends, on whomever.
struct Attack {
    name: &'static str,
    run: Box<dyn Fn(&Target)>,
}

impl Attack {
    fn new<Left>(name: &'static str, run: impl Fn(&Target) -> Left + 'static, end: impl Fn(Left) + 'static) -> Self {
        Attack { name, run: Box::new(move |target| end(run(target))) }
    }
}

/// Keeps what an attack took for a while.
fn hold<Left>(left: Left) {
    std::thread::sleep(HOLD);
    drop(left);
}

/// Reads on each connection until it is closed; those that stay open are given up together.
fn until_closed(connections: Vec<Connection>) {
    let end = Instant::now() + HOLD;
    for mut connection in connections {
        connection.patience(end.saturating_duration_since(Instant::now()).max(Duration::from_millis(1)));
        connection.is_closed();
    }
}

/// Reads until the proxy closes or says nothing more.
fn until_quiet(mut wire: Wire) {
    while let Ok(Some(_)) = wire.frame() {}
}

fn attacks() -> Vec<Attack> {
    let mut all = vec![
        Attack::new("slow heads", |t| http1::slow_heads(t, 300), until_closed),
        Attack::new("slow heads after a request", |t| http1::slow_heads_on_used_connections(t, 100), until_closed),
        Attack::new("slow bodies", |t| http1::slow_bodies(t, 300, "/small", 10), hold),
        Attack::new("stopped bodies", |t| http1::stopped_bodies(t, 300), hold),
        Attack::new("stopped bodies in chunks", |t| http1::stopped_chunks(t, 300), hold),
        Attack::new("slow readers", |t| http1::slow_readers(t, 8), hold),
        Attack::new("idle connections", |t| http1::idle(t, 1_000), hold),
        Attack::new("idle connections after a request", |t| http1::used(t, 1_000), hold),
        Attack::new("idle HTTP/2 connections", |t| http2::idle(t, 500), hold),
        Attack::new("rapid resets", http2::rapid_resets, until_quiet),
        Attack::new("rapid resets of bodies", |t| http2::rapid_resets_of_bodies(t, "/small"), until_quiet),
        Attack::new("resets by provocation", http2::resets_by_provocation, until_quiet),
        Attack::new("CONTINUATION with fields", |t| http2::head_without_end(t, 1_000), until_quiet),
        Attack::new("CONTINUATION of nothing", |t| http2::head_without_end(t, 0), until_quiet),
    ];
    let lone = http2::lone_frames().into_iter();
    all.extend(lone.map(|(name, piece)| Attack::new(name, move |t| http2::again_and_again(t, &piece), until_quiet)));
    all.extend([
        Attack::new("header compression bombs", |t| http2::header_bombs(t, 20), |wires| wires.into_iter().for_each(until_quiet)),
        Attack::new("streams without end", |t| http2::streams_without_end(t, "/small"), until_quiet),
        Attack::new("streams that stop", http2::stopped_streams, hold),
        Attack::new("zero windows on large answers", |t| http2::zero_windows(t, "/large"), hold),
        Attack::new("empty DATA", |t| http2::small_pieces(t, "/small", b""), until_quiet),
        Attack::new("DATA of one byte", |t| http2::small_pieces(t, "/small", b" "), until_quiet),
    ]);
    all
}

fn on_forebay(attack: &Attack) -> Meanwhile {
    let server = server(LARGE);
    let yaml = format!(
        "listen: {{ threads: 1, limits: {{ {LIMITS} }} }}\ntelemetry: {{ requests: {{ sample: 0 }} }}\nupstream: http://{}\n",
        server.address
    );
    let starting = Forebay::with(&yaml);
    let socket = starting.folder().join("api.sock");
    let forebay = starting.set(&format!("listen.api=unix:{}", socket.display())).start();
    seen(&Target::forebay(&forebay, PATIENCE), attack)
}

fn on_peer(start: fn(&str, SocketAddr) -> Peer, template: &str, attack: &Attack) -> Meanwhile {
    let server = server(LARGE);
    let peer = start(template, server.address);
    seen(&Target::peer(&peer, PATIENCE), attack)
}

/// What `attack` does to a proxy that has served both protocols before.
fn seen(target: &Target, attack: &Attack) -> Meanwhile {
    // What is filled once is not growth.
    let mut wire = http2::open(target, &[]);
    for at in 0..20 {
        let answered = wire.exchange(2 * at + 1, &get("/small")).unwrap();
        assert_eq!(answered, Some(200), "{} before {}, request {at}", target.name, attack.name);
    }
    drop(wire);
    meanwhile(target, &["/small"], || (attack.run)(target))
}

fn on_all(attack: &Attack) -> Row {
    let forebay = on_forebay(attack);
    let haproxy = on_peer(peers::haproxy, include_str!("haproxy.cfg"), attack);
    let envoy = on_peer(peers::envoy, include_str!("envoy.yaml"), attack);
    Row { attack: attack.name, seen: [forebay, haproxy, envoy] }
}

#[test]
fn forebay_keeps_its_bounds_beside_haproxy_and_envoy() {
    let _alone = MACHINE.write().unwrap_or_else(PoisonError::into_inner);
    let mut table = Table::new(["Forebay", "HAProxy", "Envoy"]);
    for attack in attacks() {
        let row = on_all(&attack);
        // A peer that happened to have touched its pages before grows by half of what it usually does: what is missed is missed twice.
        table.push(if row.holds() { row } else { on_all(&attack) });
    }
    println!("{table}");
    let missed = table.missed();
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}
