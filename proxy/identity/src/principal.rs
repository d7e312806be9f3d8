//! Who is charged for a request.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

/// Who is charged.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Principal {
    /// The name that the configuration gives to an API key.
    Key(Arc<str>),
    /// An IPv4 address, or an IPv6 prefix with the rest zero.
    Address(IpAddr),
    /// A peer on a unix socket: whoever may open the socket.
    Local,
    /// No configured source knew the caller.
    Anonymous,
}

impl Principal {
    /// The source that told, as a metric label.
    pub fn kind(&self) -> &'static str {
        match self {
            Principal::Key(_) => "key",
            Principal::Address(_) => "address",
            Principal::Local => "local",
            Principal::Anonymous => "anonymous",
        }
    }
}

/// An address is charged as a whole subscriber: IPv6 by its prefix, IPv4-mapped as IPv4.
pub(crate) fn subscriber(address: IpAddr, ipv6_prefix: u8) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let keep = u32::from(ipv6_prefix.min(128));
            let mask = u128::MAX.checked_shl(128 - keep).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask))
        }
        v4 => v4,
    }
}

/// Names principals in logs without telling who they are: the same principal has the same name while the process lives.
///
/// A keyed hash (SipHash) whose key nobody knows: without it, an address could be found by trying all of them.
#[derive(Clone, Debug, Default)]
pub struct Pseudonyms {
    key: RandomState,
}

impl Pseudonyms {
    /// With a random key of its own.
    pub fn new() -> Self {
        Self::default()
    }

    /// 48 bits, as 12 hex digits.
    pub fn of(&self, principal: &Principal) -> Pseudonym {
        let [short @ .., _, _] = self.key.hash_one(principal).to_le_bytes();
        Pseudonym(short)
    }
}

/// A principal's name in logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pseudonym([u8; 6]);

impl Pseudonym {
    /// 12 lower-case hex digits.
    pub fn hex(self) -> [u8; 12] {
        let mut digits = [0; 12];
        let nibbles = self.0.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        digits.iter_mut().zip(nibbles).for_each(|(digit, nibble)| *digit = if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 });
        digits
    }
}

impl fmt::Display for Pseudonym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.hex()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_subscriber_is_one_principal_and_ipv4_is_exact() {
        let cases = [
            ("2001:db8:1:2:3:4:5:6", 64, "2001:db8:1:2::"),
            ("2001:db8:1:2:3:4:5:6", 128, "2001:db8:1:2:3:4:5:6"),
            ("2001:db8:1:2:3:4:5:6", 1, "::"),
            ("192.0.2.7", 64, "192.0.2.7"),
            ("::ffff:192.0.2.7", 64, "192.0.2.7"),
        ];
        for (address, prefix, expected) in cases {
            assert_eq!(subscriber(address.parse().unwrap(), prefix), expected.parse::<IpAddr>().unwrap(), "{address}/{prefix}");
        }
    }

    #[test]
    fn a_pseudonym_is_stable_in_a_process_and_means_nothing_in_another() {
        let (here, there) = (Pseudonyms::new(), Pseudonyms::new());
        let alice = Principal::Key("alice".into());
        assert_eq!(here.of(&alice), here.of(&alice.clone()));
        assert_ne!(here.of(&alice), there.of(&alice));
        assert_ne!(here.of(&alice), here.of(&Principal::Key("bob".into())));
        assert_eq!(here.of(&alice).to_string().len(), 12);
    }
}
