//! What a process holds in memory, as the system counts it.

/// The resident memory of one process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    pid: u32,
}

impl Memory {
    pub(crate) fn of(pid: u32) -> Self {
        Memory { pid }
    }

    /// Bytes right now.
    pub(crate) fn now(self) -> u64 {
        self.line("VmRSS:")
    }

    /// Bytes when it was most, since the process began or [`Self::forget_peak`].
    pub(crate) fn peak(self) -> u64 {
        self.line("VmHWM:")
    }

    /// From now on the peak is counted anew (proc(5), `clear_refs`).
    pub(crate) fn forget_peak(self) {
        std::fs::write(format!("/proc/{}/clear_refs", self.pid), "5").unwrap();
    }

    fn line(self, which: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(which)).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }
}
