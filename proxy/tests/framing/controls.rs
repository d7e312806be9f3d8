//! What Forebay is compared with: HAProxy, nginx and Envoy, and a tunnel that checks nothing.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::frames;
use super::support::until_true;

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

/// A proxy of others; ended on drop.
#[derive(Debug)]
pub(crate) struct Control {
    pub(crate) name: &'static str,
    pub(crate) http1: String,
    pub(crate) http2: String,
    child: Child,
    _folder: TempDir,
}

impl Drop for Control {
    fn drop(&mut self) {
        // nginx ends its workers only when it is asked to end; Envoy's starter passes the signal on.
        let asked = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        if asked.is_ok_and(|status| status.success()) {
            self.child.wait().ok();
        }
    }
}

pub(crate) type Start = fn(SocketAddr) -> Control;

pub(crate) fn all() -> impl Iterator<Item = Start> {
    [haproxy as Start, nginx, envoy].into_iter()
}

fn cache(path: &str) -> PathBuf {
    let found = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.cache").join(path);
    assert!(found.exists(), "{} is missing; install it: make setup-tests", found.display());
    found.canonicalize().unwrap()
}

/// Starts `program` with a configuration in which `@server@` and `@folder@` are filled in. It listens on `http1.sock` and `http2.sock`.
fn start(name: &'static str, server: SocketAddr, template: &str, command: impl Fn(&Path) -> Command) -> Control {
    let folder = tempfile::tempdir().unwrap();
    let text = template.replace("@server@", &server.to_string()).replace("@port@", &server.port().to_string());
    std::fs::write(folder.path().join("config"), text.replace("@folder@", &folder.path().display().to_string())).unwrap();
    let log = std::fs::File::create(folder.path().join("log")).unwrap();
    let child = command(folder.path()).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
    let socket = |name: &str| format!("unix:{}", folder.path().join(name).display());
    let mut control = Control { name, http1: socket("http1.sock"), http2: socket("http2.sock"), child, _folder: folder };
    until_true(&format!("{name} listens"), || {
        let ended = control.child.try_wait().unwrap();
        assert!(ended.is_none(), "{name} ended: {}", std::fs::read_to_string(control._folder.path().join("log")).unwrap());
        [&control.http1, &control.http2].into_iter().all(|socket| frames::dial(socket, Duration::from_secs(1)).is_ok())
    });
    control
}

fn haproxy(server: SocketAddr) -> Control {
    let (binary, libraries) = (cache("haproxy/usr/sbin/haproxy"), cache("haproxy/usr/lib/x86_64-linux-gnu"));
    start("HAProxy", server, include_str!("haproxy.cfg"), |folder| {
        let mut command = Command::new(&binary);
        command.env("LD_LIBRARY_PATH", &libraries).arg("-db").arg("-f").arg(folder.join("config"));
        command
    })
}

fn nginx(server: SocketAddr) -> Control {
    let binary = cache("nginx/usr/sbin/nginx");
    start("nginx", server, include_str!("nginx.conf"), |folder| {
        let mut command = Command::new(&binary);
        command.arg("-p").arg(folder).arg("-c").arg(folder.join("config")).args(["-e", "stderr"]);
        command
    })
}

fn envoy(server: SocketAddr) -> Control {
    let binary = cache("venv/bin/envoy");
    start("Envoy", server, include_str!("envoy.yaml"), |folder| {
        let mut command = Command::new(&binary);
        command.args(["--config-yaml", &std::fs::read_to_string(folder.join("config")).unwrap()]);
        command.args(["--concurrency", "1", "--disable-hot-restart", "--log-level", "error"]);
        command
    })
}
