//! `forebay-load run`: arguments to plan, plan to record, record to report.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;

use crate::args::{Between, Body, RunArguments};
use crate::arrivals::{Arrivals, Rates, Schedule};
use crate::generator::{self, Pace, Plan, Watch};
use crate::payload::{Get, ImageForm, Images, Payload, TensorForm, Tensors};
use crate::plot;
use crate::progress::{Progress, Silent};
use crate::report::Report;
use crate::workload;

const USUAL_DURATION: Duration = Duration::from_secs(10);

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    AllRight,
    /// Some requests were refused or got no answer, which is a result and no fault of the measurement.
    SomeFailed,
    /// Some answers did not belong to their requests.
    Wrong,
}

/// Runs, prints the table and writes what files were asked for.
pub fn run(arguments: &RunArguments) -> anyhow::Result<Ended> {
    let report = measure(arguments)?;
    std::io::stdout().write_all(report.table().as_bytes())?;
    if let Some(path) = &arguments.json {
        fs::write(path, serde_json::to_vec_pretty(&report)?).with_context(|| format!("cannot write {}", path.display()))?;
    }
    if let Some(path) = &arguments.plot {
        plot::write(path, &report)?;
    }
    Ok(match (report.wrong, report.failed) {
        (0, 0) => Ended::AllRight,
        (0, _) => Ended::SomeFailed,
        _ => Ended::Wrong,
    })
}

/// Runs and reports.
pub fn measure(arguments: &RunArguments) -> anyhow::Result<Report> {
    let mut payload = payload(arguments)?;
    let (pace, what) = pace(arguments)?;
    let RunArguments { connections, timeout, spin, .. } = *arguments;
    let plan = Plan { targets: arguments.targets.clone(), pace, connections, timeout, spin };
    let mut watch: Box<dyn Watch> = if arguments.quiet { Box::new(Silent) } else { Box::new(Progress::to_stderr()) };
    let record = generator::run(plan, payload.as_mut(), watch.as_mut())?;
    Ok(Report::new(what, &record, arguments.within))
}

fn payload(arguments: &RunArguments) -> anyhow::Result<Box<dyn Payload>> {
    let RunArguments { targets, model, rows, seed, headers, .. } = arguments;
    let tensors = |form| {
        let tensors = Tensors::new(targets, model, form, *rows, *seed, headers);
        if arguments.unjudged { tensors.unjudged() } else { tensors }
    };
    Ok(match arguments.body {
        Body::Json => Box::new(tensors(TensorForm::Json)),
        Body::Binary => Box::new(tensors(TensorForm::Binary)),
        Body::Get => Box::new(Get::new(targets, headers)),
        Body::Raw => Box::new(images(arguments, ImageForm::Raw)?),
        Body::Base64 => Box::new(images(arguments, ImageForm::Base64)?),
        Body::Tensors => Box::new(images(arguments, ImageForm::Tensors)?),
    })
}

fn images(arguments: &RunArguments, form: ImageForm) -> anyhow::Result<Images> {
    let RunArguments { targets, model, scale, headers, .. } = arguments;
    let folder = arguments.images.as_ref().context("this body needs --images FOLDER")?;
    Images::new(targets, folder, form, model, *scale, headers)
}

/// The pace, and what it is in words.
fn pace(arguments: &RunArguments) -> anyhow::Result<(Pace, String)> {
    let body = format!("{:?}", arguments.body).to_lowercase();
    if let Some(callers) = arguments.closed {
        let duration = arguments.duration.unwrap_or(USUAL_DURATION);
        return Ok((Pace::Closed { callers, duration }, format!("{body}, closed loop of {callers} for {duration:?}")));
    }
    let (rates, name) = match &arguments.workload {
        Some(path) => (workload_rates(path, arguments.between)?, path.display().to_string()),
        None => {
            let duration = arguments.duration.unwrap_or(USUAL_DURATION);
            (Rates::constant(arguments.rate, duration), format!("{} a second", arguments.rate))
        }
    };
    let rates = match arguments.duration {
        Some(duration) => rates.cut(duration),
        None => rates,
    };
    let arrivals = if arguments.arrivals == Arrivals::Poisson { "Poisson" } else { "fixed" };
    let (duration, seed) = (rates.duration(), arguments.seed);
    let what = format!("{body}, {arrivals} {name} for {duration:?}, seed {seed}");
    Ok((Pace::Open(Box::new(Schedule::new(rates, arguments.arrivals, seed))), what))
}

fn workload_rates(path: &Path, between: Between) -> anyhow::Result<Rates> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let rates = workload::parse(&text).with_context(|| format!("{}", path.display()))?;
    Ok(match between {
        Between::Steps => Rates::steps(&rates),
        Between::Lines => Rates::lines(&rates),
    })
}
