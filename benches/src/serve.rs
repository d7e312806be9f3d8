//! The commands that serve: they print where they listen and run until they are killed.

use std::io::Write;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use anyhow::Context;

use crate::accelerator::{Accelerator, Limits, ServiceTime, Stats};
use crate::args::{AcceleratorArguments, StaticArguments};
use crate::client;
use crate::fixed::Fixed;
use crate::server::{Server, Service};
use crate::target::Target;

/// What is printed before the address; who starts these commands waits for it.
pub const LISTENING: &str = "listening on ";

pub fn accelerator(arguments: &AcceleratorArguments) -> anyhow::Result<()> {
    let time = ServiceTime { base: arguments.base, per_row: arguments.per_row };
    let limits = Limits { model: arguments.model.clone(), time, max_rows: arguments.max_rows };
    let server = bind(arguments.listen, Accelerator::new(limits)?)?;
    if !arguments.tell.is_zero() {
        let (address, every) = (server.address()?, arguments.tell);
        // It asks like anybody else, so that the thread that serves keeps nothing but time. It ends with the process.
        thread::Builder::new().name("tell".into()).spawn(move || tell(address, every))?;
    }
    Ok(server.run()?)
}

pub fn fixed(arguments: &StaticArguments) -> anyhow::Result<()> {
    Ok(bind(arguments.listen, Fixed::new(arguments.bytes))?.run()?)
}

fn bind<S: Service>(address: SocketAddr, service: S) -> anyhow::Result<Server<S>> {
    let server = Server::bind(address, service).with_context(|| format!("cannot listen on {address}"))?;
    let mut out = std::io::stdout();
    writeln!(out, "{LISTENING}{}", server.address()?)?;
    out.flush()?;
    Ok(server)
}

/// Prints the statistics whenever they have changed, until the server or standard output is gone.
fn tell(address: SocketAddr, every: Duration) -> anyhow::Result<()> {
    let target = Target { address, host: address.to_string(), path: None };
    let mut told = Stats::default();
    loop {
        thread::sleep(every);
        let stats: Stats = serde_json::from_slice(&client::get(&target, "/stats")?.body)?;
        if stats != told {
            writeln!(std::io::stdout(), "{}", line(&stats))?;
            told = stats;
        }
    }
}

fn line(stats: &Stats) -> String {
    let (error, turnaround) = (stats.service_error_us, stats.turnaround_us);
    format!(
        "{} batches of {:.1} rows; too long by p50 {:.1} p99 {:.1} max {:.1} us; turnaround mean {:.0} p99 {:.0} us",
        stats.batches, stats.mean_rows, error.p50, error.p99, error.max, turnaround.mean, turnaround.p99,
    )
}
