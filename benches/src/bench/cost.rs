//! Processor time per 1,000 requests, beside Envoy's in the same run.

use std::time::Duration;

use super::Effort;
use super::finding::Finding;
use super::latency::send;
use super::rig::{KEY_FIELD, Part, Rig};
use crate::arrivals::{Arrivals, Rates, Schedule};
use crate::generator::Pace;
use crate::payload::{Get, TensorForm, Tensors};
use crate::report::Report;
use crate::target::Target;

/// Each of the two is measured so often, in turns.
const TURNS: u32 = 2;
const CALLERS: usize = 64;
const COALESCED_RATE: f64 = 1000.0;
const MOST_PASS_THROUGH: f64 = 0.7;
const MOST_COALESCED: f64 = 1.0;

/// What one side cost over its turns.
#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    cpu_seconds: f64,
    requests: u64,
    failed: u64,
    wrong: u64,
    seconds: f64,
}

impl Cost {
    /// CPU-seconds per 1,000 requests.
    fn per_thousand(&self) -> f64 {
        self.cpu_seconds * 1000.0 / self.requests.max(1) as f64
    }

    /// Sends, and adds what it cost `part`.
    fn add(&mut self, part: &Part, send: impl FnOnce(&Target) -> anyhow::Result<Report>) -> anyhow::Result<()> {
        let before = part.process.cpu_seconds()?;
        let report = send(&part.target)?;
        self.cpu_seconds += part.process.cpu_seconds()? - before;
        self.requests += report.right;
        self.failed += report.failed;
        self.wrong += report.wrong;
        self.seconds += report.seconds;
        Ok(())
    }
}

/// A plain answer of 200 bytes, 64 callers that never pause.
pub(super) fn pass_through(rig: &Rig, effort: &Effort) -> anyhow::Result<Finding> {
    let (accelerator, upstream) = (rig.accelerator()?, rig.upstream()?);
    let forebay = rig.forebay(&accelerator.target, &upstream.target)?.part;
    let envoy = rig.envoy(&upstream.target)?;
    let send = |target: &Target| {
        let fields = [KEY_FIELD.to_owned()];
        let duration = turn(effort);
        let what = format!("pass-through at {}, {CALLERS} callers", target.host);
        send(what, target, Pace::Closed { callers: CALLERS, duration }, false, &mut Get::new(std::slice::from_ref(target), &fields))
    };
    let (mut ours, mut theirs) = (Cost::default(), Cost::default());
    for _ in 0..TURNS {
        ours.add(&forebay, send)?;
        theirs.add(&envoy, send)?;
    }
    Ok(compare("CPU of a pass-through, 200 bytes", MOST_PASS_THROUGH, ours, theirs))
}

/// 64 FP32 numbers at 1,000 a second: coalesced by Forebay for the accelerator, passed through by Envoy to an upstream that answers at once.
pub(super) fn coalesced(rig: &Rig, effort: &Effort) -> anyhow::Result<Finding> {
    let (accelerator, upstream) = (rig.accelerator()?, rig.upstream()?);
    let forebay = rig.forebay(&accelerator.target, &upstream.target)?.part;
    let envoy = rig.envoy(&upstream.target)?;
    let rate = effort.rate(COALESCED_RATE);
    let tensors = |target: &Target| {
        let fields = [KEY_FIELD.to_owned()];
        Tensors::new(std::slice::from_ref(target), "sim", TensorForm::Json, 1, 1, &fields)
    };
    let at_rate = |target: &Target, mut payload: Tensors| {
        let schedule = Schedule::new(Rates::constant(rate, turn(effort)), Arrivals::Poisson, 1);
        let what = format!("64 FP32 at {}, {rate} a second", target.host);
        send(what, target, Pace::Open(Box::new(schedule)), false, &mut payload)
    };
    let (mut ours, mut theirs) = (Cost::default(), Cost::default());
    for _ in 0..TURNS {
        ours.add(&forebay, |target| at_rate(target, tensors(target)))?;
        theirs.add(&envoy, |target| at_rate(target, tensors(target).unjudged()))?;
    }
    Ok(compare("CPU of a coalesced request", MOST_COALESCED, ours, theirs))
}

fn turn(effort: &Effort) -> Duration {
    effort.seconds / TURNS
}

fn compare(point: &str, most: f64, ours: Cost, theirs: Cost) -> Finding {
    // The kernel counts in hundredths of a second: a smoke test's few requests may have cost none.
    let value = if theirs.cpu_seconds > 0.0 { ours.per_thousand() / theirs.per_thousand() } else { 0.0 };
    let rate = |cost: Cost| cost.requests as f64 / cost.seconds.max(1e-9);
    Finding {
        point: point.into(),
        target: format!("≤ {most:.1} × Envoy"),
        measured: format!("{value:.2} × Envoy"),
        value,
        met: value <= most,
        detail: format!(
            "CPU-seconds per 1,000: Forebay {:.4} at {:.0}/s, Envoy {:.4} at {:.0}/s; {TURNS} turns each",
            ours.per_thousand(),
            rate(ours),
            theirs.per_thousand(),
            rate(theirs),
        ),
        failed: ours.failed + theirs.failed,
        wrong: ours.wrong + theirs.wrong,
    }
}
