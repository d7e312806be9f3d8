//! Forms of addresses: where Forebay listens, and which server it asks.

use std::path::PathBuf;

use serde_json::{Value as Json, json};

use crate::listen::Address;
use crate::models::Upstream;
use crate::tree::Mistake;
use crate::tree::form::Scalar;

const UNIX: &str = "unix:";

/// `127.0.0.1:8080`, `[::1]:8080` or `unix:/path`.
pub(crate) struct AddressForm;

impl Scalar for AddressForm {
    type Value = Address;

    fn parse(&self, text: &str) -> Result<Address, Mistake> {
        if let Some(path) = text.strip_prefix(UNIX) {
            return socket_path(path).map(Address::Unix);
        }
        let hint = "write an IP address and a port, or the path of a socket: 127.0.0.1:8080, [::]:8080, unix:/run/forebay/api.sock";
        text.parse().map(Address::Tcp).map_err(|_| Mistake::new("is not an address to listen on", hint))
    }

    fn show(&self, value: &Address) -> Json {
        match value {
            Address::Tcp(address) => json!(address.to_string()),
            Address::Unix(path) => json!(format!("{UNIX}{}", path.display())),
        }
    }

    fn describe(&self) -> Json {
        json!({ "type": "string", "pattern": "^(unix:/.+|.+:[0-9]+)$" })
    }
}

/// `http://host:port` or `unix:/path`.
pub(crate) struct UpstreamForm;

const UPSTREAM_HINT: &str =
    "write the scheme, the host and the port, or the path of a socket: http://127.0.0.1:9000, unix:/run/model/api.sock";

impl Scalar for UpstreamForm {
    type Value = Upstream;

    fn parse(&self, text: &str) -> Result<Upstream, Mistake> {
        if let Some(path) = text.strip_prefix(UNIX) {
            return socket_path(path).map(Upstream::Unix);
        }
        if text.starts_with("https://") {
            return Err(Mistake::new(
                "asks for TLS, which is not spoken to servers yet",
                "write http://host:port of the same machine or pod",
            ));
        }
        let Some(authority) = text.strip_prefix("http://") else { return Err(Mistake::new("is not a server", UPSTREAM_HINT)) };
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        if authority.contains(['/', '?', '#', '@']) {
            return Err(Mistake::new(
                "is more than a server",
                "write http://host:port alone; paths come from the requests, credentials too",
            ));
        }
        host_and_port(authority)
            .map(|(host, port)| Upstream::Http { host, port })
            .ok_or_else(|| Mistake::new("is not a server", UPSTREAM_HINT))
    }

    fn show(&self, value: &Upstream) -> Json {
        match value {
            Upstream::Http { host, port } if host.contains(':') => json!(format!("http://[{host}]:{port}")),
            Upstream::Http { host, port } => json!(format!("http://{host}:{port}")),
            Upstream::Unix(path) => json!(format!("{UNIX}{}", path.display())),
        }
    }

    fn describe(&self) -> Json {
        json!({ "type": "string", "pattern": "^(unix:/.+|http://[^/?#@]+/?)$" })
    }
}

/// The port is 80 where none is written (RFC 9110, section 4.2.1).
fn host_and_port(authority: &str) -> Option<(String, u16)> {
    if let Some(bracketed) = authority.strip_prefix('[') {
        let (host, rest) = bracketed.split_once(']')?;
        host.parse::<std::net::Ipv6Addr>().ok()?;
        return Some((host.to_owned(), port(rest.strip_prefix(':').or_else(|| rest.is_empty().then_some("80"))?)?));
    }
    let (host, port_text) = authority.split_once(':').unwrap_or((authority, "80"));
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    (!host.is_empty() && host.len() <= 253 && host.chars().all(plain)).then_some(())?;
    Some((host.to_ascii_lowercase(), port(port_text)?))
}

fn port(text: &str) -> Option<u16> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten().filter(|port| *port != 0)
}

/// Absolute: a relative one would move with the working directory. The kernel takes 107 bytes (`sun_path` of unix(7), less its NUL).
fn socket_path(path: &str) -> Result<PathBuf, Mistake> {
    const LONGEST: usize = 107;
    if !path.starts_with('/') || path.contains('\0') {
        return Err(Mistake::new("is not the path of a socket", "write an absolute path: unix:/run/forebay/api.sock"));
    }
    if path.len() > LONGEST {
        return Err(Mistake::new(
            "is too long for the path of a socket",
            format!("the system takes {LONGEST} bytes; choose a shorter folder"),
        ));
    }
    Ok(PathBuf::from(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_written_as_it_is_shown() {
        let table = [
            ("http://127.0.0.1:9000", "http://127.0.0.1:9000"),
            ("http://Model.default.svc:9000/", "http://model.default.svc:9000"),
            ("http://model", "http://model:80"),
            ("http://[::1]:9000", "http://[::1]:9000"),
            ("http://[::1]", "http://[::1]:80"),
            ("unix:/run/model.sock", "unix:/run/model.sock"),
        ];
        for (text, shown) in table {
            let read = UpstreamForm.parse(text).unwrap();
            assert_eq!(UpstreamForm.show(&read), json!(shown), "{text}");
        }
    }

    #[test]
    fn what_is_no_server_is_refused() {
        let bad =
            ["", "127.0.0.1:9000", "http://", "http://:80", "http://a:0", "http://a:65536", "http://a:+80", "http://a b:80", "http://[::1"];
        for text in bad {
            assert_eq!(UpstreamForm.parse(text), Err(Mistake::new("is not a server", UPSTREAM_HINT)), "{text}");
        }
        for text in ["http://a:80/v2", "http://user:word@a:80", "http://a:80?x", "http://a//"] {
            assert_eq!(UpstreamForm.parse(text).unwrap_err().is, "is more than a server", "{text}");
        }
    }

    #[test]
    fn a_socket_has_an_absolute_path_that_the_kernel_takes() {
        assert_eq!(AddressForm.parse("unix:/run/a.sock"), Ok(Address::Unix("/run/a.sock".into())));
        assert_eq!(AddressForm.parse("unix:a.sock").unwrap_err().is, "is not the path of a socket");
        assert_eq!(AddressForm.parse(&format!("unix:/{}", "a".repeat(107))).unwrap_err().is, "is too long for the path of a socket");
    }
}
