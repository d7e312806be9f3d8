//! Which lines are written: a level, and levels by module, `info,forebay_batch=debug`.
//!
//! The longest module that fits decides, whatever the order. Modules are matched by their beginnings: `forebay` is all of ours.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;

/// What holds for libraries unless the filter names them. Those that are off log what any stranger can provoke, once per request or
/// connection and with the query string in it; the request's own line tells how it ended.
const LIBRARIES: [(&str, LevelFilter); 6] = [
    ("pingora", LevelFilter::WARN),
    ("pingora_proxy", LevelFilter::OFF),
    ("pingora_core::apps", LevelFilter::OFF),
    ("pingora_core::protocols", LevelFilter::OFF),
    ("h2", LevelFilter::WARN),
    ("hyper", LevelFilter::WARN),
];

/// The text is not a filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{part:?} is neither a level nor module=level; levels are off, error, warn, info, debug and trace, as in info,forebay_batch=debug")]
pub(crate) struct NotAFilter {
    part: String,
}

/// Reads a filter. Without a level of its own it is `info`. A bare word that is no level is refused: taken for a module, as others do,
/// one mistyped level would silence everything.
pub(super) fn parse(text: &str) -> Result<Targets, NotAFilter> {
    let mut targets = Targets::new().with_default(LevelFilter::INFO).with_targets(LIBRARIES);
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let refused = || NotAFilter { part: part.to_owned() };
        targets = match part.split_once('=') {
            None => targets.with_default(level(part).ok_or_else(refused)?),
            Some((module, name)) if is_module(module.trim()) => targets.with_target(module.trim(), level(name.trim()).ok_or_else(refused)?),
            Some(_) => return Err(refused()),
        };
    }
    Ok(targets)
}

fn level(name: &str) -> Option<LevelFilter> {
    let levels = [LevelFilter::OFF, LevelFilter::ERROR, LevelFilter::WARN, LevelFilter::INFO, LevelFilter::DEBUG, LevelFilter::TRACE];
    levels.into_iter().find(|level| level.to_string().eq_ignore_ascii_case(name))
}

fn is_module(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ':'))
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn the_longest_module_decides_whatever_the_order() {
        for text in ["warn,forebay_batch=debug,forebay_batch::queue=off", "forebay_batch::queue=off, forebay_batch=DEBUG, warn"] {
            let targets = parse(text).unwrap();
            assert!(!targets.would_enable("forebay", &Level::INFO));
            assert!(targets.would_enable("forebay", &Level::WARN));
            assert!(targets.would_enable("forebay_batch::run", &Level::DEBUG));
            assert!(!targets.would_enable("forebay_batch::queue", &Level::ERROR));
        }
    }

    #[test]
    fn libraries_are_quiet_until_they_are_named() {
        let quiet = parse("trace").unwrap();
        assert!(quiet.would_enable("forebay::edge", &Level::TRACE));
        assert!(quiet.would_enable("pingora_core::services::listening", &Level::WARN));
        for noisy in ["pingora_core::server", "h2::codec", "hyper_util::client"] {
            assert!(!quiet.would_enable(noisy, &Level::INFO), "{noisy}");
        }
        for per_request in ["pingora_proxy", "pingora_core::protocols::http::v1::server", "pingora_core::apps::http_app"] {
            assert!(!quiet.would_enable(per_request, &Level::ERROR), "{per_request}");
        }
        assert!(parse("info,pingora_proxy=debug").unwrap().would_enable("pingora_proxy::proxy_h1", &Level::DEBUG));
    }

    #[test]
    fn nothing_means_info() {
        let targets = parse("").unwrap();
        assert!(targets.would_enable("forebay", &Level::INFO));
        assert!(!targets.would_enable("forebay", &Level::DEBUG));
    }

    #[test]
    fn what_is_not_a_filter_is_refused_by_its_part() {
        for (text, part) in [("inof", "inof"), ("info,forebay=loud", "forebay=loud"), ("=info", "=info"), ("info,a b=warn", "a b=warn")] {
            assert_eq!(parse(text).unwrap_err().part, part);
        }
    }
}
