//! Tells a person how a run goes: one line that is rewritten on a terminal, a line now and then elsewhere.
//!
//! The line is written by a thread of its own. A terminal that does not keep up loses lines; it never holds a request up.

use std::io::{IsTerminal, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use crate::generator::Watch;
use crate::record::{Lately, Record};
use crate::units::milliseconds;

/// Lines that may wait for the terminal; more are dropped.
const WAITING: usize = 4;
const ON_A_TERMINAL: Duration = Duration::from_secs(1);
const ELSEWHERE: Duration = Duration::from_secs(10);

/// Says nothing.
#[derive(Clone, Copy, Debug)]
pub struct Silent;

impl Watch for Silent {
    fn look(&mut self, _: &mut Record, _: usize, _: Instant) {}
}

/// Writes to standard error.
#[derive(Debug)]
pub struct Progress {
    lines: SyncSender<String>,
    every: Duration,
    last: Option<Instant>,
    title: String,
}

impl Progress {
    pub fn to_stderr() -> Self {
        Progress::titled("")
    }

    /// With what is being done before each line.
    pub fn titled(title: &str) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let (lines, waiting) = sync_channel(WAITING);
        // Ends with its sender; what it had not written by then is of no more interest.
        let _ = std::thread::Builder::new().name("progress".into()).spawn(move || write_lines(&waiting, terminal));
        Progress { lines, every: if terminal { ON_A_TERMINAL } else { ELSEWHERE }, last: None, title: title.to_owned() }
    }
}

fn write_lines(waiting: &Receiver<String>, terminal: bool) {
    let mut to = std::io::stderr();
    while let Ok(line) = waiting.recv() {
        let _ = if terminal { write!(to, "\r\x1b[2K{line}") } else { writeln!(to, "{line}") };
    }
    if terminal {
        let _ = writeln!(to);
    }
}

impl Watch for Progress {
    fn look(&mut self, record: &mut Record, in_flight: usize, now: Instant) {
        let since = now.saturating_duration_since(self.last.unwrap_or(record.start()));
        if since < self.every {
            return;
        }
        self.last = Some(now);
        let Lately { answers, p50_us, p99_us } = record.lately();
        let second = now.saturating_duration_since(record.start()).as_secs();
        let rate = answers as f64 / since.as_secs_f64();
        let (p50, p99) = (milliseconds(p50_us as f64), milliseconds(p99_us as f64));
        let (failed, wrong) = (record.failures(), record.wrong);
        let title = &self.title;
        let line = format!(
            "{title} {second:>4} s  {rate:>8.0}/s  p50 {p50} ms  p99 {p99} ms  in flight {in_flight}  failed {failed}  wrong {wrong}"
        );
        let _ = self.lines.try_send(line);
    }
}
