//! What Forebay is compared with: HAProxy, nginx and Envoy, and a tunnel that checks nothing.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use super::peers::{self, Peer};

/// Passes bytes on in both directions until neither side has said anything for a moment.
pub(crate) fn tunnel(server: SocketAddr) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        while let Ok((client, _)) = listener.accept() {
            let server = TcpStream::connect(server).unwrap();
            let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || pass(from, to));
            std::thread::spawn(move || pass(server, client));
        }
    });
    address
}

fn pass(mut from: TcpStream, mut to: TcpStream) {
    const QUIET: Duration = Duration::from_millis(100);
    from.set_read_timeout(Some(QUIET)).unwrap();
    let mut piece = [0; 16 << 10];
    while let Ok(read @ 1..) = from.read(&mut piece) {
        if to.write_all(&piece[..read]).is_err() {
            break;
        }
    }
    to.shutdown(std::net::Shutdown::Both).ok();
}

pub(crate) type Start = fn(SocketAddr) -> Peer;

pub(crate) fn all() -> impl Iterator<Item = Start> {
    [haproxy as Start, nginx, envoy].into_iter()
}

fn haproxy(server: SocketAddr) -> Peer {
    peers::haproxy(include_str!("haproxy.cfg"), server)
}

fn nginx(server: SocketAddr) -> Peer {
    peers::nginx(include_str!("nginx.conf"), server)
}

fn envoy(server: SocketAddr) -> Peer {
    peers::envoy(include_str!("envoy.yaml"), server)
}
