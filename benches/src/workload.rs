//! Workload files: requests per second, one number for each second, separated by commas or line ends. `#` begins a comment.

use std::num::NonZeroUsize;

/// More seconds than a day make a typing error likely, and a plan of them would not end.
const LONGEST: usize = 86_400;

/// What is wrong in a workload file, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WorkloadError {
    #[error("line {line}, column {column}: `{text}` is not a number of requests per second (0 or more)")]
    NotARate { line: NonZeroUsize, column: NonZeroUsize, text: String },
    #[error("line {line}, column {column}: a number is missing between two commas")]
    Missing { line: NonZeroUsize, column: NonZeroUsize },
    #[error("line {line}: the workload is longer than {LONGEST} seconds")]
    TooLong { line: NonZeroUsize },
    #[error("the workload has no numbers: write one number of requests per second for each second, such as 10,20,40")]
    Empty,
}

/// Reads the rates of a workload, in requests per second.
pub fn parse(text: &str) -> Result<Vec<f64>, WorkloadError> {
    let mut rates = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let number = NonZeroUsize::MIN.saturating_add(index);
        parse_line(line.split('#').next().unwrap_or(""), number, &mut rates)?;
        if rates.len() > LONGEST {
            return Err(WorkloadError::TooLong { line: number });
        }
    }
    if rates.is_empty() { Err(WorkloadError::Empty) } else { Ok(rates) }
}

fn parse_line(content: &str, line: NonZeroUsize, rates: &mut Vec<f64>) -> Result<(), WorkloadError> {
    // A comma at the end of a line lets a long list be broken.
    let content = content.trim_end().trim_end_matches(',');
    if content.trim().is_empty() {
        return Ok(());
    }
    let mut before = 0;
    for field in content.split(',') {
        let text = field.trim();
        let blanks = field.chars().take_while(|c| c.is_whitespace()).count();
        let column = NonZeroUsize::MIN.saturating_add(before + blanks);
        before += field.chars().count() + 1;
        match text.parse::<f64>() {
            _ if text.is_empty() => return Err(WorkloadError::Missing { line, column }),
            Ok(rate) if rate.is_finite() && rate >= 0.0 => rates.push(rate),
            _ => return Err(WorkloadError::NotARate { line, column, text: text.into() }),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_in_rows_columns_and_with_comments() {
        assert_eq!(parse("1,2.5, 3\n4,\n# a comment\n5 # five\n\n"), Ok(vec![1.0, 2.5, 3.0, 4.0, 5.0]));
    }

    #[test]
    fn a_mistake_is_named_by_line_and_column() {
        let message = |text| parse(text).unwrap_err().to_string();
        assert!(message("1,2\n3, x7,4").starts_with("line 2, column 4: `x7`"), "{}", message("1,2\n3, x7,4"));
        assert!(message("1,,2").starts_with("line 1, column 3: a number is missing"));
        assert!(message("-1").starts_with("line 1, column 1"));
        assert!(message("\ninf").starts_with("line 2, column 1"));
        assert_eq!(parse("# nothing"), Err(WorkloadError::Empty));
    }

    #[test]
    fn the_workloads_that_ship_are_right() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("workloads");
        let mut seen = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let rates = parse(&std::fs::read_to_string(&path).unwrap()).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            assert!(rates.len() >= 60, "{}", path.display());
            seen += 1;
        }
        assert_eq!(seen, 4);
    }
}
