//! Draws a run: latency over time, requests over time, and the tail of the latencies.

use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;

use crate::report::Report;

const SIZE: (u32, u32) = (1000, 1050);
const INK: RGBColor = RGBColor(40, 44, 52);
const CALM: RGBColor = RGBColor(38, 98, 168);
const LOUD: RGBColor = RGBColor(200, 80, 40);
const BAD: RGBColor = RGBColor(170, 20, 60);

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
/// What plotters may say went wrong; here only that the file cannot be written.
type Drawn<'a> = Result<(), DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>>;

/// A line in a chart.
struct Series {
    name: &'static str,
    colour: RGBColor,
    points: Vec<(f64, f64)>,
}

/// Writes the plot of a report as SVG.
pub fn write(path: &Path, report: &Report) -> anyhow::Result<()> {
    let area = SVGBackend::new(path, SIZE).into_drawing_area();
    draw(&area, report).map_err(|error| anyhow::anyhow!("cannot draw {}: {error}", path.display()))
}

fn draw<'a>(area: &Area<'a>, report: &Report) -> Drawn<'a> {
    area.fill(&WHITE)?;
    let area = area.titled(&report.what, ("sans-serif", 22).into_font().color(&INK))?;
    let parts = area.split_evenly((3, 1));
    let [latency, rate, tail] = parts.as_slice() else { return Ok(()) };
    let over_time = |of: fn(&crate::report::SecondReport) -> f64| -> Vec<(f64, f64)> {
        report.timeline.iter().enumerate().map(|(second, s)| (second as f64, of(s))).collect()
    };
    let line = |name, colour, points| Series { name, colour, points };
    let latencies = [
        line("p50", CALM, over_time(|s| s.p50_ms)),
        line("p99", LOUD, over_time(|s| s.p99_ms)),
        line("slowest", BAD, over_time(|s| s.max_ms)),
    ];
    chart(latency, "latency by second, ms", "second", &latencies, |x| format!("{x:.0}"))?;
    let rates = [
        line("due", INK, over_time(|s| s.due as f64)),
        line("right", CALM, over_time(|s| s.right as f64)),
        line("failed", BAD, over_time(|s| s.failed as f64)),
    ];
    chart(rate, "requests by second", "second", &rates, |x| format!("{x:.0}"))?;
    // Each nine is as wide as the one before it: the tail is what matters.
    let nines = |percentile: f64| -((1.0 - percentile / 100.0).max(1e-6)).log10();
    let points = report.latency_ms.tail.iter().map(|&(percentile, ms)| (nines(percentile), ms)).collect();
    let label = |x: &f64| format!("{:.*} %", (x.floor() as usize).saturating_sub(2), 100.0 * (1.0 - 10f64.powf(-x)));
    chart(tail, "latency by percentile, ms", "percentile", &[line("right answers", CALM, points)], label)?;
    area.present()
}

fn chart<'a>(area: &Area<'a>, title: &str, below: &str, series: &[Series], label: impl Fn(&f64) -> String) -> Drawn<'a> {
    let most = |of: fn(&(f64, f64)) -> f64| series.iter().flat_map(|s| &s.points).map(of).fold(1.0, f64::max);
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 19).into_font().color(&INK))
        .margin(12)
        .margin_right(40)
        .x_label_area_size(36)
        .y_label_area_size(60)
        .build_cartesian_2d(0.0..most(|p| p.0), 0.0..most(|p| p.1) * 1.1)?;
    chart.configure_mesh().label_style(("sans-serif", 15)).x_desc(below).x_label_formatter(&label).light_line_style(WHITE).draw()?;
    for one in series {
        let colour = one.colour;
        let drawn = chart.draw_series(LineSeries::new(one.points.iter().copied(), colour.stroke_width(1)))?;
        drawn.label(one.name).legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour));
    }
    chart.configure_series_labels().label_font(("sans-serif", 15)).background_style(WHITE.mix(0.8)).border_style(INK.mix(0.3)).draw()?;
    Ok(())
}
