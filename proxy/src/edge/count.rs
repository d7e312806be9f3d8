//! Open connections, in all and per address; the caps of both.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use parking_lot::Mutex;

/// Counts open connections.
#[derive(Clone, Debug, Default)]
pub(crate) struct Connections(Arc<Mutex<Counts>>);

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// One counted connection; gives its place back on drop.
#[derive(Debug)]
pub(crate) struct Place {
    counts: Connections,
    address: Option<IpAddr>,
}

/// Which cap was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoPlace {
    All,
    Address,
}

impl NoPlace {
    /// As a metric label.
    pub(crate) fn label(self) -> &'static str {
        match self {
            NoPlace::All => "connections",
            NoPlace::Address => "connections_per_address",
        }
    }
}

impl Connections {
    /// Takes a place for a connection from `peer`, if both caps allow it.
    pub(crate) fn take(&self, peer: Option<IpAddr>, all: usize, per_address: usize) -> Result<Place, NoPlace> {
        let address = peer.map(subscriber);
        let mut counts = self.0.lock();
        if counts.all >= all {
            return Err(NoPlace::All);
        }
        if let Some(address) = address {
            let open = counts.by_address.entry(address).or_default();
            if *open >= per_address {
                return Err(NoPlace::Address);
            }
            *open += 1;
        }
        counts.all += 1;
        Ok(Place { counts: self.clone(), address })
    }

    pub(crate) fn open(&self) -> usize {
        self.0.lock().all
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.counts.0.lock();
        counts.all = counts.all.saturating_sub(1);
        if let Some(address) = self.address
            && let Some(open) = counts.by_address.get_mut(&address)
        {
            *open -= 1;
            if *open == 0 {
                counts.by_address.remove(&address);
            }
        }
    }
}

/// One subscriber has a whole IPv6 /64.
fn subscriber(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64))),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn both_caps_hold_and_a_place_is_given_back() {
        let connections = Connections::default();
        let first = connections.take(peer("192.0.2.1"), 3, 1).unwrap();
        assert_eq!(connections.take(peer("192.0.2.1"), 3, 1).unwrap_err(), NoPlace::Address);
        let _second = connections.take(peer("192.0.2.2"), 3, 1).unwrap();
        let _local = connections.take(None, 3, 1).unwrap();
        assert_eq!(connections.take(peer("192.0.2.3"), 3, 1).unwrap_err(), NoPlace::All);
        drop(first);
        assert!(connections.take(peer("192.0.2.1"), 3, 1).is_ok());
        assert_eq!(connections.open(), 2);
    }

    #[test]
    fn one_ipv6_subscriber_is_one_address() {
        let connections = Connections::default();
        let _first = connections.take(peer("2001:db8::1"), 9, 1).unwrap();
        assert_eq!(connections.take(peer("2001:db8::ffff:2"), 9, 1).unwrap_err(), NoPlace::Address);
        assert!(connections.take(peer("2001:db8:0:1::1"), 9, 1).is_ok());
    }

    #[test]
    fn nothing_is_remembered_of_who_left() {
        let connections = Connections::default();
        drop(connections.take(peer("192.0.2.1"), 9, 9).unwrap());
        assert!(connections.0.lock().by_address.is_empty());
    }
}
