//! The commands that serve: they print where they listen and run until they are killed.

use std::io::Write;
use std::net::SocketAddr;

use anyhow::Context;

use crate::accelerator::{Accelerator, Limits, ServiceTime};
use crate::args::{AcceleratorArguments, StaticArguments};
use crate::fixed::Fixed;
use crate::server::{Server, Service};

/// What is printed before the address; who starts these commands waits for it.
pub const LISTENING: &str = "listening on ";

pub fn accelerator(arguments: &AcceleratorArguments) -> anyhow::Result<()> {
    let time = ServiceTime { base: arguments.base, per_row: arguments.per_row };
    let limits = Limits { model: arguments.model.clone(), time, max_rows: arguments.max_rows };
    serve(arguments.listen, Accelerator::new(limits)?)
}

pub fn fixed(arguments: &StaticArguments) -> anyhow::Result<()> {
    serve(arguments.listen, Fixed::new(arguments.bytes))
}

fn serve(address: SocketAddr, service: impl Service) -> anyhow::Result<()> {
    let server = Server::bind(address, service).with_context(|| format!("cannot listen on {address}"))?;
    let mut out = std::io::stdout();
    writeln!(out, "{LISTENING}{}", server.address()?)?;
    out.flush()?;
    Ok(server.run()?)
}
