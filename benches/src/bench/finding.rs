//! What was found at one point, and whether the promise is kept.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

/// One line of the table.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Finding {
    pub point: String,
    pub target: String,
    pub measured: String,
    /// The measured value, in the unit of the target.
    pub value: f64,
    pub met: bool,
    /// How it came about: seeds, spread, the control.
    pub detail: String,
    pub failed: u64,
    pub wrong: u64,
}

/// The table that is printed.
pub(super) fn table(findings: &[Finding], smoke: bool) -> String {
    let width = |of: fn(&Finding) -> &str| findings.iter().map(|f| of(f).chars().count()).max().unwrap_or(0);
    let (point, target, measured) = (width(|f| &f.point), width(|f| &f.target), width(|f| &f.measured));
    let mut out = String::from("\n");
    for finding in findings {
        let verdict = match (smoke, finding.failed + finding.wrong, finding.met) {
            (_, 1.., _) => "FAILED",
            (true, ..) => "works",
            (false, 0, true) => "met",
            (false, 0, false) => "NOT MET",
        };
        let Finding { point: p, target: t, measured: m, .. } = finding;
        let _ = writeln!(out, "  {p:<point$}  target {t:<target$}  measured {m:<measured$}  {verdict}");
        let _ = writeln!(out, "  {:<point$}  {}", "", finding.detail);
    }
    if smoke {
        out.push_str("\n  A smoke test: it asks whether everything works, not how fast.\n");
    }
    out
}

/// The middle one; of an even number the lower of the two.
pub(super) fn median<T>(mut of: Vec<T>, by: impl Fn(&T) -> f64) -> Option<T> {
    of.sort_by(|a, b| by(a).total_cmp(&by(b)));
    let middle = of.len().saturating_sub(1) / 2;
    of.into_iter().nth(middle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_one_that_was_measured() {
        assert_eq!(median(vec![3.0, 1.0, 2.0], |v| *v), Some(2.0));
        assert_eq!(median(vec![3.0, 1.0], |v| *v), Some(1.0));
        assert_eq!(median(Vec::<f64>::new(), |v| *v), None);
    }

    #[test]
    fn a_failed_request_shows_even_where_the_target_is_met() {
        let finding = Finding { met: true, failed: 1, ..Finding::default() };
        assert!(table(&[finding], false).contains("FAILED"));
    }
}
