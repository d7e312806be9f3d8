//! `forebay`: the sidecar and gateway. Arguments → configuration → run → exit code.

mod admin;
mod announce;
mod answer;
mod app;
mod body;
mod cli;
mod cors;
mod decimal;
mod drain;
mod edge;
mod forms;
mod gateway;
mod infer;
mod live;
mod log;
mod metrics;
mod probe;
mod record;
mod rejection;
mod reload;
mod request;
mod route;
mod served;
mod trace;
mod upstream;
mod watch;

use std::process::ExitCode;

use cli::Asked;
use mimalloc::MiMalloc;

/// A proxy allocates and frees small things all day.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    match cli::asked() {
        Asked::Done(code) => code,
        Asked::Run(source) => match app::run(source) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => cli::fail(format_args!("{error:#}")),
        },
    }
}
