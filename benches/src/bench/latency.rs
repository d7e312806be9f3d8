//! The points in front of the simulated accelerator: how soon, how many, and what is lost between batches.

use std::time::Duration;

use anyhow::Context;

use super::Effort;
use super::finding::{Finding, median};
use super::rig::{self, KEY_FIELD, Part, Rig};
use crate::accelerator::Stats;
use crate::arrivals::{Arrivals, Rates, Schedule};
use crate::generator::{self, Pace, Plan};
use crate::payload::{Payload, TensorForm, Tensors};
use crate::plot;
use crate::progress::Progress;
use crate::report::Report;
use crate::target::Target;

const LIMIT: Duration = Duration::from_millis(50);
const WARM_UP: Duration = Duration::from_secs(2);
const LEAST_SHARE: f64 = 0.995;
const MOST_TURNAROUND_US: f64 = 400.0;
const LEAST_RATE: f64 = 1850.0;
const MOST_CALM_MS: f64 = 8.25 + 0.5;
/// The sweep goes from the promised rate in steps of this, not beyond these.
const STEP: f64 = 25.0;
const SLOWEST: f64 = 1700.0;
const FASTEST: f64 = 1975.0;

/// One run through Forebay, and what the accelerator saw of it.
pub(super) struct Measured {
    pub(super) report: Report,
    stats: Stats,
}

/// How one run is made.
#[derive(Clone, Copy, Debug)]
struct Load {
    rate: f64,
    seconds: Duration,
    seed: u64,
    spin: bool,
}

impl Load {
    fn send(self, what: &str, target: &Target) -> anyhow::Result<Report> {
        let fields = [KEY_FIELD.to_owned()];
        let mut payload = Tensors::new(std::slice::from_ref(target), "sim", TensorForm::Json, 1, self.seed, &fields);
        let what = format!("{what}, Poisson {} a second for {:?}, seed {}", self.rate, self.seconds, self.seed);
        let schedule = Schedule::new(Rates::constant(self.rate, self.seconds), Arrivals::Poisson, self.seed);
        send(what, target, Pace::Open(Box::new(schedule)), self.spin, &mut payload)
    }
}

/// Carries one run out.
pub(super) fn send(what: String, target: &Target, pace: Pace, spin: bool, payload: &mut dyn Payload) -> anyhow::Result<Report> {
    let plan = Plan { targets: vec![target.clone()], pace, connections: 1000, timeout: Duration::from_secs(10), spin };
    let record = generator::run(plan, payload, &mut Progress::titled(&what))?;
    Ok(Report::new(what, &record, LIMIT))
}

/// A new accelerator and a new Forebay, warmed and measured.
fn measure(rig: &Rig, load: Load) -> anyhow::Result<Measured> {
    let accelerator = rig.accelerator()?;
    let forebay = rig.forebay(&accelerator.target, &accelerator.target)?;
    let warm_up = Load { seconds: WARM_UP.min(load.seconds), seed: load.seed + 100, spin: false, ..load };
    warm_up.send("warming up", &forebay.target)?;
    rig::reset(&accelerator)?;
    let report = load.send("Forebay", &forebay.target)?;
    Ok(Measured { report, stats: rig::stats(&accelerator)? })
}

fn over_seeds(rig: &Rig, effort: &Effort, rate: f64) -> anyhow::Result<Vec<Measured>> {
    let loads = effort.seeds.iter().map(|&seed| Load { rate, seconds: effort.seconds, seed, spin: false });
    loads.map(|load| measure(rig, load)).collect()
}

/// 1,800 a second: the share within 50 ms, and the turnaround.
pub(super) fn busy(rig: &Rig, effort: &Effort) -> anyhow::Result<Vec<Finding>> {
    let rate = effort.rate(1800.0);
    let runs = over_seeds(rig, effort, rate)?;
    let shares: Vec<String> = runs.iter().map(|run| format!("{:.2}", run.report.within.share * 100.0)).collect();
    let (failed, wrong) = failures(&runs);
    let run = median(runs, |run| run.report.within.share).context("nothing was measured")?;
    let (report, stats) = (&run.report, &run.stats);
    plot::write(&effort.results.join("busy.svg"), report)?;
    std::fs::write(effort.results.join("busy.json"), serde_json::to_vec_pretty(&(report, stats))?)?;
    let (share, turnaround) = (report.within.share, stats.turnaround_us);
    let latency = &report.latency_ms;
    Ok(vec![
        Finding {
            point: format!("within 50 ms at {rate:.0}/s"),
            target: format!("≥ {:.1} %", LEAST_SHARE * 100.0),
            measured: format!("{:.2} %", share * 100.0),
            value: share * 100.0,
            met: share >= LEAST_SHARE,
            detail: format!(
                "seeds {} %; median seed: p50 {:.1} p99 {:.1} p99.9 {:.1} ms, {:.1} rows a batch; sent late p99 {:.0} us",
                shares.join(" "),
                latency.p50,
                latency.p99,
                latency.p99_9,
                stats.mean_rows,
                report.lateness_us.p99,
            ),
            failed,
            wrong,
        },
        Finding {
            point: "turnaround between batches".into(),
            target: format!("< {MOST_TURNAROUND_US:.0} us"),
            measured: format!("{:.0} us", turnaround.mean),
            value: turnaround.mean,
            met: turnaround.count > 0 && turnaround.mean < MOST_TURNAROUND_US,
            detail: format!(
                "mean of {}; p50 {:.0} p99 {:.0}; outside the accelerator {:.0}; service times too long by p50 {:.1} p99 {:.1} us",
                turnaround.count,
                turnaround.p50,
                turnaround.p99,
                stats.outside_us.mean,
                stats.service_error_us.p50,
                stats.service_error_us.p99,
            ),
            ..Finding::default()
        },
    ])
}

