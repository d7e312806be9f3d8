//! The command line as typed; `run.rs` and `bench` turn it into plans.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::arrivals::Arrivals;
use crate::target::Target;
use crate::units::duration;

/// Forebay's measuring instruments.
#[derive(Debug, Parser)]
#[command(name = "forebay-load", version, max_term_width = 120)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Send requests and measure the answers.
    Run(Box<RunArguments>),
    /// Serve a simulated accelerator: one batch at a time, in exact times (GET /stats tells them).
    Accelerator(AcceleratorArguments),
    /// Serve the same bytes to every request, at almost no cost.
    Static(StaticArguments),
    /// Measure the points that Forebay promises, and print which are kept.
    Bench(BenchArguments),
}

#[derive(Clone, Debug, Args)]
pub struct AcceleratorArguments {
    /// Where to listen; port 0 takes a free one and prints it.
    #[arg(long, default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// Time of a run without rows.
    #[arg(long, default_value = "8ms", value_parser = duration)]
    pub base: Duration,
    /// Time that each row adds.
    #[arg(long, default_value = "250us", value_parser = duration)]
    pub per_row: Duration,
    /// Most rows in a batch; larger ones are refused.
    #[arg(long, default_value_t = 32)]
    pub max_rows: usize,
    /// Name of the model that is served.
    #[arg(long, default_value = "sim")]
    pub model: String,
    /// Print what was done since the start so often, where there was something; 0 never.
    #[arg(long, default_value = "10s", value_parser = duration)]
    pub tell: Duration,
}

#[derive(Clone, Debug, Args)]
pub struct StaticArguments {
    /// Where to listen; port 0 takes a free one and prints it.
    #[arg(long, default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// Bytes in each answer's body.
    #[arg(long, default_value_t = 200)]
    pub bytes: usize,
}

/// What a request's body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Body {
    /// V2 JSON with tagged rows for the simulated accelerator.
    Json,
    /// The same with the binary tensor extension.
    Binary,
    /// None: GET.
    Get,
    /// An image's bytes (--images), to /v1/predict.
    Raw,
    /// An image as base64 in JSON (--images), to /v1/predict.
    Base64,
    /// An image's pixels as a V2 JSON tensor (--images).
    Tensors,
}

/// How a workload gets from one second's rate to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Between {
    /// Each rate is held for its second.
    Steps,
    /// Straight from each rate to the next.
    Lines,
}

#[derive(Clone, Debug, Args)]
pub struct RunArguments {
    /// Where to send: http://host:port, with a path where the body's own is not wanted. Several are asked in turn.
    #[arg(required = true)]
    pub targets: Vec<Target>,

    /// Requests per second.
    #[arg(long, default_value_t = 100.0, conflicts_with_all = ["workload", "closed"], help_heading = "When")]
    pub rate: f64,
    /// How requests fall within their rate.
    #[arg(long, value_enum, default_value = "poisson", help_heading = "When")]
    pub arrivals: Arrivals,
    /// A file of requests per second, one number for each second, separated by commas.
    #[arg(long, conflicts_with = "closed", help_heading = "When")]
    pub workload: Option<PathBuf>,
    /// How the workload gets from one rate to the next.
    #[arg(long, value_enum, default_value = "steps", requires = "workload", help_heading = "When")]
    pub between: Between,
    /// Closed loop: so many callers, each asking again as soon as it was answered.
    #[arg(long, help_heading = "When")]
    pub closed: Option<usize>,
    /// How long requests are sent [default: 10s, or the whole workload].
    #[arg(long, value_parser = duration, help_heading = "When")]
    pub duration: Option<Duration>,
    /// Of the arrivals and the rows.
    #[arg(long, default_value_t = 1, help_heading = "When")]
    pub seed: u64,
    /// Poll clock and sockets without ever sleeping: for low rates, where waking up would be measured.
    #[arg(long, help_heading = "When")]
    pub spin: bool,

    /// What is sent.
    #[arg(long, value_enum, default_value = "json", help_heading = "What")]
    pub body: Body,
    /// Rows in each request.
    #[arg(long, default_value_t = 1, help_heading = "What")]
    pub rows: usize,
    /// Model that is asked.
    #[arg(long, default_value = "sim", help_heading = "What")]
    pub model: String,
    /// A folder of PNG and JPEG images. Each is asked about once beforehand; later answers must be the same.
    #[arg(long, help_heading = "What")]
    pub images: Option<PathBuf>,
    /// What a pixel between 0 and 255 is multiplied with when it is sent as a tensor.
    #[arg(long, default_value_t = 1.0 / 255.0, help_heading = "What")]
    pub scale: f32,
    /// One more header field, as `name: value`; may be repeated.
    #[arg(long = "header", value_parser = header_field, help_heading = "What")]
    pub headers: Vec<String>,
    /// Take every whole answer with status 200 for right.
    #[arg(long, help_heading = "What")]
    pub unjudged: bool,

    /// Most connections to one target. Requests that find none wait, and their latency counts.
    #[arg(long, default_value_t = 1024, help_heading = "How")]
    pub connections: usize,
    /// A request that has no answer by then is given up.
    #[arg(long, default_value = "30s", value_parser = duration, help_heading = "How")]
    pub timeout: Duration,

    /// Limit of which the share of right answers is told.
    #[arg(long, default_value = "50ms", value_parser = duration, help_heading = "Result")]
    pub within: Duration,
    /// Write the whole result as JSON.
    #[arg(long, help_heading = "Result")]
    pub json: Option<PathBuf>,
    /// Draw the result as SVG.
    #[arg(long, help_heading = "Result")]
    pub plot: Option<PathBuf>,
    /// Say nothing while it runs.
    #[arg(long, help_heading = "Result")]
    pub quiet: bool,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Point {
    /// At 1,800 a second within 50 ms, the turnaround between batches, and p50 at 5 a second.
    Latency,
    /// The largest rate with p99 within 50 ms.
    Sweep,
    /// Processor time per request beside Envoy's.
    Cost,
    /// Requests lost by a hundred new configurations, and by a drain.
    Change,
}

#[derive(Clone, Debug, Args)]
pub struct BenchArguments {
    /// Only ask whether everything works: seconds, low rates, no speed.
    #[arg(long)]
    pub smoke: bool,
    /// Only this.
    #[arg(long, value_enum)]
    pub only: Option<Point>,
    /// How long each run is.
    #[arg(long, default_value = "120s", value_parser = duration)]
    pub seconds: Duration,
    /// Runs of each point; the median is told.
    #[arg(long, default_value_t = 3)]
    pub seeds: u64,
    /// Forebay's program [default: beside this one].
    #[arg(long)]
    pub forebay: Option<PathBuf>,
    /// Envoy's program [default: from .cache/venv/bin, else from PATH].
    #[arg(long)]
    pub envoy: Option<PathBuf>,
    /// Forebay's worker threads. Envoy has one.
    #[arg(long, default_value_t = 1)]
    pub threads: usize,
    /// Where results and plots are written.
    #[arg(long, default_value = "benches/results")]
    pub results: PathBuf,
}

fn header_field(text: &str) -> Result<String, String> {
    let (name, value) = text.split_once(':').ok_or("a header field is `name: value`")?;
    if name.is_empty() || text.contains(['\r', '\n']) {
        return Err("a header field is one line, `name: value`".into());
    }
    Ok(format!("{}: {}", name.trim(), value.trim()))
}
