//! Which version of a model is served: the one that the file `version` names, or the newest.
//!
//! Versions are folders named by a number, as in Triton's layout. `2` is older than `10`; folders with other names are none of ours.

use std::fmt;

/// A version's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version(u64);

impl Version {
    /// From a folder's name: digits that do not begin with 0.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let plain = name.bytes().all(|byte| byte.is_ascii_digit()) && !name.starts_with('0');
        name.parse().ok().filter(|_| plain).map(Version)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What is to be served.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    Serve(Version),
    /// There is no version at all.
    Nothing,
    /// The file `version` does not name one that is there. The text says why.
    Wrong(String),
}

/// Chooses among the versions that are there; `named` is what the file `version` holds, where there is one.
pub(crate) fn choose(there: &[Version], named: Option<&str>) -> Choice {
    let Some(named) = named.map(str::trim) else {
        return there.iter().max().map_or(Choice::Nothing, |newest| Choice::Serve(*newest));
    };
    match Version::parse(named) {
        Some(version) if there.contains(&version) => Choice::Serve(version),
        Some(version) => Choice::Wrong(format!("names version {version}, which has no folder with a model.onnx; {}", listed(there))),
        None => Choice::Wrong(format!("holds {:?}, which is not a version's number; {}", shortened(named), listed(there))),
    }
}

fn listed(there: &[Version]) -> String {
    if there.is_empty() {
        return "there are none".to_owned();
    }
    let mut there = there.to_vec();
    there.sort();
    format!("there are: {}", there.iter().map(Version::to_string).collect::<Vec<_>>().join(", "))
}

fn shortened(text: &str) -> String {
    text.chars().take(20).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versions(numbers: &[u64]) -> Vec<Version> {
        numbers.iter().map(|&number| Version(number)).collect()
    }

    #[test]
    fn the_newest_is_served_by_number_and_not_by_spelling() {
        assert_eq!(choose(&versions(&[9, 10, 2]), None), Choice::Serve(Version(10)));
        assert_eq!(choose(&[], None), Choice::Nothing);
    }

    #[test]
    fn the_version_file_picks_one() {
        assert_eq!(choose(&versions(&[1, 2, 3]), Some("2\n")), Choice::Serve(Version(2)));
    }

    #[test]
    fn a_version_file_that_names_nothing_is_not_passed_over() {
        let Choice::Wrong(absent) = choose(&versions(&[3, 1]), Some("2")) else { panic!() };
        assert_eq!(absent, "names version 2, which has no folder with a model.onnx; there are: 1, 3");
        let Choice::Wrong(garbled) = choose(&[], Some("latest")) else { panic!() };
        assert_eq!(garbled, "holds \"latest\", which is not a version's number; there are none");
    }

    #[test]
    fn only_plain_numbers_are_versions() {
        for other in ["", "0", "01", "1.5", "v1", "-1", "+1", "holdout", "99999999999999999999999"] {
            assert_eq!(Version::parse(other), None, "{other}");
        }
    }
}
