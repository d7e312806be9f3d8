//! A part of the rig as a process: started, waited for, its cost read, and killed when it goes out of use.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::client;
use crate::target::Target;

/// How long a part may take until it answers.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks at a part that is starting.
const LOOK: Duration = Duration::from_millis(20);
/// Clock ticks of /proc/PID/stat in a second; Linux has told user space 100 on every architecture since 2.4.
const TICKS: f64 = 100.0;

/// Bytes of its output that are looked at, or shown when it fails.
const PRINTED: u64 = 4096;

/// Which part of an output.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    First,
    Last,
}

/// A running process. Killed on drop.
#[derive(Debug)]
pub(super) struct Process {
    name: &'static str,
    child: Child,
    /// What it prints; errors go to the same place.
    output: PathBuf,
}

impl Process {
    /// Starts a command whose output goes to a file in `folder`, as a container's does.
    pub(super) fn start(name: &'static str, mut command: Command, folder: &Path) -> anyhow::Result<Self> {
        let output = folder.join(format!("{name}.out"));
        let file = File::create(&output)?;
        let child = command.stdin(Stdio::null()).stderr(file.try_clone()?).stdout(file).spawn();
        let child = child.with_context(|| format!("cannot start {name}: {}", command.get_program().to_string_lossy()))?;
        Ok(Process { name, child, output })
    }

    /// Waits until it prints an address behind one of the `marks`.
    pub(super) fn address(&mut self, mark: &str) -> anyhow::Result<SocketAddr> {
        self.until(|process| {
            let printed = process.printed(Part::First);
            // Only whole lines: the last may still be written.
            let (whole, _) = printed.rsplit_once('\n')?;
            let line = whole.lines().find_map(|line| line.split_once(mark))?.1;
            line.trim().trim_start_matches("http://").parse().ok()
        })
    }

    /// Waits until `path` is answered with 200.
    pub(super) fn answers(&mut self, target: &Target, path: &str) -> anyhow::Result<()> {
        self.until(|_| client::get(target, path).ok().filter(|answered| answered.status == 200).map(drop))
    }

    fn until<T>(&mut self, ready: impl Fn(&Self) -> Option<T>) -> anyhow::Result<T> {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(ready) = ready(self) {
                return Ok(ready);
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended by itself ({status}):\n{}", self.name, self.printed(Part::Last));
            }
            if Instant::now() > end {
                bail!("{} was not ready after {PATIENCE:?}:\n{}", self.name, self.printed(Part::Last));
            }
            std::thread::sleep(LOOK);
        }
    }

    pub(super) fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).context("no process has this number")?;
        Ok(kill_process(pid, signal)?)
    }

    /// Waits until it has ended by itself.
    pub(super) fn ended(&mut self, within: Duration) -> anyhow::Result<ExitStatus> {
        let end = Instant::now() + within;
        loop {
            match self.child.try_wait()? {
                Some(status) => return Ok(status),
                None if Instant::now() > end => bail!("{} had not ended after {within:?}:\n{}", self.name, self.printed(Part::Last)),
                None => std::thread::sleep(LOOK),
            }
        }
    }

    /// The first or the last of what it printed; a log may be very long.
    fn printed(&self, part: Part) -> String {
        let read = || -> std::io::Result<Vec<u8>> {
            let mut file = File::open(&self.output)?;
            let length = file.metadata()?.len();
            if part == Part::Last {
                file.seek(SeekFrom::Start(length.saturating_sub(PRINTED)))?;
            }
            let mut bytes = Vec::new();
            file.take(PRINTED).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        String::from_utf8_lossy(&read().unwrap_or_default()).into_owned()
    }

    /// Processor time that it has used, user and system.
    pub(super) fn cpu_seconds(&self) -> anyhow::Result<f64> {
        let path = format!("/proc/{}/stat", self.child.id());
        let stat = fs::read_to_string(&path).with_context(|| format!("{} is gone", self.name))?;
        cpu_ticks(&stat).map(|ticks| ticks as f64 / TICKS).with_context(|| format!("{path} does not read as expected"))
    }
}

/// utime and stime of a line of /proc/PID/stat (proc_pid_stat(5)). The second field is a name that may hold blanks and parentheses.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11).map(|field| field.parse::<u64>().ok());
    Some(fields.next()?? + fields.next()??)
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_found_behind_any_name() {
        let stat = "42 (a b) c) S 1 42 42 0 -1 4194560 100 0 0 0 250 50 7 7 20 0 3 0 100 0 0";
        assert_eq!(cpu_ticks(stat), Some(300));
        assert_eq!(cpu_ticks("42 (x) S 1"), None);
    }
}
