//! The parts that are measured, and how they are put together.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail};
use tempfile::TempDir;

use super::process::Process;
use crate::accelerator::Stats;
use crate::args::BenchArguments;
use crate::client;
use crate::serve::LISTENING;
use crate::target::Target;

/// The key whose digest is in peers/forebay.yaml.
pub(super) const KEY_FIELD: &str = "x-api-key: fb_benchmarks-only-0000000000000000";
/// What Forebay prints before its addresses.
const API: &str = "  API  ";
const ADMIN: &str = "  admin  ";
/// How long Forebay still serves new connections after SIGTERM: its default, and what a smoke test has time for.
const READY_FALSE_FOR: Duration = Duration::from_secs(5);
const READY_FALSE_FOR_SMOKE: Duration = Duration::from_millis(1500);
const FOREBAY: &str = include_str!("../../peers/forebay.yaml");
const ENVOY: &str = include_str!("../../peers/envoy.yaml");
/// Where `make` puts the peers that come from PyPI.
const VENV: &str = ".cache/venv/bin";

/// Programs and a folder for what they write.
#[derive(Debug)]
pub(super) struct Rig {
    own: PathBuf,
    forebay: PathBuf,
    envoy: Option<PathBuf>,
    threads: usize,
    pub(super) ready_false_for: Duration,
    folder: TempDir,
}

/// A part that listens.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) process: Process,
    pub(super) target: Target,
}

/// Forebay, and what it was started with.
#[derive(Debug)]
pub(super) struct Forebay {
    pub(super) part: Part,
    pub(super) admin: Target,
    pub(super) text: String,
}

impl Rig {
    pub(super) fn new(arguments: &BenchArguments) -> anyhow::Result<Self> {
        let own = std::env::current_exe().context("cannot tell which program this is")?;
        let beside = own.with_file_name("forebay");
        let forebay = arguments.forebay.clone().unwrap_or(beside);
        if !forebay.is_file() {
            bail!("there is no {}: build it (cargo build --release -p forebay), or name it with --forebay", forebay.display());
        }
        let folder = tempfile::tempdir().context("cannot make a folder for what the parts write")?;
        let envoy = arguments.envoy.clone().or_else(find_envoy);
        let ready_false_for = if arguments.smoke { READY_FALSE_FOR_SMOKE } else { READY_FALSE_FOR };
        Ok(Rig { own, forebay, envoy, threads: arguments.threads, ready_false_for, folder })
    }

    pub(super) fn accelerator(&self) -> anyhow::Result<Part> {
        self.own_part("accelerator", &["--tell", "0"])
    }

    /// An upstream that answers 200 bytes to everything.
    pub(super) fn upstream(&self) -> anyhow::Result<Part> {
        self.own_part("static", &[])
    }

    fn own_part(&self, name: &'static str, arguments: &[&str]) -> anyhow::Result<Part> {
        let mut command = Command::new(&self.own);
        command.arg(name).args(arguments);
        let mut process = Process::start(name, command, self.folder.path())?;
        let target = target(process.address(LISTENING)?);
        Ok(Part { process, target })
    }

    /// Forebay in front of a model's backend and an upstream, ready.
    pub(super) fn forebay(&self, backend: &Target, upstream: &Target) -> anyhow::Result<Forebay> {
        let text = FOREBAY.replace("BACKEND", &backend.host).replace("UPSTREAM", &upstream.host);
        let text = text.replace("THREADS", &self.threads.to_string());
        let text = text.replace("READY_FALSE_FOR", &format!("{}ms", self.ready_false_for.as_millis()));
        let config = self.write("forebay.yaml", &text)?;
        let mut command = Command::new(&self.forebay);
        command.arg("run").arg("--config").arg(&config);
        let mut process = Process::start("forebay", command, self.folder.path())?;
        let (admin, target) = (target(process.address(ADMIN)?), target(process.address(API)?));
        process.answers(&target, "/v2/models/sim/ready")?;
        Ok(Forebay { part: Part { process, target }, admin, text })
    }

    /// Puts another configuration in the place of Forebay's, whole.
    pub(super) fn replace_config(&self, text: &str) -> anyhow::Result<()> {
        let new = self.write("forebay.yaml.new", text)?;
        Ok(std::fs::rename(new, self.folder.path().join("forebay.yaml"))?)
    }

    /// Envoy in front of an upstream, one worker, ready.
    pub(super) fn envoy(&self, upstream: &Target) -> anyhow::Result<Part> {
        let program = self.envoy.as_ref().context("there is no Envoy to compare with: make setup-tests, or name it with --envoy")?;
        let address = free_address()?;
        let ports = ENVOY.replace("UPSTREAM_PORT", &upstream.address.port().to_string()).replace("PORT", &address.port().to_string());
        let path = self.write("envoy.yaml", &ports)?;
        let mut command = Command::new(program);
        command.args(["--concurrency", "1", "--disable-hot-restart", "--log-level", "warning", "--config-path"]).arg(path);
        let mut process = Process::start("envoy", command, self.folder.path())?;
        let target = target(address);
        process.answers(&target, "/")?;
        Ok(Part { process, target })
    }

    fn write(&self, name: &str, text: &str) -> anyhow::Result<PathBuf> {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }
}

/// What the accelerator did since it was started or reset.
pub(super) fn stats(accelerator: &Part) -> anyhow::Result<Stats> {
    let answered = client::get(&accelerator.target, "/stats")?;
    serde_json::from_slice(&answered.body).context("the accelerator's statistics do not read")
}

/// Begins the accelerator's statistics anew.
pub(super) fn reset(accelerator: &Part) -> anyhow::Result<()> {
    client::post(&accelerator.target, "/stats/reset")?;
    Ok(())
}

fn target(address: SocketAddr) -> Target {
    Target { address, host: address.to_string(), path: None }
}

/// Envoy cannot tell which free port it took, so one is taken and given back. Should another program take it first, Envoy says so and ends.
fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

fn find_envoy() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let here = std::env::current_dir().unwrap_or_default();
    let folders = here.ancestors().map(|folder| folder.join(VENV)).chain(std::env::split_paths(&path));
    folders.map(|folder| folder.join("envoy")).find(|program| program.is_file())
}
