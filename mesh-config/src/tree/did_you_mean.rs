//! The known word that a mistyped one probably meant.

/// The nearest of `known` by optimal string alignment (insert, delete, replace, swap neighbours), if a third of the word or less is wrong.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Longer words are not typing mistakes, and the table is quadratic.
    const LONGEST: usize = 64;
    if word.len() > LONGEST {
        return None;
    }
    let bound = (word.chars().count() / 3).max(1);
    known.into_iter().map(|other| (distance(word, other), other)).filter(|(distance, _)| *distance <= bound).min().map(|(_, other)| other)
}

fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.to_lowercase().chars().map(alike).collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut previous = None;
    for (row, x) in a.to_lowercase().chars().map(alike).enumerate() {
        let mut current = Vec::with_capacity(last.len());
        current.push(row + 1);
        for (column, &y) in b.iter().enumerate() {
            let at = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX / 2);
            let mut best = (at(&last, column) + usize::from(x != y)).min(at(&last, column + 1) + 1).min(at(&current, column) + 1);
            let swapped = column > 0 && previous == Some(y) && b.get(column - 1) == Some(&x);
            if swapped {
                best = best.min(at(&before_last, column - 1) + 1);
            }
            current.push(best);
        }
        previous = Some(x);
        before_last = std::mem::replace(&mut last, current);
    }
    last.last().copied().unwrap_or(0)
}

/// Hyphens are the commonest way to write an underscore.
fn alike(c: char) -> char {
    if c == '-' { '_' } else { c }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_slip_is_understood_and_another_word_is_not() {
        let known = ["listen", "limits", "default_model", "drain"];
        assert_eq!(nearest("lisen", known), Some("listen"));
        assert_eq!(nearest("limist", known), Some("limits"));
        assert_eq!(nearest("Default-Model", known), Some("default_model"));
        assert_eq!(nearest("filters", known), None);
        assert_eq!(nearest("", known), None);
    }
}
