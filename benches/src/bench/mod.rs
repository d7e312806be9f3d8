//! `forebay-load bench`: the points that Forebay promises, measured against the simulated accelerator and against Envoy.
//!
//! Every part is a process of its own on loopback, so that what it costs is read from the kernel. A point that is compared is measured in
//! turns (A B A B) in one run, so that a machine that gets slower meanwhile is slower for both.

mod change;
mod cost;
mod finding;
mod latency;
mod process;
mod rig;

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;

pub use finding::Finding;

use crate::args::{BenchArguments, Point};
use crate::run::Ended;
use rig::Rig;

/// How long and how often each point is measured.
#[derive(Clone, Debug)]
struct Effort {
    seconds: Duration,
    seeds: Vec<u64>,
    results: PathBuf,
    /// Whether only it is asked if everything works, at rates that an unoptimised build can take.
    smoke: bool,
}

/// Measures what was asked for; prints the table and writes the results.
pub fn run(arguments: &BenchArguments) -> anyhow::Result<Ended> {
    let effort = Effort::new(arguments);
    let rig = Rig::new(arguments)?;
    fs::create_dir_all(&effort.results).with_context(|| format!("cannot make {}", effort.results.display()))?;
    let mut findings = Vec::new();
    let wanted = |point| arguments.only.is_none_or(|only| only == point);
    if wanted(Point::Latency) {
        findings.extend(latency::busy(&rig, &effort)?);
        findings.push(latency::calm(&rig, &effort)?);
    }
    if wanted(Point::Sweep) {
        findings.push(latency::sweep(&rig, &effort)?);
    }
    if wanted(Point::Cost) {
        findings.push(cost::pass_through(&rig, &effort)?);
        findings.push(cost::coalesced(&rig, &effort)?);
    }
    if wanted(Point::Change) {
        findings.push(change::reloads(&rig, &effort)?);
        findings.push(change::drain(&rig, &effort)?);
    }
    std::io::stdout().write_all(finding::table(&findings, effort.smoke).as_bytes())?;
    fs::write(effort.results.join("findings.json"), serde_json::to_vec_pretty(&findings)?)?;
    Ok(ended(&findings, effort.smoke))
}

fn ended(findings: &[Finding], smoke: bool) -> Ended {
    let failed = |finding: &&Finding| finding.failed > 0 || (!smoke && !finding.met);
    match (findings.iter().any(|f| f.wrong > 0), findings.iter().find(failed)) {
        (true, _) => Ended::Wrong,
        (false, Some(_)) => Ended::SomeFailed,
        (false, None) => Ended::AllRight,
    }
}

impl Effort {
    fn new(arguments: &BenchArguments) -> Self {
        let smoke = arguments.smoke;
        let (seconds, seeds) = if smoke { (Duration::from_secs(1), 1) } else { (arguments.seconds, arguments.seeds) };
        Effort { seconds, seeds: (1..=seeds.max(1)).collect(), results: arguments.results.clone(), smoke }
    }

    /// A rate that the machine is asked for; lower when only the working is asked.
    fn rate(&self, wanted: f64) -> f64 {
        if self.smoke { wanted / 10.0 } else { wanted }
    }
}
