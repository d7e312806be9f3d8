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
struct Measured {
    report: Report,
    stats: Stats,
}

/// How one run is made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    pub(super) rate: f64,
    pub(super) seconds: Duration,
    pub(super) seed: u64,
    pub(super) spin: bool,
}

impl Load {
    pub(super) fn send(self, what: &str, target: &Target) -> anyhow::Result<Report> {
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
    let forebay = rig.forebay(&accelerator.target, &accelerator.target)?.part;
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
    plot::write(&effort.results.join("busy.svg"), &run.report)?;
    std::fs::write(effort.results.join("busy.json"), serde_json::to_vec_pretty(&(&run.report, &run.stats))?)?;
    let share = Finding { point: format!("within 50 ms at {rate:.0}/s"), failed, wrong, ..run.share(&shares.join(" ")) };
    Ok(vec![share, run.turnaround()])
}

impl Measured {
    fn share(&self, seeds: &str) -> Finding {
        let (share, latency) = (self.report.within.share, &self.report.latency_ms);
        let (rows, late) = (self.stats.mean_rows, self.report.lateness_us.p99);
        let (p50, p99, p99_9) = (latency.p50, latency.p99, latency.p99_9);
        Finding {
            target: format!("≥ {:.1} %", LEAST_SHARE * 100.0),
            measured: format!("{:.2} %", share * 100.0),
            value: share * 100.0,
            met: share >= LEAST_SHARE,
            detail: format!(
                "seeds {seeds} %; median: p50 {p50:.1} p99 {p99:.1} p99.9 {p99_9:.1} ms, {rows:.1} rows a batch; sent late p99 {late:.0} us"
            ),
            ..Finding::default()
        }
    }

    fn turnaround(&self) -> Finding {
        let (turnaround, error) = (self.stats.turnaround_us, self.stats.service_error_us);
        let (count, p50, p99, outside) = (turnaround.count, turnaround.p50, turnaround.p99, self.stats.outside_us.mean);
        let (error_p50, error_p99) = (error.p50, error.p99);
        Finding {
            point: "turnaround between batches".into(),
            target: format!("< {MOST_TURNAROUND_US:.0} us"),
            measured: format!("{:.0} us", turnaround.mean),
            value: turnaround.mean,
            met: count > 0 && turnaround.mean < MOST_TURNAROUND_US,
            detail: format!(
                "mean of {count}; p50 {p50:.0} p99 {p99:.0}, of it outside the accelerator {outside:.0}; runs too long by p50 {error_p50:.1} p99 {error_p99:.1} us"
            ),
            ..Finding::default()
        }
    }
}

/// The largest rate whose p99, in the median of the seeds, is at most 50 ms.
pub(super) fn sweep(rig: &Rig, effort: &Effort) -> anyhow::Result<Finding> {
    let limit_ms = LIMIT.as_secs_f64() * 1000.0;
    let (mut tried, mut failed, mut wrong) = (Vec::new(), 0, 0);
    let mut search = Search::default();
    while let Some(rate) = search.next() {
        let runs = over_seeds(rig, effort, effort.rate(rate))?;
        let (f, w) = failures(&runs);
        (failed, wrong) = (failed + f, wrong + w);
        let run = median(runs, |run| run.report.latency_ms.p99).context("nothing was measured")?;
        let p99 = run.report.latency_ms.p99;
        tried.push(format!("{:.0}/s {p99:.1} ms", effort.rate(rate)));
        search.tried(rate, p99 <= limit_ms && run.report.failed == 0);
        if effort.smoke {
            break;
        }
    }
    let best = search.held.unwrap_or(0.0);
    Ok(Finding {
        point: "largest rate with p99 ≤ 50 ms".into(),
        target: format!("≥ {LEAST_RATE:.0}/s"),
        measured: format!("{:.0}/s", effort.rate(best)),
        value: best,
        met: best >= LEAST_RATE,
        detail: format!("p99, median of {} seeds: {}", effort.seeds.len(), tried.join(", ")),
        // At rates that are too high, refusals are the right answer; only wrong ones are not.
        failed: if effort.smoke { failed } else { 0 },
        wrong,
    })
}

/// Looks for the largest rate that is held: from the promised one up while it is, else down until one is.
#[derive(Debug, Default)]
struct Search {
    held: Option<f64>,
    lost: Option<f64>,
}

impl Search {
    /// The next rate to try.
    fn next(&self) -> Option<f64> {
        let rate = match (self.held, self.lost) {
            (None, None) => LEAST_RATE,
            (Some(held), None) => held + STEP,
            (None, Some(lost)) => lost - STEP,
            (Some(_), Some(_)) => return None,
        };
        (SLOWEST..=FASTEST).contains(&rate).then_some(rate)
    }

    fn tried(&mut self, rate: f64, held: bool) {
        *(if held { &mut self.held } else { &mut self.lost }) = Some(rate);
    }
}

/// 5 a second: what a lone request waits, beside the accelerator asked directly in the same run.
pub(super) fn calm(rig: &Rig, effort: &Effort) -> anyhow::Result<Finding> {
    let accelerator = rig.accelerator()?;
    let forebay = rig.forebay(&accelerator.target, &accelerator.target)?.part;
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The rates that are tried where those up to `limit` are held, and what is found.
    fn search(limit: f64) -> (Vec<f64>, Option<f64>) {
        let (mut search, mut tried) = (Search::default(), Vec::new());
        while let Some(rate) = search.next() {
            tried.push(rate);
            search.tried(rate, rate <= limit);
        }
        (tried, search.held)
    }

    #[test]
    fn the_search_climbs_while_rates_are_held_and_descends_until_one_is() {
        assert_eq!(search(1880.0), (vec![1850.0, 1875.0, 1900.0], Some(1875.0)));
        assert_eq!(search(1810.0), (vec![1850.0, 1825.0, 1800.0], Some(1800.0)));
        assert_eq!(search(9999.0).1, Some(FASTEST));
        assert_eq!(search(0.0), (vec![1850.0, 1825.0, 1800.0, 1775.0, 1750.0, 1725.0, 1700.0], None));
    }
}
