//! The figures of a comparison, and what they have to be.

use std::fmt;

use super::meanwhile::Meanwhile;

/// What Forebay may grow by in any case: pages that a process touches at its first mistake, refusal or burst, whoever it is. One that had
/// touched them before would seem the better one.
const FLOOR: u64 = 2 << 20;

/// One attack on all three.
pub(crate) struct Row {
    pub(crate) attack: &'static str,
    /// Forebay's, then its peers'.
    pub(crate) seen: [Meanwhile; 3],
}

impl Row {
    /// Twice what the better peer grew by.
    fn twice(&self) -> u64 {
        let [_, peers @ ..] = &self.seen;
        2 * peers.iter().map(|peer| peer.grown).min().unwrap_or_default() + FLOOR
    }

    fn kept(&self) -> bool {
        self.seen[0].grown <= self.twice()
    }

    /// Whether the good client behind Forebay had no more errors than behind the better peer.
    fn served(&self) -> bool {
        let [forebay, peers @ ..] = &self.seen;
        forebay.failed.len() <= peers.iter().map(|peer| peer.failed.len()).min().unwrap_or_default()
    }

    pub(crate) fn holds(&self) -> bool {
        self.served() && self.kept()
    }

    fn verdict(&self) -> &'static str {
        match (self.served(), self.kept()) {
            (false, _) => "ERRORS",
            (true, false) => "MEMORY",
            (true, true) => "within twice the better",
        }
    }
}

/// All attacks, as they are told at the end.
pub(crate) struct Table {
    names: [&'static str; 3],
    rows: Vec<Row>,
}

impl Table {
    pub(crate) fn new(names: [&'static str; 3]) -> Self {
        Table { names, rows: Vec::new() }
    }

    pub(crate) fn push(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// The attacks in which something does not hold.
    pub(crate) fn missed(&self) -> Vec<String> {
        let missed = self.rows.iter().filter(|row| !row.holds());
        missed.map(|row| format!("{}: {}, {:?}", row.attack, row.verdict(), row.seen[0].failed)).collect()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:32}", "growth KiB, errors, p99 ms")?;
        self.names.iter().try_for_each(|name| write!(f, " | {name:^20}"))?;
        writeln!(f, " | twice the better + {} KiB", FLOOR >> 10)?;
        for row in &self.rows {
            write!(f, "{:32}", row.attack)?;
            for seen in &row.seen {
                let p99 = seen.waits.quantile(0.99).as_secs_f64() * 1e3;
                write!(f, " | {:>7} {:>3} {p99:>8.1}", seen.grown >> 10, seen.failed.len())?;
            }
            writeln!(f, " | {:>6}: {}", row.twice() >> 10, row.verdict())?;
        }
        Ok(())
    }
}