/// The largest rate whose p99, in the median of the seeds, is at most 50 ms.
pub(super) fn sweep(rig: &Rig, effort: &Effort) -> anyhow::Result<Finding> {
    let limit_ms = LIMIT.as_secs_f64() * 1000.0;
    let (mut tried, mut best, mut failed, mut wrong) = (Vec::new(), 0.0, 0, 0);
    let mut rate = LEAST_RATE;
    loop {
        let runs = over_seeds(rig, effort, effort.rate(rate))?;
        let (f, w) = failures(&runs);
        (failed, wrong) = (failed + f, wrong + w);
        let p99 = median(runs, |run| run.report.latency_ms.p99).map_or(f64::INFINITY, |run| run.report.latency_ms.p99);
        tried.push(format!("{:.0}/s {p99:.1} ms", effort.rate(rate)));
        let climbing = best > 0.0 || rate == LEAST_RATE;
        match (p99 <= limit_ms, climbing) {
            (true, true) => {
                best = rate;
                rate += STEP;
            }
            (true, false) => {
                best = rate;
                break;
            }
            // Once a rate was held, the first that is not ends the climb.
            (false, true) if best > 0.0 => break,
            (false, _) => rate -= STEP,
        }
        if effort.smoke || !(SLOWEST..=FASTEST).contains(&rate) {
            break;
        }
    }
    Ok(Finding {
        point: "largest rate with p99 ≤ 50 ms".into(),
        target: format!("≥ {LEAST_RATE:.0}/s"),
        measured: format!("{best:.0}/s"),
        value: best,
        met: best >= LEAST_RATE,
        detail: format!("p99, median of {} seeds: {}", effort.seeds.len(), tried.join(", ")),
        failed,
        wrong,
    })
}

/// 5 a second: what a lone request waits, beside the accelerator asked directly in the same run.
pub(super) fn calm(rig: &Rig, effort: &Effort) -> anyhow::Result<Finding> {
    let accelerator = rig.accelerator()?;
    let forebay = rig.forebay(&accelerator.target, &accelerator.target)?;
    let (mut through, mut direct) = (Vec::new(), Vec::new());
    for &seed in &effort.seeds {
        let load = Load { rate: 5.0, seconds: effort.seconds, seed, spin: true };
        let ask = |what, part: &Part| load.send(what, &part.target);
        direct.push(ask("accelerator alone", &accelerator)?);
        through.push(ask("Forebay", &forebay)?);
    }
    let (failed, wrong) = through.iter().chain(&direct).fold((0, 0), |(f, w), r| (f + r.failed, w + r.wrong));
    let p50 = |report: &Report| report.latency_ms.p50;
    let through = median(through, p50).context("nothing was measured")?;
    let direct = median(direct, p50).context("nothing was measured")?;
    plot::write(&effort.results.join("calm.svg"), &through)?;
    std::fs::write(effort.results.join("calm.json"), serde_json::to_vec_pretty(&(&through, &direct))?)?;
    let value = p50(&through);
    Ok(Finding {
        point: "p50 at 5/s".into(),
        target: format!("≤ {MOST_CALM_MS:.2} ms"),
        measured: format!("{value:.3} ms"),
        value,
        met: value <= MOST_CALM_MS,
        detail: format!("accelerator alone {:.3} ms: {:+.0} us through Forebay", p50(&direct), (value - p50(&direct)) * 1000.0),
        failed,
        wrong,
    })
}

fn failures(runs: &[Measured]) -> (u64, u64) {
    runs.iter().fold((0, 0), |(failed, wrong), run| (failed + run.report.failed, wrong + run.report.wrong))
}
