//! Arguments → command → exit code: 0 all right, 1 could not be done, 2 misused, 3 some requests failed, 4 wrong answers.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use forebay_load::args::{Arguments, Command};
use forebay_load::run::Ended;
use forebay_load::{bench, run, serve};

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Accelerator(arguments) => serve::accelerator(&arguments).map(|()| Ended::AllRight),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Static(arguments) => serve::fixed(&arguments).map(|()| Ended::AllRight),
    };
    match done {
        Ok(Ended::AllRight) => ExitCode::SUCCESS,
        Ok(Ended::SomeFailed) => ExitCode::from(3),
        Ok(Ended::Wrong) => ExitCode::from(4),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "forebay-load: {error:#}");
            ExitCode::FAILURE
        }
    }
}
