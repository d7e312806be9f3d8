//! What must lose nothing: a hundred new configurations under load, and a drain under load.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::Signal;

use super::Effort;
use super::finding::Finding;
use super::latency::Load;
use super::rig::{Forebay, Rig};
use crate::client;
use crate::report::Report;

const RELOADS: u32 = 100;
const RATE: f64 = 500.0;
/// A new configuration must be in force by then.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two looks at which is.
const LOOK: Duration = Duration::from_millis(10);
/// The metric whose label is the version of the configuration in force.
const VERSION: &str = "forebay_config_info{";

/// New configurations, one after another, while requests come.
pub(super) fn reloads(rig: &Rig, effort: &Effort) -> anyhow::Result<Finding> {
    let accelerator = rig.accelerator()?;
    let forebay = rig.forebay(&accelerator.target, &accelerator.target)?;
    let wanted = if effort.smoke { RELOADS / 20 } else { RELOADS };
    let (report, done) = under_load(&forebay, effort, || {
        let pause = effort.seconds.mul_f64(0.8) / wanted;
        (1..=wanted).try_for_each(|number| {
            std::thread::sleep(pause);
            reload(rig, &forebay, number)
        })
    })?;
    done?;
    Ok(Finding {
        point: "requests lost by new configurations".into(),
        target: "0".into(),
        measured: report.failed.to_string(),
        value: report.failed as f64,
        met: report.failed == 0,
        detail: format!("{wanted} configurations, each seen in force, under {} requests; p99 {:.1} ms", report.due, report.latency_ms.p99),
        failed: report.failed,
        wrong: report.wrong,
    })
}

/// SIGTERM while requests come, for as long as Forebay promises to take new ones.
pub(super) fn drain(rig: &Rig, effort: &Effort) -> anyhow::Result<Finding> {
    let accelerator = rig.accelerator()?;
    let mut forebay = rig.forebay(&accelerator.target, &accelerator.target)?;
    // The load ends before the promise does.
    let time = effort.seconds.min(rig.ready_false_for);
    let effort = Effort { seconds: time, ..effort.clone() };
    let (report, told) = under_load(&forebay, &effort, || {
        std::thread::sleep(time / 4);
        forebay.part.process.signal(Signal::TERM).map(|()| Instant::now())
    })?;
    let told = told?;
    let status = forebay.part.process.ended(rig.ready_false_for * 2 + PATIENCE)?;
    let took = told.elapsed();
    Ok(Finding {
        point: "requests lost by a drain".into(),
        target: "0, exit 0".into(),
        measured: format!("{}, {status}", report.failed),
        value: report.failed as f64,
        met: report.failed == 0 && status.success(),
        detail: format!("SIGTERM after {:?} of {:?}, {} requests; ended {:.1} s after it", time / 4, time, report.due, took.as_secs_f64()),
        failed: report.failed + u64::from(!status.success()),
        wrong: report.wrong,
    })
}

/// Does something while requests come.
fn under_load<T>(forebay: &Forebay, effort: &Effort, act: impl FnOnce() -> T) -> anyhow::Result<(Report, T)> {
    let load = Load { rate: effort.rate(RATE), seconds: effort.seconds, seed: 1, spin: false };
    let target = forebay.part.target.clone();
    std::thread::scope(|scope| {
        let sending = scope.spawn(move || load.send("Forebay", &target));
        let done = act();
        let report = sending.join().map_err(|_| anyhow::anyhow!("the generator panicked"))??;
        Ok((report, done))
    })
}

/// Puts a configuration in force that differs in one number.
fn reload(rig: &Rig, forebay: &Forebay, number: u32) -> anyhow::Result<()> {
    let before = version(forebay)?;
    rig.replace_config(&forebay.text.replace("burst: 1000000", &format!("burst: {}", 1_000_000 + number)))?;
    forebay.part.process.signal(Signal::HUP)?;
    let end = Instant::now() + PATIENCE;
    while version(forebay)? == before {
        if Instant::now() > end {
            bail!("configuration {number} was not in force after {PATIENCE:?}");
        }
        std::thread::sleep(LOOK);
    }
    Ok(())
}

/// The line of the metric: its label is the version.
fn version(forebay: &Forebay) -> anyhow::Result<String> {
    let metrics = String::from_utf8(client::get(&forebay.admin, "/metrics")?.body)?;
    let line = metrics.lines().find(|line| line.starts_with(VERSION));
    line.map(str::to_owned).with_context(|| format!("the metrics have no {VERSION}…}}"))
}
