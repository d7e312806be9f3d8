//! The proxies of others that Forebay is compared with, each as a child process with the configuration that a comparison hands it.
//!
//! A configuration is a template in which `@server@`, `@port@` (of the server) and `@folder@` are filled in. The proxy has to listen on
//! `@folder@/http1.sock` and `@folder@/http2.sock`: nobody has to choose a port in advance.

// Each test file is a crate of its own and uses its part of this.
#![allow(dead_code, reason = "no test file uses all of it")]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::frames;
use super::support::until_true;

/// A running proxy of others; ended on drop.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    pub(crate) http1: String,
    pub(crate) http2: String,
    child: Child,
    folder: TempDir,
}

impl Peer {
    /// Starts `program` and waits until it listens.
    fn start(name: &'static str, template: &str, server: SocketAddr, command: impl FnOnce(&Path) -> Command) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = template.replace("@server@", &server.to_string()).replace("@port@", &server.port().to_string());
        std::fs::write(folder.path().join("config"), text.replace("@folder@", &folder.path().display().to_string())).unwrap();
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let child = command(folder.path()).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let socket = |name: &str| format!("unix:{}", folder.path().join(name).display());
        let mut peer = Peer { name, http1: socket("http1.sock"), http2: socket("http2.sock"), child, folder };
        until_true(&format!("{name} listens"), || peer.listens());
        peer
    }

    fn listens(&mut self) -> bool {
        let ended = self.child.try_wait().unwrap();
        assert!(ended.is_none(), "{} ended: {}", self.name, std::fs::read_to_string(self.folder.path().join("log")).unwrap());
        [&self.http1, &self.http2].into_iter().all(|socket| frames::dial(socket, Duration::from_secs(1)).is_ok())
    }

    /// The process that serves: HAProxy runs in the foreground as one, and Envoy's starter becomes Envoy. nginx has a worker besides.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // nginx ends its workers only when it is asked to end.
        let asked = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        if asked.is_ok_and(|status| status.success()) {
            self.child.wait().ok();
        }
    }
}

fn cache(path: &str) -> PathBuf {
    let found = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.cache").join(path);
    assert!(found.exists(), "{} is missing; install it: make setup-tests", found.display());
    found.canonicalize().unwrap()
}

pub(crate) fn haproxy(template: &str, server: SocketAddr) -> Peer {
    let (binary, libraries) = (cache("haproxy/usr/sbin/haproxy"), cache("haproxy/usr/lib/x86_64-linux-gnu"));
    Peer::start("HAProxy", template, server, |folder| {
        let mut command = Command::new(binary);
        command.env("LD_LIBRARY_PATH", libraries).arg("-db").arg("-f").arg(folder.join("config"));
        command
    })
}

pub(crate) fn nginx(template: &str, server: SocketAddr) -> Peer {
    let binary = cache("nginx/usr/sbin/nginx");
    Peer::start("nginx", template, server, |folder| {
        let mut command = Command::new(binary);
        command.arg("-p").arg(folder).arg("-c").arg(folder.join("config")).args(["-e", "stderr"]);
        command
    })
}

/// With one worker thread.
pub(crate) fn envoy(template: &str, server: SocketAddr) -> Peer {
    let binary = cache("venv/bin/envoy");
    Peer::start("Envoy", template, server, |folder| {
        let mut command = Command::new(binary);
        command.args(["--config-yaml", &std::fs::read_to_string(folder.join("config")).unwrap()]);
        command.args(["--concurrency", "1", "--disable-hot-restart", "--log-level", "error"]);
        command
    })
}
