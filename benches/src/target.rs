//! Where requests go.

use std::net::{SocketAddr, ToSocketAddrs};
use std::str::FromStr;

/// One `http://host[:port][/path]`, resolved once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub address: SocketAddr,
    /// As it is sent in `host`.
    pub host: String,
    /// Given only where the URL names more than a server.
    pub path: Option<String>,
}

/// The text is not the URL of a target.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    #[error("a target is http://host:port, with a path or without: `{0}` is not")]
    NotHttp(String),
    #[error("cannot resolve `{host}`")]
    Resolve { host: String, source: std::io::Error },
    #[error("`{0}` has no address")]
    NoAddress(String),
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(url: &str) -> Result<Self, TargetError> {
        let rest = url.strip_prefix("http://").ok_or_else(|| TargetError::NotHttp(url.into()))?;
        let (host, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let with_port = if host.rsplit(']').next().is_some_and(|h| h.contains(':')) { host.to_owned() } else { format!("{host}:80") };
        let mut addresses = with_port.to_socket_addrs().map_err(|source| TargetError::Resolve { host: host.into(), source })?;
        let address = addresses.next().ok_or_else(|| TargetError::NoAddress(host.into()))?;
        let path = (path.len() > 1).then(|| path.to_owned());
        Ok(Target { address, host: host.to_owned(), path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        let target: Target = "http://127.0.0.1:8080".parse().unwrap();
        assert_eq!((target.address.port(), target.host.as_str(), target.path), (8080, "127.0.0.1:8080", None));
        let target: Target = "http://127.0.0.1/v1/predict?x=1".parse().unwrap();
        assert_eq!((target.address.port(), target.path.as_deref()), (80, Some("/v1/predict?x=1")));
        let target: Target = "http://[::1]:90/".parse().unwrap();
        assert_eq!((target.address.port(), target.path), (90, None));
        assert!("https://x".parse::<Target>().is_err());
    }
}
